//! Tests of whole hosts that need to look inside.

mod lives;
