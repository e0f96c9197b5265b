//! FNV-1a, as PROTOCOL.md asks for: the macro needs it to find two methods that
//! would have one number, and to sum up an interface's signatures.

/// Hashes a method's wire name.
pub(crate) fn fnv1a32(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}

/// Hashes all signatures of an interface.
pub(crate) fn fnv1a64(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod unit {
    use super::{fnv1a32, fnv1a64};

    #[test]
    fn the_hashes_are_those_of_the_published_test_values() {
        assert_eq!(fnv1a32(b"foobar"), 0xbf9c_f968);
        assert_eq!(fnv1a64(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
