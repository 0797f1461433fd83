//! Every bound of the program, with its reason. What happens when it is reached stands where it is used.
//!
//! A constant is documented by why it is that number; `tests/tidy.rs` holds that. What a user may change has its
//! default in `config` and its ceiling here.

use std::time::Duration;

/// Command line with its CRLF. RFC 5321 section 4.5.3.1.4 asks for 512; AUTH (RFC 4954 section 4) needs 12,288, and
/// SMTPUTF8 with DSN parameters more than 512.
pub const COMMAND_MAX: usize = 2_048;

/// A line of an AUTH exchange. RFC 4954 section 4 asks for 12,288 octets.
pub const SASL_LINE_MAX: usize = 12_288;

/// Recipients of a transaction. RFC 5321 section 4.5.3.1.8 demands at least 100; above it we answer 452 4.5.3.
pub const RECIPIENTS_MAX: usize = 1_000;

/// Recipients of one parcel, and so of one transaction at delivery: what every server must take (section 4.5.3.1.8).
pub const PARCEL_RECIPIENTS_MAX: usize = 100;

/// Errors in one session before 421: a broken client gets a few, a guessing one gets no more.
pub const ERRORS_MAX: u32 = 20;

/// Commands that do nothing (NOOP, RSET, VRFY, HELP, EHLO) between two messages before 421. 100 for clients that
/// reset before each mail.
pub const IDLE_COMMANDS_MAX: u32 = 100;

/// The header section is kept whole in memory up to its empty line; longer: 552 5.3.4 after the dot.
pub const HEADER_MAX: usize = 256 << 10;

/// What a session may use for a header before it asks the shared budget.
pub const HEADER_FREE: usize = 64 << 10;

/// Shared by all sessions for headers above `HEADER_FREE`; empty: 452 4.3.1.
pub const HEADER_BUDGET: usize = 16 << 20;

/// A chunk of a stored body. redb rounds pages up to powers of two, so 65,024 octets and their frame fit 64 KiB.
pub const CHUNK: usize = 65_024;

/// Chunks of one session that may be on their way to the disk.
pub const CHUNKS_IN_FLIGHT: usize = 4;

/// Mails of full size that one peer may have unfinished at once: a large provider that sends twenty attachments of the
/// largest kind in the same minutes. What is above gets 452 4.3.1.
pub const STAGED_MESSAGES_OF_PEER: u64 = 20;
/// And no more than this part of the room above the reserve: four peers that break off all the time leave some to others.
pub const STAGED_SHARE_OF_PEER: u64 = 4;
/// Always so many: a mail, and its text as filters write it anew.
pub const STAGED_MESSAGES_MIN: u64 = 2;

/// Received fields above which a message is refused (554 5.4.6) rather than held as a loop.
pub const RECEIVED_MAX: usize = 200;

/// Received fields by our own host name that make a loop.
pub const RECEIVED_OWN_MAX: usize = 5;

/// Waiting for the next command. RFC 5321 section 4.5.3.2.7 asks a server for at least 5 minutes.
pub const COMMAND_TIMEOUT: Duration = Duration::from_secs(300);

/// A whole transaction, MAIL to the final reply: a 50 MiB mail over a 1 Mbit/s line takes 7 minutes.
pub const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(30 * 60);

/// A session that had no mail taken for so long is ended, whatever it says meanwhile: as long as one transaction may take.
pub const SESSION_IDLE: Duration = Duration::from_secs(30 * 60);

/// A TLS handshake on either side.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);

/// Octets of a peer's reply kept as text; a longer one is cut.
pub const REPLY_TEXT_MAX: usize = 1_000;

/// Octets of one reply of a peer, all its lines together. RFC 5321 section 4.5.3.1.5 asks for 512 a line; the longest
/// real ones (a policy in a 550, an EHLO of fifty lines) have 4 KiB. What is above it is a broken or hostile peer.
pub const REPLY_OCTETS_MAX: usize = 64 << 10;

