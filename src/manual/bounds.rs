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
//! | idle, or a transaction that drips | 421 4.4.2 and close |
//! | declared or real size | 552 5.3.4 |
//! | header section | 552 5.3.4 after the dot |
//! | header memory of all sessions | 452 4.3.1 |
//! | Received fields above `hops_max`, or five by our own name | accepted, held in `defect`, reason `loop` |
//! | Received fields above 200 | 554 5.4.6 |
//! | parts, levels and attachments of a mail | accepted; what is left out fits every rule about attachments |
//! | a scanner's time, size, connections, or an answer that makes no sense | `on_failure`: held in `bad`, 451, or let through |
//! | octets, files, levels and ratio of an archive | accepted, held in `bad` with the bound's name |
//! | free disk below `[queue] reserve` | 452 4.3.1 until there is room again |
//! | a change larger than one commit | 452 4.5.3 |
