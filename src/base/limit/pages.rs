//! Bounds of what people see and use: control socket, accounts, digests, links, pages, logs, certificates.
//!
//! Each constant is documented by why it is that number.
//! Not here: mail (`wire`, `content`, `queue`).

use std::time::Duration;

/// Characters of one field of a log line: a reply of 1,000 octets fits, and so does an address.
pub const LOG_FIELD_MAX: usize = 1_000;

/// Log lines that wait for a slow disk or terminal. About 8 MiB; what comes then waits (file) or is dropped (terminal).
pub const LOG_LINES_WAITING_MAX: usize = 32_768;

/// The same log line is written once in so long: often enough to see that a fault goes on, and no flood.
pub const REPEAT_SPAN: Duration = Duration::from_secs(60);

/// Different lines that one loop remembers for that: a fault for each group of work has its own.
pub const REPEATED_LINES_MAX: usize = 200;

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

/// Keys that one limiter remembers; 10,000 accounts or addresses need less than 2 MiB.
pub const LIMITER_KEYS_MAX: usize = 10_000;

/// Characters of a stranger's text that people are shown: a line and a half of a subject; more hides what follows.
pub const SHOWN_MAX: usize = 120;

/// And of a display name or file name, which stands beside something else.
pub const SHOWN_NAME_MAX: usize = 60;

/// Messages that a digest lists in full; above it a count and a link to the list.
pub const DIGEST_ROWS_MAX: usize = 50;

/// Held messages that are counted one by one for a digest; above it "more than".
pub const DIGEST_COUNT_MAX: usize = 1_000;

/// Held messages behind the first unlisted one that a stream remembers as listed: eighty digests in a row that could not
/// list everything. What is forgotten is listed twice.
pub const DIGEST_TOLD_MAX: usize = 2_000;

/// Mails with further rows that are remembered of one digest, so that a button in each of them goes on behind the last:
/// fifty thousand held messages.
pub const DIGEST_REST_MAX: usize = 1_000;

/// A recipient is mailed the next rows no more often: a link that leaked must not fill a mailbox, and who reads fifty
/// rows needs longer.
pub const DIGEST_REST_EVERY: Duration = Duration::from_secs(60);

/// So long after the last rows of a digest were mailed its button begins again; before, it says that these were all.
pub const DIGEST_REST_AGAIN: Duration = Duration::from_secs(3_600);

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

/// Connections to the HTTPS endpoint at once when nobody says: each takes up to 60 KiB with its TLS.
pub const WEB_CONNECTIONS_MAX: usize = 512;

/// The least that can be said: a few browsers and what looks after the server.
pub const WEB_CONNECTIONS_MIN: usize = 32;

/// One address has this part of them: a browser opens 6, and an office may sit behind one address.
pub const WEB_ADDRESS_PART: usize = 8;

/// And never less than a browser opens.
pub const WEB_CONNECTIONS_OF_BROWSER: usize = 6;

/// Of one network (/24, /56): half, so that no other is turned away.
pub const WEB_NETWORK_PART: usize = 2;

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

/// A session that nobody used ends so long after its last request: a browser that was left open on somebody's desk.
pub const LOGIN_IDLE: Duration = Duration::from_secs(2 * 3_600);

/// That a session was used is written no more often: the pages are read far more than they act.
pub const LOGIN_SEEN_EVERY: Duration = Duration::from_secs(60);

/// Sessions and login links that one sweep looks through.
pub const SESSIONS_MAX: usize = 1_000;

/// Bulk jobs of one list, newest first: more than a person begins in the week that they are remembered.
pub const JOBS_SHOWN_MAX: usize = 200;

/// Cards that one page of a list looks at for a search that no index answers: some tens of milliseconds.
pub const HOLDS_LOOKED_MAX: usize = 3_000;

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
