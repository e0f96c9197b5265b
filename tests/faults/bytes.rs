//! The proxy alone, between plain sockets: which bytes arrive, when, and how connections end.

use std::io::ErrorKind;
use std::time::Duration;

use remoting::testing::{Cut, FaultProxy, FaultProxyBuilder, Lane, Trouble};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use crate::support::{until, within_patience};

use Lane::{ToClient, ToServer};

/// A server that takes connections by hand, and a proxy to it.
struct Between {
    server: TcpListener,
    proxy: FaultProxy,
}

impl Between {
    async fn with(change: impl FnOnce(FaultProxyBuilder) -> FaultProxyBuilder) -> Self {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = FaultProxy::to(server.local_addr().unwrap());
        let proxy = change(proxy.seed(1)).start().await.unwrap();
        Self { server, proxy }
    }

    /// One direction in trouble from the beginning.
    async fn in_trouble(lane: Lane, trouble: Trouble) -> Self {
        Self::with(|proxy| proxy.trouble(lane, trouble)).await
    }

    /// Both ends of a new connection: the client's and the server's.
    async fn connect(&self) -> (TcpStream, TcpStream) {
        let client = TcpStream::connect(self.proxy.addr()).await.unwrap();
        let (server, _) = self.server.accept().await.unwrap();
        (client, server)
    }
}

/// A hundred bytes, each another one.
fn hundred() -> Vec<u8> {
    (0..100).collect()
}

/// Everything up to the end of a connection.
async fn rest(socket: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut all = Vec::new();
    socket.read_to_end(&mut all).await.map(|_| all)
}

/// Checks that bytes go on both ways.
async fn works(client: &mut TcpStream, server: &mut TcpStream) {
    client.write_all(b"there").await.unwrap();
    server.write_all(b"back!").await.unwrap();
    for (socket, expected) in [(server, b"there"), (client, b"back!")] {
        let mut arrived = [0; 5];
        socket.read_exact(&mut arrived).await.unwrap();
        assert_eq!(&arrived, expected);
    }
}