/// A reply before the final dot may take so long while somebody else waits for a connection, whatever its timeout says:
/// healthy servers answer within seconds, also those that look a sender up first.
pub const REPLY_HURRIED: Duration = Duration::from_secs(60);

/// Octets a second that a peer takes at least, or a mail is given up: the line of an ISDN modem. 50 MiB take 107 minutes.
pub const SEND_RATE_MIN: u64 = 8 << 10;

/// What each recipient adds to the bound of a transaction: servers that ask somewhere else about each need seconds.
pub const TRANSACTION_RECIPIENT: Duration = Duration::from_secs(10);

/// No further address of a site is tried after so long: ten that say nothing would cost ten times five minutes.
pub const CONNECT_TRIES_FOR: Duration = Duration::from_secs(15 * 60);

/// A host whose STARTTLS breaks gets opportunistic mail in the clear for so long before it is tried again: the silence
/// of one costs five minutes, and who mends it waits for half an hour.
pub const STARTTLS_BROKEN_FOR: Duration = Duration::from_secs(30 * 60);
/// Such hosts remembered, about 1 MiB; above it the one whose time ends first is forgotten.
pub const STARTTLS_BROKEN_MAX: usize = 5_000;

/// Commands of ours that may wait for their answers: about 50 of 80 octets fit the smallest socket buffers, so that
/// neither side blocks on writing while the other does too (RFC 2920 section 3.1).
pub const PIPELINE_MAX: usize = 50;

/// One question to one name server; hickory asks `DNS_ATTEMPTS` times more, and other servers.
pub const DNS_TIMEOUT: Duration = Duration::from_secs(5);
/// See `DNS_TIMEOUT`.
pub const DNS_ATTEMPTS: usize = 2;

/// All questions about the addresses of one host, while a connection's place waits for them: aliases, both kinds, every
/// server. Above it the host is asked for later.
pub const DNS_HOST_MAX: Duration = Duration::from_secs(60);

/// Questions under way to one name server; above it hickory says busy, and the mail waits.
pub const DNS_ACTIVE_MAX: usize = 256;

/// Groups whose reason to wait is remembered: as many as have their snooze remembered by the store.
pub const WAITS_MAX: usize = 50_000;
/// The reason that a site could not be used counts for mail that ends so long after it: longer than any wait.
pub const WAIT_MEMORY: Duration = Duration::from_secs(3_600);
/// Groups that people woke and that the dispatcher has not seen; above it a group waits for the site's own next try.
pub const WOKEN_MAX: usize = 1_000;

/// Dialogues kept for a parcel that was not relayed, and octets of each.
pub const DIALOGUES_MAX: usize = 3;
/// See `DIALOGUES_MAX`.
pub const DIALOGUE_MAX: usize = 4 << 10;

/// Fields a search looks through without an index before it gives back a cursor.
pub const SCAN_MAX: usize = 10_000;

/// MX hosts tried for a domain; a hostile zone can list thousands.
pub const MX_HOSTS_MAX: usize = 16;

/// MX hosts that are remembered of a domain, so that those that are tried can change without it being another site.
pub const MX_HOSTS_KNOWN_MAX: usize = 32;

/// Addresses tried in one attempt at a site, over all hosts: Postfix's `smtp_mx_address_limit` is 5 for each kind.
pub const CONNECT_TRIES_MAX: usize = 10;

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

/// How many recipients a site takes at once is believed for so long; then one transaction tries more.
pub const RCPT_LIMIT_MEMORY: Duration = Duration::from_secs(3_600);

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

/// Addresses tried for one host.
pub const HOST_ADDRESSES_MAX: usize = 8;

/// Characters of one field of a log line: a reply of 1,000 octets fits, and so does an address.
pub const LOG_FIELD_MAX: usize = 1_000;

/// Log lines that wait for a slow disk or terminal. About 8 MiB; what comes then waits (file) or is dropped (terminal).
pub const LOG_LINES_WAITING_MAX: usize = 32_768;

