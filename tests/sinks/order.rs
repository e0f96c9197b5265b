//! Each sink sees each call once, in the order of the chain, and what it changes arrives.

use remoting::ReplyHeaders;
use remoting::prelude::*;
use remoting::sink::MethodCall;

use crate::ground::*;

struct Quiet;

impl Listener for Quiet {
    async fn tell(&self, _text: &str) -> remoting::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn each_sink_sees_a_call_once_in_order_and_headers_arrive() {
    for way in WAYS {
        let (client_side, server_side) = (Record::default(), Record::default());
        let builder = Host::builder().server_sink(server_side.sink("1"));
        let server = listening(builder.server_sink(server_side.sink("2"))).await;
        let desk = DeskDispatcher::singleton(Clerk::default);
        let desk = desk.sink(server_side.sink("3")).sink(server_side.sink("4"));
        server.publish("desk", desk).unwrap();
        let builder = Host::builder().client_sink(client_side.sink("a"));
        let client = client(builder.client_sink(client_side.sink("b")));

        let desk = way.desk(&client, &server);
        let back = ReplyHeaders::new();
        let call = desk.header("way").reply_headers(&back);
        assert_eq!(call.await.unwrap().as_deref(), Some("ab1234"), "{way:?}");
        assert_eq!(back.get("back").as_deref(), Some("4321ba"), "{way:?}");
        assert_eq!(
            client_side.take(),
            [
                "ac> sinks.Desk::header",
                "bc> sinks.Desk::header",
                "bc< ok",
                "ac< ok"
            ],
            "{way:?}"
        );
        assert_eq!(
            server_side.take(),
            [
                "1s> sinks.Desk::header",
                "2s> sinks.Desk::header",
                "3s> sinks.Desk::header",
                "4s> sinks.Desk::header",
                "4s< ok",
                "3s< ok",
                "2s< ok",
                "1s< ok"
            ],
            "{way:?}"
        );
    }
}

#[tokio::test]
async fn sinks_of_a_channel_stand_between_those_of_the_host_and_of_the_publication() {
    for way in WAYS {
        let (client_side, server_side) = (Record::default(), Record::default());
        let server = Host::builder()
            .server_sink(server_side.sink("1"))
            .channel(TcpChannel::listen("127.0.0.1:0").sink(server_side.sink("2")))
            .channel(HttpChannel::listen("127.0.0.1:0").sink(server_side.sink("2")));
        let server = server.start().await.unwrap();
        let desk = DeskDispatcher::singleton(Clerk::default).sink(server_side.sink("3"));
        server.publish("desk", desk).unwrap();
        let desks = DeskDispatcher::<Clerk>::activated().sink(server_side.sink("3"));
        server.publish("desks", desks).unwrap();
        let client = Host::builder()
            .client_sink(client_side.sink("a"))
            .channel(TcpChannel::client().sink(client_side.sink("b")))
            .channel(HttpChannel::client().sink(client_side.sink("b")));
        let client = client.start_client().unwrap();

        let desk = way.desk(&client, &server);
        let seen = desk.header("way").await.unwrap();
        assert_eq!(seen.as_deref(), Some("ab123"), "{way:?}");
        let outside = ["ac> ", "bc> ", "bc< ok", "ac< ok"];
        let inside = ["1s> ", "2s> ", "3s> ", "3s< ok", "2s< ok", "1s< ok"];
        let of = |method: &str, seen: &[&str]| -> Vec<String> {
            let called = format!("sinks.Desk::{method}");
            seen.iter()
                .map(|line| match line.ends_with(' ') {
                    true => format!("{line}{called}"),
                    false => (*line).to_owned(),
                })
                .collect()
        };
        assert_eq!(client_side.take(), of("header", &outside), "{way:?}");
        assert_eq!(server_side.take(), of("header", &inside), "{way:?}");

        // Objects that were made there have no name of their own: they are called over the same channel.
        let desks = client.activate::<DeskProxy>(&way.url(&server, "desks"));
        let desk = desks.open("anna").await.unwrap();
        assert_eq!(client_side.take(), of("open", &outside), "{way:?}");
        assert_eq!(server_side.take(), of("open", &inside), "{way:?}");
        desk.count().await.unwrap();
        assert_eq!(client_side.take(), of("count", &outside), "{way:?}");
        assert_eq!(server_side.take(), of("count", &inside), "{way:?}");
    }
}

#[tokio::test]
async fn a_channel_has_no_part_in_the_calls_of_another() {
    let (of_tcp, of_http) = (Record::default(), Record::default());
    let server = Host::builder()
        .channel(TcpChannel::listen("127.0.0.1:0").sink(of_tcp.sink("t")))
        .channel(HttpChannel::listen("127.0.0.1:0").sink(of_http.sink("h")));
    let server = server.start().await.unwrap();
    let desk = DeskDispatcher::singleton(Clerk::default);
    server.publish("desk", desk).unwrap();
    let client = client(Host::builder());
    Way::Tcp.desk(&client, &server).count().await.unwrap();
    assert_eq!(of_tcp.take(), ["ts> sinks.Desk::count", "ts< ok"]);
    assert_eq!(of_http.take(), [""; 0]);
    for way in [Way::Http, Way::WebSocket] {
        way.desk(&client, &server).count().await.unwrap();
        assert_eq!(of_tcp.take(), [""; 0]);
        assert_eq!(of_http.take(), ["hs> sinks.Desk::count", "hs< ok"]);
    }
}

#[tokio::test]
async fn calls_back_pass_through_the_channel_of_their_connection() {
    for way in WAYS {
        let (outside, inside) = (Record::default(), Record::default());
        let server = Host::builder()
            .channel(TcpChannel::listen("127.0.0.1:0").sink(inside.sink("x")))
            .channel(HttpChannel::listen("127.0.0.1:0").sink(inside.sink("x")));
        let server = server.start().await.unwrap();
        let desk = DeskDispatcher::singleton(Clerk::default);
        server.publish("desk", desk).unwrap();
        let client = Host::builder()
            .channel(TcpChannel::client().sink(outside.sink("y")))
            .channel(HttpChannel::client().sink(outside.sink("y")));
        let client = client.start_client().unwrap();
        let listener = ListenerDispatcher::new(Quiet);
        let desk = way.desk(&client, &server);
        desk.call_back(listener.proxy()).await.unwrap();
        let seen = outside.take();
        assert_eq!(
            seen[0..2],
            ["yc> sinks.Desk::call_back", "ys> sinks.Listener::tell"]
        );
        let seen = inside.take();
        assert_eq!(
            seen[0..2],
            ["xs> sinks.Desk::call_back", "xc> sinks.Listener::tell"]
        );
    }
}

#[tokio::test]
async fn errors_pass_and_are_told_from_each_other() {
    for way in WAYS {
        let (outside, inside) = (Record::default(), Record::default());
        let server = server(Host::builder().server_sink(inside.sink("s"))).await;
        let client = client(Host::builder().client_sink(outside.sink("c")));
        let desk = way.desk(&client, &server);
        let back = ReplyHeaders::new();
        let failed = desk.fail().reply_headers(&back).await;
        assert_eq!(failed.unwrap_err(), DeskError::Closed);
        assert_eq!(back.get("back").as_deref(), Some("sc"), "{way:?}");
        assert_eq!(outside.take()[1], "cc< their error", "{way:?}");
        assert_eq!(inside.take()[1], "ss< their error", "{way:?}");
        let nobody: DeskProxy = client.get(&way.url(&server, "nobody")).unwrap();
        nobody.count().await.unwrap_err();
        assert_eq!(outside.take()[1], "cc< NotFound No", "{way:?}");
        assert_eq!(inside.take(), [""; 0], "it has come to no object");
        desk.panic().reply_headers(&back).await.unwrap_err();
        assert_eq!(back.get("back").as_deref(), Some("sc"), "{way:?}");
        assert_eq!(outside.take()[1], "cc< Internal Yes", "{way:?}");
        assert_eq!(inside.take()[1], "ss< Internal Yes", "{way:?}");
        assert_eq!(desk.count().await.unwrap(), 1, "{way:?}");
    }
}

#[tokio::test]
async fn constructors_blocking_methods_and_oneway_calls_pass_through_sinks() {
    for way in WAYS {
        let (outside, inside) = (Record::default(), Record::default());
        let server = server(Host::builder().server_sink(inside.sink("s"))).await;
        let client = client(Host::builder().client_sink(outside.sink("c")));
        let desks = client.activate::<DeskProxy>(&way.url(&server, "desks"));
        let desk = desks.open("anna").await.unwrap();
        assert_eq!(outside.take(), ["cc> sinks.Desk::open", "cc< ok"]);
        assert_eq!(inside.take(), ["ss> sinks.Desk::open", "ss< ok"]);
        assert_eq!(desk.block(&[7; 100_000]).await.unwrap(), 100_000);
        assert_eq!(outside.take(), ["cc> sinks.Desk::block", "cc< ok"]);
        assert_eq!(inside.take(), ["ss> sinks.Desk::block", "ss< ok"]);
        desk.note("x".to_owned()).await.unwrap();
        assert_eq!(outside.take(), ["cc> sinks.Desk::note", "cc< ok"]);
        desk.count().await.unwrap();
        // The note may come later than the count: as a request of its own, or set aside because it seemed slow.
        let mut seen = inside.take();
        while !seen.contains(&"ss> sinks.Desk::note".to_owned()) {
            tokio::task::yield_now().await;
            seen.extend(inside.take());
        }
    }
}

#[tokio::test]
async fn sinks_of_the_server_know_the_name_that_is_called() {
    for way in WAYS {
        let record = Record::default();
        let own = record.clone();
        let naming = Before(move |call: &mut MethodCall| {
            own.add(format!("{} of {:?}", call.method(), call.name()));
            None
        });
        let server = server(Host::builder().server_sink(naming)).await;
        let client = client(Host::builder());
        way.desk(&client, &server).count().await.unwrap();
        let desks = client.activate::<DeskProxy>(&way.url(&server, "desks"));
        let desk = desks.open("anna").await.unwrap();
        desk.count().await.unwrap();
        let seen = [
            "count of Some(\"desk\")",
            "open of Some(\"desks\")",
            "count of None",
        ];
        assert_eq!(record.take(), seen, "{way:?}");
    }
}

#[tokio::test]
async fn headers_that_sinks_add_to_a_oneway_call_arrive() {
    for way in WAYS {
        let (sender, mut came) = tokio::sync::mpsc::unbounded_channel();
        let seeing = Before(move |call: &mut MethodCall| {
            assert!(call.is_oneway());
            sender.send(call.header("way").map(str::to_owned)).unwrap();
            None
        });
        let (client_side, server_side) = (Record::default(), Record::default());
        let builder = Host::builder().server_sink(server_side.sink("s"));
        let server = server(builder.server_sink(seeing)).await;
        let client = client(Host::builder().client_sink(client_side.sink("c")));
        let desk = way.desk(&client, &server);
        desk.note("x".to_owned()).await.unwrap();
        let arrived = came.recv().await.unwrap();
        assert_eq!(arrived.as_deref(), Some("cs"), "{way:?}");
        let seen = client_side.take();
        assert_eq!(seen, ["cc> sinks.Desk::note", "cc< ok"], "{way:?}");
    }
}

#[tokio::test]
async fn objects_pass_as_arguments_and_results_and_calls_back_pass_through_the_sinks_of_both() {
    for way in [Way::Tcp, Way::WebSocket, Way::Http] {
        let (outside, inside) = (Record::default(), Record::default());
        let builder = Host::builder().server_sink(inside.sink("s"));
        let server = server(builder.client_sink(inside.sink("s"))).await;
        let builder = Host::builder().server_sink(outside.sink("c"));
        let client = client(builder.client_sink(outside.sink("c")));
        let listener = ListenerDispatcher::new(Quiet);
        let same = way
            .desk(&client, &server)
            .call_back(listener.proxy())
            .await
            .unwrap();
        same.tell("it came home").await.unwrap();
        assert_eq!(
            outside.take(),
            [
                "cc> sinks.Desk::call_back",
                "cs> sinks.Listener::tell",
                "cs< ok",
                "cc< ok"
            ],
            "{way:?}"
        );
        assert_eq!(
            inside.take(),
            [
                "ss> sinks.Desk::call_back",
                "sc> sinks.Listener::tell",
                "sc< ok",
                "ss< ok"
            ],
            "{way:?}"
        );
    }
}

#[tokio::test]
async fn calls_in_a_process_pass_through_the_sinks_of_the_object_alone() {
    let (of_host, of_object) = (Record::default(), Record::default());
    let builder = Host::builder().server_sink(of_host.sink("h"));
    let host = listening(builder.client_sink(of_host.sink("h"))).await;
    let desk = DeskDispatcher::new(Clerk::default()).sink(of_object.sink("o"));
    let near = desk.proxy();
    host.marshal("desk", desk).unwrap();
    assert_eq!(near.count().await.unwrap(), 1);
    assert_eq!(of_host.take(), [""; 0]);
    assert_eq!(of_object.take(), ["os> sinks.Desk::count", "os< ok"]);
    // Its own URL leads through the channel.
    let far: DeskProxy = host.get(&host.url("desk").unwrap()).unwrap();
    assert_eq!(far.count().await.unwrap(), 2);
    let seen = [
        "hc> sinks.Desk::count",
        "hs> sinks.Desk::count",
        "hs< ok",
        "hc< ok",
    ];
    assert_eq!(of_host.take(), seen);
    assert_eq!(of_object.take(), ["os> sinks.Desk::count", "os< ok"]);
}
