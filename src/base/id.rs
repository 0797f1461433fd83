//! Ids that sort by time, are never used twice, and fit every log parser.
//!
//! 64 bits as 16 upper-case hex digits: 56 bits microseconds of store time, 4 bits node, 4 bits sequence. Postfix's
//! log parsers accept exactly such ids, and because ids sort by time, retention is one range.

use std::sync::Mutex;

/// Declares a newtype over 64 bits that prints and parses as 16 upper-case hex digits.
#[macro_export]
macro_rules! id {
    ($(#[$doc:meta])* pub struct $name:ident;) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, minicbor::Encode, minicbor::Decode,
        )]
        #[cbor(transparent)]
        pub struct $name(#[n(0)] pub u64);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{:016X}", self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::base::id::BadId;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $crate::base::id::parse(text).map(Self)
            }
        }
    };
}
pub use crate::id;

/// A text that is no id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no queue id; write its 16 hex digits, as `queue list` prints them")]
pub struct BadId(pub String);

/// Makes ids. Full (16 in one microsecond): takes the next microsecond, so an id may run ahead of time a little.
#[derive(Debug)]
pub struct Ids {
    node: u8,
    last: Mutex<u64>,
}

impl Ids {
    /// For one of 16 nodes that share a store.
    pub fn new(node: u8) -> Self {
        Self {
            node: node & 0xF,
            last: Mutex::new(0),
        }
    }

    /// A new id at `store_micros` or a little later; greater than each one before it.
    pub fn make(&self, store_micros: u64) -> u64 {
        let mut last = self
            .last
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let fresh = (store_micros << 8) | (u64::from(self.node) << 4);
        let next = if fresh > *last {
            fresh
        } else if *last & 0xF < 0xF {
            *last + 1
        } else {
            (((*last >> 8) + 1) << 8) | (u64::from(self.node) << 4)
        };
        *last = next;
        next
    }
}

/// The store time in microseconds at which an id was made.
pub fn made_at(id: u64) -> u64 {
    id >> 8
}

/// Reads 16 hex digits of either case.
pub fn parse(text: &str) -> Result<u64, BadId> {
    if text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        u64::from_str_radix(text, 16).map_err(|_| BadId(text.to_owned()))
    } else {
        Err(BadId(text.chars().take(40).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_grow_even_when_time_stands_still() {
        let ids = Ids::new(3);
        let made: Vec<u64> = (0..40).map(|_| ids.make(1_000)).collect();
        assert!(made.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(made.iter().all(|id| (id >> 4) & 0xF == 3));
        assert_eq!(made_at(made[0]), 1_000);
    }

    #[test]
    fn only_sixteen_hex_digits_are_an_id() {
        assert_eq!(parse("0643E1B2A90C7701"), Ok(0x0643_E1B2_A90C_7701));
        assert!(parse("643E1B2A90C7701").is_err() && parse("+643E1B2A90C7701").is_err());
    }
}
