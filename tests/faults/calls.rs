//! Calls through the proxy: what each fault makes of them, and what their errors say about whether they ran.

use std::time::Duration;

use remoting::testing::{Cut, FaultProxyBuilder, Lane, Trouble};
use remoting::{Error, ErrorKind, Executed, Limits};
use tokio::task::JoinSet;

use crate::ground::{Ground, Record, Transport, server};
use crate::support::{until, within_patience};

use Lane::{ToClient, ToServer};

/// A call of `wait` that runs at the server, over a connection that both ends have greeted on.
async fn running(ground: &Ground) -> tokio::task::JoinHandle<Result<(), Error>> {
    assert_eq!(ground.bench().add(2, 3).await.unwrap(), 5);
    let call = tokio::spawn(ground.bench().wait());
    let entered = ground.record.entered.acquire().await;
    entered.unwrap().forget();
    call
}

/// Checks that a call was sent, and that nobody can tell whether it ran.
#[track_caller]
fn is_unknown(error: &Error) {
    assert_eq!(error.executed(), Executed::Unknown, "{error}");
    assert_eq!(error.kind(), ErrorKind::SessionLost, "{error}");
}

#[test]
fn calls_work_over_each_transport_however_the_bytes_come() {
    let late = Duration::from_millis(5);
    let troubles = [
        Trouble::none(),
        Trouble::none().byte_by_byte(),
        Trouble::none().delay(late).jitter(late),
        Trouble::none().bytes_per_second(50_000),
    ];
    within_patience(async {
        for transport in Transport::ALL {
            for trouble in &troubles {
                let slow = |proxy: FaultProxyBuilder| match transport {
                    // A client of WebSockets takes a handshake in single bytes for an attack.
                    Transport::WebSocket => proxy,
                    _ => proxy
                        .trouble(ToServer, trouble.clone())
                        .trouble(ToClient, trouble.clone()),
                };
                let ground = Ground::with(transport, Record::default(), |_| {}, slow).await;
                works(&ground, 200).await;
                // And while the connection is open.
                for trouble in [&Trouble::none(), trouble] {
                    ground.proxy.set_open(ToServer, trouble.clone());
                    ground.proxy.set_open(ToClient, trouble.clone());
                    works(&ground, 2000).await;
                }
                // Requests of HTTP may take more.
                if transport != Transport::Http {
                    assert_eq!(ground.proxy.connections(), 1, "{transport:?}, {trouble:?}");
                }
            }
        }
    });
}

/// - `length`: how many bytes go to and fro.
async fn works(ground: &Ground, length: usize) {
    assert_eq!(ground.bench().add(2, 3).await.unwrap(), 5);
    let bytes: Vec<u8> = (0..=255).cycle().take(length).collect();
    let echo = ground.bench().echo(bytes.clone()).await;
    assert_eq!(echo.unwrap(), bytes);
}

#[test]
fn a_call_whose_connection_is_cut_while_it_runs_is_unknown_and_the_next_one_works() {
    within_patience(async {
        for transport in [Transport::Tcp, Transport::WebSocket, Transport::Tls] {
            for cut in [Cut::Reset, Cut::Close] {
                let ground = Ground::new(transport).await;
                let call = running(&ground).await;
                let trouble = Trouble::none().cut_after(0, cut);
                ground.proxy.set_open(ToServer, trouble);
                is_unknown(&call.await.unwrap().unwrap_err());
                // The server gives it up too.
                until(|| ground.record.is_idle()).await;
                assert_eq!(ground.bench().add(2, 3).await.unwrap(), 5);
                assert_eq!(ground.proxy.connections(), 2);
            }
        }
    });
}

#[test]
fn a_request_of_http_that_is_cut_while_it_runs_is_unknown() {
    within_patience(async {
        let ground = Ground::new(Transport::Http).await;
        let call = running(&ground).await;
        ground.proxy.cut_all();
        let error = call.await.unwrap().unwrap_err();
        assert_eq!(error.executed(), Executed::Unknown, "{error}");
        assert_eq!(ground.bench().add(2, 3).await.unwrap(), 5);
    });
}

#[test]
fn an_answer_that_is_cut_is_an_error_and_no_value() {
    within_patience(async {
        for transport in Transport::ALL {
            let ground = Ground::new(transport).await;
            assert_eq!(ground.bench().add(2, 3).await.unwrap(), 5);
            let far = ground.proxy.bytes(ToClient) + 5000;
            // A request of HTTP may take a new connection, on which that is in the middle of the answer too.
            let trouble = Trouble::none().cut_after(far, Cut::Close);
            ground.proxy.set(ToClient, trouble);
            let Err(error) = ground.bench().echo(vec![7; 10_000]).await else {
                panic!("{transport:?}: a value, whole or not");
            };
            assert_eq!(
                error.executed(),
                Executed::Unknown,
                "{transport:?}: {error}"
            );
        }
    });
}

#[test]
fn a_call_that_finds_nobody_was_not_executed_and_works_when_there_is_somebody_again() {
    within_patience(async {
        for transport in Transport::ALL {
            let ground = Ground::new(transport).await;
            finds_nobody(&ground).await;
            if transport != Transport::Http {
                // It has been there before.
                ground.proxy.cut_all();
                until(|| ground.client.open_connections() == 0).await;
                finds_nobody(&ground).await;
            }
        }
    });
}

