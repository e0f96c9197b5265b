//! Whom to look at when: a timer for very many entries, none of which is ever searched for.
//!
//! Entries stand in buckets of about 33 ms. A lease that was renewed is not moved: when its
//! old bucket is due it is looked at, and enters again where it belongs by then. So a
//! renewal costs nothing here, and expiry looks only at what is due.

use std::collections::BTreeMap;

use super::Moment;

/// Nanoseconds to buckets: 2^25 ns are 33.6 ms.
const BUCKET: u32 = 25;

/// Entries by the time at which they are to be looked at.
#[derive(Debug)]
pub(crate) struct Schedule<T> {
    buckets: BTreeMap<u64, Vec<T>>,
}

impl<T> Default for Schedule<T> {
    fn default() -> Self {
        Self {
            buckets: BTreeMap::new(),
        }
    }
}

impl<T> Schedule<T> {
    /// The bucket for an entry that is due at `due`: it ends then or up to 33 ms later.
    pub(crate) const fn bucket(due: Moment) -> u64 {
        (due.0 >> BUCKET).saturating_add(1)
    }

    /// When the bucket is due.
    const fn end(bucket: u64) -> Moment {
        Moment(bucket << BUCKET)
    }

    /// Enters an entry. Tells whether it is due before all others.
    pub(crate) fn insert(&mut self, bucket: u64, entry: T) -> bool {
        let first = self
            .buckets
            .keys()
            .next()
            .is_none_or(|known| bucket < *known);
        self.buckets.entry(bucket).or_default().push(entry);
        first
    }

    /// When there is something to look at.
    pub(crate) fn next(&self) -> Option<Moment> {
        self.buckets.keys().next().copied().map(Self::end)
    }

    /// Takes out the entries of the first bucket, if it is due, with its number.
    pub(crate) fn take_due(&mut self, now: Moment) -> Option<(u64, Vec<T>)> {
        let first = self.buckets.first_entry()?;
        if Self::end(*first.key()) > now {
            return None;
        }
        Some(first.remove_entry())
    }

    /// Takes out everything.
    pub(crate) fn take_all(&mut self) -> Vec<T> {
        std::mem::take(&mut self.buckets)
            .into_values()
            .flatten()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(millis: u64) -> Moment {
        Moment(0).after(Duration::from_millis(millis))
    }

    #[test]
    fn entries_come_out_in_time_and_never_early() {
        let mut schedule = Schedule::default();
        for millis in [500, 20, 90_000, 21] {
            schedule.insert(Schedule::<u64>::bucket(at(millis)), millis);
        }
        let mut out = Vec::new();
        let mut now = 0;
        while let Some(next) = schedule.next() {
            assert!(schedule.take_due(at(now)).is_none(), "it is not due");
            now = next.0.div_ceil(1_000_000);
            let (_, due) = schedule.take_due(next).expect("it is due");
            for millis in due {
                assert!(now >= millis && now <= millis + 35, "{millis} at {now}");
                out.push(millis);
            }
        }
        assert_eq!(out, [20, 21, 500, 90_000]);
    }

    #[test]
    fn an_entry_that_comes_before_all_others_is_told() {
        let mut schedule = Schedule::default();
        assert!(schedule.insert(9, 'a'));
        assert!(!schedule.insert(9, 'b'));
        assert!(schedule.insert(3, 'c'));
        assert_eq!(schedule.take_all(), ['c', 'a', 'b']);
    }
}
