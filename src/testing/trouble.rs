//! What a lane of a connection meets, as decisions: no socket and no clock.

use std::time::Duration;

/// One of the two lanes of each connection that goes through a [`FaultProxy`](super::FaultProxy): the bytes of one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    /// From the client to the server.
    ToServer,
    /// From the server to the client.
    ToClient,
}

/// How a connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cut {
    /// Both ends get a reset (RST), as from a machine that has lost all it knew. What was passed on last may be lost with it.
    Reset,
    /// Both ends get an end (FIN), as from a program that closes. What still comes from either is thrown away.
    Close,
    /// The receiver of this lane gets an end, and what still comes for it is thrown away; the other lane goes on.
    HalfClose,
}

/// What a lane of a connection meets. Nothing by itself; what is asked for holds together.
///
/// Bytes are counted in each lane from 0, from the beginning of the connection, also where a trouble begins later.
///
/// ```
/// use std::time::Duration;
/// use remoting::testing::{Cut, Trouble};
///
/// let far_away = Trouble::none().delay(Duration::from_millis(80)).jitter(Duration::from_millis(20));
/// let short = Trouble::none().cut_after(1000, Cut::Reset);
/// # drop((far_away, short));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trouble {
    delay: Duration,
    jitter: Duration,
    bytes_per_second: Option<u32>,
    is_byte_by_byte: bool,
    corruptions: Vec<(u64, u8)>,
    stall_after: Option<u64>,
    cut_after: Option<(u64, Cut)>,
}

/// What may be done at some place of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// At most so many bytes may be passed on; more than none.
    Pass(usize),
    Stall,
    Cut(Cut),
}

/// How many steps a second there are at least where bytes are passed on slowly.
const STEPS: u32 = 100;

/// The longest step, in bytes.
pub(super) const LONGEST_STEP: usize = 16 * 1024;

impl Trouble {
    /// Everything is passed on as it comes.
    pub fn none() -> Self {
        Self::default()
    }

    /// Passes each byte on that much later than it has come. Many may be on their way at once, up to 1 MiB.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Adds a time to the delay that is drawn from the proxy's seed, anew for each piece that comes. The order of bytes stays.
    ///
    /// - `most`: the end of what it is drawn from, from zero.
    #[must_use]
    pub fn jitter(mut self, most: Duration) -> Self {
        self.jitter = most;
        self
    }

    /// Passes no more bytes on than so many a second, in small steps; none at all is [`stall_after`](Self::stall_after).
    ///
    /// - `rate`: 0 is taken as 1.
    #[must_use]
    pub fn bytes_per_second(mut self, rate: u32) -> Self {
        self.bytes_per_second = Some(rate.max(1));
        self
    }

    /// Writes each byte by itself. How many the receiver reads at once is for its system to say.
    #[must_use]
    pub fn byte_by_byte(mut self) -> Self {
        self.is_byte_by_byte = true;
        self
    }

    /// Changes one byte. May be asked for several times.
    ///
    /// - `at`: which byte of the lane; one that has passed already stays as it was.
    /// - `xor`: the bits to turn; 0 turns none.
    #[must_use]
    pub fn corrupt(mut self, at: u64, xor: u8) -> Self {
        self.corruptions.push((at, xor));
        self
    }

    /// Passes nothing more on once so many bytes have passed, not even that the sender has closed; the connection stays. As
    /// much as 1 MiB is taken from the sender meanwhile. It goes on when a trouble without it is set.
    ///
    /// - `bytes`: 0, or any number that have passed, is at once.
    #[must_use]
    pub fn stall_after(mut self, bytes: u64) -> Self {
        self.stall_after = Some(bytes);
        self
    }

    /// Cuts the connection once so many bytes have passed, without waiting for the next one.
    ///
    /// - `bytes`: 0, or any number that have passed, is at once.
    #[must_use]
    pub fn cut_after(mut self, bytes: u64, how: Cut) -> Self {
        self.cut_after = Some((bytes, how));
        self
    }

    /// What may be done after so many bytes.
    pub(super) fn at(&self, passed: u64) -> Step {
        match (self.cut_after, self.stall_after) {
            // The cut comes first: it is not held up by a stall.
            (Some((end, how)), _) if end <= passed => return Step::Cut(how),
            (_, Some(end)) if end <= passed => return Step::Stall,
            _ => {}
        }
        let ends = [self.cut_after.map(|(end, _)| end), self.stall_after];
        let left = ends.into_iter().flatten();
        let left = left.map(|end| usize::try_from(end.saturating_sub(passed)));
        let left = left.map(|left| left.unwrap_or(usize::MAX));
        Step::Pass(left.fold(self.longest_step(), usize::min))
    }