async fn finds_nobody(ground: &Ground) {
    ground.proxy.refuse().await;
    let error = ground.bench().add(2, 3).await.unwrap_err();
    assert_eq!(error.executed(), Executed::No, "{error}");
    assert_eq!(error.kind(), ErrorKind::ConnectFailed, "{error}");
    ground.proxy.accept().await.unwrap();
    assert_eq!(ground.bench().add(2, 3).await.unwrap(), 5);
}

#[test]
fn a_server_that_comes_back_at_another_port_is_called_again() {
    within_patience(async {
        let ground = Ground::new(Transport::Tcp).await;
        let bench = ground.bench();
        assert_eq!(bench.add(2, 3).await.unwrap(), 5);
        let Ground { server: first, .. } = ground;
        drop(first);
        ground.proxy.cut_all();
        until(|| ground.client.open_connections() == 0).await;
        let (_server, address) = server(Transport::Tcp, &Record::default(), |_| {}).await;
        ground.proxy.retarget(address).unwrap();
        assert_eq!(bench.add(2, 3).await.unwrap(), 5);
    });
}

/// The preface, and the head of the first frame behind it.
const HEADS: std::ops::Range<u64> = 0..12;

#[test]
fn a_byte_that_is_changed_in_a_head_is_an_error() {
    within_patience(async {
        for lane in [ToServer, ToClient] {
            for at in HEADS {
                let ground = Ground::new(Transport::Tcp).await;
                ground.proxy.set(lane, Trouble::none().corrupt(at, 0x80));
                let call = ground.bench().add(2, 3);
                let result = call.deadline(Duration::from_millis(300)).await;
                match result {
                    // Neither the minor version nor what is left empty behind it means anything yet.
                    Ok(sum) => assert!((5..8).contains(&at) && sum == 5, "byte {at}: {sum}"),
                    Err(error) => assert_ne!(error.executed(), Executed::Yes, "{error}"),
                }
            }
        }
    });
}

#[test]
fn under_tls_no_byte_can_be_changed_into_a_wrong_value() {
    within_patience(async {
        let ground = Ground::with(
            Transport::Tls,
            Record::default(),
            |_| {},
            |p| p.record(1 << 16),
        );
        let ground = ground.await;
        assert_eq!(ground.bench().add(2, 3).await.unwrap(), 5);
        let clean = ground.proxy.recorded().remove(0);
        let (mut tried, mut failed) = (0, 0);
        for (lane, length) in [
            (ToServer, clean.to_server.len() as u64),
            (ToClient, clean.to_client.len() as u64),
        ] {
            for at in (0..length).step_by(23) {
                let ground = Ground::new(Transport::Tls).await;
                ground.proxy.set(lane, Trouble::none().corrupt(at, 0x10));
                let call = ground.bench().add(2, 3);
                tried += 1;
                match call.deadline(Duration::from_millis(500)).await {
                    // Some versions in heads of records mean nothing.
                    Ok(sum) => assert_eq!(sum, 5, "byte {at} of {lane:?}"),
                    Err(_) => failed += 1,
                }
            }
        }
        assert!(tried > 50 && failed * 10 > tried * 9, "{failed} of {tried}");
    });
}

#[test]
fn a_direction_that_ends_alone_ends_the_session_at_both_ends() {
    within_patience(async {
        for transport in [Transport::Tcp, Transport::WebSocket, Transport::Tls] {
            for lane in [ToServer, ToClient] {
                let ground = Ground::new(transport).await;
                let call = running(&ground).await;
                let trouble = Trouble::none().cut_after(0, Cut::HalfClose);
                ground.proxy.set_open(lane, trouble);
                is_unknown(&call.await.unwrap().unwrap_err());
                until(|| ground.record.is_idle()).await;
                until(|| ground.server.open_connections() == 0).await;
            }
        }
    });
}

fn impatient(limits: &mut Limits) {
    // So long that nobody is taken for silent because the machine is busy.
    limits.ping_after = Duration::from_millis(500);
    limits.pong_within = Duration::from_millis(500);
}

#[test]
fn a_connection_that_is_stalled_is_found_by_its_silence() {
    within_patience(async {
        let mut stalls = JoinSet::new();
        for transport in [Transport::Tcp, Transport::WebSocket, Transport::Tls] {
            for lane in [ToServer, ToClient] {
                stalls.spawn(is_found_by_its_silence(transport, lane));
            }
        }
        while let Some(stall) = stalls.join_next().await {
            stall.unwrap();
        }
    });
}

async fn is_found_by_its_silence(transport: Transport, lane: Lane) {
    let ground = Ground::with(transport, Record::default(), impatient, |p| p).await;
    let call = running(&ground).await;
    ground.proxy.set_open(lane, Trouble::none().stall_after(0));
    is_unknown(&call.await.unwrap().unwrap_err());
    until(|| ground.record.is_idle()).await;
    let silent =
        ground.client.counters().pong_within.get() + ground.server.counters().pong_within.get();
    assert!(silent >= 1, "{transport:?}, {lane:?}");
}

#[test]
fn a_call_outlives_a_stall_that_ends_in_time() {
    within_patience(async {
        for transport in Transport::ALL {
            let ground = Ground::new(transport).await;
            assert_eq!(ground.bench().add(2, 3).await.unwrap(), 5);
            let before = ground.proxy.bytes(ToServer);
            ground.proxy.set(ToClient, Trouble::none().stall_after(0));
            let call = tokio::spawn(ground.bench().add(3, 4));
            until(|| ground.proxy.bytes(ToServer) > before).await;
            assert!(!call.is_finished());
            ground.proxy.set(ToClient, Trouble::none());
            assert_eq!(call.await.unwrap().unwrap(), 7, "{transport:?}");
        }
    });
}
