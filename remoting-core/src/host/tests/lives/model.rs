//! What should be: who keeps which object, told in the simplest way. It knows nothing of
//! how the library does it.
//!
//! A *hold* is one reference that came to a host over one connection; it leads to a thing,
//! or to another hold at the host that sent it, which forwards. It counts as long as somebody
//! there has it in hand, or has forwarded it, and no connection on its way was lost.

/// Milliseconds.
pub(super) type Time = u64;

pub(super) const LEASE: Time = 10_000;
pub(super) const RENEWAL: Time = 5_000;
pub(super) const GRACE: Time = 3_000;
/// How much later than that something may be seen to happen.
const SLACK: Time = 80;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    Thing(usize),
    Hold(usize),
}

/// A connection: who dialled whom, and the how manieth it is.
pub(super) type Line = (usize, usize, u32);

#[derive(Debug)]
pub(super) struct Hold {
    pub(super) at: usize,
    pub(super) of: Of,
    line: Line,
    /// Its connection was not lost.
    intact: bool,
    /// How many proxies there are in hand.
    pub(super) hands: usize,
}

#[derive(Debug)]
pub(super) struct Thing {
    pub(super) home: usize,
    /// When its lease is over, at the earliest and at the latest: of a call whose answer was lost
    /// nobody knows whether it came.
    lease: (Time, Time),
    /// Since when nobody holds it, and whether the last holder has vanished.
    alone: Option<(Time, bool)>,
    /// A sponsor is registered, so only the end is certain.
    pub(super) sponsored: bool,
    /// Its maker's answer was lost: nobody may ever have held it.
    doubtful: bool,
    /// Its host was restarted.
    lost: bool,
    /// How often it was lent when nobody held it.
    pub(super) lives: usize,
}

/// What the thing has to be now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Must {
    Live,
    BeGone,
    Either,
}

#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) things: Vec<Thing>,
    pub(super) holds: Vec<Hold>,
    /// A connection is cut at some moment of this step: what is released may not get through.
    pub(super) shaky: bool,
}

impl Model {
    pub(super) fn born(&mut self, home: usize, now: Time) -> usize {
        self.things.push(Thing {
            home,
            lease: (now + LEASE, now + LEASE),
            alone: None,
            sponsored: false,
            doubtful: false,
            lost: false,
            lives: 1,
        });
        self.things.len() - 1
    }

    /// A thing that has gone is lent anew.
    pub(super) fn reborn(&mut self, thing: usize, now: Time) {
        let thing = &mut self.things[thing];
        thing.lives += 1;
        thing.lease = (now + LEASE, now + LEASE);
        thing.sponsored = false;
    }

    /// A thing whose maker's answer was lost on the way.
    pub(super) fn orphaned(&mut self, thing: usize, now: Time) {
        self.things[thing].alone = Some((now, true));
        self.things[thing].doubtful = true;
    }

    /// A reference comes to `at` over `line`; one proxy of it is in hand.
    pub(super) fn received(&mut self, at: usize, of: Of, line: Line) -> usize {
        self.holds.push(Hold {
            at,
            of,
            line,
            intact: true,
            hands: 1,
        });
        if let Of::Thing(thing) = of {
            self.things[thing].alone = None;
        }
        self.holds.len() - 1
    }

    /// The thing that a hold leads to.
    pub(super) fn thing_of(&self, hold: usize) -> usize {
        match self.holds[hold].of {
            Of::Thing(thing) => thing,
            Of::Hold(parent) => self.thing_of(parent),
        }
    }

    /// Whether nothing on the way to the thing was lost.
    pub(super) fn is_whole(&self, hold: usize) -> bool {
        let Hold { of, intact, .. } = self.holds[hold];
        intact
            && match of {
                Of::Thing(thing) => !self.things[thing].lost,
                Of::Hold(parent) => self.is_whole(parent),
            }
    }

    /// Whether a hold came over this connection.
    pub(super) fn is_of(&self, hold: usize, line: Line) -> bool {
        self.holds[hold].line == line
    }

