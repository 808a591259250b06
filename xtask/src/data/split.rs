//! Divides records into training, validation and test parts by a hash, so that the parts are the same on every machine
//! and in every order of the records.

use sha2::{Digest, Sha256};

/// The part that a record belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Split {
    Train,
    Validation,
    Test,
}

impl Split {
    /// All parts.
    pub(super) const ALL: [Self; 3] = [Self::Train, Self::Validation, Self::Test];

    /// The part of the record with this text: one of `parts` is for validation, one for tests, and the others are for
    /// training. Records with the same text are in the same part.
    pub(super) fn of(text: &str, parts: u64) -> Self {
        match hash(text) % parts {
            0 => Self::Test,
            1 => Self::Validation,
            _ => Self::Train,
        }
    }

    /// The name of its file without an extension.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }
}

/// The first eight bytes of the SHA-256 sum of `text`.
pub(super) fn hash(text: &str) -> u64 {
    let sum = Sha256::digest(text.as_bytes());
    sum.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_beginning_of_the_sum() {
        // Test vector of FIPS 180-4.
        assert_eq!(hash("abc"), 0xba78_16bf_8f01_cfea);
        // The remainders are 4 and 0.
        assert_eq!(Split::of("abc", 10), Split::Train);
        assert_eq!(Split::of("abc", 2), Split::Test);
    }

    #[test]
    fn one_of_ten_is_for_tests_and_one_for_validation() {
        let mut counts = [0_usize; 3];
        for number in 0..10_000 {
            let split = Split::of(&number.to_string(), 10);
            counts[Split::ALL.iter().position(|one| *one == split).unwrap()] += 1;
        }
        // The standard deviation of the last two is 30.
        assert!((7_850..8_150).contains(&counts[0]), "{counts:?}");
        assert!((880..1_120).contains(&counts[1]), "{counts:?}");
        assert!((880..1_120).contains(&counts[2]), "{counts:?}");
    }
}
