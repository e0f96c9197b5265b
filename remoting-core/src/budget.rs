//! What a value may cost before anybody builds it.
//!
//! A hostile peer writes a thousand nested lists in two kilobytes, and the reader's
//! stack pays; or a million nils, and its memory does. So bytes are counted before
//! they are decoded: a formatter walks over them with a [`ScanBudget`], which says
//! when it is enough.

use std::error;
use std::fmt;

/// How much one value may nest and hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScanLimits {
    /// How many lists and maps may stand inside each other; 64 by default.
    pub depth: usize,
    /// How many values there may be in all, counting each list, each map, each key
    /// and each value of a map; 1,000,000 by default.
    pub elements: usize,
}

impl Default for ScanLimits {
    fn default() -> Self {
        Self {
            depth: 64,
            elements: 1_000_000,
        }
    }
}

/// What is left to spend while the bytes of one value are walked over.
#[derive(Debug)]
pub struct ScanBudget {
    limits: ScanLimits,
    depth_left: usize,
    elements_left: usize,
}

impl ScanBudget {
    /// Makes a budget of which nothing is spent.
    pub const fn new(limits: ScanLimits) -> Self {
        Self {
            limits,
            depth_left: limits.depth,
            elements_left: limits.elements,
        }
    }

    /// Counts one value.
    ///
    /// # Errors
    ///
    /// - [`ScanError::TooManyElements`]: it is one more than the limit.
    #[inline]
    pub fn element(&mut self) -> Result<(), ScanError> {
        self.elements(1)
    }

    /// Counts `count` values at once, as soon as their number is announced.
    ///
    /// # Errors
    ///
    /// - [`ScanError::TooManyElements`]: they are more than the limit leaves.
    #[inline]
    pub fn elements(&mut self, count: u64) -> Result<(), ScanError> {
        let left = usize::try_from(count)
            .ok()
            .and_then(|count| self.elements_left.checked_sub(count));
        match left {
            Some(left) => self.elements_left = left,
            None => {
                return Err(ScanError::TooManyElements {
                    limit: self.limits.elements,
                });
            }
        }
        Ok(())
    }

    /// Enters a list or a map.
    ///
    /// # Errors
    ///
    /// - [`ScanError::TooDeep`]: it stands inside as many others as the limit allows.
    #[inline]
    pub fn enter(&mut self) -> Result<(), ScanError> {
        match self.depth_left.checked_sub(1) {
            Some(left) => self.depth_left = left,
            None => {
                return Err(ScanError::TooDeep {
                    limit: self.limits.depth,
                });
            }
        }
        Ok(())
    }

    /// Leaves the list or map entered last.
    #[inline]
    pub fn leave(&mut self) {
        self.depth_left = self.depth_left.saturating_add(1).min(self.limits.depth);
    }
}

/// Why bytes were refused before anything was built from them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ScanError {
    /// Lists and maps stand too deep inside each other.
    TooDeep {
        /// The depth that is allowed.
        limit: usize,
    },
    /// There are too many values.
    TooManyElements {
        /// The number that is allowed.
        limit: usize,
    },
    /// The bytes are not one whole value of the format; says what is wrong.
    Malformed(&'static str),
}

impl fmt::Display for ScanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooDeep { limit } => write!(f, "nested deeper than {limit} levels"),
            Self::TooManyElements { limit } => write!(f, "more than {limit} elements"),
            Self::Malformed(what) => f.write_str(what),
        }
    }
}

impl error::Error for ScanError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_gives_exactly_what_its_limits_say() {
        let mut budget = ScanBudget::new(ScanLimits {
            depth: 2,
            elements: 5,
        });
        assert_eq!(budget.elements(4), Ok(()));
        assert_eq!(budget.element(), Ok(()));
        assert_eq!(
            budget.element(),
            Err(ScanError::TooManyElements { limit: 5 })
        );
        assert_eq!(
            budget.elements(u64::MAX),
            Err(ScanError::TooManyElements { limit: 5 })
        );
        assert_eq!(budget.enter(), Ok(()));
        assert_eq!(budget.enter(), Ok(()));
        assert_eq!(budget.enter(), Err(ScanError::TooDeep { limit: 2 }));
    }

    #[test]
    fn leaving_gives_depth_back_but_never_more_than_there_was() {
        let mut budget = ScanBudget::new(ScanLimits {
            depth: 1,
            elements: 0,
        });
        budget.leave();
        assert_eq!(budget.enter(), Ok(()));
        assert!(budget.enter().is_err());
        budget.leave();
        assert_eq!(budget.enter(), Ok(()));
    }
}
