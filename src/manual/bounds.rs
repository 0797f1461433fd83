//! # Bounds and their answers
//!
//! Every bound is a constant in `base::limit` with its reason, or a key of `[limits]`. What a peer sees:
//!
//! | bound | answer |
//! |---|---|
//! | connections in all, or of one address | 421 4.7.0 and close |
//! | command line | 500 5.5.2; an endless one is cut |
//! | recipients of a transaction | 452 4.5.3 |
//! | errors of a session, commands that do nothing | 421 4.7.0 and close |
//! | idle, a command line or a transaction that drips | 421 4.4.2 and close |
//! | half an hour without a mail that is taken | 421 4.4.2 and close |
//! | declared or real size | 552 5.3.4 |
//! | header section | 552 5.3.4 after the dot |
//! | header memory of all sessions | 452 4.3.1 |
//! | Received fields above `hops_max`, or five by our own name | accepted, held in `defect`, reason `loop` |
//! | Received fields above 200 | 554 5.4.6 |
//! | parts, levels and attachments of a mail | accepted; what is left out fits every rule about attachments |
//! | a scanner's time, size, connections, or an answer that makes no sense | `on_failure`: held in `bad`, 451, or let through |
//! | octets, files, levels and ratio of an archive | accepted, held in `bad` with the bound's name |
//! | a reply of a next hop: its time, 64 KiB | the connection ends, deferred; behind the dot its code counts |
//! | a transaction up to its dot | the connection ends, deferred |
//! | free disk below `[queue] reserve` | 452 4.3.1 until there is room again, see [`super::room`] |
//! | unfinished mail of an address or account, or in all | 452 4.3.1 for the mail that is above it |
//! | a change larger than one commit | 452 4.5.3 |
//!
//! **A session earns its place by mails.** Each octet of a command used to give it five more minutes, and a NOOP too, so a
//! few addresses could take every place for days. A line has as long from its first octet as was waited for that, and a
//! session that had no mail taken for half an hour ends when no transaction is under way. That holds for trusted clients
//! as well: a pool that keeps connections warm by NOOP holds places that others wait for, and must be able to connect
//! again anyway.
