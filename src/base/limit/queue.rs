//! Bounds of what waits and what is stored: parcels, sites, workers, commits, history, reports.
//!
//! Each constant is documented by why it is that number.
//! Not here: the wire (`wire`), and what people and pages see (`pages`).

use std::time::Duration;

/// Recipients of one parcel, and so of one transaction at delivery: what every server must take (section 4.5.3.1.8).
pub const PARCEL_RECIPIENTS_MAX: usize = 100;

/// A chunk of a stored body. redb rounds pages up to powers of two, so 65,024 octets and their frame fit 64 KiB.
pub const CHUNK: usize = 65_024;

/// Chunks of one session that may be on their way to the disk.
pub const CHUNKS_IN_FLIGHT: usize = 4;

/// Groups whose reason to wait is remembered: as many as have their snooze remembered by the store.
pub const WAITS_MAX: usize = 50_000;

/// The reason that a site could not be used counts for mail that ends so long after it: longer than any wait.
pub const WAIT_MEMORY: Duration = Duration::from_secs(3_600);

/// Groups that people woke and that the dispatcher has not seen; above it a group waits for the site's own next try.
pub const WOKEN_MAX: usize = 1_000;

/// Fields a search looks through without an index before it gives back a cursor.
pub const SCAN_MAX: usize = 10_000;

/// A verb on more recipients than these wants their number said again: nobody types 501 for 5.
pub const BULK_NUMBER_ABOVE: u64 = 500;

/// Groups with due mail that delivery holds in memory; the store keeps the rest until there is room.
pub const GROUPS_WAITING_MAX: usize = 4_000;

/// And of one site, so that a slow site with 10,000 domains leaves room for all others.
pub const GROUPS_OF_SITE_MAX: usize = 200;

/// Heads asked from the store at once.
pub const HEADS_ASKED: usize = 500;

/// Domains whose MX is asked for at the same time.
pub const LEARNING_MAX: usize = 64;

/// Domains whose site is remembered; above it the expired, then any, are forgotten.
pub const DOMAINS_LEARNED_MAX: usize = 50_000;

/// Sites remembered; above it those without mail and connections are forgotten.
pub const SITES_MAX: usize = 10_000;

/// Of the connections in all, one in so many is only for sites that have none: ten busy or dripping sites must not keep
/// the mail of an idle one waiting.
pub const PLACES_KEPT_SHARE: usize = 10;

/// One network (/24, /48) that DNS chose holds at most one in so many of the connections: whoever owns it may have
/// thousands of domains, and a host for each.
pub const NETWORK_SHARE: usize = 4;

/// A site that asked for less gets one connection more not sooner than this: a refused one costs both sides.
pub const PACE_RISE: Duration = Duration::from_secs(10);

/// The longest pause of a site that asks for less, as long as one that cannot be reached waits: then one mail asks.
pub const PAUSE_MAX: Duration = Duration::from_secs(15 * 60);

/// The shortest that a reply may name; "in 0 seconds" is no pause.
pub const PAUSE_NAMED_MIN: Duration = Duration::from_secs(1);

/// A person's retry asks a site that failed at once, but not more often than this: a bulk retry is many of them.
pub const WAKE_REST: Duration = Duration::from_secs(1);

/// How long a site that failed is remembered without mail for it: longer than its longest wait.
pub const SITE_MEMORY: Duration = Duration::from_secs(3_600);

/// Settles under way, each with its facts and replies in memory: about 4 KiB. A lane waits for one of them to end.
pub const SETTLES_MAX: usize = 1_000;

/// Intents of an earlier life looked at together at the start: as many as there are lanes by default.
pub const INTENTS_PAGE: usize = 200;

/// Operations of a commit that marks them, after which the next one begins; a parcel of 100 recipients that are all
/// held takes 500, and a commit may have 20,000.
pub const INTENT_OPS_MAX: usize = 1_000;

/// Tries of a parcel after which one that a kill cut off waits as the retry table says. Before, it is due at once: the
/// end was ours, and the site gave no reason to wait; but a mail that ends the server each time must not be sent at
/// each start.
pub const TRIES_AT_ONCE: u32 = 2;

/// A settle that the store cannot take is tried for so long: until an administrator has come by. Meanwhile its
/// recipients are claimed, so that nothing is sent twice; `SETTLES_MAX` of them stop delivery.
pub const SETTLE_FOR: Duration = Duration::from_secs(24 * 3_600);

/// The first pause of such a settle, doubled each time.
pub const SETTLE_PAUSE: Duration = Duration::from_secs(1);

/// And the longest: a disk that works again is noticed within a minute.
pub const SETTLE_PAUSE_MAX: Duration = Duration::from_secs(60);

/// A piece of work that failed, or a group of which nothing could be done, is tried again after so long; each time
/// after twice as long. A disk that answers again is noticed at once.
pub const REST_FIRST: Duration = Duration::from_secs(1);

/// See `REST_FIRST`: what is repaired is done within a minute.
pub const REST_MAX: Duration = Duration::from_secs(60);

/// The longest rest of a group of which nothing could be done: below that of its pieces, so that it comes round to those
/// behind them.
pub const REST_GROUP_MAX: Duration = Duration::from_secs(8);

