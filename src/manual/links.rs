//! # Links of digests
//!
//! A digest has links so that a person on a phone can decide without a login. The same mail passes scanners, previews
//! and archives that open every link; some run scripts, some press buttons. What holds against whom:
//!
//! * **A link is a capability for one hold, one recipient and a week.** 33 octets: key id and action, hold, digest,
//!   hour of the end, 128 bits of HMAC-SHA256. It is no login: who has it can decide about that one message and see
//!   what its page shows. It has one spelling (44 characters, no padding), so that logs, throttles and caches cannot be
//!   led around by a second one. The first character is the key's id; nothing in it is secret but the MAC.
//! * **GET never acts**, nor does HEAD, nor a script: the effect needs the button's POST with a nonce from the page and
//!   the cookie that it was bound to (SameSite=Strict). Virus scanners fetch links within seconds of the mail; a GET that
//!   acts would release every quarantined mail by itself. A GET writes nothing but the canary's first visit.
//! * **The canary.** Each HTML part has one more link that no person sees. Whoever opens it opens everything, so from
//!   then on each button of that digest needs the four digits beside its row, which a robot that follows links does not
//!   connect with a form. Five wrong codes close that row's link in that digest; other rows, and other digests that list
//!   the same mail, still work. Guesses are judged one at a time and stored before they are answered: a hundred at once
//!   are five. What this does not stop: **a robot that posts forms without having opened the canary**, as one that reads
//!   the text part or obeys `aria-hidden` may; one that posts a form in the same instant in which another opens the
//!   canary; and one that reads and types the code, as a person does. For reasons where that must not happen write
//!   `[hold.release] REASON = "login"`; virus, phish and spam have it from the start.
//! * **A digest has a link of its own**, for hold 0, behind *show all* in the digests of owners; the same button stands on
//!   every page of a digest. It mails the next fifty rows to the digest's own address, once a minute (stored, per
//!   address), newest first, until all were listed; an hour later it begins again. An owner has no list page: a digest
//!   that was forwarded must not become access to a mailbox, and a mail to the owner gives the forwarder nothing. It
//!   needs no code, as it decides nothing, and it leaves the stream as it is, as such a mail may get lost.
//! * **Digests bury nothing.** A digest has fifty rows. They are dealt in turn to what ends soon, what was listed by none
//!   yet from the oldest on, the same from the newest on, and what would lose its links; what finds no row is not told,
//!   not warned of and not listed again, and comes next time. `last` of a stream stands before the first hold that waits;
//!   what was listed behind it is kept by id, at most 2,000, and if there is more the oldest are listed twice. A flood
//!   that brings more than fifty a period for good cannot be listed whole; the oldest that waits still moves by a
//!   quarter of the rows each time. Of 750 digests with links that count the oldest is forgotten: one an hour for a month.
//! * **Whoever holds the digest is the recipient.** A forwarded digest forwards its decisions; each is recorded with the
//!   digest's recipient, the address it came from and, in the log, the browser's name. Rights are judged at the click:
//!   by everything that was found (`findings`), by `[hold.release]` as it is then, and by whose the mail is then. Owners
//!   have neither release nor requeue for virus, phish, rate limit and account holds: those harm others.
//! * **Whose a mail is, is asked at every look and every press** (`digest::desk::standing`), by the configuration and the
//!   accounts of that moment: administrators of its queue, the owner of its domain, the owner of its account. What the
//!   digest's record says was true when it was sent. Whoever leaves needs no rotation: their links answer *expired*, as
//!   revoked ones do, also to undo, to a code and to a page that is open, and the fresh digest that its button mails is
//!   whatever is still theirs. An administrator who is one no more has an owner's rights, if they own something. Who is
//!   logged in decides by the login. What a removed recipient has read in the mail itself nothing takes back.
//! * **A domain's mail is what goes to it, or comes from an account that is bound to it** by a pattern in `senders` that
//!   names it (`Origin::proven`, decided when the mail came). Anybody can write a reverse-path, also with a login and from
//!   a trusted network; that alone puts nothing into an owner's digest. The account's own owner sees it in any case.
//! * **A page names its own recipient and no other**: who decided by another digest's link is "another recipient", and
//!   whom owners ask is postmaster, the role.
//! * **Nothing of a stranger is a link** (`mail::unlinked`), in either part, on pages and in DSNs: `hxxp[:]//evil[.]example`,
//!   `a[at]evil[.]example`, `WWW[.]EVIL[.]EXAMPLE[.]pdf`. Visible brackets, since clients strip or ignore zero widths and
//!   readers must be able to compare; addresses of ours too, so that one rule holds everywhere. A dot is broken before
//!   whatever could be a top-level domain, also in the middle of a word; the list of domains is not ours to know, so only
//!   a short list of file endings that are none stays (`.zip` is one). An ID is typed as it is read: `[at]` and `[.]` are
//!   understood. Telephone numbers and dates stay; HTML asks clients not to look for them.
//! * **What is inside is not told to owners**: of a scanner its name, of a fault of ours that there was one. Where they
//!   listen is for administrators, in their digests and behind the login.
//! * **Answers in one order**: unknown, expired or revoked, closed, replaced, handled, open. Unknown has one wording for
//!   forged, altered, forgotten and never-was. "Expired" comes before "handled": an old link must not say for ever what
//!   became of a mail. A link also needs its digest's record, which must list the hold: a stolen key alone makes links
//!   only for what some digest lists.
//! * **Every unexpired link works**, whichever digest it came from: people act on the mail that they have open.
//!   `[links] newest_only = true` is MDaemon's rule, that a newer digest to the same address ends the older links of what
//!   it lists too; it is an order, not a protection.
//! * **Unknown tokens never reach the store.** Keys are in memory, and a token of an unknown key is measured by a key
//!   that signs nothing: the answer takes one HMAC and one comparison in constant time, whichever part is wrong
//!   (`cargo bench --bench links`).
//! * **One of many acts.** The decision is one batch with preconditions on the parcel; the others read the card that this
//!   batch wrote, and say who and when. Undo is for the recipient who did it, or an administrator, while it lasts.
//! * **Rotation.** `postwerk links rotate` makes a new key; the old one is believed until the last link of any digest
//!   ends, which the digests' records say, not today's `[links] lifetime`. A link with a later end was signed by a thief
//!   of the old key and is refused. `--now` revokes all old keys: their links answer *expired*, whose button mails a
//!   fresh digest to the same address. Codes are made by the link's own key and pages that are open keep their nonces,
//!   so that a rotation disturbs nobody. Key, supersession and revocation are one batch: a crash leaves the old ring or
//!   the new one. An id is used again 30 days after its last link; with 64 ids more than one rotation a day is refused
//!   at some point, and says so. `--now` also ends all sessions and login links: who fears for the one fears for the other.
//! * **Sessions of administrators** end after twelve hours, and two hours after their last request (noted at most once a
//!   minute; pages of links do not count, as a GET of theirs writes nothing). They are in the store, hashed, and a start
//!   ends none. `postwerk admin sessions` lists them and `admin logout` ends one, or all with the login links.
//! * **What a thief of the store has**: keys are in it, as the mail is. Backups of it deserve the same care; after a loss,
//!   `links rotate --now`.
//! * **Nonces** are an HMAC of link, cookie and hour, believed for this hour and the last: no state, and none to exhaust.
//!   Their key, the codes' and the links' are derived apart, so that none can be had as another.
