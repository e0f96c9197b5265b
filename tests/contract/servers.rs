//! Servers that are something else, die or come back: statements 35 to 37, and the
//! process's own host over several runtimes.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use remoting::formatter::{Codec, FormatError, Formatter, ScanBudget, ScanError, erased_serde};
use remoting::prelude::*;
use remoting::{ErrorKind, Executed, Json};
use tokio::runtime::Runtime;

use crate::objects::*;
use crate::pair::{Cell, Format, Pair, Transport, statements, until, within_patience};
use crate::trust::trusting;

statements! { every channel:
    s35_a_server_that_does_not_read_the_clients_formatter_says_so,
}

statements! { channels with references:
    s36_a_server_that_said_goodbye_and_came_back_is_called_as_before,
    s36_a_server_that_vanished_and_came_back_is_called_as_before,
    s37_a_call_fails_at_once_when_its_server_is_dropped,
    s37_a_call_fails_at_once_when_its_servers_runtime_ends,
}

statements! { sockets:
    s35_a_call_to_an_http_port_says_that_it_is_one,
    s35_an_http_request_to_our_port_is_shown_out,
    s37_a_call_fails_at_once_when_its_servers_process_is_killed,
}

async fn s35_a_call_to_an_http_port_says_that_it_is_one(pair: &Pair) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let http = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 8];
        stream.read_exact(&mut request).unwrap();
        let answer = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        stream.write_all(answer.as_bytes()).unwrap();
    });
    let room: RoomProxy = pair.client.get(&format!("tcp://{address}/room")).unwrap();
    let error = room.add(1, 2).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
    assert_eq!(error.executed(), Executed::No);
    assert!(error.message().contains("HTTP"), "{error}");
    http.join().unwrap();
}

async fn s35_an_http_request_to_our_port_is_shown_out(pair: &Pair) {
    pair.server
        .marshal("room", RoomDispatcher::new(Hall::new().room()))
        .unwrap();
    let address = pair.channel().address().unwrap();
    let address = address.trim_start_matches("tcp://").to_owned();
    let asked = tokio::task::spawn_blocking(move || {
        let mut stream = std::net::TcpStream::connect(&address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(15)))
            .unwrap();
        let request = format!("GET /room HTTP/1.1\r\nHost: {address}\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        // Closed, one way or the other; what is said before does not matter to HTTP.
        let end = stream.read_to_end(&mut Vec::new());
        end.is_ok_and(|_| true) || stream.take_error().is_ok()
    });
    assert!(asked.await.unwrap());
    let room: RoomProxy = pair.get("room");
    assert_eq!(room.add(1, 2).await.unwrap(), 3);
}

/// JSON by another name, which no server knows.
struct Exotic;

impl Formatter for Exotic {
    fn codec(&self) -> Codec {
        Codec(200)
    }
    fn name(&self) -> &'static str {
        "exotic"
    }
    fn content_type(&self) -> &'static str {
        "application/x-exotic"
    }
    fn scan(&self, bytes: &[u8], budget: &mut ScanBudget) -> Result<(), ScanError> {
        Json.scan(bytes, budget)
    }
    fn serialize(
        &self,
        value: &dyn erased_serde::Serialize,
        out: &mut remoting::formatter::Payload,
    ) -> Result<(), FormatError> {
        Json.serialize(value, out)
    }
    fn deserialize<'de>(
        &self,
        bytes: &'de [u8],
        read: &mut dyn FnMut(
            &mut dyn erased_serde::Deserializer<'de>,
        ) -> Result<(), erased_serde::Error>,
    ) -> Result<(), FormatError> {
        Json.deserialize(bytes, read)
    }
}

async fn s35_a_server_that_does_not_read_the_clients_formatter_says_so(pair: &Pair) {
    let hall = Hall::new();
    pair.server
        .marshal("room", RoomDispatcher::new(hall.room()))
        .unwrap();
    let tcp = TcpChannel::client()
        .formatter(Exotic)
        .client_tls(trusting());
    let in_process = InProcessChannel::client().formatter(Exotic);
    let http = HttpChannel::client()
        .formatter(Exotic)
        .client_tls(trusting());
    let builder = Host::builder().channel(tcp).channel(in_process);
    let client = builder.channel(http).start().await.unwrap();
    let room: RoomProxy = client.get(&pair.url("room")).unwrap();
    for _ in 0..2 {
        let error = room.visit().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert_eq!(error.executed(), Executed::No);
    }
    assert_eq!(hall.entered.available_permits(), 0);
    assert_eq!(pair.get::<RoomProxy>("room").add(1, 2).await.unwrap(), 3);
}

/// A server on a runtime of its own, and what the client knows of it.
struct Other {
    runtime: Runtime,
    host: Host,
    hall: Arc<Hall>,
    address: String,
}

impl Other {
    fn start(cell: Cell) -> Self {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build().unwrap();
        let host = cell.listen_on(Host::builder(), "other");
        let host = std::thread::scope(|scope| {
            let start = scope.spawn(|| runtime.block_on(host.start()).unwrap());
            start.join().unwrap()
        });
        let hall = publish_room(&host);
        let address = cell.way(host.channel("other").unwrap().address().unwrap());
        Self {
            runtime,
            host,
            hall,
            address,
        }
    }

    fn room(&self, client: &Host) -> RoomProxy {
        client.get(&format!("{}/room", self.address)).unwrap()
    }
}

fn publish_room(host: &Host) -> Arc<Hall> {
    let hall = Hall::new();
    host.marshal("room", RoomDispatcher::new(hall.room()))
        .unwrap();
    hall
}

