//! Why a recipient is kept for a person: queue, reason, cause, and what was checked.
//!
//! A hold has one queue and one closed reason; both names are stored and shown, so they never change. The wording in
//! two languages stands in `words`, under `reason-CODE`; `params` are what it names.
//! Not here: who may release what (`config`), and the life of a held recipient (`queue`).

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::found::{Found, Unseen, Why};

/// The three hold queues. The names are fixed in configuration, API and CLI.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, minicbor::Encode, minicbor::Decode,
)]
#[cbor(index_only)]
pub enum HoldQueue {
    /// Störung: it could not be judged.
    #[n(0)]
    Bad,
    /// Quarantäne: judged and withheld.
    #[n(1)]
    Quarantine,
    /// Defekt: broken or dead.
    #[n(2)]
    Defect,
}

/// Why; worded in German and English where it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, minicbor::Encode, minicbor::Decode)]
#[cbor(index_only)]
pub enum HoldReason {
    /// A person held it.
    #[n(0)]
    Operator,
    /// Too many Received fields, or too many of ours.
    #[n(1)]
    Loop,
    /// Malformed MIME, and `[checks] broken_mime = "hold"`.
    #[n(2)]
    BrokenMime,
    /// A DSN that could not be delivered, or a mail without a reverse-path that could not.
    #[n(3)]
    Undeliverable,
    /// A fault of ours while processing.
    #[n(4)]
    Internal,
    /// A rule of the configuration.
    #[n(5)]
    Rule,
    /// The account is in hold-everything mode.
    #[n(6)]
    Account,
    /// Too many mails of one account.
    #[n(7)]
    RateLimit,
    /// A scanner found malware.
    #[n(8)]
    Virus,
    /// A scanner found a forgery that asks for secrets.
    #[n(9)]
    Phish,
    /// Its score is above the limit.
    #[n(10)]
    Spam,
    /// Its author's domain disowns it.
    #[n(11)]
    Dmarc,
    /// An attachment of a kind that is not let through.
    #[n(12)]
    Attachment,
    /// A scanner did not answer, or not what it should.
    #[n(13)]
    Scanner,
    /// A filter wants it looked at.
    #[n(14)]
    Filter,
    /// A final dot went out and no answer came back, and `[queue] maybe_delivered = "hold"`.
    #[n(15)]
    MaybeDelivered,
}

/// How much harm letting it go can do; what the pages warn by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Risk {
    /// An order, a limit, a broken form.
    Low,
    /// Not judged, or found doubtful.
    Raised,
    /// Found harmful.
    High,
}

/// What a mail can be looked at for before it goes out.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, minicbor::Encode, minicbor::Decode,
)]
#[cbor(index_only)]
pub enum Check {
    /// Received fields.
    #[n(0)]
    Loop,
    /// MIME structure.
    #[n(1)]
    Mime,
    /// The account's hold mode.
    #[n(2)]
    Account,
    /// The account's rate.
    #[n(3)]
    Rate,
    /// `[[hold_rule]]`
    #[n(4)]
    Rules,
    /// Malware.
    #[n(5)]
    Virus,
    /// Spam score.
    #[n(6)]
    Spam,
    /// SPF, DKIM, DMARC.
    #[n(7)]
    Dmarc,
    /// Attachments that are not let through.
    #[n(8)]
    Attachments,
    /// A milter.
    #[n(9)]
    Filter,
}

/// A hold as it is stored with its recipient.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct Hold {
    /// Which of the three.
    #[n(0)]
    pub queue: HoldQueue,
    /// The code.
    #[n(1)]
    pub reason: HoldReason,
    /// The cause in words: rule, finding, error text. Cleaned and bounded.
    #[n(2)]
    pub cause: String,
    /// What the wording of the reason names: `score`, `limit`, `rule`, `account`, `name`.
    #[cbor(n(3), default)]
    pub params: BTreeMap<String, String>,
    /// What it was looked at for before it was held; what is not here was not.
    #[cbor(n(4), default)]
    pub checked: Vec<Check>,
    /// What else was found and not taken back. It counts for who may let the mail go as if it were told first.
    #[cbor(n(5), default)]
    pub others: Vec<Found>,
    /// Checks that did not look again at what they had found, and why.
    #[cbor(n(6), default)]
    pub unseen: Vec<Unseen>,
}

impl Hold {
    /// Without parameters and checks.
    pub fn new(queue: HoldQueue, reason: HoldReason, cause: impl Into<String>) -> Self {
        Self {
            queue,
            reason,
            cause: cause.into(),
            params: BTreeMap::new(),
            checked: Vec::new(),
            others: Vec::new(),
            unseen: Vec::new(),
        }
    }

