//! Details of errors: for nobody, for callers on this machine, or for everybody (statement 54).

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use remoting::prelude::*;
use remoting::{ErrorDetail, ErrorKind, HttpService};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::ground::*;

const SECRET: &str = "canary of the disk";

#[remote]
pub trait Mill {
    async fn grind(&self) -> remoting::Result<()>;
}

pub struct Stones;

impl Mill for Stones {
    async fn grind(&self) -> remoting::Result<()> {
        std::panic::resume_unwind(Box::new(SECRET))
    }
}

fn offer(host: &Host) {
    host.publish("mill", MillDispatcher::single_call(|| Stones))
        .unwrap();
    let broken = || async { Err::<Stones, _>(SECRET) };
    host.publish("broken", MillDispatcher::try_singleton(broken))
        .unwrap();
}

/// Checks an error: what happened is told to everybody, why only where that is allowed.
fn check(error: &remoting::Error, shown: bool, what: &str) {
    assert_eq!(error.kind(), ErrorKind::Internal, "{what}: {error}");
    assert!(error.correlation().is_some(), "{what}: {error}");
    assert_eq!(error.message().contains(SECRET), shown, "{what}: {error}");
}

#[test]
fn s54_details_are_for_callers_on_this_machine_unless_the_host_says_otherwise() {
    for (mode, shown) in [
        (None, true),
        (Some(ErrorDetail::LocalOnly), true),
        (Some(ErrorDetail::On), true),
        (Some(ErrorDetail::Off), false),
    ] {
        for kind in KINDS {
            let log = within_patience(async {
                let builder = match mode {
                    Some(mode) => Host::builder().error_detail(mode),
                    None => Host::builder(),
                };
                let server = kind.listen(builder, None).start().await.unwrap();
                offer(&server);
                let host = client(remoting::ClientTls::new());
                for name in ["mill", "broken"] {
                    let mill: MillProxy = host.get(&kind.url_of(&server, name)).unwrap();
                    let error = mill.grind().await.unwrap_err();
                    check(&error, shown, &format!("{mode:?} {kind:?} {name}"));
                }
            });
            assert!(log.contains(SECRET), "the log has it: {log}");
        }
    }
}

/// Sends one request to a mounted service, as if it came from an address.
async fn ask(service: &HttpService, from: &str, headers: &str) -> String {
    let address: SocketAddr = from.parse().unwrap();
    let own = service.clone();
    let app = axum::Router::new()
        .fallback_service(own)
        .layer(axum::middleware::from_fn(
            move |mut request: axum::extract::Request, next: axum::middleware::Next| async move {
                request.extensions_mut().insert(address);
                Ok::<_, Infallible>(next.run(request).await)
            },
        ));
    let request = format!(
        "POST /mill/grind HTTP/1.1\r\nHost: api.example\r\n{headers}Content-Length: 0\r\nConnection: close\r\n\r\n"
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move { axum::serve(listener, app).await });
    let mut stream = tokio::net::TcpStream::connect(place).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    serving.abort();
    answer
}

#[test]
fn s54_a_caller_from_elsewhere_or_through_a_gateway_gets_a_generic_sentence() {
    for (mode, near, far) in [
        (ErrorDetail::Off, false, false),
        (ErrorDetail::LocalOnly, true, false),
        (ErrorDetail::On, true, true),
    ] {
        within_patience(async {
            let channel = HttpChannel::mounted("http://api.example");
            let service = channel.service();
            let builder = Host::builder().channel(channel).error_detail(mode);
            let host = builder.start().await.unwrap();
            offer(&host);
            let gateway = "X-Forwarded-For: 192.0.2.9\r\n";
            for (from, headers, shown) in [
                ("127.0.0.1:9", "", near),
                ("192.0.2.1:9", "", far),
                ("127.0.0.1:9", gateway, far),
                ("127.0.0.1:9", "Via: 1.1 gateway\r\n", far),
                ("127.0.0.1:9", "Forwarded: for=192.0.2.9\r\n", far),
            ] {
                let answer = ask(&service, from, headers).await;
                assert!(answer.starts_with("HTTP/1.1 500"), "{answer}");
                assert!(answer.contains("`grind` panicked"), "{answer}");
                assert_eq!(
                    answer.contains(SECRET),
                    shown,
                    "{mode:?} {from} {headers}: {answer}"
                );
            }
        });
    }
}

#[test]
fn s54_an_error_of_the_users_own_travels_whole_in_each_mode() {
    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize, thiserror::Error)]
    pub enum Jam {
        #[error("jammed by {0}")]
        By(String),
        #[error("remoting")]
        Remoting,
    }
    impl From<remoting::Error> for Jam {
        fn from(_: remoting::Error) -> Self {
            Self::Remoting
        }
    }
    #[remote]
    trait Press {
        async fn press(&self) -> Result<(), Jam>;
    }
    struct Plate;
    impl Press for Plate {
        async fn press(&self) -> Result<(), Jam> {
            Err(Jam::By("paper".to_owned()))
        }
    }
    for mode in [ErrorDetail::Off, ErrorDetail::LocalOnly, ErrorDetail::On] {
        within_patience(async {
            let builder = Host::builder().error_detail(mode);
            let server = Kind::Tcp.listen(builder, None).start().await.unwrap();
            server
                .publish("press", PressDispatcher::single_call(|| Plate))
                .unwrap();
            let host = client(remoting::ClientTls::new());
            let press: PressProxy = host.get(&server.url("press").unwrap()).unwrap();
            let error = press.press().deadline(Duration::from_secs(5)).await;
            assert_eq!(error, Err(Jam::By("paper".to_owned())));
        });
    }
}
