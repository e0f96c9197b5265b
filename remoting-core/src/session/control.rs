//! The peer's frames that are about the session itself, and not about an object.

use std::time::Instant;

use super::answering::refused;
use super::resume::{Identity, Resume, Resumption};
use super::streaming::window_of;
use super::{
    EARLY_BYTES, Effects, End, Exported, PeerHello, Session, SessionConfig, longest_body,
    longest_message,
};
use crate::error::{ErrorKind, Fault};
use crate::id::CallId;
use crate::wire::{Hello, KEEPS_ANSWERS, LEAST_LIMIT, Ping, Renew, Violation, write_pong};

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
        self.resume.on_hello(&hello);
        self.peer = Some(PeerHello {
            agent: hello.agent,
            codecs: hello.codecs,
            max_frame: usize::try_from(hello.max_frame).unwrap_or(EARLY_BYTES),
            max_message: usize::try_from(hello.max_message).unwrap_or(usize::MAX),
            max_calls: usize::try_from(hello.max_calls).unwrap_or(usize::MAX),
            incarnation: hello.incarnation,
            token: hello.token,
            resumption: hello
                .session
                .zip(hello.secret)
                .map(|(id, secret)| Resumption {
                    identity: Identity { id, secret },
                    rx_count: hello.rx_count,
                }),
            window: hello.window,
            keeps: hello.features & KEEPS_ANSWERS != 0,
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
        let waiting = self.incoming.cancel(call, &mut effects.rare().cancelled);
        if let Some(waiting) = waiting.and_then(|sequence| self.chained.take(sequence)) {
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
        self.refuse(Some(renew.call), &fault, None, now);
        self.bad_request(now)
    }

    pub(super) fn on_ping(&mut self, ping: Ping, now: Instant) -> Result<(), Violation> {
        if !self.rates.pings.allow(now) {
            self.config.counters.pings_per_second.add();
            return Err(Violation::TooManyPings);
        }
        self.resume.on_ack(ping.rx_count)?;
        let rx_count = self.resume.tell();
        write_pong(
            self.output.buffer(),
            Ping {
                rx_count,
                opaque: ping.opaque,
            },
        );
        self.liveness.on_append(now);
        Ok(())
    }
}

/// What this side says of itself.
pub(super) fn hello(config: &SessionConfig, resume: &Resume) -> Hello {
    let limits = &config.limits;
    let max_frame = longest_body(limits);
    let mut hello = Hello {
        agent: config.agent.clone(),
        features: KEEPS_ANSWERS,
        codecs: config.codecs.clone(),
        max_frame: u32::try_from(max_frame).unwrap_or(LEAST_LIMIT),
        max_message: longest_message(limits) as u64,
        max_calls: u32::try_from(limits.calls_per_session).unwrap_or(u32::MAX),
        heartbeat_ms: u64::try_from(limits.ping_after.as_millis()).unwrap_or(u64::MAX),
        incarnation: config.incarnation,
        window: Some(window_of(limits)),
        token: config.token.clone(),
        session: None,
        secret: None,
        rx_count: 0,
        resume_ms: 0,
    };
    resume.announce(&mut hello);
    hello
}
