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
//! * **One DSN takes all work of its message.** A claim lends 20 records, and failures of one minute are due one after the
//!   other; so whoever has one `n/<msg>/` reads the others, and finishes those too that nobody has claimed (`Free`). The
//!   first failure waits a minute for the others; `queue show` says until when.
//! * **A lifetime also ends at a settle.** A deferral after the lifetime ends the recipient at once; the message's
//!   Expire slot covers what is never tried (snoozed, paused). It ends what is free and looks again in ten seconds at what
//!   is lent; what is judged, or was released and is due since then, counts too.
//! * **An intent is no due record.** `a/<msg>/<parcel>` is written before a final dot goes out and deleted by the settle.
//!   A claim given back before the dot deletes it first and is free only then; a claim whose dot is out is never given
//!   back, by nobody, also not by a panic. So at a start whatever is left was open, and marking it needs no guess. It is
//!   done before listeners and delivery begin; a store that cannot be written keeps delivery waiting, not the listeners.
//! * **A count at zero changes the version**, and only then: it moves the message's slot to Retire, and whoever read the
//!   record before must not write his own over it. Slots are changed by `Op::Due`, which leaves payload, terms and count
//!   alone, and always under `Is`.
//! * **Upkeep shares commits** (`queue::joint`): all groups that are due make parts of one batch, up to 1,000 rows; who is
//!   overtaken is left out and read again alone. A message retires by ranges, without a read: its count is the proof.
//! * **Facts age by their own time**, which is in their ids, and go when their message is gone too. The walk `w/history`
//!   goes by message, passes over what lives or is young, and removes runs; it is due again at once while something is
//!   left, and else after a tenth of `[queue] history`, ten minutes at most. An index by time would cost each fact two more
//!   operations.
//! * **A failure rests** (`queue::worker`): a piece of work for 1, 2, 4 … 60 seconds, a group of which nothing could be
//!   done for at most 8, so that it comes round to those behind. No hint ends a rest: the first hint after a failure is that
//!   of the claims that the worker itself gave back, and a loop that listened to it wrote 8,600 log lines a second.
//! * **A damaged record stops nobody.** Whoever claims it takes its due slot away and notes it under `e/<msg><key>`; status,
//!   metrics and `queue show` name it, and each start tries it again once, so that a repair or a newer program needs no
//!   command. Only what cannot be decoded, or lacks a part, is set aside; an error of the store sets nothing aside. A due
//!   record whose frame the engine cannot read is kept out until the next start, and named by `store::check`.
//! * **A failure with a null reverse-path is held**, in `defect` with reason `undeliverable`: nobody may be told
//!   (RFC 5321 section 4.5.5), so a person decides; nothing is dropped.
//! * **A hold has a card**, `l/<hold id>`, beside its parcel: what lists and digests show, the terms they search by, and
//!   how it ended. The parcel is what counts; the card is written in the same batch, from the parcel, and never read to
//!   decide. Cards sort by the time of the hold, which the parcels of an old message that is held today do not. An ended
//!   card has one term, trash or done, and goes 30 days after the last link that could ask for it; the end of the trash's
//!   time moves it from the one to the other.
//! * **Of many who decide at once one wins.** `Is(parcel)` is the only referee; whoever loses reads the card *again*,
//!   because the first reading may be older than the winner's batch.
//! * **A hold's end is fixed when it begins**, in store time: a shorter `[hold.*] expiry` after a reload does not delete
//!   tonight what a digest promised until next week. An end that passed while the server was off waits a day longer,
//!   and what is brought back is held for seven days at least: its end may have passed in the trash.
//! * **A requeue keeps the old hold in the parcel while it is judged**, so that a new hold can write its id into the old
//!   card: "held again" is an answer that the old link can give.
//! * **What a scanner's failure held waits in its card**: the open card is due as Recheck, in the group of that scanner.
//!   While the scanner is silent the group snoozes; nothing is written, however many wait.
//! * **A bulk job is a due record with a cursor**, `x/<job>`. A page's acts and the cursor behind them are one batch, so a
//!   kill repeats nothing; ids above the job's own are not its business, or a requeue would chase its own new holds.
//! * **A parcel carries the mark of the job that moved it** (`Parcel.job`), and any later act of anybody takes the mark
//!   away. Taking a job back is a job over the parcels with its mark (`BY_JOB`, kept only while they wait or lie in the
//!   trash), so that it costs what the job did, and touches nothing that somebody decided since. The batch that begins it
//!   ends the job that it takes back; each page of a job asks for its own record as it was, so a running one stops there.
//! * **A digest's mail is marked in its message.** It is never held, and its failure becomes Digest work, not a DSN.
//! * **An order of a certificate is written as failed before it begins**, `y/<first name>` (owner `certs`), and the claim
//!   ends with that batch: a crash in the middle is one failed try with its back-off, never a loop. Dates, failures,
//!   reloads and people only change this record, and meet the same floor (one order a minute, eight a day, and what a
//!   directory asked to wait). The URL of the order under way stands in it, so that the next try goes on with it.
//! * **Where an account logged in from** is one record, `f/<account>` (owner `accounts`): at most 64 places with the time of
//!   their day's first login, so that a program that logs in for each mail writes once a day. It is no due record: it only
//!   gives room in a throttle, and is swept when another account's begins.
//! * **Dates of a certificate are reckoned by the wall, and the wall may have been ahead**: each record is due once a day at
//!   least, and what this wall cannot have led to is drawn back then: to the latest moment of a renewal, to a day after a
//!   failed try, to the longest wait that a directory may ask for. What it asked of one order binds all of its account.
//! * **An order that a reload overtook installs what the configuration says now**: under its names and in its folder, or
//!   not at all when title, names or directory are others. A reload that finds the file of a certificate damaged, gone or
//!   for other names keeps what is in force (`CertStand::unsaved`), and its order is due at once.
