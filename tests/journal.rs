//! Journals of calls, and a checker that finds each lie in them and none where there is none.

#![allow(missing_docs, reason = "a test explains nothing")]

#[path = "support/folder.rs"]
mod folder;

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::PathBuf;

use folder::Folder;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use remoting::testing::{CallId, Journal, Verdict, check};
use remoting::{Error, ErrorKind as Kind, Executed};

fn id(call: u64) -> CallId {
    CallId { client: 1, call }
}

/// An error that says that nothing has run.
fn refused() -> Error {
    let error = Error::new(Kind::Overloaded, "later");
    assert_eq!(error.executed(), Executed::No);
    error
}

/// The journals of a client and of a server.
struct Ground {
    folder: Folder,
    client: Journal,
    server: Journal,
}

impl Ground {
    /// Two calls have been made, and were answered.
    fn new() -> Self {
        let folder = Folder::new("journal");
        let client = Journal::open(folder.path().join("client")).unwrap();
        let server = Journal::open(folder.path().join("server")).unwrap();
        for call in 1..=2 {
            client.begun(id(call)).unwrap();
            server.ran(id(call)).unwrap();
            client.ok(id(call)).unwrap();
        }
        Self {
            folder,
            client,
            server,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn check(&self) -> Verdict {
        check([self.path("client"), self.path("server")]).unwrap()
    }
}

#[test]
fn a_clean_history_passes_and_is_counted() {
    let ground = Ground::new();
    ground.client.fault("the server is killed").unwrap();
    ground.client.begun(id(3)).unwrap();
    ground.client.failed(id(3), &refused()).unwrap();
    let verdict = ground.check();
    verdict.assert_clean();
    assert_eq!((verdict.calls, verdict.ok, verdict.failed_no), (3, 2, 1));
    assert_eq!((verdict.faults, verdict.torn), (1, 0));
    assert_eq!(verdict.kinds["no, Overloaded"], 1);
}

#[test]
fn a_call_that_ran_twice_is_found_also_after_the_server_was_started_again() {
    let ground = Ground::new();
    let again = Journal::open(ground.path("server")).unwrap();
    again.ran(id(2)).unwrap();
    let verdict = ground.check();
    assert_eq!(verdict.doubled.first, [id(2)]);
    assert!(!verdict.is_clean());
    let table = verdict.to_string();
    assert!(table.contains("first: client 1 call 2"), "{table}");
}

#[test]
fn an_answer_to_a_call_that_never_ran_is_found() {
    let ground = Ground::new();
    ground.client.begun(id(3)).unwrap();
    ground.client.ok(id(3)).unwrap();
    assert_eq!(ground.check().lost.first, [id(3)]);
}

#[test]
fn an_error_that_denies_a_run_is_found() {
    let ground = Ground::new();
    ground.client.begun(id(3)).unwrap();
    ground.server.ran(id(3)).unwrap();
    ground.client.failed(id(3), &refused()).unwrap();
    assert_eq!(ground.check().denied.first, [id(3)]);
}

#[test]
fn a_call_without_an_end_is_found() {
    let ground = Ground::new();
    for call in 3..20 {
        ground.client.begun(id(call)).unwrap();
    }
    let verdict = ground.check();
    assert_eq!(verdict.endless.count, 17);
    assert_eq!(verdict.endless.first, [3, 4, 5, 6, 7].map(id));
    let panic = std::panic::catch_unwind(|| verdict.assert_clean()).unwrap_err();
    let text = panic.downcast_ref::<String>().unwrap();
    assert!(text.contains("begun, never ended"), "{text}");
}

#[test]
fn a_line_that_was_cut_off_counts_for_nothing_and_harms_none_after_it() {
    let ground = Ground::new();
    let whole = fs::read(ground.path("server")).unwrap();
    let last = r#"{"ran":[1,2]}"#.len() + 1;
    for cut in 1..last {
        fs::write(ground.path("server"), &whole[..whole.len() - cut]).unwrap();
        let verdict = ground.check();
        // Without its last character, the end of the line, the event is whole.
        assert_eq!(
            (verdict.torn, verdict.lost.count),
            if cut == 1 { (0, 0) } else { (1, 1) }
        );
        let next = Journal::open(ground.path("server")).unwrap();
        next.ran(id(1)).unwrap();
        let verdict = ground.check();
        assert_eq!(verdict.doubled.first, [id(1)], "{cut} bytes cut off");
        assert_eq!(verdict.torn, u64::from(cut > 1));
    }
}

#[test]
fn what_is_no_journal_is_refused_with_its_line() {
    let ground = Ground::new();
    let mut file = OpenOptions::new()
        .append(true)
        .open(ground.path("server"))
        .unwrap();
    file.write_all(b"{\"ran\":[1]}\n").unwrap();
    let error = check([ground.path("server")]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert!(error.to_string().contains("line 3"), "{error}");
    let missing = check([ground.path("nothing")]).unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    assert!(missing.to_string().contains("nothing"), "{missing}");
}

#[test]
fn threads_that_write_at_once_do_not_cut_each_other_off() {
    let folder = Folder::new("journal");
    let path = folder.path().join("all");
    // Two files of one process on the same journal, as hard as it gets.
    let journals = [(); 2].map(|()| Journal::open(&path).unwrap());
    std::thread::scope(|scope| {
        for client in 0..8_u64 {
            let journal = &journals[usize::try_from(client % 2).unwrap()];
            scope.spawn(move || {
                for call in 0..1000 {
                    let id = CallId { client, call };
                    journal.begun(id).unwrap();
                    journal.ran(id).unwrap();
                    journal.ok(id).unwrap();
                }
            });
        }
    });
    let verdict = check([path]).unwrap();
    verdict.assert_clean();
    assert_eq!(verdict.ok, 8000);
}

/// What may truly become of a call.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    Answered,
    No,
    Yes,
    UnknownRan,
    UnknownLost,
}

/// How a history may be spoilt.
#[derive(Debug, Clone, Copy)]
enum Lie {
    /// A run is not there.
    Unrun,
    /// A run is there once more, or for the first time.
    Rerun,
    /// The end is not there.
    Unended,
    /// The beginning is not there.
    Unbegun,
}

const FATES: [Fate; 5] = [
    Fate::Answered,
    Fate::No,
    Fate::Yes,
    Fate::UnknownRan,
    Fate::UnknownLost,
];
const LIES: [Lie; 4] = [Lie::Unrun, Lie::Rerun, Lie::Unended, Lie::Unbegun];

/// The lines that one call leaves.
struct Lines {
    client: Vec<String>,
    server: Vec<String>,
}

fn lines(call: usize, fate: Fate, lie: Option<Lie>) -> Lines {
    let end = |executed| {
        format!(r#"{{"failed":{{"id":[1,{call}],"executed":"{executed}","kind":"SessionLost"}}}}"#)
    };
    let ended = match fate {
        Fate::Answered => format!(r#"{{"ok":[1,{call}]}}"#),
        Fate::No => end("no"),
        Fate::Yes => end("yes"),
        Fate::UnknownRan | Fate::UnknownLost => end("unknown"),
    };
    let mut client = vec![format!(r#"{{"begun":[1,{call}]}}"#), ended];
    let runs = usize::from(!matches!(fate, Fate::No | Fate::UnknownLost));
    let runs = match lie {
        Some(Lie::Unrun) => 0,
        Some(Lie::Rerun) => runs + 1,
        _ => runs,
    };
    match lie {
        Some(Lie::Unended) => drop(client.pop()),
        Some(Lie::Unbegun) => drop(client.remove(0)),
        _ => {}
    }
    let server = vec![format!(r#"{{"ran":[1,{call}]}}"#); runs];
    Lines { client, server }
}

/// What is to be found of one call, by the numbers of its violations in the order of the table.
fn expected(fate: Fate, lie: Option<Lie>) -> [u64; 6] {
    let mut found = [0; 6];
    let at = match (lie, fate) {
        (Some(Lie::Unrun), Fate::Answered) => 0,
        (Some(Lie::Rerun), Fate::Answered | Fate::Yes | Fate::UnknownRan) => 1,
        (Some(Lie::Rerun), Fate::No) => 2,
        (Some(Lie::Unrun), Fate::Yes) => 3,
        (Some(Lie::Unended), _) => 4,
        (Some(Lie::Unbegun), _) => 5,
        // Nobody can tell, or it had not run anyway.
        (None | Some(Lie::Unrun | Lie::Rerun), _) => return found,
    };
    found[at] = 1;
    found
}

/// Writes the lines of all calls between each other, and gives the files: those of the servers and that of the client.
fn write(folder: &Folder, servers: usize, calls: &[(Lines, Index)]) -> Vec<PathBuf> {
    let mut files = vec![Vec::new(); servers + 1];
    for (lines, place) in calls {
        // Its own lines stay in order.
        let mut from = 0;
        for line in &lines.client {
            let client = &mut files[servers];
            from += place.index(client.len() + 1 - from);
            client.insert(from, line.clone());
            from += 1;
        }
        for (nth, line) in lines.server.iter().enumerate() {
            let server = &mut files[(place.index(servers) + nth) % servers];
            server.insert(place.index(server.len() + 1), line.clone());
        }
    }
    let named = files.into_iter().enumerate().map(|(nth, mut lines)| {
        lines.insert(0, r#"{"fault":"the next process"}"#.to_owned());
        // Its process is killed.
        lines.push(r#"{"ran":[1,"#.to_owned());
        let path = folder.path().join(nth.to_string());
        fs::write(&path, lines.join("\n")).unwrap();
        path
    });
    named.collect()
}

proptest! {
    #[test]
    fn a_random_history_is_found_clean_and_with_one_lie_it_is_found_to_lie(
        fates in prop::collection::vec((select(&FATES[..]), any::<Index>()), 1..60),
        servers in 1_usize..4,
        liar in any::<Index>(),
        lie in prop::option::of(select(&LIES[..])),
    ) {
        let liar = liar.index(fates.len());
        let calls = fates.iter().enumerate();
        let calls = calls.map(|(call, (fate, place))| {
            (lines(call, *fate, lie.filter(|_| call == liar)), *place)
        });
        let folder = Folder::new("journal");
        let paths = write(&folder, servers, &calls.collect::<Vec<_>>());
        let verdict = check(&paths).unwrap();
        let found = [
            &verdict.lost,
            &verdict.doubled,
            &verdict.denied,
            &verdict.claimed,
            &verdict.endless,
            &verdict.misplaced,
        ];
        let expected = expected(fates[liar].0, lie);
        prop_assert_eq!(found.map(|found| found.count), expected, "{}", verdict);
        prop_assert_eq!(verdict.is_clean(), expected == [0; 6]);
        let liar = CallId { client: 1, call: liar as u64 };
        prop_assert!(found.iter().all(|found| found.first.iter().all(|id| *id == liar)));
        prop_assert_eq!((verdict.torn, verdict.faults), (paths.len() as u64, paths.len() as u64));
        if lie.is_none() {
            let of = |fate| fates.iter().filter(|(other, _)| *other == fate).count() as u64;
            prop_assert_eq!(verdict.ok, of(Fate::Answered));
            prop_assert_eq!((verdict.failed_no, verdict.failed_yes), (of(Fate::No), of(Fate::Yes)));
            prop_assert_eq!(verdict.unknown_ran, of(Fate::UnknownRan));
            prop_assert_eq!(verdict.failed_unknown - verdict.unknown_ran, of(Fate::UnknownLost));
        }
    }
}
