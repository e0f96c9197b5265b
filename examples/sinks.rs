//! Code around calls: sinks that are there, and one of your own.
//!
//! Shows
//!
//! - a sink of one's own at the server, which wants to know whom a call is for and says in a header what it cost;
//! - a limit of calls at once, with a queue, and what those are told who find it full;
//! - tries again against faults on purpose: what may run twice always succeeds, what may not never runs twice;
//! - counts of all that, as Prometheus reads them, and a log of each call at the server;
//! - a value that flows along with a call, and comes back changed.
//!
//! `cargo run --example sinks` runs the server and its clients in one process, over TCP. The log is on stderr.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, ensure};
use remoting::prelude::*;
use remoting::sink::{
    ConcurrencyLimit, Faults, Logging, MessageSink, MethodCall, MethodReply, Metrics, Next, Retry,
};
use remoting::{Error, ErrorKind, Executed, Flow, ReplyHeaders};
use tokio::sync::Semaphore;

// ---- the contract, shared by client and server

/// A bakery that takes orders.
#[remote]
trait Bakery {
    /// What something costs: asking twice does no harm.
    #[idempotent]
    async fn price(&self, item: &str) -> remoting::Result<u64>;

    /// Orders something; gives how often this order has come.
    async fn order(&self, number: u32) -> remoting::Result<u32>;

    /// Bakes, which takes until the oven is opened.
    async fn bake(&self, loaf: u32) -> remoting::Result<u32>;
}

// ---- the server

#[derive(Clone)]
struct Village {
    orders: Arc<Mutex<BTreeMap<u32, u32>>>,
    oven: Arc<Semaphore>,
}

impl Bakery for Village {
    async fn price(&self, item: &str) -> remoting::Result<u64> {
        if let Some(flow) = Flow::current() {
            flow.set("asked-for", item)?;
        }
        Ok(100)
    }

    async fn order(&self, number: u32) -> remoting::Result<u32> {
        let mut orders = self.orders.lock().map_err(|_| broken())?;
        let count = orders.entry(number).or_default();
        *count += 1;
        Ok(*count)
    }

    async fn bake(&self, loaf: u32) -> remoting::Result<u32> {
        let _turn = self.oven.acquire().await.map_err(|_| broken())?;
        Ok(loaf)
    }
}

fn broken() -> Error {
    Error::new(ErrorKind::Internal, "the bakery is out of order")
}

/// Wants to know whom a call is for, and says what it cost: a cent for each byte of the arguments.
struct Billing;

impl MessageSink for Billing {
    async fn process(&self, call: MethodCall, next: Next<'_>) -> MethodReply {
        let Some(customer) = call.header("customer").map(str::to_owned) else {
            let text = "say in the header `customer` who pays";
            return Error::new(ErrorKind::PermissionDenied, text).into();
        };
        let bill = format!("{} cents for {customer}", call.size());
        let mut reply = next.run(call).await;
        match reply.set_header("bill", bill) {
            Ok(()) => reply,
            Err(error) => error.into(),
        }
    }
}