/// Checks that an end of a connection was reset.
async fn is_reset(socket: &mut TcpStream) {
    let error = rest(socket).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[test]
fn bytes_arrive_as_they_were_sent_and_are_counted_and_recorded() {
    within_patience(async {
        let between = Between::with(|proxy| proxy.record(130)).await;
        let (mut client, mut server) = between.connect().await;
        client.write_all(&hundred()).await.unwrap();
        client.shutdown().await.unwrap();
        assert_eq!(rest(&mut server).await.unwrap(), hundred());
        // The other direction does not end with the first.
        server.write_all(&hundred()).await.unwrap();
        drop(server);
        assert_eq!(rest(&mut client).await.unwrap(), hundred());
        let proxy = &between.proxy;
        assert_eq!(proxy.connections(), 1);
        assert_eq!((proxy.bytes(ToServer), proxy.bytes(ToClient)), (100, 100));
        let recorded = proxy.recorded();
        assert_eq!(recorded.len(), 1);
        assert_eq!(recorded[0].to_server, hundred());
        assert_eq!(recorded[0].to_client, hundred()[..30], "130 is the most");
        until(|| proxy.open_connections() == 0).await;
    });
}

#[test]
fn a_connection_is_closed_after_exactly_as_many_bytes_as_were_asked_for() {
    within_patience(async {
        for bytes in [0, 1, 50, 99, 100] {
            let trouble = Trouble::none().cut_after(bytes, Cut::Close);
            let between = Between::in_trouble(ToServer, trouble).await;
            let (mut client, mut server) = between.connect().await;
            client.write_all(&hundred()).await.unwrap();
            let arrived = rest(&mut server).await.unwrap();
            assert_eq!(arrived, hundred()[..usize::try_from(bytes).unwrap()]);
            assert!(rest(&mut client).await.unwrap().is_empty());
        }
    });
}

#[test]
fn a_reset_reaches_both_ends() {
    within_patience(async {
        let trouble = Trouble::none().cut_after(3, Cut::Reset);
        let between = Between::in_trouble(ToClient, trouble).await;
        let (mut client, mut server) = between.connect().await;
        server.write_all(&hundred()).await.unwrap();
        is_reset(&mut client).await;
        is_reset(&mut server).await;
        // And one that an end has asked for reaches the other.
        let between = Between::with(|proxy| proxy).await;
        let (mut client, server) = between.connect().await;
        server.set_zero_linger().unwrap();
        drop(server);
        is_reset(&mut client).await;
    });
}

#[test]
fn a_direction_that_is_half_closed_ends_and_the_other_one_goes_on() {
    within_patience(async {
        let trouble = Trouble::none().cut_after(40, Cut::HalfClose);
        let between = Between::in_trouble(ToServer, trouble).await;
        let (mut client, mut server) = between.connect().await;
        client.write_all(&hundred()).await.unwrap();
        assert_eq!(rest(&mut server).await.unwrap(), hundred()[..40]);
        server.write_all(&hundred()).await.unwrap();
        // What is sent into the half that is closed is thrown away, and harms nobody.
        client.write_all(&vec![0; 4 << 20]).await.unwrap();
        drop(server);
        assert_eq!(rest(&mut client).await.unwrap(), hundred());
    });
}

#[test]
fn one_byte_is_changed_and_no_other() {
    within_patience(async {
        let trouble = Trouble::none().corrupt(60, 0x81).byte_by_byte();
        let between = Between::in_trouble(ToServer, trouble).await;
        let (mut client, mut server) = between.connect().await;
        client.write_all(&hundred()).await.unwrap();
        drop(client);
        let mut expected = hundred();
        expected[60] ^= 0x81;
        assert_eq!(rest(&mut server).await.unwrap(), expected);
    });
}

#[test]
fn a_connection_that_is_stalled_stays_and_goes_on_when_it_may() {
    within_patience(async {
        let between = Between::in_trouble(ToServer, Trouble::none().stall_after(10)).await;
        let (mut client, mut server) = between.connect().await;
        client.write_all(&hundred()).await.unwrap();
        client.shutdown().await.unwrap();
        let mut first = [0; 10];
        server.read_exact(&mut first).await.unwrap();
        // The other direction works, and this one has neither bytes nor an end.
        server.write_all(b"!").await.unwrap();
        assert_eq!(client.read_u8().await.unwrap(), b'!');
        let more = server.try_read(&mut [0]).unwrap_err();
        assert_eq!(more.kind(), ErrorKind::WouldBlock);
        assert_eq!(between.proxy.bytes(ToServer), 10);
        between.proxy.set(ToServer, Trouble::none());
        assert_eq!(rest(&mut server).await.unwrap(), hundred()[10..]);
    });
}

#[test]
fn open_and_new_connections_may_meet_different_troubles() {
    within_patience(async {
        let between = Between::with(|proxy| proxy).await;
        let proxy = &between.proxy;
        let cut = Trouble::none().cut_after(1, Cut::Reset);
        let (mut client, mut server) = between.connect().await;
        proxy.set_new(ToServer, cut.clone());
        works(&mut client, &mut server).await;
        let (mut new, _server) = between.connect().await;
        new.write_u8(0).await.unwrap();
        is_reset(&mut new).await;
        proxy.set_new(ToServer, Trouble::none());
        proxy.set_open(ToClient, cut);
        is_reset(&mut client).await;
        is_reset(&mut server).await;
        let (mut new, mut server) = between.connect().await;
        works(&mut new, &mut server).await;
    });
}

#[test]
fn a_proxy_that_refuses_leaves_open_connections_alone_and_takes_new_ones_again() {
    within_patience(async {
        let between = Between::with(|proxy| proxy).await;
        let (mut client, mut server) = between.connect().await;
        works(&mut client, &mut server).await;
        between.proxy.refuse().await;
        let refused = TcpStream::connect(between.proxy.addr()).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        works(&mut client, &mut server).await;
        between.proxy.accept().await.unwrap();
        between.proxy.accept().await.unwrap();
        let (mut again, mut server) = between.connect().await;
        works(&mut again, &mut server).await;
        assert_eq!(between.proxy.connections(), 2);
    });
}

#[test]
fn all_connections_are_cut_at_once_and_when_the_proxy_goes() {
    within_patience(async {
        let between = Between::in_trouble(ToClient, Trouble::none().stall_after(0)).await;
        let (mut client, mut server) = between.connect().await;
        between.proxy.cut_all();
        assert_eq!(between.proxy.open_connections(), 0);
        is_reset(&mut client).await;
        is_reset(&mut server).await;
        let (mut client, mut server) = between.connect().await;
        let addr = between.proxy.addr();
        drop(between.proxy);
        is_reset(&mut client).await;
        is_reset(&mut server).await;
        // Its own socket goes with its task.
        while TcpStream::connect(addr).await.is_ok() {}
    });
}

#[test]
fn a_server_that_comes_back_elsewhere_is_found_again() {
    within_patience(async {
        let Between { server, proxy } = Between::with(|proxy| proxy).await;
        drop(server);
        // The reset may come before the client has looked at its connection for the first time.
        if let Ok(mut nobody) = TcpStream::connect(proxy.addr()).await {
            is_reset(&mut nobody).await;
        }
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        proxy.retarget(server.local_addr().unwrap()).unwrap();
        let between = Between { server, proxy };
        let (mut client, mut server) = between.connect().await;
        works(&mut client, &mut server).await;
    });
}

#[test]
fn a_server_may_be_named_as_sockets_and_hosts_name_it() {
    within_patience(async {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = server.local_addr().unwrap();
        let proxy = FaultProxy::to(address).start().await.unwrap();
        let mut between = Between { server, proxy };
        let port = address.port();
        for place in [
            format!("{address}"),
            format!("tcp://{address}"),
            format!("http://localhost:{port}/bank"),
            format!("[::ffff:127.0.0.1]:{port}"),
        ] {
            between.proxy = FaultProxy::to(&place).start().await.unwrap();
            let (mut client, mut server) = between.connect().await;
            works(&mut client, &mut server).await;
        }
        for place in [
            "",
            "here",
            "tcp://:80/bank",
            "a:b",
            "::1:80",
            "tcp://a:1,b:2/bank",
            "a:70000",
        ] {
            let error = FaultProxy::to(place).start().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{place}");
            let error = between.proxy.retarget(place).unwrap_err();
            assert!(error.to_string().contains(place), "{error}");
        }
        let (mut client, mut server) = between.connect().await;
        works(&mut client, &mut server).await;
    });
}

#[tokio::test(start_paused = true)]
async fn bytes_that_are_late_are_not_slow() {
    let hour = Duration::from_secs(3600);
    let trouble = Trouble::none().delay(hour).jitter(hour / 2);
    let between = Between::in_trouble(ToServer, trouble).await;
    let (mut client, mut server) = between.connect().await;
    let begin = Instant::now();
    for byte in hundred() {
        client.write_u8(byte).await.unwrap();
    }
    drop(client);
    assert_eq!(rest(&mut server).await.unwrap(), hundred());
    let took = begin.elapsed();
    assert!((hour..2 * hour).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn bytes_that_are_slow_come_at_their_rate() {
    let trouble = Trouble::none().bytes_per_second(10);
    let between = Between::in_trouble(ToServer, trouble).await;
    let (mut client, mut server) = between.connect().await;
    client.write_all(&hundred()).await.unwrap();
    drop(client);
    let begin = Instant::now();
    assert_eq!(rest(&mut server).await.unwrap(), hundred());
    let took = begin.elapsed().as_secs_f64();
    assert!((9.0..12.0).contains(&took), "{took}");
}

#[test]
fn the_seed_of_a_proxy_is_shown() {
    within_patience(async {
        let between = Between::with(|proxy| proxy.seed(4242)).await;
        let shown = format!("{:?}", between.proxy);
        assert!(shown.contains("seed: 4242"), "{shown}");
    });
}
