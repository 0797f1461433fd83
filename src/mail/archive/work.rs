//! What looking into a mail costs, counted before it is done: the same for the same mail on every machine.
//!
//! A unit is about a nanosecond of an old core. Each price stands for the worst that its step can cost, measured by
//! `benches/look.rs`, so that a mail whose account is spent has cost no more than the time that its bound stands for.
//! Not here: what is held in memory and how much comes out (`look`).

/// An octet that is copied, compared or searched through.
pub(super) const OCTET: u64 = 1;
/// An octet of a mail: delimiters are looked for and its encoding is undone.
pub(super) const MAIL_OCTET: u64 = 5;
/// A deflated octet: each of its bits may be a symbol.
pub(super) const DEFLATED_OCTET: u64 = 10;
/// An octet that comes out of it.
pub(super) const INFLATED_OCTET: u64 = 2;
/// A deflated block: its tables are made, however short it is.
pub(super) const BLOCK: u64 = 4_000;
/// A deflated stream, and what is made for it.
pub(super) const STREAM: u64 = 3_000;
/// A part or an entry.
pub(super) const ENTRY: u64 = 3_000;
/// A name, without its octets.
pub(super) const NAME: u64 = 1_000;
/// An octet of a name: it is decoded, cleaned and folded.
pub(super) const NAME_OCTET: u64 = 30;
/// A name or type that is compared with one pattern.
pub(super) const PATTERN: u64 = 100;
/// A record, attribute or field of an archive.
pub(super) const RECORD: u64 = 300;
/// A line of a text.
pub(super) const LINE: u64 = 60;

/// So many steps, or octets, of one price.
pub(super) fn cost(count: usize, price: u64) -> u64 {
    u64::try_from(count)
        .unwrap_or(u64::MAX)
        .saturating_mul(price)
}