    /// The scanner that is to blame for it, if one is: when that one answers again, the mail is judged again. What was
    /// found waits for a scanner only if that one kept its check from looking.
    pub fn failed_scanner(&self) -> Option<&str> {
        if self.reason == HoldReason::Scanner {
            return self.params.get(SCANNER).map(String::as_str);
        }
        let own = Found::told_by(self)?;
        let mut all = self.unseen.iter();
        let waits = |one: &Unseen| matches!(one.why, Why::Failed | Why::NotReached);
        all.find(|one| Some(one.by.as_str()) == own.by() && waits(one))?;
        let mut all = self.unseen.iter();
        let failed = all.find(|one| one.why == Why::Failed)?;
        Some(&failed.by)
    }

    /// Everything that checks found and did not take back, what the hold itself tells first.
    pub fn found(&self) -> Vec<Found> {
        let own = Found::told_by(self).into_iter();
        own.chain(self.others.iter().cloned()).collect()
    }

    /// Every reason for which the mail is kept, its own first. Who may do what goes by all of them.
    pub fn reasons(&self) -> impl Iterator<Item = HoldReason> {
        let others = self.others.iter().map(|found| found.reason);
        std::iter::once(self.reason).chain(others)
    }

    /// The greatest harm that a release can do.
    pub fn risk(&self) -> Risk {
        self.reasons()
            .map(HoldReason::risk)
            .fold(Risk::Low, Ord::max)
    }

    /// Whether the owner of an address may decide, or only an administrator.
    pub fn is_owners(&self) -> bool {
        self.reasons().all(HoldReason::is_owners)
    }

    /// Whether it may be what nobody should get, nor get back: found harmful, or not judged.
    pub fn is_dangerous(&self) -> bool {
        self.reasons().any(HoldReason::is_dangerous)
    }

    /// Both at once: the graver tells, and the other's find is not lost. Of equals the first tells.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let (mut first, second) = if other.reason.gravity() > self.reason.gravity() {
            (other, self)
        } else {
            (self, other)
        };
        first.checked = union(&first.checked, &second.checked);
        first.beside(second.found())
    }

    /// With what else was found.
    #[must_use]
    pub fn beside(mut self, others: Vec<Found>) -> Self {
        let own = Found::told_by(&self);
        for other in others {
            let known = own.iter().chain(&self.others).any(|one| one.is_of(&other));
            if !known {
                self.others.push(other);
            }
        }
        self
    }

    /// The cause, and why it was not looked at again, for administrators and logs.
    pub fn in_words(&self) -> String {
        let also = self.others.iter().map(|found| {
            let by = found.by().map(|by| format!(" by {by}")).unwrap_or_default();
            format!("also {}{by}: {}", found.reason, found.cause)
        });
        let all = self.unseen.iter().map(Unseen::in_words).chain(also);
        let all = std::iter::once(self.cause.clone()).chain(all);
        let all: Vec<String> = all.filter(|text| !text.is_empty()).collect();
        all.join("; ")
    }

    /// How often it was requeued by itself before.
    pub fn tries(&self) -> u32 {
        let tries = self.params.get(TRIES).and_then(|tries| tries.parse().ok());
        tries.unwrap_or(0)
    }

    /// After a requeue that `before` had led to.
    #[must_use]
    pub fn after(self, before: Option<&Self>) -> Self {
        match before.filter(|before| before.failed_scanner().is_some()) {
            Some(before) if self.failed_scanner().is_some() => self.with(TRIES, before.tries() + 1),
            Some(_) | None => self,
        }
    }

    /// With one more parameter for its wording.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.params.insert(name.to_owned(), value.to_string());
        self
    }
}

/// What either was looked at for.
pub fn union(one: &[Check], other: &[Check]) -> Vec<Check> {
    let more = other.iter().filter(|check| !one.contains(check));
    one.iter().chain(more).copied().collect()
}

/// The parameter that names a scanner.
pub const SCANNER: &str = "scanner";
/// The parameter that counts requeues; of the hold, and not of what was found.
pub(super) const TRIES: &str = "tries";

impl HoldQueue {
    /// All three, in the order of the pages.
    pub const ALL: [Self; 3] = [Self::Bad, Self::Quarantine, Self::Defect];

    /// `bad`, `quarantine`, `defect`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Bad => "bad",
            Self::Quarantine => "quarantine",
            Self::Defect => "defect",
        }
    }
}

impl Check {
    /// All, in the order in which they are made.
    pub const ALL: [Self; 10] = [
        Self::Loop,
        Self::Mime,
        Self::Attachments,
        Self::Virus,
        Self::Spam,
        Self::Dmarc,
        Self::Filter,
        Self::Account,
        Self::Rate,
        Self::Rules,
    ];

    /// As facts and the API spell it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Loop => "loop",
            Self::Mime => "mime",
            Self::Account => "account",
            Self::Rate => "rate",
            Self::Rules => "rules",
            Self::Virus => "virus",
            Self::Spam => "spam",
            Self::Dmarc => "dmarc",
            Self::Attachments => "attachments",
            Self::Filter => "filter",
        }
    }
}

impl Risk {
    /// As the API spells it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Raised => "raised",
            Self::High => "high",
        }
    }
}

