//! What the name of a clamd finding says: malware, or one of clamd's own heuristics that means something else.
//!
//! clamd says FOUND too for what it could not look into and for what is no malware (clamd.conf(5): AlertExceedsMax,
//! AlertEncrypted, PhishingSignatures, AlertOLE2Macros). Only names that it makes itself count as such: what a signature
//! file adds ends in `.UNOFFICIAL`, and what is not known here is malware, whatever it is called.
//! Not here: what a flag means for the mail (`policy`).

use super::{Opinion, Trouble};
use crate::base::limit::SCAN_WORDS_MAX;
use crate::base::text::clean_bytes;

/// Something that clamd finds and that is no malware. None says that the mail was looked at to its end: by its options
/// clamd ends at a heuristic before it knows all signatures (HeuristicScanPrecedence).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flag {
    /// Above a limit of its own: it looked at a part only.
    Limits,
    /// Only a password opens it.
    Encrypted,
    /// A link that shows another place than it leads to.
    Phishing,
    /// An Office file with macros.
    Macros,
}

impl Flag {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Limits, Self::Encrypted, Self::Phishing, Self::Macros];

    /// As parameters of holds spell it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Limits => "clamd-limits",
            Self::Encrypted => "clamd-encrypted",
            Self::Phishing => "clamd-phishing",
            Self::Macros => "clamd-macros",
        }
    }

    /// What its names begin with; macros have one without a further part.
    fn prefix(self) -> &'static [u8] {
        match self {
            Self::Limits => b"Heuristics.Limits.",
            Self::Encrypted => b"Heuristics.Encrypted.",
            Self::Phishing => b"Heuristics.Phishing.",
            Self::Macros => b"Heuristics.OLE2.ContainsMacros",
        }
    }
}

/// Of the name in front of FOUND. clamd 0.105 said `(null)` where it had none: that is no finding, and about this one mail
/// only. Whoever writes such mails must not make the scanner count as dead for everybody.
pub(super) fn opinion(name: &[u8]) -> Result<Opinion, Trouble> {
    let shown = clean_bytes(name, SCAN_WORDS_MAX);
    let bare = name.trim_ascii();
    if bare.is_empty() || bare.starts_with(b"(null)") {
        let words = format!("it found something without a name (\"{shown}\")");
        return Err(Trouble::Unable(words));
    }
    Ok(match flag(bare) {
        Some(flag) => Opinion::Flagged(flag, shown),
        None => Opinion::Infected(shown),
    })
}

fn flag(name: &[u8]) -> Option<Flag> {
    // ExtendedDetectionInfo puts digest and size behind it.
    let own = memchr::memchr(b'(', name).map_or(name, |at| name.get(..at).unwrap_or(name));
    if own.ends_with(b".UNOFFICIAL") {
        return None;
    }
    Flag::ALL.into_iter().find(|flag| {
        let rest = own.strip_prefix(flag.prefix());
        rest.is_some_and(|rest| match flag {
            Flag::Macros => rest.is_empty() || rest.starts_with(b"."),
            Flag::Limits | Flag::Encrypted | Flag::Phishing => !rest.is_empty(),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_heuristics_that_mean_something_else_are_no_malware() {
        for (name, wanted) in [
            ("Win.Test.EICAR_HDB-1", None),
            ("Eicar-Test-Signature", None),
            ("Heuristics.Limits.Exceeded", Some(Flag::Limits)),
            ("Heuristics.Limits.Exceeded.MaxFileSize", Some(Flag::Limits)),
            (
                "Heuristics.Limits.Exceeded.MaxScanTime(0123456789abcdef:68)",
                Some(Flag::Limits),
            ),
            ("Heuristics.Encrypted.Zip", Some(Flag::Encrypted)),
            ("Heuristics.Encrypted.PDF", Some(Flag::Encrypted)),
            (
                "Heuristics.Phishing.Email.SpoofedDomain",
                Some(Flag::Phishing),
            ),
            ("Heuristics.Phishing.Email.SSL-Spoof", Some(Flag::Phishing)),
            ("Heuristics.OLE2.ContainsMacros", Some(Flag::Macros)),
            ("Heuristics.OLE2.ContainsMacros.VBA", Some(Flag::Macros)),
            ("Heuristics.OLE2.ContainsMacrosWorm", None),
            // All other heuristics, and names that only look like one of clamd's.
            ("Heuristics.Exploit.W32.MS08-067", None),
            ("Heuristics.Broken.Executable", None),
            ("Heuristics.Structured.CreditCardNumber", None),
            ("Heuristics.Limits", None),
            ("Heuristics.Limits.", None),
            ("heuristics.limits.exceeded", None),
            ("Heuristics.Encrypted.Doc.UNOFFICIAL", None),
            ("Heuristics.Encrypted.Doc.UNOFFICIAL(0123:9)", None),
            ("Phishing.Email-1", None),
            ("Email.Phishing.VOF1-6295436-0", None),
            ("Win.Heuristics.Limits.Exceeded", None),
            ("Sanesecurity.Heuristics.Phishing.UNOFFICIAL", None),
        ] {
            let wanted = match wanted {
                Some(flag) => Opinion::Flagged(flag, name.to_owned()),
                None => Opinion::Infected(name.to_owned()),
            };
            assert_eq!(opinion(name.as_bytes()), Ok(wanted), "case: {name}");
        }
    }

    #[test]
    fn a_finding_without_a_name_is_none() {
        for name in [
            "",
            " ",
            "(null)",
            " (null)",
            "(null)(0123:9)",
            "(null).UNOFFICIAL",
        ] {
            let said = opinion(name.as_bytes());
            assert!(
                matches!(said, Err(Trouble::Unable(_))),
                "case: {name}: {said:?}"
            );
        }
    }

    #[test]
    fn a_long_name_is_a_finding_all_the_same() {
        let name = "X".repeat(10 * SCAN_WORDS_MAX);
        let said = opinion(name.as_bytes());
        assert!(matches!(said, Ok(Opinion::Infected(_))), "{said:?}");
    }
}