/// The same log line is written once in so long: often enough to see that a fault goes on, and no flood.
pub const REPEAT_SPAN: Duration = Duration::from_secs(60);
/// Different lines that one loop remembers for that: a fault for each group of work has its own.
pub const REPEATED_LINES_MAX: usize = 200;

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

/// Recipients that one DSN names one by one; above it the rest is only counted.
pub const DSN_RECIPIENTS_MAX: usize = 1_000;

/// Octets of a request to the control socket: its most ids with an address each fit.
pub const CONTROL_BODY_MAX: usize = 1 << 20;

/// Ids in one request to the control socket, each with a commit of its own; the command line sends more in turns.
pub const CONTROL_IDS_MAX: usize = 1_000;

/// Connections to the control socket at once; the next one waits.
pub const CONTROL_CONNECTIONS_MAX: usize = 32;

/// One request to the control socket and its answer: 1,000 commits on a slow disk take 10 s.
pub const CONTROL_TIMEOUT: Duration = Duration::from_secs(120);

/// Octets of an answer of the control socket that the command line takes: a page of the largest messages.
pub const CONTROL_ANSWER_MAX: usize = 256 << 20;

/// Messages in one page of the queue list; each may have 1,000 recipients.
pub const CONTROL_PAGE_MAX: usize = 200;

/// Octets of a queue query.
pub const QUERY_MAX: usize = 2_000;

/// Words of a queue query.
pub const QUERY_WORDS_MAX: usize = 50;

/// argon2 at work at once: each takes 19 MiB and a core for 20 ms.
pub const HASHES_MAX: usize = 2;

/// Octets of an account's name: it becomes part of a key.
pub const ACCOUNT_NAME_MAX: usize = 100;

/// Octets of a password. What is longer is wrong without being hashed.
pub const PASSWORD_MAX: usize = 1_024;

/// Octets of a new password: below it guessing is faster than our slowness.
pub const PASSWORD_MIN: usize = 8;

/// Right logins remembered in each of two generations; 1,000 clients that log in for each mail fit.
pub const LOGINS_MAX: usize = 1_000;

/// Stored accounts that a list shows.
pub const ACCOUNTS_MAX: usize = 10_000;

/// Octets of a configuration file: 20,000 routes fit; more is another file by mistake.
pub const CONFIG_MAX: usize = 1 << 20;

/// Spans in `[queue] retry`; the last one repeats, so more say nothing new.
pub const RETRIES_MAX: usize = 64;

/// The largest `[queue] max_message_size` that can be set: a body is read and written again at every try.
pub const MESSAGE_SIZE_MAX: super::size::ByteSize = super::size::ByteSize::mib(2 << 10);

/// One read of commands.
pub const READ_SMALL: usize = 4 << 10;

/// One read of mail text: most mails come in one or two.
pub const READ_TEXT: usize = 16 << 10;

/// One read while mail text comes faster than `READ_TEXT`; given back at the end of the mail.
pub const READ_LARGE: usize = 64 << 10;

/// Recipients above `RECIPIENTS_MAX` that are answered 452 without being counted as errors: a client that sends a
/// long list in one group must not lose those that were accepted.
pub const RECIPIENTS_OVERSHOOT: u32 = 1_000;

/// Octets of the name that a client gives itself; RFC 1035 section 2.3.4 has 255 for a domain.
pub const HELO_MAX: usize = 255;

/// Octets of ENVID and of its decoded form (RFC 3461 section 4.4).
pub const ENVID_MAX: usize = 100;

/// Octets of ORCPT (RFC 3461 section 4.2).
pub const ORCPT_MAX: usize = 500;

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

/// Keys that one limiter remembers; 10,000 accounts or addresses need less than 2 MiB.
pub const LIMITER_KEYS_MAX: usize = 10_000;

/// Connections that the system keeps for us before they are accepted.
pub const LISTEN_BACKLOG: i32 = 1_024;

/// Wait when no connection can be accepted because descriptors ran out; shorter would spin, longer would be felt.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

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

/// Octets of a boundary. RFC 2046 section 5.1.1 has 70; some mailers need a few more.
pub const MIME_BOUNDARY_MAX: usize = 200;

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

