//! Bounds of every look into a mail: parts, attachments, archives, scanners.
//!
//! Each constant is documented by why it is that number.
//! Not here: lines and headers as they arrive (`wire`).

use std::time::Duration;

/// Attachments of a mail that are kept beside it: more rows than anybody reads.
pub const ATTACHMENTS_MAX: usize = 20;

/// Attachments of a mail that rules look at: 200 with the longest names are 150 KiB while the mail arrives.
pub const ATTACHMENTS_LOOKED_MAX: usize = 200;

/// Characters of an attachment's name; file systems have 255 octets.
pub const ATTACHMENT_NAME_MAX: usize = 150;

/// Octets of a declared media type; RFC 6838 section 4.2 has 127 for each half, real ones are below 80.
pub const MEDIA_TYPE_MAX: usize = 128;

/// Parts of a mail that are looked at. A digest of a list has hundreds; what has more is built to cost time.
pub const MIME_PARTS_MAX: usize = 10_000;

/// Multiparts and mails inside each other that are looked into. A mail that is forwarded thirty times has sixty.
pub const MIME_DEPTH_MAX: usize = 100;

/// Octets of the fields of one part that are looked at, in which a name may come in pieces.
pub const MIME_HEADER_MAX: usize = 16 << 10;

/// Octets of such fields of all parts of a mail, as often as readers read them: 10,000 parts have 3 MiB. What is read from
/// them costs fifty times as much as walking over them, and a mail is scanned while others wait.
pub const MIME_HEADERS_MAX: usize = 16 << 20;

/// Octets of a boundary. RFC 2046 section 5.1.1 has 70, and readers take any: twice what a line may have
/// (RFC 5322 section 2.1.1).
pub const MIME_BOUNDARY_MAX: usize = 2_000;

/// Ways in which readers may differ about what the parts of one mail are, each gone at once. Ordinary mail has one; what
/// asks for more is built to be read differently everywhere.
pub const MIME_READINGS_MAX: usize = 16;

/// Fields of one kind in one part, and boundaries in one field, of which readers may take any.
pub const MIME_FIELDS_MAX: usize = 4;

/// File names that one part may mean. Four fields with two parameters each that are written in four ways have 32.
pub const MIME_NAMES_MAX: usize = 32;

/// Octets of these names together: ten of the longest that a file system has. Each is gone through several times.
pub const MIME_NAMES_OCTETS_MAX: usize = 8 << 10;

/// Octets that readings beside the first one of a mail take, each line with `MIME_AGAIN_LINE` more: two readings of the
/// largest usual mail, a second of a core. A mail that asks for more is not followed to its end.
pub const MIME_AGAIN_MAX: usize = 128 << 20;

/// What a line costs however short it is, in octets.
pub const MIME_AGAIN_LINE: usize = 32;

/// Values that one parameter is given in one field: a name in pieces of a line each has ten.
pub const MIME_VALUES_MAX: usize = 40;

/// Octets of one value of a parameter: the longest name of a file system has 255 letters, each of up to nine octets as
/// RFC 2231 writes them.
pub const MIME_VALUE_MAX: usize = 2_400;

/// Octets of the values of one parameter in one field, each counted as often as it is read.
pub const MIME_VALUES_OCTETS_MAX: usize = 24 << 10;

/// File names and types of one mail that rules look at: those of `ATTACHMENTS_LOOKED_MAX` with a second reading each.
pub const MIME_SEEN_MAX: usize = 1_000;

/// Characters of a transfer encoding that nobody knows, as it is told; the longest registered one has 16.
pub const ENCODING_SHOWN_MAX: usize = 40;

/// Decoded octets of an attachment that its type is looked for in: the first entry of a zip and blanks before a tag.
pub const SNIFF_MAX: usize = 512;

/// A scanner's answer when `timeout` is not written: ClamAV needs seconds for large archives.
pub const SCAN_TIMEOUT: Duration = Duration::from_secs(30);

/// The longest `timeout`: a client waits ten minutes for the reply to its dot (RFC 5321 section 4.5.3.2.6), and two
/// scanners and a retry must fit.
pub const SCAN_TIMEOUT_MAX: Duration = Duration::from_secs(240);

/// Mails at one scanner at once: clamd and rspamd work on fewer, and the rest would wait there.
pub const SCAN_CONNECTIONS: usize = 16;

/// Whether a scanner lives: daemons answer at once, and pages and the requeue wait for it.
pub const SCAN_PING_TIMEOUT: Duration = Duration::from_secs(5);

/// Failures of a scanner in a row after which it is left alone for a while.
pub const SCAN_FAILURES: u32 = 3;

/// For so long at first; then twice as long each time, up to `SCAN_PAUSE_MAX`.
pub const SCAN_PAUSE: Duration = Duration::from_secs(5);

/// See `SCAN_PAUSE`; a scanner that comes back is noticed within this time.
pub const SCAN_PAUSE_MAX: Duration = Duration::from_secs(60);

/// A person who asks on a page whether a scanner answers waits so long; well below `WEB_ANSWER_TIMEOUT`.
pub const SCAN_ASK_TIMEOUT: Duration = Duration::from_secs(10);

