//! Bounds of what comes and goes by SMTP, and of DNS: lines, replies, texts, spans, connections.
//!
//! Each constant is documented by why it is that number.
//! Not here: what is looked for in a mail (`content`), and what waits (`queue`).

use std::time::Duration;

/// Command line with its CRLF. RFC 5321 section 4.5.3.1.4 asks for 512; AUTH (RFC 4954 section 4) needs 12,288, and
/// SMTPUTF8 with DSN parameters more than 512.
pub const COMMAND_MAX: usize = 2_048;

/// A line of an AUTH exchange. RFC 4954 section 4 asks for 12,288 octets.
pub const SASL_LINE_MAX: usize = 12_288;

/// Recipients of a transaction. RFC 5321 section 4.5.3.1.8 demands at least 100; above it we answer 452 4.5.3.
pub const RECIPIENTS_MAX: usize = 1_000;

/// Errors in one session before 421: a broken client gets a few, a guessing one gets no more.
pub const ERRORS_MAX: u32 = 20;

/// Commands that do nothing (NOOP, RSET, VRFY, HELP, EHLO, a BDAT of nothing) between two messages before 421. 100 for
/// clients that reset before each mail.
pub const IDLE_COMMANDS_MAX: u32 = 100;

/// The header section is kept whole in memory up to its empty line; longer: 552 5.3.4 after the dot.
pub const HEADER_MAX: usize = 256 << 10;

/// What a session may use for a header before it asks the shared budget.
pub const HEADER_FREE: usize = 64 << 10;

/// Shared by all sessions for headers above `HEADER_FREE`; empty: 452 4.3.1.
pub const HEADER_BUDGET: usize = 16 << 20;

/// One peer has no more than this part of it: twenty long headers at once are a list server's busy minute.
pub const HEADER_SHARE_OF_PEER: usize = 4;

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

/// Dialogues kept for a parcel that was not relayed, and octets of each.
pub const DIALOGUES_MAX: usize = 3;

/// See `DIALOGUES_MAX`.
pub const DIALOGUE_MAX: usize = 4 << 10;

/// MX hosts tried for a domain; a hostile zone can list thousands.
pub const MX_HOSTS_MAX: usize = 16;

/// MX hosts that are remembered of a domain, so that those that are tried can change without it being another site.
pub const MX_HOSTS_KNOWN_MAX: usize = 32;

/// Addresses tried in one attempt at a site, over all hosts: Postfix's `smtp_mx_address_limit` is 5 for each kind.
pub const CONNECT_TRIES_MAX: usize = 10;

/// How many recipients a site takes at once is believed for so long; then one transaction tries more.
pub const RCPT_LIMIT_MEMORY: Duration = Duration::from_secs(3_600);

/// Addresses tried for one host.
pub const HOST_ADDRESSES_MAX: usize = 8;

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

/// Connections that the system keeps for us before they are accepted.
pub const LISTEN_BACKLOG: i32 = 1_024;

/// Wait when no connection can be accepted because descriptors ran out; shorter would spin, longer would be felt.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Of so many places one is kept for who is trusted or logged in: their connections are few and long.
pub const PLACES_KEPT_PART: usize = 10;

/// With fewer places none is kept: one of three would be a third.
pub const PLACES_KEPT_FROM: usize = 4;

/// Of so many places one may be that of a connection which was told to go and has not closed yet; it has a newcomer
/// already, and reads and closes within milliseconds.
pub const PLACES_LEAVING_PART: usize = 5;

/// Who has not said EHLO, finished its handshake or asked for a page after it makes room before all others: a phone on a
/// bad line needs seconds.
pub const WORDLESS_MAX: Duration = Duration::from_secs(5);

/// Failed logins of one session before 421.
pub const LOGIN_FAILURES_MAX: u32 = 5;

/// Failed logins of one account from one address in `LOGIN_SPAN` before its password is not looked at: a person who has
/// forgotten it tries three, a phone with an old one tries each minute.
pub const LOGIN_FAILURES_OF_PAIR: u32 = 10;

/// Of one account, from all places of one kind (its own, trusted, strange): one password in ten seconds for who guesses
/// from everywhere.
pub const LOGIN_FAILURES_OF_ACCOUNT: u32 = 60;

/// Of one address, by accounts that did not log in from there lately.
pub const LOGIN_FAILURES_OF_ADDRESS: u32 = 30;

/// Times as many for a trusted network: behind a gateway's or webmail's address are many people. Never without a bound,
/// because one of its machines may belong to somebody else by now.
pub const LOGIN_ROOM_TRUSTED: u32 = 20;

/// See `LOGIN_FAILURES_OF_PAIR`.
pub const LOGIN_SPAN: Duration = Duration::from_secs(600);

/// Places that an account is known to log in from: offices, homes and the networks of phones of a month, 4 KiB.
pub const LOGIN_PLACES_MAX: usize = 64;

/// Kinds of password hashes that every failed login works through: accounts have one, or two while they are moved.
pub const LOGIN_COSTS_MAX: usize = 4;

/// Wait after the first failed login of a session; the second waits twice as long, and so on.
pub const LOGIN_PAUSE: Duration = Duration::from_secs(1);

/// A mail that is coming in when we stop may take so long to its end.
pub const STOP_TEXT_TIMEOUT: Duration = Duration::from_secs(20);

/// The last reply of a session, and what the client still sends before it reads it.
pub const LINGER: Duration = Duration::from_secs(2);

/// The same for who makes room for somebody: its 421 fits into every socket's buffer, and until it has closed it counts
/// among those that were told to go, of which there may be few.
pub const CROWDED_LINGER: Duration = Duration::from_millis(100);

/// Octets that are read away meanwhile.
pub const LINGER_MAX: usize = 256 << 10;

/// Open files that are neither connections nor deliveries: store, logs, the control socket.
pub const FILES_SPARE: usize = 32;