/// Octets that unpacking for one mail reads and writes: about two seconds of a core.
pub const ARCHIVE_TOTAL_MAX: u64 = 512 << 20;

/// Octets that come out of one archive for each that is in it: deflate reaches 1,032, real tables and logs 50.
pub const ARCHIVE_RATIO_MAX: u64 = 200;

/// Octets that may come out of an archive whatever its ratio: a small file of zeros is no bomb.
pub const ARCHIVE_RATIO_FREE: u64 = 32 << 20;

/// Archives and packed mails inside each other: a document in a zip in a forwarded mail has three.
pub const ARCHIVE_DEPTH_MAX: usize = 12;

/// Parts and entries of one mail that are looked at: an archive of sources has thousands.
pub const ARCHIVE_ENTRIES_MAX: usize = 20_000;

/// Failed logins of one session before 421.
pub const LOGIN_FAILURES_MAX: u32 = 5;

/// Failed logins of one address in `LOGIN_SPAN` before it gets 421 without a look at the password.
pub const LOGIN_FAILURES_OF_ADDRESS: u32 = 30;
/// See `LOGIN_FAILURES_OF_ADDRESS`.
pub const LOGIN_SPAN: Duration = Duration::from_secs(600);

/// Wait after the first failed login of a session; the second waits twice as long, and so on.
pub const LOGIN_PAUSE: Duration = Duration::from_secs(1);

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

/// A mail that is coming in when we stop may take so long to its end.
pub const STOP_TEXT_TIMEOUT: Duration = Duration::from_secs(20);

/// The last reply of a session, and what the client still sends before it reads it.
pub const LINGER: Duration = Duration::from_secs(2);
/// Octets that are read away meanwhile.
pub const LINGER_MAX: usize = 256 << 10;

/// Open files that are neither connections nor deliveries: store, logs, the control socket.
pub const FILES_SPARE: usize = 32;

/// Characters of a stranger's text that people are shown: a line and a half of a subject; more hides what follows.
pub const SHOWN_MAX: usize = 120;

/// And of a display name or file name, which stands beside something else.
pub const SHOWN_NAME_MAX: usize = 60;

/// Messages that a digest lists in full; above it a count and a link to the list.
pub const DIGEST_ROWS_MAX: usize = 50;

/// Held messages that are counted one by one for a digest; above it "more than".
pub const DIGEST_COUNT_MAX: usize = 1_000;

/// Digests of one recipient whose links are remembered so that what is still held is listed again: one an hour for a
/// month.
pub const DIGEST_LISTINGS_MAX: usize = 750;

/// Addresses that get digests; a list of owners that is longer is a mistake.
pub const DIGEST_STREAMS_MAX: usize = 10_000;

/// Link keys at once: 6 bits of a link name its key.
pub const LINK_KEYS_MAX: usize = 64;

/// Hours that a link key outlives its last link: as long as what its links are about, see `LINK_MEMORY`.
pub const LINK_REST_HOURS: u32 = 30 * 24;

/// Wrong codes for one row of one digest before its link is closed: five guesses of 10,000 are one in two thousand.
pub const LINK_CODES_MAX: u8 = 5;

/// Characters of what a browser calls itself in a log line; real ones have about 120.
pub const LINK_AGENT_MAX: usize = 200;

/// How often a link's change of its digest is tried again because another came first.
pub const LINK_WRITE_TRIES: usize = 100;

/// Digests read at once when a newer one that replaces a link is sought; it is among the newest, if there is one.
pub const LINK_REPLACED_PAGE: usize = 50;

/// How often a change of the link keys is tried again because another came first.
pub const LINK_ROTATE_TRIES: usize = 16;

/// Octets of the form on a link's page: nonce, action and code need 100.
pub const LINK_FORM_MAX: usize = 1 << 10;

/// Fields of that form; it has three.
pub const LINK_FIELDS_MAX: usize = 8;

