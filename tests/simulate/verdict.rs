//! What has to be true of each world, whatever has befallen it.

use remoting::Executed;

use crate::book::{Book, End, Entry};
use crate::plan::{Harm, Plan};
use crate::sinks;

/// Looks at all calls of a world that is over.
pub fn judge(plan: &Plan, book: &Book) {
    for (id, entry) in book.entries() {
        for wrong in wrongs(plan, &entry) {
            book.expect(false, || format!("{} {id} {wrong}: {entry:?}", entry.what));
        }
    }
}

fn wrongs(plan: &Plan, entry: &Entry) -> Vec<&'static str> {
    let Entry { began, .. } = *entry;
    let mut wrong = Vec::new();
    let mut expect = |is_so: bool, otherwise| {
        if !is_so {
            wrong.push(otherwise);
        }
    };
    // Questions about a lease are answered by the library, and run no code that counts.
    let is_counted = entry.what != "lease";
    let is_dropped = entry.what == "note" && plan.drops_messages();
    expect(began <= 1, "has run more than once");
    expect(
        entry.ends.len() == 1 || entry.is_unwatched,
        "has not ended once",
    );
    for end in entry.ends.iter().filter(|_| is_counted) {
        match end.executed() {
            // It is enough that a message without an answer has left.
            Executed::Yes if entry.what == "note" => {}
            Executed::Yes => expect(began == 1, "has not run, and is said to have"),
            Executed::No => expect(began == 0, "has run, and is said not to have"),
            _ => {}
        }
        if *end == End::Ok && entry.what != "note" {
            expect(entry.finished == 1, "has an answer without an end");
        }
    }
    if plan.harm == Harm::Lines {
        for end in &entry.ends {
            let loss = end.loss();
            let loss = loss.filter(|loss| !sinks::may_have_failed(plan, entry, loss));
            expect(loss.is_none(), "is lost, and its session is not");
            if *end == End::Ok {
                expect(
                    began == 1 || !is_counted || is_dropped,
                    "was taken and has not run",
                );
            }
        }
        expect(entry.broken.is_none(), "has lost its stream");
    }
    wrong
}
