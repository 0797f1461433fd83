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