/// How long the cookie of a link's page lives: the page is read, then decided.
pub const LINK_COOKIE_AGE: Duration = Duration::from_secs(900);

/// Wrong links of one address in `LINK_WRONG_SPAN` before 429. A person breaks a few while copying, and an office
/// shares an address; right links are not counted.
pub const LINK_WRONG_OF_ADDRESS: u32 = 60;
/// See `LINK_WRONG_OF_ADDRESS`.
pub const LINK_WRONG_SPAN: Duration = Duration::from_secs(60);

/// How often the log is told of visits.
pub const LINK_VISITS_SPAN: Duration = Duration::from_secs(60);

/// Digests whose visits are counted apart between two of these lines, so that a line stays readable.
pub const LINK_DIGESTS_COUNTED_MAX: usize = 50;

/// Characters of a mail's text that a page shows: enough to know it again.
pub const PREVIEW_CHARS_MAX: usize = 1_000;

/// Octets of a mail that are read for them: its text comes first, behind a header section of `HEADER_MAX` at most.
pub const PREVIEW_READ_MAX: usize = 512 << 10;
/// A hold's card and a digest's record are remembered so long after their last link: whoever finds the mail after a
/// month's holiday still learns what became of it.
pub const LINK_MEMORY: Duration = Duration::from_secs(30 * 86_400);
/// Connections to the HTTPS endpoint at once: each takes up to 60 KiB with its TLS.
pub const WEB_CONNECTIONS_MAX: usize = 512;

/// Of one address: a browser opens 6, and an office may sit behind one address.
pub const WEB_CONNECTIONS_OF_ADDRESS: usize = 64;

/// From the handshake to the end of the first request's head: a phone on a bad line needs seconds.
pub const WEB_HEAD_TIMEOUT: Duration = Duration::from_secs(15);

/// Between two requests of a connection; browsers open a new one without a word.
pub const WEB_IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// From a request's head to the end of its body.
pub const WEB_BODY_TIMEOUT: Duration = Duration::from_secs(15);

/// From a whole request to its answer: a page reads for milliseconds, unless the disk is very slow.
pub const WEB_ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// Octets of a form: 1,000 chosen messages fit.
pub const WEB_BODY_MAX: usize = 64 << 10;

/// Octets of a request's head. hyper takes no less than 8 KiB.
pub const WEB_HEAD_MAX: usize = 16 << 10;

/// Header fields of a request; browsers send 20.
pub const WEB_FIELDS_MAX: usize = 64;

/// A login link waits so long to be opened: to walk from a server's terminal to a browser.
pub const LOGIN_LINK_AGE: Duration = Duration::from_secs(15 * 60);

/// A session of the pages: a working day.
pub const SESSION_AGE: Duration = Duration::from_secs(12 * 3_600);

/// Sessions and login links that one sweep looks through.
pub const SESSIONS_MAX: usize = 1_000;

/// Held messages on one page of the list, and chosen at once.
pub const HOLDS_PAGE: usize = 50;

/// Wrong login links of one address in `WRONG_LINKS_SPAN`: a person opens an old one some times, nobody 256 bits.
pub const WRONG_LINKS_MAX: u32 = 10;
/// See `WRONG_LINKS_MAX`.
pub const WRONG_LINKS_SPAN: Duration = Duration::from_secs(600);

/// Requests of one HTTP/2 connection that may be answered at once.
pub const WEB_STREAMS_MAX: u32 = 32;
/// The shortest life of a link: a mail is often read an hour after it was sent.
pub const LINK_LIFETIME_MIN: Duration = Duration::from_secs(3_600);
/// The longest: an old key is kept until its last link ends, and who has the mail has the link.
pub const LINK_LIFETIME_MAX: Duration = Duration::from_secs(365 * 86_400);

/// The longest wait of a release for its undo: who clicks wants it gone, and no page is looked at for longer.
pub const UNDO_MAX: Duration = Duration::from_secs(60);

