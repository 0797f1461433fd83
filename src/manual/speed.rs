//! # Where the time goes
//!
//! A mail costs three durable commits (accept, intent, settle), shared by everybody who waits at that moment: 50 clients share
//! one pair of fsyncs. The life of a relayed mail writes about 22 B-tree entries (`queue::tests` holds the budget).
//!
//! Found by profile, on 2 cores with 10 KiB bodies:
//!
//! * The store's writer is a third to 40 % of the processor time of a mail's life, the kernel's sockets most of the rest;
//!   sessions and deliveries themselves are small (dot-stuffing 1 %, the command parser less).
//! * About 12 % is glibc's `malloc`. **mimalloc was tried and left out:** it saved a tenth to a fifth of the processor
//!   time and doubled the memory (94 instead of 49 MiB after the same load). Memory is what small machines lack.
//! * A claim used to leave a head that newer commits had touched, and nobody was woken: under load a delivery stood
//!   still until the next look, up to a minute. Throughput figures that look like a plateau are worth a look at the
//!   hints before the profile.
//! * `quick_repair` costs at every commit and makes a start after a kill take milliseconds instead of a walk through
//!   the file; it stays on (architecture: to be switched off above 16 GiB).
//!
//! The start to the first 220 misses its mark of 50 ms (52 to 73 ms): a new store's file is drafted, synced, renamed and
//! its directory synced, and the self-signed certificate is made, before a port opens; a store that exists starts in
//! 46 ms with a million mails. On a busy machine the rows *one message a connection* (3.1x) and *one client* (1.3x) fall
//! below their marks too. The first is `smtp-source` and connection set-up, which take more than one of the two cores;
//! in the second a reply waits for the two syncs of a two-phase commit and two hops between threads, where Postfix
//! waits for one sync. One-phase commits would halve it, and are refused because a mail's body is chosen by strangers
//! and redb's one-phase checksum is not cryptographic. What would change both: a commit log of our own in front of
//! redb (architecture: the known next step).
//!
//! ## Asking a scanner
//!
//! A scanner that answers at once still costs a mail a connection, and its end: a quarter of the processor time of an
//! accept. So a clamd that is asked often gets many mails over each connection (IDSESSION):
//!
//! * **Nothing is assumed.** Fifty answers without a pause, then one question on a connection of its own (VERSIONCOMMANDS,
//!   one second); whoever does not name IDSESSION there is spoken to as before. What is known is forgotten after four
//!   seconds without a mail and by anything that breaks or makes no sense: behind an address something else may stand by
//!   then. A connection that ended before it said a word about a mail is replaced once, by one for that mail alone.
//! * **OK counts with the PONG behind it.** A connection of one mail ends in order, and that shows that clamd had read what
//!   it calls clean; one that goes on shows it by answering the PING that follows the mail's last octet. clamd's threads may
//!   say PONG first; that is as good. A wrong number, a second answer or none is garbage.
//! * **Over TCP its two answers are acknowledged at once** (`TCP_QUICKACK`): clamd leaves Nagle's algorithm on, so the
//!   second one would wait 40 ms for our delayed acknowledgement, each mail.
//! * rspamd and milters keep a connection a mail.
//!
//! ## Memory of archives
//!
//! What is kept of an archive above 1 MiB gets one block of the largest size from the system (48 MiB; memory are only the
//! pages that were written). Blocks that grew step by step, on whatever thread the next octets were looked at, left holes in
//! every arena of glibc's allocator: a hundred mails with nested zips took 297 MiB, of which 232 stayed.
