//! What grows, and how far.

use std::time::Duration;

use crate::arguments::Effort;
use crate::counters;
use crate::drive::Order;
use crate::workloads::Operation;

/// What there is more of from point to point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Grows {
    Callers,
    Connections,
    Objects,
    Payload,
}

/// A table and a curve.
pub(crate) struct Series {
    pub(crate) key: &'static str,
    pub(crate) title: &'static str,
    /// What the points count.
    pub(crate) of: &'static str,
    /// What is to be known to read the table.
    pub(crate) about: &'static str,
    pub(crate) grows: Grows,
    sizes: &'static [usize],
}

/// Callers of the objects that one connection holds.
const CALLERS_OF_OBJECTS: usize = 64;
/// How long is measured at least, for each caller and for each KiB that a call carries: more than
/// a call of each takes.
const TIME_OF_CALLER: Duration = Duration::from_micros(200);
const TIME_OF_KIB: Duration = Duration::from_micros(15);
/// Files that a process needs beside its connections.
const OTHER_FILES: usize = 200;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

static ALL: [Series; 4] = [
    Series {
        key: "callers",
        title: "Callers on one connection",
        of: "callers",
        about: "`add`, one connection",
        grows: Grows::Callers,
        sizes: &[1, 4, 16, 64, 256, 1024, 4096],
    },
    Series {
        key: "connections",
        title: "Connections",
        of: "connections",
        about: "`add`, one caller on each connection; the connections are opened one after the other, \
            each with a first call",
        grows: Grows::Connections,
        sizes: &[1, 10, 100, 1000, 10_000],
    },
    Series {
        key: "objects",
        title: "Objects",
        of: "objects",
        about: "`add` at client-activated objects, all held by one connection with 64 callers, each \
            call at one taken by chance; they are made 64 at a time. The floor has no objects: its \
            callers call as always, and show what the machine did meanwhile",
        grows: Grows::Objects,
        sizes: &[1, 1000, 10_000, 100_000, 1_000_000],
    },
    Series {
        key: "payload",
        title: "Payload",
        of: "bytes",
        about: "`echo`, one caller; the bytes go there and back, and both ways count",
        grows: Grows::Payload,
        sizes: &[16, 256, 4 * KIB, 64 * KIB, MIB, 16 * MIB, 64 * MIB],
    },
];

/// All series, in the order in which they are measured.
pub(crate) fn all() -> &'static [Series] {
    &ALL
}

impl Series {
    /// The points: as many connections as this process may have, at most.
    pub(crate) fn sizes(&self) -> Vec<usize> {
        let most = match self.grows {
            Grows::Connections => counters::most_files().saturating_sub(OTHER_FILES),
            _ => usize::MAX,
        };
        let mut sizes: Vec<_> = self.sizes.iter().map(|size| (*size).min(most)).collect();
        sizes.dedup();
        sizes
    }

    /// What is missing, if the system allows less than is wanted.
    pub(crate) fn shortage(&self) -> Option<String> {
        let (possible, wanted) = (*self.sizes().last()?, *self.sizes.last()?);
        (possible < wanted).then(|| {
            format!(
                "{possible} {} instead of {wanted}: this system lets a process open no more files",
                self.of
            )
        })
    }

    pub(crate) fn order(&self, size: usize, effort: &Effort) -> Order {
        let mut order = Order::plain(Operation::Add, effort);
        match self.grows {
            Grows::Callers => order.callers = size,
            Grows::Connections => order.connections = size,
            Grows::Objects => {
                order.operation = Operation::AddAmong(size);
                order.callers = CALLERS_OF_OBJECTS;
            }
            Grows::Payload => order.operation = Operation::Echo(size),
        }
        let all = TIME_OF_CALLER * (order.callers * order.connections) as u32;
        let bytes = TIME_OF_KIB * (self.bytes(size).unwrap_or(0) / KIB) as u32;
        order.measured = order.measured.max(all).max(bytes);
        order
    }

    /// Names the figures of a point in the report.
    pub(crate) fn figures(&self, size: usize) -> String {
        format!("{}-{size}", self.key)
    }

    /// The bytes that one call carries there and back.
    pub(crate) fn bytes(&self, size: usize) -> Option<usize> {
        (self.grows == Grows::Payload).then_some(2 * size)
    }

    /// How often or how much is said in that.
    pub(crate) fn rate(&self) -> &'static str {
        if self.grows == Grows::Payload {
            "MB/s"
        } else {
            "calls/s"
        }
    }

    /// Whether each of what there is more of takes time to come into being.
    pub(crate) fn is_made(&self) -> bool {
        matches!(self.grows, Grows::Connections | Grows::Objects)
    }
}
