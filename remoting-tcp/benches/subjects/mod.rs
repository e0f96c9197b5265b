//! What the benchmarks of calls have in common: what is called, and the ways to call it.
//! Each benchmark takes this folder in as a module of its own.

pub(crate) mod floor;
pub(crate) mod frames;
pub(crate) mod objects;

use std::future::Future;

/// Something that answers the calls of the benchmark over one connection.
pub(crate) trait Subject: Clone + Send + Sync + 'static {
    fn add(&self, a: i32, b: i32) -> impl Future<Output = i32> + Send;

    /// Gives the `id` of the person in the answer.
    fn get_person(
        &self,
        id: u32,
        country: &str,
        detailed: bool,
    ) -> impl Future<Output = u32> + Send;
}

/// What is called, by how many callers at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Workload {
    Add { callers: usize },
    GetPerson { callers: usize },
}

impl Workload {
    pub(crate) const ALL: [Self; 3] = [
        Self::Add { callers: 1 },
        Self::Add { callers: 64 },
        Self::GetPerson { callers: 64 },
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Add { callers: 1 } => "add, one caller",
            Self::Add { .. } => "add, 64 callers",
            Self::GetPerson { .. } => "get_person, 64 callers",
        }
    }

    pub(crate) fn callers(self) -> usize {
        match self {
            Self::Add { callers } | Self::GetPerson { callers } => callers,
        }
    }

    /// Makes one call and looks at its result.
    pub(crate) async fn call(self, subject: &impl Subject, number: i32) {
        match self {
            Self::Add { .. } => assert_eq!(subject.add(number, 1).await, number.wrapping_add(1)),
            Self::GetPerson { .. } => assert_eq!(subject.get_person(42, "GB", true).await, 42),
        }
    }
}
