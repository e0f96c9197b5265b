//! Growth: what a call takes as callers, connections, objects or payloads become more.

mod judge;
mod series;

pub(crate) use self::judge::run;
pub(crate) use self::series::{Series, all};
