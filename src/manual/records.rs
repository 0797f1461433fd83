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
//! * **An intent is no due record.** `a/<msg>/<parcel>` is written before a final dot goes out and deleted by the settle.
//!   A claim given back before the dot deletes it first and is free only then; a claim whose dot is out is never given
//!   back, by nobody, also not by a panic. So at a start whatever is left was open, and marking it needs no guess. It is
//!   done before listeners and delivery begin; a store that cannot be written keeps delivery waiting, not the listeners.
//! * **A failure with a null reverse-path is held**, in `defect` with reason `undeliverable`: nobody may be told
//!   (RFC 5321 section 4.5.5), so a person decides; nothing is dropped.
//! * **A hold has a card**, `l/<hold id>`, beside its parcel: what lists and digests show, the terms they search by, and
//!   how it ended. The parcel is what counts; the card is written in the same batch, from the parcel, and never read to
//!   decide. Cards sort by the time of the hold, which the parcels of an old message that is held today do not. An ended
//!   card has no terms and goes 30 days after the last link that could ask for it.
//! * **Of many who decide at once one wins.** `Is(parcel)` is the only referee; whoever loses reads the card *again*,
//!   because the first reading may be older than the winner's batch.
//! * **A hold's end is fixed when it begins**, in store time: a shorter `[hold.*] expiry` after a reload does not delete
//!   tonight what a digest promised until next week. An end that passed while the server was off waits a day longer.
//! * **A requeue keeps the old hold in the parcel while it is judged**, so that a new hold can write its id into the old
//!   card: "held again" is an answer that the old link can give.
//! * **What a scanner's failure held waits in its card**: the open card is due as Recheck, in the group of that scanner.
//!   While the scanner is silent the group snoozes; nothing is written, however many wait.
//! * **A bulk job is a due record with a cursor**, `x/<job>`. A page's acts and the cursor behind them are one batch, so a
//!   kill repeats nothing; ids above the job's own are not its business, or a requeue would chase its own new holds.
//! * **A digest's mail is marked in its message.** It is never held, and its failure becomes Digest work, not a DSN.
//! * **An order of a certificate is written as failed before it begins**, `y/<first name>` (owner `certs`), and the claim
//!   ends with that batch: a crash in the middle is one failed try with its back-off, never a loop. Dates, failures,
//!   reloads and people only change this record, and meet the same floor (one order a minute, eight a day, and what a
//!   directory asked to wait). The URL of the order under way stands in it, so that the next try goes on with it.