async fn s36_a_server_that_said_goodbye_and_came_back_is_called_as_before(pair: &Pair) {
    let server = pair
        .cell
        .listen_on(Host::builder(), "other")
        .start()
        .await
        .unwrap();
    publish_room(&server);
    let address = pair
        .cell
        .way(server.channel("other").unwrap().address().unwrap());
    let room: RoomProxy = pair.client.get(&format!("{address}/room")).unwrap();
    assert_eq!(room.add(1, 2).await.unwrap(), 3);
    drop(server);
    let server = pair.cell.server_at(&address).await;
    publish_room(&server);
    assert_eq!(room.add(3, 4).await.unwrap(), 7);
}

async fn s36_a_server_that_vanished_and_came_back_is_called_as_before(pair: &Pair) {
    let other = Other::start(pair.cell);
    let room = other.room(&pair.client);
    assert_eq!(room.add(1, 2).await.unwrap(), 3);
    let Other {
        runtime,
        host,
        address,
        ..
    } = other;
    runtime.shutdown_background();
    until(|| pair.client.open_connections() == 0).await;
    drop(host);
    let server = pair.cell.server_at(&address).await;
    publish_room(&server);
    assert_eq!(room.add(3, 4).await.unwrap(), 7);
}

/// Calls as a task and on a thread, has the server die while both are inside, and sees both fail.
async fn both_fail(room: RoomProxy, entered: impl Future<Output = ()>, die: impl FnOnce()) {
    let task = tokio::spawn(room.visit());
    let thread = tokio::task::spawn_blocking(move || {
        let waits = std::thread::spawn(move || room.visit().wait());
        waits.join().unwrap()
    });
    entered.await;
    die();
    for result in [task.await.unwrap(), thread.await.unwrap()] {
        let error = result.unwrap_err();
        assert_ne!(error.executed(), Executed::No, "{error}");
        let kinds = [ErrorKind::SessionLost, ErrorKind::Cancelled];
        assert!(kinds.contains(&error.kind()), "{error:?}");
    }
}

async fn s37_a_call_fails_at_once_when_its_server_is_dropped(pair: &Pair) {
    let server = pair
        .cell
        .listen_on(Host::builder(), "other")
        .start()
        .await
        .unwrap();
    let hall = publish_room(&server);
    let address = pair
        .cell
        .way(server.channel("other").unwrap().address().unwrap());
    let room: RoomProxy = pair.client.get(&format!("{address}/room")).unwrap();
    both_fail(room, take(&hall.entered, 2), move || drop(server)).await;
}

async fn s37_a_call_fails_at_once_when_its_servers_runtime_ends(pair: &Pair) {
    let other = Other::start(pair.cell);
    let (room, hall) = (other.room(&pair.client), Arc::clone(&other.hall));
    let die = move || other.runtime.shutdown_background();
    both_fail(room, take(&hall.entered, 2), die).await;
}

/// Tells this program that it is the server which is to be killed.
const CHILD: &str = "REMOTING_CONTRACT_CHILD";

/// What the child prints before its address.
const ADDRESS: &str = "child listens on ";
/// What the child prints for each visitor.
const ENTERED: &str = "child has a visitor";

/// The other process, when this program is started with [`CHILD`]; nothing otherwise.
#[test]
fn child() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    within_patience(async {
        let format = Format::MessagePack;
        let transport = Transport::Tcp;
        let builder = Cell { transport, format }.listen_on(Host::builder(), "child");
        let server = builder.start().await.unwrap();
        let hall = publish_room(&server);
        println!(
            "\n{ADDRESS}{}",
            server.channel("child").unwrap().address().unwrap()
        );
        loop {
            take(&hall.entered, 1).await;
            println!("{ENTERED}");
        }
    });
}

async fn s37_a_call_fails_at_once_when_its_servers_process_is_killed(pair: &Pair) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "servers::child", "--nocapture"])
        .env(CHILD, "1");
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap);
    let address = lines
        .find_map(|line| line.strip_prefix(ADDRESS).map(str::to_owned))
        .unwrap();
    let room: RoomProxy = pair.client.get(&format!("{address}/room")).unwrap();
    let entered = tokio::task::spawn_blocking(move || {
        assert_eq!(lines.filter(|line| line == ENTERED).take(2).count(), 2);
    });
    let entered = async move { entered.await.unwrap() };
    both_fail(room, entered, || child.kill().unwrap()).await;
    child.wait().unwrap();
}

/// A server that outlives each test.
static SERVER: LazyLock<Other> = LazyLock::new(|| {
    Other::start(Cell {
        transport: Transport::Tcp,
        format: Format::MessagePack,
    })
});

/// Calls through the process's own host, whose connection is made on the runtime of one of the callers.
async fn call_through_the_own_host() {
    let url = format!("{}/room", SERVER.address);
    let room: RoomProxy = remoting::connect(&url).await.unwrap();
    for number in 0..10 {
        assert_eq!(room.add(number, 1).await.unwrap(), number + 1);
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_test_uses_the_process_own_host() {
    call_through_the_own_host().await;
}

#[tokio::test]
async fn another_test_uses_the_process_own_host_too() {
    call_through_the_own_host().await;
}

#[test]
fn a_proxy_outlives_the_runtime_that_connected_it() {
    let client = Host::builder()
        .channel(TcpChannel::client())
        .start_client()
        .unwrap();
    let room = SERVER.room(&client);
    for number in 0..3 {
        within_patience(async {
            assert_eq!(room.add(number, 1).await.unwrap(), number + 1);
        });
    }
    assert_eq!(room.add(1, 2).wait().unwrap(), 3, "and needs none");
}
