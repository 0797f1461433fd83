//! # How states become records
//!
//! The recipient is the unit of state, the parcel the unit of storage (up to 100 recipients of one message in one
//! group). What follows from it, and is easy to get wrong:
//!
//! * **Due slots follow from states.** `queue::ledger::put_parcel` derives the due slot and the index terms from the
//!   states of a parcel's slots; nobody else writes a parcel, so record, due slot and terms cannot disagree.
//! * **A parcel number is not a sequence.** Parcels made at accept are numbered from 0; one that splits off later takes
//!   a fresh id. A counter in the message record would make every split conflict with every other.
//! * **A claim outranks a person.** `Pre::Free` says that nobody has claimed the record, beside `Is` for its version:
//!   a person who deletes a mail that is in delivery is told "in delivery; try again",
//!   never "deleted" for a mail that then arrives.
//! * **DSN work of one message is one group** (the hash of `n/<msg>`, not of the whole key), so that one claim takes
//!   all failures of its minute and makes one DSN of them.
//! * **A lifetime also ends at a settle.** A deferral after the lifetime ends the recipient at once; the message's
//!   Expire slot covers what is never tried (snoozed, paused).
//! * **A failure with a null reverse-path is held**, in `defect` with reason `undeliverable`: nobody may be told
//!   (RFC 5321 section 4.5.5), so a person decides; nothing is dropped.
//! * **A hold does not expire yet.** `[hold.*] expiry` comes with the digests that announce it; until then a held
//!   recipient stays until somebody acts, which loses nothing.