/// How often a failing scanner that puts mails off is asked without a mail: a probe of `/readyz` asks as often.
pub const SCAN_WATCH: Duration = Duration::from_secs(10);

/// Answers of a clamd without a pause after which it is asked whether it knows IDSESSION: fewer mails gain nothing by it.
pub const SCAN_SESSION_AFTER: u32 = 50;

/// That question: a clamd answers at once, and a mail waits for it.
pub const SCAN_PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// One that does not know it is asked again so much later: somebody may have put another in its place.
pub const SCAN_PROBE_AGAIN: Duration = Duration::from_secs(600);

/// A connection waits so long for its next mail: clamd's `CommandReadTimeout` was 5 s once, and is 30 s.
pub const SCAN_SESSION_IDLE: Duration = Duration::from_secs(4);

/// Mails over one connection: what balances between several clamds does so by connection.
pub const SCAN_SESSION_MAILS: u32 = 1_000;

/// Octets of an answer: a clamd line has 100, rspamd's JSON with every symbol 50 KiB.
pub const SCAN_ANSWER_MAX: usize = 1 << 20;

/// Characters of a scanner's words in reasons and facts.
pub const SCAN_WORDS_MAX: usize = 200;

/// Characters of a subject that a scanner rewrote.
pub const SUBJECT_WRITTEN_MAX: usize = 500;

/// Mails that are requeued when a scanner is back, in `WHEN_BACK_SPAN`: less than it takes in ordinary traffic.
pub const WHEN_BACK_COUNT: u32 = 600;

/// See `WHEN_BACK_COUNT`.
pub const WHEN_BACK_SPAN: Duration = Duration::from_secs(60);

/// What a scanner's failure held is looked at again after so long, and each time after twice as long.
pub const RECHECK_AFTER: Duration = Duration::from_secs(10);

/// How often a scanner that failed is asked whether it answers, while mails wait for it.
pub const RECHECK_PAUSE: Duration = Duration::from_secs(10);

/// How often one mail is requeued by itself: what fails so often has the fault in itself.
pub const WHEN_BACK_TRIES: u32 = 5;

/// Octets of new bodies that filters write, of all mails at once: they wait in memory until the text is made.
pub const NEW_BODIES_MAX: usize = 64 << 20;

/// Octets of the fields that checks put on top of a mail.
pub const TOP_MAX: usize = 16 << 10;

/// Octets of archives that are kept at once while one mail is looked into: a zip is read from its end. The largest that
/// fits the usual `max_message_size` has 37 MiB; two mails at once stay below 100 MiB.
pub const ARCHIVE_HELD_MAX: usize = 48 << 20;

/// Mails whose attachments are looked into at once, each with up to `ARCHIVE_HELD_MAX`; the next one waits.
pub const LOOKS_MAX: usize = 2;

/// Mails up to `LOOK_SMALL_MAX` that are looked into besides those: large ones do not stand in their way.
pub const LOOKS_SMALL_MAX: usize = 1;

/// Octets of a mail that has this place: most mails with a document are smaller.
pub const LOOK_SMALL_MAX: u64 = 512 << 10;

/// What a mail waits for its turn: a client waits ten minutes for its reply (RFC 5321 section 4.5.3.2.6).
pub const LOOK_WAIT: Duration = Duration::from_secs(60);

/// How often a mail that found no place is requeued by itself; then a person sees that there is too much of it.
pub const LOOK_TRIES: u32 = 3;

/// Such mails that are requeued in `LOOK_AGAIN_SPAN`: few enough that new mail finds a place.
pub const LOOK_AGAIN_COUNT: u32 = 60;

/// See `LOOK_AGAIN_COUNT`.
pub const LOOK_AGAIN_SPAN: Duration = Duration::from_secs(60);

/// Octets that unpacking for one mail reads and writes.
pub const ARCHIVE_TOTAL_MAX: u64 = 512 << 20;

/// Work that is done to look into one mail, in units of about a nanosecond of an old core (`mail::archive::work` says what
/// costs how much): two seconds, whatever is inside. A 37 MiB zip of documents needs a third of it.
pub const ARCHIVE_WORK_MAX: u64 = 2_000_000_000;

/// What a mail above 50 MiB may cost, for each of its octets: as much as one of 50 MiB.
pub const ARCHIVE_WORK_PER_OCTET: u64 = 40;

/// Names of one part or entry. Fields, directories and headers that disagree give four or five.
pub const ARCHIVE_NAMES_MAX: usize = 1_000;

/// Octets that come out of one archive for each that is in it: deflate reaches 1,032, real tables and logs 50.
pub const ARCHIVE_RATIO_MAX: u64 = 200;

/// Octets that may come out of an archive whatever its ratio: a small file of zeros is no bomb.
pub const ARCHIVE_RATIO_FREE: u64 = 32 << 20;

/// Archives and packed mails inside each other: a document in a zip in a forwarded mail has three.
pub const ARCHIVE_DEPTH_MAX: usize = 12;

/// Parts and entries of one mail that are looked at: an archive of sources has thousands.
pub const ARCHIVE_ENTRIES_MAX: usize = 20_000;
