//! What seeds have found, each as a test of its own.

use remoting::prelude::*;
use tokio::task::JoinSet;
use tokio::time::Duration;

use crate::book::Book;
use crate::chance::Chance;
use crate::contract::*;
use crate::line::Cut;
use crate::network::{Network, url};
use crate::plan::{Bounds, Plan, Style};
use crate::server::serve;

/// Lines that do no harm by themselves.
const STRAIGHT: Style = Style {
    delay: 0,
    piece: 65_536,
    room: 262_144,
    cuts: 0,
    cut_within: 64,
    buffer: 0,
};

/// A server that is called over lines of a style, and a client of it with an object there.
///
/// - `unsent`: how much may wait to be written, at the server and at the client.
async fn joined(style: Style, unsent: [usize; 2]) -> (Network, [Host; 2], LedgerProxy) {
    let mut plan = Plan::draw(&mut Chance::new(0));
    plan.window = Duration::from_secs(60);
    plan.bounds = Bounds::usual();
    plan.sinks = None;
    plan.bounds.unsent = unsent[0];
    let book = Book::new(false);
    let network = Network::new(style, Chance::new(0));
    let server = serve(&plan, &network, &book).await;
    plan.bounds.unsent = unsent[1];
    let client = Host::builder().limits(plan.limits());
    let client = client.channel(network.client(0)).start().await.unwrap();
    let ledgers = client.activate::<LedgerProxy>(&url("ledgers"));
    let ledger = ledgers.open(1).await.unwrap();
    (network, [server, client], ledger)
}

/// Makes calls at once that send bytes and get them back, all over the line that there is. Had the two sides waited for each
/// other, it would have been given up.
async fn all_are_answered(network: &Network, ledger: &LedgerProxy, calls: u64, length: usize) {
    let calls: JoinSet<_> = (0..calls)
        .map(|number| ledger.add(5 * number + 1, 0, vec![7; length]))
        .collect();
    for answer in calls.join_all().await {
        let failed = answer.err();
        assert!(failed.is_none(), "{failed:?}");
    }
    assert_eq!(network.links(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_finds_the_line_cut_while_it_has_much_to_say_does_not_end_the_session() {
    for length in [1000, 100_000] {
        let (network, _hosts, ledger) = joined(STRAIGHT, [1_000_000, 500]).await;
        // Nobody has been told of it when the call writes.
        network
            .lines(0)
            .iter()
            .for_each(|line| line.cut(Cut::Reset));
        let bytes = vec![7; length];
        let answer = ledger.add(2, 0, bytes.clone()).await.unwrap();
        assert_eq!(answer, (2, bytes));
        assert_eq!(network.links(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn two_sides_that_have_more_to_say_than_may_wait_read_what_the_other_says() {
    let narrow = Style {
        room: 512,
        ..STRAIGHT
    };
    let (network, _hosts, ledger) = joined(narrow, [20_000; 2]).await;
    all_are_answered(&network, &ledger, 20, 15_000).await;
}

#[tokio::test(start_paused = true)]
async fn a_side_with_one_message_that_is_more_than_may_wait_reads_on() {
    let narrow = Style {
        room: 4096,
        ..STRAIGHT
    };
    let (network, _hosts, ledger) = joined(narrow, [20_000, 1000]).await;
    all_are_answered(&network, &ledger, 4, 900_000).await;
}