impl HoldReason {
    /// All, in the order of their numbers.
    pub const ALL: [Self; 16] = [
        Self::Operator,
        Self::Loop,
        Self::BrokenMime,
        Self::Undeliverable,
        Self::Internal,
        Self::Rule,
        Self::Account,
        Self::RateLimit,
        Self::Virus,
        Self::Phish,
        Self::Spam,
        Self::Dmarc,
        Self::Attachment,
        Self::Scanner,
        Self::Filter,
        Self::MaybeDelivered,
    ];

    /// How much harm a release can do.
    pub fn risk(self) -> Risk {
        match self {
            Self::Virus | Self::Phish => Risk::High,
            Self::Spam
            | Self::Dmarc
            | Self::Attachment
            | Self::Scanner
            | Self::Filter
            | Self::Internal
            | Self::BrokenMime => Risk::Raised,
            Self::Operator
            | Self::Loop
            | Self::Undeliverable
            | Self::Rule
            | Self::Account
            | Self::RateLimit
            | Self::MaybeDelivered => Risk::Low,
        }
    }

    /// Which of several tells; what could not be judged tells only where nothing was found.
    pub fn gravity(self) -> u8 {
        match self {
            Self::Virus => 6,
            Self::Phish => 5,
            Self::Attachment | Self::Filter | Self::Dmarc | Self::Spam => 4,
            Self::Account | Self::RateLimit => 3,
            Self::Operator
            | Self::Rule
            | Self::Loop
            | Self::BrokenMime
            | Self::Undeliverable
            | Self::MaybeDelivered => 2,
            Self::Scanner | Self::Internal => 1,
        }
    }

    /// Whether a check found something: that stays until the same check looked again.
    pub fn is_finding(self) -> bool {
        match self {
            Self::Virus
            | Self::Phish
            | Self::Spam
            | Self::Dmarc
            | Self::Attachment
            | Self::Filter
            | Self::Rule
            | Self::Account
            | Self::Loop
            | Self::BrokenMime => true,
            Self::Operator
            | Self::Undeliverable
            | Self::Internal
            | Self::RateLimit
            | Self::Scanner
            | Self::MaybeDelivered => false,
        }
    }

    /// See `Hold::is_dangerous`.
    pub fn is_dangerous(self) -> bool {
        match self {
            Self::Virus
            | Self::Phish
            | Self::Spam
            | Self::Dmarc
            | Self::Attachment
            | Self::Scanner
            // A fault may have come before the check that would have found it.
            | Self::Internal
            | Self::Filter => true,
            Self::Operator
            | Self::Loop
            | Self::BrokenMime
            | Self::Undeliverable
            | Self::Rule
            | Self::Account
            | Self::RateLimit
            | Self::MaybeDelivered => false,
        }
    }

    /// Whether a requeue can find it again; if not, requeueing is releasing: no check knows what a person meant, that a
    /// next hop refused, or how fast an account sent (a requeue does not ask for its rate).
    pub fn is_found_again(self) -> bool {
        match self {
            Self::Operator | Self::Undeliverable | Self::MaybeDelivered | Self::RateLimit => false,
            Self::Loop
            | Self::BrokenMime
            | Self::Internal
            | Self::Rule
            | Self::Account
            | Self::Virus
            | Self::Phish
            | Self::Spam
            | Self::Dmarc
            | Self::Attachment
            | Self::Scanner
            | Self::Filter => true,
        }
    }

    /// Whether the owner of an address may decide, or only an administrator.
    pub fn is_owners(self) -> bool {
        match self {
            Self::Virus | Self::Phish | Self::RateLimit | Self::Account => false,
            Self::Operator
            | Self::Loop
            | Self::BrokenMime
            | Self::Undeliverable
            | Self::Internal
            | Self::Rule
            | Self::Spam
            | Self::Dmarc
            | Self::Attachment
            | Self::Scanner
            | Self::Filter
            | Self::MaybeDelivered => true,
        }
    }

    /// The code as configuration, events and API spell it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Loop => "loop",
            Self::BrokenMime => "broken_mime",
            Self::Undeliverable => "undeliverable",
            Self::Internal => "internal",
            Self::Rule => "rule",
            Self::Account => "account",
            Self::RateLimit => "rate_limit",
            Self::Virus => "virus",
            Self::Phish => "phish",
            Self::Spam => "spam",
            Self::Dmarc => "dmarc",
            Self::Attachment => "attachment",
            Self::Scanner => "scanner",
            Self::Filter => "filter",
            Self::MaybeDelivered => "maybe_delivered",
        }
    }
}

impl fmt::Display for HoldQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl fmt::Display for HoldReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for HoldQueue {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL
            .into_iter()
            .find(|queue| queue.word() == text)
            .ok_or(())
    }
}

impl FromStr for HoldReason {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL
            .into_iter()
            .find(|reason| reason.word() == text)
            .ok_or(())
    }
}
