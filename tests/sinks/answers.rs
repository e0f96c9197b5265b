//! Sinks that answer, refuse, and give up: what the caller is told then.

use std::sync::atomic::{AtomicBool, Ordering};

use remoting::prelude::*;
use remoting::sink::{MessageSink, MethodCall, MethodReply, Next};
use remoting::{Error, ErrorKind, Executed};

use crate::ground::*;

async fn open(client: &Host, url: &str) -> Result<DeskProxy, DeskError> {
    client.activate::<DeskProxy>(url).open("anna").await
}

fn refusing(only: &'static str) -> impl MessageSink {
    Before(move |call: &mut MethodCall| {
        let is_meant = call.method() == only;
        is_meant.then(|| Error::new(ErrorKind::Overloaded, "not today").into())
    })
}

#[tokio::test]
async fn a_call_that_a_sink_refuses_does_not_run() {
    for way in WAYS {
        for at_server in [false, true] {
            let (mut outer, mut inner) = (Host::builder(), Host::builder());
            match at_server {
                false => outer = outer.client_sink(refusing("count")),
                true => inner = inner.server_sink(refusing("count")),
            }
            let (client, server) = (client(outer), server(inner).await);
            let desk = way.desk(&client, &server);
            let error = desk.count().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Overloaded, "{way:?} {at_server}");
            assert_eq!(error.executed(), Executed::No, "{way:?} {at_server}");
            assert!(error.message().contains("not today"), "{error}");
            assert_eq!(desk.header("x").await.unwrap(), None);
        }
    }
}

#[tokio::test]
async fn an_object_is_not_made_where_a_sink_refuses_its_constructor() {
    for way in WAYS {
        let inside = server(Host::builder().server_sink(refusing("open"))).await;
        let client = client(Host::builder());
        let desks = client.activate::<DeskProxy>(&way.url(&inside, "desks"));
        let error = desks.open("nobody").await;
        let Err(DeskError::Remoting(error)) = error.map(drop) else {
            panic!("it was refused");
        };
        assert_eq!(error.kind(), ErrorKind::Overloaded, "{way:?}");
        assert_eq!(error.executed(), Executed::No, "{way:?}");
        let made = MADE.lock().unwrap().clone();
        assert!(!made.iter().any(|name| name == "nobody"), "{made:?}");
        assert_eq!(inside.leases().len(), 0);
    }
}

#[tokio::test]
async fn a_sink_answers_in_the_place_of_the_method() {
    let seven = || {
        let once = AtomicBool::new(true);
        Before(move |call: &mut MethodCall| {
            let is_first = once.swap(false, Ordering::SeqCst);
            is_first.then(|| call.answer(&7_u64))
        })
    };
    for way in WAYS {
        for at_server in [false, true] {
            let (mut outer, mut inner) = (Host::builder(), Host::builder());
            match at_server {
                false => outer = outer.client_sink(seven()),
                true => inner = inner.server_sink(seven()),
            }
            let (client, server) = (client(outer), server(inner).await);
            let desk = way.desk(&client, &server);
            assert_eq!(desk.count().await.unwrap(), 7, "{way:?} {at_server}");
            assert_eq!(desk.count().await.unwrap(), 1, "the method had not run");
        }
    }
}

#[tokio::test]
async fn an_answer_of_a_clients_sink_that_cannot_be_read_says_that_nothing_has_run() {
    for way in WAYS {
        let odd = |runs_first: bool| Odd { runs_first };
        let inside = server(Host::builder()).await;
        let outside = client(Host::builder().client_sink(odd(false)));
        let error = way.desk(&outside, &inside).count().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BadResult, "{way:?}");
        assert_eq!(error.executed(), Executed::No, "{way:?}");
        let error = open(&outside, &way.url(&inside, "desks")).await;
        let Err(DeskError::Remoting(error)) = error.map(drop) else {
            panic!("nothing was made");
        };
        assert_eq!(error.kind(), ErrorKind::BadResult, "{way:?}");
        assert_eq!(error.executed(), Executed::No, "{way:?}");
        let outside = client(Host::builder().client_sink(odd(true)));
        let error = way.desk(&outside, &inside).count().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BadResult, "{way:?}");
        assert_eq!(error.executed(), Executed::Yes, "{way:?}");
    }
}

/// Answers with what no method gives.
struct Odd {
    runs_first: bool,
}

impl MessageSink for Odd {
    async fn process(&self, call: MethodCall, next: Next<'_>) -> MethodReply {
        let odd = call.answer(&"no number");
        if self.runs_first {
            drop(next.run(call).await);
        }
        odd
    }
}

#[tokio::test]
async fn a_sink_cannot_answer_a_constructor_with_a_value() {
    let odd = || Before(|call: &mut MethodCall| call.is_constructor().then(|| call.answer(&7_u64)));
    for way in WAYS {
        let server = server(Host::builder().server_sink(odd())).await;
        let url = way.url(&server, "desks");
        let error = open(&client(Host::builder()), &url).await;
        let Err(DeskError::Remoting(error)) = error.map(drop) else {
            panic!("nothing was made");
        };
        assert_eq!(error.kind(), ErrorKind::BadResult, "{way:?}: {error}");
        assert_eq!(error.executed(), Executed::No, "{way:?}");
    }
}

/// Does not like what it gets.
struct Fussy;

impl MessageSink for Fussy {
    async fn process(&self, call: MethodCall, next: Next<'_>) -> MethodReply {
        let reply = next.run(call).await;
        assert_eq!(reply.executed(), Executed::Yes);
        Error::new(ErrorKind::Internal, "not good enough").into()
    }
}

#[tokio::test]
async fn an_error_of_a_sink_says_that_the_call_has_run_or_may_have() {
    for way in WAYS {
        for at_server in [false, true] {
            let with = |sink: fn(remoting::HostBuilder, bool) -> remoting::HostBuilder| {
                let outer = sink(Host::builder(), false);
                let inner = sink(Host::builder(), true);
                match at_server {
                    false => (outer, Host::builder()),
                    true => (Host::builder(), inner),
                }
            };
            let (outer, inner) = with(|builder, at_server| match at_server {
                false => builder.client_sink(Fussy),
                true => builder.server_sink(Fussy),
            });
            let inside = server(inner).await;
            let error = way.desk(&client(outer), &inside).count().await.unwrap_err();
            assert_eq!(error.executed(), Executed::Yes, "{way:?} {at_server}");
            let (outer, inner) = with(|builder, at_server| match at_server {
                false => builder.client_sink(Hasty("wait")),
                true => builder.server_sink(Hasty("wait")),
            });
            let inside = server(inner).await;
            let error = way.desk(&client(outer), &inside).wait().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
            assert_eq!(error.executed(), Executed::Unknown, "{way:?} {at_server}");
        }
    }
}
