//! # A disk that fills
//!
//! Room is what the file system gives this user, and what is free inside the store's file, less the ballast.
//!
//! | room | new mail | DSNs and digests | delivery | settles, ends, a person's deletes | retire, sweep, history |
//! |---|---|---|---|---|---|
//! | plenty | yes | yes | yes | yes | yes |
//! | low: below `[queue] reserve` | 452 4.3.1 | yes | yes | yes | yes |
//! | none: below an eighth of it | 452 4.3.1 | they wait | nothing is lent | yes | yes |
//!
//! * **A batch says what it asks of the disk** (`store::Need`), and whoever commits it knows: a guess from its operations
//!   would take a requeue for a settle. What frees passes at every level, or a full store stays full.
//! * **Delivery stops at none**, because a mail whose settle cannot be written is sent again, and again. At low it goes on:
//!   that is what empties the disk. Its DSNs are mail of our own, and refusing them would stop what frees room.
//! * **A ballast makes deleting possible.** redb writes a changed page before it frees the old one, so a store that has
//!   filled its own partition could not delete. An eighth of the reserve (1 to 16 MiB, really allocated, `store.ballast`)
//!   goes when a commit finds no space, and is made again when there is plenty. It counts as no room, standing or not, so
//!   that it changes nothing of what is accepted. While room is short, four batches share a commit, so that one needs little.
//! * **A commit without space is believed more than `statvfs`**: there are quotas, and free pages that do not fit. For 30 s
//!   room is low, if there was a ballast to give up, else none; somebody who frees more than the reserve ends it earlier.
//! * **A body that nobody will accept goes at once**, broken off or refused; what a kill leaves goes at the next start. The
//!   sweep record decides between delete and accept, so a commit in doubt loses nothing; the hour's sweep is what remains
//!   for a delete that failed.
//! * **Unfinished mail takes half of the room above the reserve**, so that it alone never stops the mail of others. One
//!   address (IPv6: /64), or one account, has at most twenty mails of full size under way, and a quarter of that room; only
//!   what is longer than a chunk counts. Clients that `trust` names count in all and not alone: behind a gateway are many.