/// The shortest life of a hold: nobody decides in less.
pub const HOLD_EXPIRY_MIN: Duration = Duration::from_secs(3_600);
/// The longest, ten years: what is kept for longer belongs into an archive.
pub const HOLD_EXPIRY_MAX: Duration = Duration::from_secs(3_650 * 86_400);

/// The shortest span between digests to one address: each is a mail, and a schedule has minutes too.
pub const DIGEST_EVERY_MIN: Duration = Duration::from_secs(60);
/// The longest, a month: holds expire after one.
pub const DIGEST_EVERY_MAX: Duration = Duration::from_secs(31 * 86_400);

/// Administrators who get digests of one queue; more is a mailing list's work.
pub const DIGEST_TO_MAX: usize = 100;

/// Octets of a schedule: a list of all 60 minutes and 24 hours fits.
pub const SCHEDULE_MAX: usize = 500;

/// Octets of the token for `/metrics` below which we warn: 16 hexadecimal digits are 64 random bits.
pub const METRICS_TOKEN_MIN: usize = 16;

/// Hold rules: each mail is compared with each of them.
pub const HOLD_RULES_MAX: usize = 1_000;

/// Characters of the reason of a hold rule: two lines of a digest.
pub const RULE_REASON_MAX: usize = 150;

/// Octets of a pattern in a hold rule: a file name of 255 octets (NAME_MAX of Linux) fits.
pub const GLOB_MAX: usize = 255;

/// Messages that `status` counts: a look at more would cost what status is asked to find out.
pub const STATUS_COUNT_MAX: usize = 1_000;

/// Sites that are waited for which `status` names: more is one trouble of our own.
pub const STATUS_WAITS_MAX: usize = 20;

/// Between two looks at our own public URL: a certificate or a router that broke is noticed within the hour.
pub const REACH_SPAN: Duration = Duration::from_secs(3_600);

/// One such look.
pub const REACH_TIMEOUT: Duration = Duration::from_secs(10);

/// Names of one certificate: what the largest directory takes.
pub const CERT_NAMES_MAX: usize = 100;

/// One call of the program that writes TXT records: most wait until the record can be seen.
pub const HOOK_TIMEOUT: Duration = Duration::from_secs(120);
/// The most that a configuration may give it; above it an order would end before its validation.
pub const HOOK_TIMEOUT_MAX: Duration = Duration::from_secs(300);

/// Between two orders of one certificate, whoever asks for them: a person who presses twice means once.
pub const ORDER_FLOOR: Duration = Duration::from_secs(60);

/// Orders of one certificate in 24 hours, those of people included. Directories allow some 5 failed validations of a name
/// in an hour and 5 equal certificates in a week.
pub const ORDERS_OF_DAY: usize = 8;

/// Before the second try of an order: a directory that restarts is back, a name that was just published is known.
pub const ORDER_RETRY_FIRST: Duration = Duration::from_secs(300);

/// The longest wait between two tries. A renewal begins when a third of the lifetime is left: two days of six.
pub const ORDER_RETRY_MAX: Duration = Duration::from_secs(12 * 3_600);

/// The longest wait that a directory may ask for: rate limits count weeks.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(8 * 86_400);

/// One order from its begin to the certificate. Validation by three networks takes half a minute, DNS a few minutes.
pub const ORDER_TIME: Duration = Duration::from_secs(900);

/// One request to a directory.
pub const ACME_REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// Octets of a directory's answer: a chain of ten certificates has 20 KiB.
pub const ACME_ANSWER_MAX: usize = 1 << 20;

/// Certificates of one server: each is in memory twice and looked at by every handshake with a name.
pub const CERTS_MAX: usize = 500;

/// Between two looks at the files of certificates.
pub const CERT_WATCH: Duration = Duration::from_secs(30);

/// Before its end a certificate is warned of; one that lives for less than a month at a third of its life.
pub const CERT_WARN: Duration = Duration::from_secs(14 * 86_400);

/// The clocks of directory and machine may differ so much: certificates are dated an hour back for this reason.
pub const CLOCK_SKEW_MAX: Duration = Duration::from_secs(3_600);
