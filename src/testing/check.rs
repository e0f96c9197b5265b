//! Reads journals, and judges what they tell of each call.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use remoting_core::Executed;
use serde_json::error::Category;

use super::journal::{CallId, Event};
use super::verdict::Verdict;

/// What the journals tell of one call: how often each has happened, where 255 is "or more". Millions of them are kept.
#[derive(Clone, Copy, Default)]
struct Seen {
    begun: u8,
    ok: u8,
    failed_no: u8,
    failed_yes: u8,
    failed_unknown: u8,
    ran: u8,
}

#[derive(Default)]
struct Reading {
    /// A tree, which takes less than a hash table while it grows.
    calls: BTreeMap<CallId, Seen>,
    verdict: Verdict,
}

/// Judges the journals of one test together: those of its clients and of its servers, in any order.
///
/// They are read once, line by line; a call takes about 50 bytes of memory meanwhile. A line that was cut off while it was written, by the
/// end of its process, counts in [`Verdict::torn`] and for nothing else.
///
/// Calls of `#[idempotent]` methods do not belong here: they may run twice.
///
/// # Errors
///
/// Those of the system; `InvalidData` with file and line for one that is not from a [`Journal`](super::Journal).
pub fn check<P: AsRef<Path>>(journals: impl IntoIterator<Item = P>) -> io::Result<Verdict> {
    let mut reading = Reading::default();
    for journal in journals {
        reading.read(journal.as_ref())?;
    }
    Ok(reading.judge())
}

impl Reading {
    fn read(&mut self, path: &Path) -> io::Result<()> {
        let in_file = |error: io::Error| {
            let text = format!("{}: {error}", path.display());
            io::Error::new(error.kind(), text)
        };
        let mut file = BufReader::new(File::open(path).map_err(in_file)?);
        let mut line = Vec::new();
        for number in 1_u64.. {
            line.clear();
            if file.read_until(b'\n', &mut line).map_err(in_file)? == 0 {
                break;
            }
            match serde_json::from_slice(line.trim_ascii_end()) {
                Ok(event) => self.take(event),
                Err(error) if error.classify() == Category::Eof => self.verdict.torn += 1,
                Err(error) => {
                    let text = format!("{}: line {number}: {error}", path.display());
                    return Err(io::Error::new(io::ErrorKind::InvalidData, text));
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Begun(id) => add_one(&mut self.seen(id).begun),
            Event::Ok(id) => add_one(&mut self.seen(id).ok),
            Event::Failed { id, executed, kind } => {
                self.verdict.count_kind(executed, &kind);
                let seen = self.seen(id);
                match executed {
                    Executed::No => add_one(&mut seen.failed_no),
                    Executed::Yes => add_one(&mut seen.failed_yes),
                    Executed::Unknown => add_one(&mut seen.failed_unknown),
                }
            }
            Event::Ran(id) => add_one(&mut self.seen(id).ran),
            Event::Fault(_) => self.verdict.faults += 1,
        }
    }

    fn seen(&mut self, id: CallId) -> &mut Seen {
        self.calls.entry(id).or_default()
    }

    fn judge(self) -> Verdict {
        let mut verdict = self.verdict;
        for (id, seen) in self.calls {
            seen.judge(id, &mut verdict);
        }
        verdict
    }
}

fn add_one(count: &mut u8) {
    *count = count.saturating_add(1);
}

impl Seen {
    fn judge(self, id: CallId, verdict: &mut Verdict) {
        let count = |is_so: bool| u64::from(is_so);
        let (has_run, ended) = (self.ran > 0, self.ended());
        verdict.calls += count(self.begun > 0);
        verdict.ok += count(self.ok > 0);
        verdict.failed_no += count(self.failed_no > 0);
        verdict.failed_yes += count(self.failed_yes > 0);
        verdict.failed_unknown += count(self.failed_unknown > 0);
        verdict.unknown_ran += count(self.failed_unknown > 0 && has_run);

        verdict.lost.add_if(self.ok > 0 && !has_run, id);
        verdict.doubled.add_if(self.ran > 1, id);
        verdict.denied.add_if(self.failed_no > 0 && has_run, id);
        verdict.claimed.add_if(self.failed_yes > 0 && !has_run, id);
        verdict.endless.add_if(self.begun > 0 && ended == 0, id);
        verdict.misplaced.add_if(self.begun != 1 || ended > 1, id);
    }

    /// How often the client was told an end.
    fn ended(self) -> u32 {
        let ends = [
            self.ok,
            self.failed_no,
            self.failed_yes,
            self.failed_unknown,
        ];
        ends.into_iter().map(u32::from).sum()
    }
}
