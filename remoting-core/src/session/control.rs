//! The peer's frames that are about the session itself, and not about an object.

use std::time::Instant;

use super::answering::refused;
use super::{EARLY_BYTES, Effects, End, Exported, PeerHello, Session};
use crate::error::{ErrorKind, Fault};
use crate::id::CallId;
use crate::wire::{Hello, Ping, Renew, Violation, write_pong};

impl<T: Exported> Session<T> {
    pub(super) fn on_hello(
        &mut self,
        hello: Hello,
        effects: &mut Effects<T>,
    ) -> Result<(), Violation> {
        if self.peer.is_some() {
            return Err(Violation::SecondHello);
        }
        self.liveness.on_hello();
        self.peer = Some(PeerHello {
            agent: hello.agent,
            codecs: hello.codecs,
            max_frame: usize::try_from(hello.max_frame).unwrap_or(EARLY_BYTES),
            max_message: usize::try_from(hello.max_message).unwrap_or(usize::MAX),
            max_calls: usize::try_from(hello.max_calls).unwrap_or(usize::MAX),
            incarnation: hello.incarnation,
            token: hello.token,
            window: hello.window,
        });
        self.outflows.on_hello(hello.window, &mut effects.wakers);
        effects.wakers.append(&mut self.curious);
        self.admit(effects);
        Ok(())
    }

    pub(super) fn on_cancel(
        &mut self,
        call: CallId,
        now: Instant,
        effects: &mut Effects<T>,
    ) -> Result<(), Violation> {
        if !self.rates.cancels.allow(now) {
            self.config.counters.cancels_per_second.add();
            return Err(Violation::TooManyCancels);
        }
        if let Some(waiting) = self.incoming.cancel(call, &mut effects.rare().cancelled) {
            self.end_waiting(waiting, &Fault::of(ErrorKind::Cancelled), now, effects);
        }
        self.refuse_partial(call, &Fault::of(ErrorKind::Cancelled), now, effects);
        Ok(())
    }

    /// Leases are not renewed over a session yet.
    pub(super) fn on_renew(&mut self, renew: Renew, now: Instant) -> Result<(), End> {
        self.incoming.check(renew.call).map_err(End::Violation)?;
        let text = "a session holds its objects without renewing them";
        let fault = refused(ErrorKind::Unsupported, text);
        self.refuse(Some(renew.call), &fault, None, now)?;
        self.bad_request(now)
    }

    pub(super) fn on_ping(&mut self, ping: Ping, now: Instant) -> Result<(), Violation> {
        if !self.rates.pings.allow(now) {
            self.config.counters.pings_per_second.add();
            return Err(Violation::TooManyPings);
        }
        write_pong(
            self.output.buffer(),
            Ping {
                rx_count: 0,
                opaque: ping.opaque,
            },
        );
        self.liveness.on_append(now);
        Ok(())
    }
}