/// Says in each call who pays.
struct Customer(&'static str);

impl MessageSink for Customer {
    async fn process(&self, mut call: MethodCall, next: Next<'_>) -> MethodReply {
        call.set_header("customer", self.0);
        next.run(call).await
    }
}

async fn start_server(village: Village, metrics: &Metrics) -> anyhow::Result<Host> {
    let host = Host::builder()
        .channel(TcpChannel::listen("127.0.0.1:0"))
        .server_sink(Logging::new())
        .server_sink(metrics.clone())
        .server_sink(Billing)
        .start()
        .await?;
    let wait = Duration::from_secs(5);
    let limit = ConcurrencyLimit::new(2).queue(1).wait(wait);
    let bakery = BakeryDispatcher::singleton(move || village.clone());
    host.publish("bakery", bakery.sink(limit))?;
    Ok(host)
}

// ---- the clients

async fn own_sink(server: &Host) -> anyhow::Result<()> {
    let nobody = Host::builder()
        .channel(TcpChannel::client())
        .start_client()?;
    let bakery: BakeryProxy = nobody.get(&server.url("bakery")?)?;
    let Err(error) = bakery.price("bread").await else {
        anyhow::bail!("nobody pays for that");
    };
    ensure!(error.kind() == ErrorKind::PermissionDenied);
    ensure!(error.executed() == Executed::No);
    println!("own sink: {error}: executed {:?}", error.executed());

    let bill = ReplyHeaders::new();
    let call = bakery.price("bread").header("customer", "Ann");
    ensure!(call.reply_headers(&bill).await? == 100);
    let bill = bill.get("bill").context("a header comes back")?;
    ensure!(bill == "7 cents for Ann", "{bill}");
    println!("own sink: the price, and in a header {bill}");
    Ok(())
}

async fn limit(server: &Host, village: &Village) -> anyhow::Result<()> {
    let client = Host::builder()
        .channel(TcpChannel::client())
        .client_sink(Customer("Bob"))
        .start_client()?;
    let bakery: BakeryProxy = client.get(&server.url("bakery")?)?;
    bakery.price("bread").await?;
    // On a connection that is there, they arrive in this order. The oven is opened when the last of them was refused.
    let opening = async {
        let refused = bakery.bake(5).await;
        village.oven.add_permits(2);
        refused
    };
    let (first, second, third, fourth, fifth) = tokio::join!(
        bakery.bake(1),
        bakery.bake(2),
        bakery.bake(3),
        bakery.bake(4),
        opening
    );
    ensure!((first?, second?, third?) == (1, 2, 3));
    for refused in [fourth, fifth] {
        let error = refused.err().context("the queue is full")?;
        ensure!(error.kind() == ErrorKind::Overloaded);
        ensure!(error.executed() == Executed::No);
        ensure!(error.retry_after() == Some(Duration::from_secs(5)));
    }
    println!("limit: 2 at once, 1 waits, 2 are refused: executed No, come back in 5 s");
    Ok(())
}

async fn retry(server: &Host, village: &Village) -> anyhow::Result<()> {
    let tries = Metrics::new();
    let faults = Faults::seeded(7)
        .errors(0.3, ErrorKind::Overloaded)
        .lost_replies(0.2);
    let retry = Retry::new()
        .tries(10)
        .waits(Duration::from_millis(1), Duration::from_millis(2))
        .percent(100);
    let client = Host::builder()
        .channel(TcpChannel::client())
        .client_sink(Customer("Eve"))
        .client_sink(retry)
        .client_sink(tries.clone())
        .client_sink(faults)
        .start_client()?;
    let bakery: BakeryProxy = client.get(&server.url("bakery")?)?;
    for _ in 0..40 {
        ensure!(bakery.price("cake").await? == 100);
    }
    let made: u64 = tries.snapshot().iter().map(|method| method.ended()).sum();
    ensure!(made > 40);
    println!("retry: 40 prices of 40, by {made} tries");

    let (mut done, mut in_doubt) = (0, 0);
    for number in 0..40 {
        match bakery.order(number).await {
            Ok(count) => {
                ensure!(count == 1, "order {number} came {count} times");
                done += 1;
            }
            Err(error) => {
                ensure!(error.executed() == Executed::Unknown, "{error:?}");
                in_doubt += 1;
            }
        }
    }
    let orders = village.orders.lock().map_err(|_| broken())?;
    ensure!(orders.values().all(|count| *count == 1));
    ensure!(done + in_doubt == 40 && in_doubt > 0);
    println!("retry: of 40 orders {done} are done, {in_doubt} in doubt, and none ran twice");
    Ok(())
}

async fn flow(server: &Host) -> anyhow::Result<()> {
    let client = Host::builder()
        .channel(TcpChannel::client())
        .client_sink(Customer("Zoe"))
        .start_client()?;
    let bakery: BakeryProxy = client.get(&server.url("bakery")?)?;
    let flow = Flow::new();
    flow.scope(async { bakery.price("scone").await }).await?;
    let item = flow.get("asked-for").context("the server has set it")?;
    ensure!(item == "scone");
    println!("flow: the server has left a note: asked-for={item}");
    Ok(())
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .without_time()
        .init();
    let village = Village {
        orders: Arc::default(),
        oven: Arc::new(Semaphore::new(0)),
    };
    let metrics = Metrics::new();
    let server = start_server(village.clone(), &metrics).await?;
    own_sink(&server).await?;
    limit(&server, &village).await?;
    retry(&server, &village).await?;
    flow(&server).await?;

    let text = metrics.render();
    for outcome in ["ok", "overloaded"] {
        let labels = r#"side="server",interface="Bakery",method="bake""#;
        let line = format!("remoting_calls_total{{{labels},outcome=\"{outcome}\"}}");
        let line = text.lines().find(|own| own.starts_with(&line));
        println!("metrics: {}", line.context("calls were counted")?);
    }
    Ok(())
}
