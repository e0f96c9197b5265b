//! Fairness: what one caller's calls take while others keep the server busy.
//!
//! The neighbour makes one call after the other. Its company is on the same connection,
//! and then, to tell what the connection has to do with it, on one of its own.

mod company;
mod crowd;
mod judge;
mod relay;

pub(crate) use self::company::{
    ALONE, Company, Neighbourhood, Reading, beside_streams, neighbourhoods,
};
pub(crate) use self::crowd::Crowd;
pub(crate) use self::judge::run;