    fn longest_step(&self) -> usize {
        if self.is_byte_by_byte {
            return 1;
        }
        let slow = self.bytes_per_second.map(|rate| (rate / STEPS).max(1));
        let slow = slow.and_then(|step| usize::try_from(step).ok());
        slow.map_or(LONGEST_STEP, |step| step.min(LONGEST_STEP))
    }

    /// Changes what is to be changed of bytes that follow `passed` others.
    pub(super) fn damage(&self, passed: u64, bytes: &mut [u8]) {
        for (at, xor) in &self.corruptions {
            let place = at.checked_sub(passed).map(usize::try_from);
            if let Some(byte) = place.and_then(|place| bytes.get_mut(place.ok()?)) {
                *byte ^= xor;
            }
        }
    }

    /// How long a piece that has come is kept.
    pub(super) fn lateness(&self, chance: &mut Chance) -> Duration {
        self.delay + self.jitter.mul_f64(chance.share())
    }

    /// How long to wait after so many bytes.
    pub(super) fn pause_after(&self, bytes: usize) -> Option<Duration> {
        let rate = self.bytes_per_second?;
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        Some(Duration::from_secs(1).mul_f64(f64::from(bytes) / f64::from(rate)))
    }
}

/// Numbers that look like chance, by SplitMix64: the same from the same seed.
#[derive(Debug)]
pub(super) struct Chance(u64);

impl Chance {
    /// The numbers of one lane of one connection.
    pub(super) fn new(seed: u64, connection: u64, lane: Lane) -> Self {
        let which = connection
            .wrapping_mul(2)
            .wrapping_add(u64::from(lane == Lane::ToClient));
        let mut chance = Self(seed ^ which.wrapping_mul(0xd134_2543_de82_ef95));
        Self(chance.next())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ bits >> 31
    }

    /// A number from 0 to below 1.
    fn share(&mut self) -> f64 {
        let high = u32::try_from(self.next() >> 32).unwrap_or(u32::MAX);
        f64::from(high) / (f64::from(u32::MAX) + 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_pass_up_to_the_place_where_something_happens() {
        let trouble = Trouble::none().stall_after(10).cut_after(20, Cut::Close);
        assert_eq!(trouble.at(0), Step::Pass(10));
        assert_eq!(trouble.at(9), Step::Pass(1));
        assert_eq!(trouble.at(10), Step::Stall);
        assert_eq!(trouble.at(20), Step::Cut(Cut::Close));
        let cut_first = Trouble::none().stall_after(20).cut_after(10, Cut::Reset);
        assert_eq!(cut_first.at(3), Step::Pass(7));
        assert_eq!(cut_first.at(25), Step::Cut(Cut::Reset));
        assert_eq!(Trouble::none().at(u64::MAX), Step::Pass(LONGEST_STEP));
        assert_eq!(Trouble::none().byte_by_byte().at(5), Step::Pass(1));
    }

    #[test]
    fn a_rate_makes_steps_and_pauses() {
        let slow = Trouble::none().bytes_per_second(1000);
        assert_eq!(slow.at(0), Step::Pass(10));
        assert_eq!(slow.pause_after(10), Some(Duration::from_millis(10)));
        assert_eq!(
            Trouble::none().bytes_per_second(0).at(0),
            Step::Pass(1),
            "none a second would be a stall"
        );
        assert_eq!(Trouble::none().pause_after(10), None);
    }

    #[test]
    fn one_byte_is_changed_wherever_pieces_begin() {
        let trouble = Trouble::none().corrupt(5, 0xff).corrupt(7, 1);
        for piece in 1..9 {
            let mut bytes = [0_u8; 9];
            let mut passed = 0;
            for piece in bytes.chunks_mut(piece) {
                trouble.damage(passed, piece);
                passed += piece.len() as u64;
            }
            assert_eq!(bytes, [0, 0, 0, 0, 0, 0xff, 0, 1, 0], "pieces of {piece}");
        }
    }

    #[test]
    fn the_same_seed_draws_the_same_times_and_none_is_longer_than_asked_for() {
        let second = Duration::from_secs(1);
        let trouble = Trouble::none().delay(second).jitter(second / 2);
        let draw = |seed, connection, lane| -> Vec<Duration> {
            let mut chance = Chance::new(seed, connection, lane);
            (0..100).map(|_| trouble.lateness(&mut chance)).collect()
        };
        let first = draw(1, 0, Lane::ToServer);
        assert!(
            first
                .iter()
                .all(|time| (second..second * 3 / 2).contains(time))
        );
        assert_eq!(first, draw(1, 0, Lane::ToServer));
        for other in [
            draw(2, 0, Lane::ToServer),
            draw(1, 1, Lane::ToServer),
            draw(1, 0, Lane::ToClient),
        ] {
            assert_ne!(first, other);
        }
    }
}
