//! What a link carries: 33 octets as 44 characters of base64url, and what they must look like.
//!
//! Octet 0 is key id (6 bits) and action (2 bits); then hold id 8, digest number 4, and the hour at which it ends 4,
//! big-endian; then the first 16 octets of HMAC-SHA256 over `postwerk/d/1` and these 17. Every link has exactly one
//! spelling: 44 characters carry 264 bits, which is 33 octets with none to spare, and padding is refused.
//! Not here: the keys (`key`), whether a link has ended, and what it may do (`desk`).

use aws_lc_rs::{constant_time, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::queue::record::HoldId;

/// Characters of a token.
pub const TOKEN_CHARS: usize = 44;

/// What is signed first, so that no other use of the key can make a token.
const PURPOSE: &[u8] = b"postwerk/d/1";
const HEAD: usize = 17;
const TAG: usize = 16;
/// What one hour of a link's end is, in seconds.
const HOUR_SECS: u64 = 3_600;

/// What a link offers first; its page has the other buttons too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Nothing: whoever opens it is a robot, as no person sees it.
    Canary,
    /// Deliver without a check.
    Release,
    /// Judge again.
    Requeue,
    /// Into the trash.
    Delete,
    /// Mail the next rows to the digest's own address.
    More,
}

/// What a good link said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token {
    /// Id of the key that signed it.
    pub key: u8,
    /// What it offers.
    pub action: Action,
    /// Which hold; 0 for what belongs to the whole digest.
    pub hold: HoldId,
    /// By which digest, and so to whom.
    pub digest: u32,
    /// Hours since 1970 at which it ends.
    pub end: u32,
}

/// Why a text is no link of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadToken {
    /// Never signed by us, or altered.
    #[error("no link of this server")]
    Unknown,
    /// It was good until its key was revoked: its page says *expired*.
    #[error("the link was revoked by a new key")]
    Revoked(Token),
}

/// A text of the right form, not yet believed.
#[derive(Debug)]
pub(super) struct Written {
    head: [u8; HEAD],
    tag: [u8; TAG],
}

impl Action {
    /// All, in the order of their numbers.
    pub const ALL: [Self; 5] = [
        Self::Canary,
        Self::Release,
        Self::Requeue,
        Self::Delete,
        Self::More,
    ];

    /// Whether it belongs to a digest and not to a hold.
    pub fn is_whole(self) -> bool {
        match self {
            Self::Canary | Self::More => true,
            Self::Release | Self::Requeue | Self::Delete => false,
        }
    }

    /// Two bits; the digest's own actions and those of its rows are told apart by the hold.
    fn number(self) -> u8 {
        match self {
            Self::Canary => 0,
            Self::Release | Self::More => 1,
            Self::Requeue => 2,
            Self::Delete => 3,
        }
    }
}

impl Token {
    /// Signed by `key`.
    pub(super) fn sealed(&self, key: &hmac::Key) -> String {
        let head = self.head();
        let tag = tag(key, &head);
        let mut octets = [0; HEAD + TAG];
        let (to_head, to_tag) = octets.split_at_mut(HEAD);
        to_head.copy_from_slice(&head);
        to_tag.copy_from_slice(&tag);
        URL_SAFE_NO_PAD.encode(octets)
    }

    /// Whether it has ended by the clock on the wall.
    pub fn has_ended(&self, wall: crate::base::clock::Wall) -> bool {
        hour_of(wall) >= self.end
    }

    fn head(&self) -> [u8; HEAD] {
        let mut head = [0; HEAD];
        let parts = [(self.key << 2) | self.action.number()]
            .into_iter()
            .chain(self.hold.0.to_be_bytes())
            .chain(self.digest.to_be_bytes())
            .chain(self.end.to_be_bytes());
        for (to, from) in head.iter_mut().zip(parts) {
            *to = from;
        }
        head
    }
}

impl Written {
    /// Only the one spelling of 33 octets: 44 characters of the URL-safe alphabet.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.len() != TOKEN_CHARS {
            return None;
        }
        let mut octets = [0; HEAD + TAG];
        let length = URL_SAFE_NO_PAD.decode_slice(text, &mut octets).ok()?;
        let (head, tag) = octets.split_at_checked(HEAD)?;
        (length == HEAD + TAG).then_some(Self {
            head: head.try_into().ok()?,
            tag: tag.try_into().ok()?,
        })
    }

    /// What costs as much as a real one and is never good.
    pub(super) fn nothing() -> Self {
        Self {
            head: [0; HEAD],
            tag: [0; TAG],
        }
    }

    /// Which key it says that it was signed by.
    pub(super) fn key(&self) -> u8 {
        let [first, ..] = self.head;
        first >> 2
    }

    /// Whether `key` signed it; the time it takes does not say where it differs.
    pub(super) fn is_by(&self, key: &hmac::Key) -> bool {
        constant_time::verify_slices_are_equal(&tag(key, &self.head), &self.tag).is_ok()
    }

    /// What it says; none: no action of ours.
    pub(super) fn token(&self) -> Option<Token> {
        let [first, rest @ ..] = self.head;
        let (hold, rest) = rest.split_first_chunk::<8>()?;
        let (digest, rest) = rest.split_first_chunk::<4>()?;
        let (end, _) = rest.split_first_chunk::<4>()?;
        let hold = HoldId(u64::from_be_bytes(*hold));
        let action = Action::ALL
            .into_iter()
            .find(|action| action.number() == first & 3 && action.is_whole() == (hold.0 == 0))?;
        Some(Token {
            key: first >> 2,
            action,
            hold,
            digest: u32::from_be_bytes(*digest),
            end: u32::from_be_bytes(*end),
        })
    }
}

/// Whole hours since 1970.
pub fn hour_of(wall: crate::base::clock::Wall) -> u32 {
    u32::try_from(wall.secs() / HOUR_SECS).unwrap_or(u32::MAX)
}

/// 128 bits of the MAC: 2^127 guesses on average, each over the net.
fn tag(key: &hmac::Key, head: &[u8; HEAD]) -> [u8; TAG] {
    let mut signing = hmac::Context::with_key(key);
    signing.update(PURPOSE);
    signing.update(head);
    let full = signing.sign();
    let mut tag = [0; TAG];
    for (to, from) in tag.iter_mut().zip(full.as_ref()) {
        *to = *from;
    }
    tag
}

#[cfg(test)]
mod tests;
