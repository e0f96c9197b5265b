//! Sessions as their users see them: two of them joined by pipes, or one against
//! frames that no session of ours would send.

mod answers;
mod arrival;
mod calls;
mod ends;
mod frames;
mod kept;
mod long;
mod operations;
mod places;
mod pleas;
mod promised;
mod random;
mod references;
mod room;
mod shared;
mod stops;
mod streams;
mod support;
mod told;

impl super::Exported for support::Object {
    fn shared(&self) -> Self {
        Self::clone(self)
    }
}
