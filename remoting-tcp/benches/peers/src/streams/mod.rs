//! Streams: what items and pieces cost, what memory a long stream takes, and what a call takes
//! beside one. And sinks, which calls pass: what three of them cost.

mod judge;
mod rows;

pub(crate) use self::judge::{MEMORY, MOST_MEMORY, NEIGHBOUR_MS, NEIGHBOUR_RATIO, run};
pub(crate) use self::rows::{SINKS, rows, sink_rows};
