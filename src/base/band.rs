//! How urgent a mail is, in three closed bands.
//!
//! A claim takes 8:3:1, so that a one-time password passes a campaign and bulk never starves. Whose mail it is decides
//! the band; what a mail says of itself can only lower it, or every sender would be in a hurry.

/// Closed, as `[[account]] band` names them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Band {
    /// Somebody waits for it.
    Urgent = 0,
    /// The default.
    #[default]
    Normal = 1,
    /// Many of a kind.
    Bulk = 2,
}

impl Band {
    /// All of them, by the words that people write.
    pub const WORDS: [(&'static str, Self); 3] = [
        ("urgent", Self::Urgent),
        ("normal", Self::Normal),
        ("bulk", Self::Bulk),
    ];

    /// By its word.
    pub fn parse(text: &str) -> Option<Self> {
        let found = Self::WORDS.into_iter().find(|(word, _)| *word == text);
        found.map(|(_, band)| band)
    }

    /// As people write it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Urgent => "urgent",
            Self::Normal => "normal",
            Self::Bulk => "bulk",
        }
    }

    /// By its number in a record; what a newer program wrote waits behind.
    pub fn of(number: u8) -> Self {
        match number {
            0 => Self::Urgent,
            1 => Self::Normal,
            _ => Self::Bulk,
        }
    }

    /// Its own, or bulk if it says so of itself.
    pub fn lowered(self, bulk: bool) -> Self {
        if bulk { Self::Bulk } else { self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_band_is_read_as_it_is_written() {
        for (word, band) in Band::WORDS {
            assert_eq!((band.word(), Band::parse(word)), (word, Some(band)));
            assert_eq!(Band::of(band as u8), band);
        }
        assert_eq!(Band::parse("Urgent"), None);
        assert_eq!(Band::of(9), Band::Bulk);
    }
}