    /// Whether a hold keeps what it leads to.
    fn counts(&self, hold: usize) -> bool {
        let it = &self.holds[hold];
        let forwarded = || {
            let children = self.holds.iter().enumerate();
            children
                .filter(|(_, child)| child.of == Of::Hold(hold) && child.intact)
                .any(|(number, _)| self.counts(number))
        };
        it.intact && (it.hands > 0 || forwarded())
    }

    fn is_held(&self, thing: usize) -> bool {
        let holds = self.holds.iter().enumerate();
        holds
            .filter(|(_, hold)| hold.of == Of::Thing(thing) && hold.intact)
            .any(|(number, _)| self.counts(number))
    }

    /// A proxy is dropped.
    pub(super) fn dropped(&mut self, hold: usize, now: Time) {
        self.holds[hold].hands -= 1;
        self.leave_alone(now, &[]);
    }

    /// A call was made.
    ///
    /// - `surely`: its answer has come.
    pub(super) fn called(&mut self, hold: usize, surely: bool, now: Time) {
        let thing = self.thing_of(hold);
        let (earliest, latest) = &mut self.things[thing].lease;
        *latest = (*latest).max(now + RENEWAL);
        if surely {
            *earliest = (*earliest).max(now + RENEWAL);
        }
    }

    /// A connection is lost.
    pub(super) fn cut(&mut self, line: Line, now: Time) {
        let lost = |hold: &Hold| hold.line == line && hold.intact;
        let sure: Vec<_> = (0..self.things.len())
            .filter(|thing| self.has_one_holder(*thing, lost))
            .collect();
        for hold in self.holds.iter_mut().filter(|hold| lost(hold)) {
            hold.intact = false;
        }
        self.leave_alone(now, &sure);
    }

    /// A host is gone, with all its things and all that it held.
    pub(super) fn restarted(&mut self, host: usize, now: Time) {
        for thing in self.things.iter_mut().filter(|thing| thing.home == host) {
            thing.lost = true;
        }
        for hold in &mut self.holds {
            let (from, to, _) = hold.line;
            if from == host || to == host {
                hold.intact = false;
                if hold.at == host {
                    hold.hands = 0;
                }
            }
        }
        self.leave_alone(now, &[]);
    }

    /// Whether there is one holder of a thing, with a proxy in hand, and it is one of `those`.
    fn has_one_holder(&self, thing: usize, those: impl Fn(&Hold) -> bool) -> bool {
        let holds = self.holds.iter().enumerate();
        let mut holders =
            holds.filter(|(number, hold)| hold.of == Of::Thing(thing) && self.counts(*number));
        match (holders.next(), holders.next()) {
            (Some((_, hold)), None) => hold.hands > 0 && those(hold),
            _ => false,
        }
    }

    /// Notes which things nobody holds from now on.
    ///
    /// - `vanished`: those of which the one holder has vanished.
    fn leave_alone(&mut self, now: Time, vanished: &[usize]) {
        for thing in 0..self.things.len() {
            let known = &self.things[thing];
            if known.alone.is_none() && !known.lost && !self.is_held(thing) {
                let vanished = vanished.contains(&thing);
                self.things[thing].alone = Some((now, vanished || self.shaky));
                self.things[thing].doubtful = self.shaky && !vanished;
            }
        }
    }

    /// What a thing has to be, some time after the last event.
    pub(super) fn must(&self, thing: usize, now: Time) -> Must {
        let it = &self.things[thing];
        match it.alone {
            _ if it.lost => Must::BeGone,
            None => Must::Live,
            Some(_) if it.sponsored => Must::Either,
            Some((_, false)) => Must::BeGone,
            Some((since, true)) => {
                let (earliest, latest) = it.lease;
                if now + SLACK < earliest.max(since + GRACE) {
                    if it.doubtful {
                        return Must::Either;
                    }
                    Must::Live
                } else if now > latest.max(since + GRACE) + SLACK {
                    Must::BeGone
                } else {
                    Must::Either
                }
            }
        }
    }

    /// Whether it has no holder any more, or no host.
    pub(super) fn is_over(&self, thing: usize) -> bool {
        self.things[thing].lost || self.things[thing].alone.is_some()
    }
}
