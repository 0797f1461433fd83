//! # Bounds and their answers
//!
//! Every bound is a constant in `base::limit` with its reason, or a key of `[limits]`. What a peer sees:
//!
//! | bound | answer |
//! |---|---|
//! | connections in all | the longest idle one gets 421 4.7.0 and its place goes to the newcomer; if all are busy, the newcomer gets it |
//! | connections of one address; of strangers of one network, if none of them is idle | 421 4.7.0 and close |
//! | failed logins of an account from an address, or of an account | 454 4.7.0 and for how long; 421 4.7.0 after five in a session |
//! | failed logins of an address | 421 4.7.0 and close |
//! | login links of an address that are not valid, digest links that are none | 429 for further ones that are not valid; valid ones always count |
//! | command line | 500 5.5.2; an endless one is cut |
//! | recipients of a transaction | 452 4.5.3 |
//! | errors of a session, commands that do nothing | 421 4.7.0 and close |
//! | idle, a command line or a transaction that drips | 421 4.4.2 and close |
//! | half an hour without a mail that is taken | 421 4.4.2 and close |
//! | declared or real size | 552 5.3.4 |
//! | header section | 552 5.3.4 after the dot |
//! | header memory of all sessions, or a quarter of it for one peer | 452 4.3.1 |
//! | Received fields above `hops_max`, or five by our own name | accepted, held in `defect`, reason `loop` |
//! | Received fields above 200 | 554 5.4.6 |
//! | parts, levels and attachments of a mail | accepted; what is left out fits every rule about attachments |
//! | a scanner's time, size, connections, or an answer that makes no sense | `on_failure`: held in `bad`, 451, or let through |
//! | octets, files, levels and ratio of an archive | accepted, held in `bad` with the bound's name |
//! | names of one part or entry, work of one look | accepted, held in `bad` with the bound's name |
//! | places to look into attachments | held in `bad`, requeued by itself three times |
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
//!
//! **Nobody has a place by being there first** (`net::permits`). Four addresses could fill all places of SMTP, nine those
//! of the pages, and a newcomer was told to go. Now the newcomer stays, and who goes is chosen by what a place is worth:
//! first who has said nothing that makes sense for five seconds, then of the network with most connections (/24, IPv6 /56)
//! the address with most, and of that the one of which nothing came for longest; a NOOP is nothing. Nothing under way is
//! ended: a transaction, a page that is being answered. No network takes from one that has less, so a flood eats itself.
//! A tenth of the places is for trusted networks and logins; who must log in first may wait there, as nobody can begin a
//! mail without one. Who holds a transaction open has until its deadline, and an address and a network have their bounds.
//! The control socket is apart: 32 connections of one user, two minutes each.
//!
//! **A throttle must not be a weapon** (`accounts::throttle`). Failures are counted for the pair of address and account, for
//! the account and for the address. Thirty wrong passwords from a webmail host refused everybody behind it, so a pair that
//! logged in within thirty days is not asked for the address's failures; that memory is stored (`f/<account>`), because a
//! restart in the middle of an attack must not make strangers of everybody. It stays in its own bucket, and in that of its
//! account's known places: strangers have another, so guessing an account from everywhere holds back strangers only.
//! Tokens are lent before a password is looked at, and those that come at once wait for each other: many at once are
//! neither more guesses nor, when they are right, too many. A remembered right login is no way around that.
//! What cannot be guessed needs no throttle: login links, sessions, tokens and digest links are looked up first.
//!
//! **A login that fails costs the same for every name** (`accounts::costs`): each kind of hash that any account has is worked
//! through once. One kind is the rule; four are the most, and the costliest ones count.