/// Pieces of work whose failures are counted; above it the rests begin anew.
pub const RESTS_MAX: usize = 10_000;

/// Octets of a message that a DSN brings back whole; a larger one comes back as its header.
pub const DSN_FULL_MAX: u64 = 64 << 10;

/// Octets of a line that a DSN brings back, with its CRLF: what every hop takes (RFC 5321 section 4.5.3.1.6).
pub const DSN_LINE_MAX: usize = 1_000;

/// Characters of a remote's reply in a DSN's part for people: two lines of RFC 5321 section 4.5.3.1.5; the machine's part
/// has more of it.
pub const DSN_REPLY_SHOWN_MAX: usize = 1_024;

/// Recipients that one DSN names one by one; above it the rest is only counted.
pub const DSN_RECIPIENTS_MAX: usize = 1_000;

/// Spans in `[queue] retry`; the last one repeats, so more say nothing new.
pub const RETRIES_MAX: usize = 64;

/// The largest `[queue] max_message_size` that can be set: a body is read and written again at every try.
pub const MESSAGE_SIZE_MAX: crate::base::size::ByteSize = crate::base::size::ByteSize::mib(2 << 10);

/// Batches, octets and operations that share one commit: more would make the first wait for the last.
pub const COMMIT_BATCHES_MAX: usize = 256;

/// See `COMMIT_BATCHES_MAX`.
pub const COMMIT_BYTES_MAX: usize = 8 << 20;

/// See `COMMIT_BATCHES_MAX`. Batches of the back inbox get a quarter of it.
pub const COMMIT_OPS_MAX: usize = 4_000;

/// Rows of upkeep's changes that share a commit: the share that the back inbox has when sessions wait too.
pub const JOINT_ROWS_MAX: usize = COMMIT_OPS_MAX / 4;

/// Operations of a batch that is committed alone: a mail for 1,000 recipients in 1,000 domains needs about 7,000.
pub const BATCH_OPS_MAX: usize = 20_000;

/// Octets of such a batch; larger bodies are staged.
pub const BATCH_BYTES_MAX: usize = 32 << 20;

/// Octets kept beside the store so that a full one can still delete: redb writes a changed page before it frees the old
/// one, and frees it two commits later. `BALLAST_BATCHES` of the largest deletes need a few MiB in deep trees.
pub const BALLAST_MAX: u64 = 16 << 20;

/// On the smallest disks, whose trees are shallow.
pub const BALLAST_MIN: u64 = 1 << 20;

/// Before a ballast that could not be made is tried again: somebody has to free space first.
pub const BALLAST_AGAIN: Duration = Duration::from_secs(60);

/// Batches that share a commit while the disk is full, so that one commit needs little of the ballast.
pub const BALLAST_BATCHES: usize = 4;

/// Batches that wait for the writer; then `commit` waits. Above the connections of a usual configuration.
pub const FRONT_INBOX: usize = 1_024;

/// Batches of bulk work that wait for the writer.
pub const BACK_INBOX: usize = 64;

/// Octets of a key; the longest are parcels' and accounts'.
pub const KEY_MAX: usize = 512;

/// Octets of a group: a domain (255), an account's name, and room.
pub const GROUP_MAX: usize = 1_024;

/// Octets of one page of a scan, so that a page of body chunks stays in memory.
pub const PAGE_BYTES_MAX: usize = 4 << 20;

/// Threads that read: enough to keep a disk busy, few enough to cost nothing.
pub const READERS: usize = 4;

/// Groups of one kind of work whose next due time is kept in memory; the rest is sought again when half are used up.
pub const HEADS_MAX: usize = 50_000;

/// Groups that are sought in one read transaction, so that old pages are not kept from being freed.
pub const HEADS_PAGE: usize = 500;

/// Faults that a check of the store names; who has so many needs the last backup.
pub const FAULTS_MAX: usize = 100;

/// Records whose panics are remembered.
pub const PANICS_MAX: usize = 10_000;

/// A record is due again this long after work on it panicked.
pub const PANIC_REST: Duration = Duration::from_secs(60);

/// A lifetime that ends while a delivery has the mail is looked at again so soon, until it is given back.
pub const EXPIRE_AGAIN: Duration = Duration::from_secs(10);

/// And so soon while it is judged: scanners need seconds.
pub const EXPIRE_PENDING: Duration = Duration::from_secs(60);

/// Facts that the walk through the history reads and removes at once: a few milliseconds of the writer.
pub const HISTORY_PAGE: usize = 500;

/// Pages that it passes over before it notes how far it is.
pub const HISTORY_PAGES: usize = 20;

/// Between two walks a tenth of `[queue] history` passes, so that a tenth more is kept than asked for; within these
/// bounds, of which the longer one also says how late a shorter `history` is noticed after a reload.
pub const HISTORY_EVERY_MIN: Duration = Duration::from_secs(5);

/// See `HISTORY_EVERY_MIN`.
pub const HISTORY_EVERY_MAX: Duration = Duration::from_secs(600);

/// A step of the clock that counts as a gap: smaller ones are corrections.
pub const GAP_MIN: Duration = Duration::from_secs(3_600);

/// What ended in a gap has so long to be tried: a site that is down is asked at least every 15 minutes.
pub const GAP_GRACE: Duration = Duration::from_secs(3_600);
