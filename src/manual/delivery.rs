//! # How mail leaves
//!
//! `deliver::trouble` is the table of what each failure means. What stands behind it:
//!
//! * **Before MAIL nothing is for ever**, but what DNS says for sure (no such domain, null MX) and what loops. A host
//!   that refuses us at its banner, cannot do TLS or does not know our password may do so tomorrow; the lifetime of a
//!   message bounds how long we ask. From MAIL on the first digit of the peer decides.
//! * **8-bit content is returned, not converted**, when a hop does not offer 8BITMIME (5.6.3). RFC 6152 section 3 allows
//!   either; a conversion breaks DKIM signatures, and hops without 8BITMIME have become rare. SMTPUTF8 alike (5.6.7),
//!   for local parts and for headers beyond ASCII.
//! * **A domain in Unicode never needs SMTPUTF8.** It is compared, routed, logged and stored in keys as its A-labels. Beside
//!   them the mailbox keeps its U-labels if it was written so, and they go on where MAIL says SMTPUTF8. Mail of our own
//!   (reports, digests) uses A-labels even there: the hop behind the next may not know SMTPUTF8.
//! * **Opportunistic TLS verifies nothing and falls back**, once, on a new connection, wherever it breaks between STARTTLS
//!   and the EHLO behind it: silence, an end, 421, the handshake. The address is remembered for half an hour, so that
//!   not every mail pays a silence of minutes; who can break a handshake could have hidden STARTTLS as well. Required
//!   TLS does neither, and no password follows in the clear. Octets that follow the reply to STARTTLS in the clear end
//!   the connection: they could be an attacker's.
//! * **A bound is for what is waited for, not for a read**: a whole reply, a whole write at 8 KiB a second or more, all of a
//!   transaction up to its dot (each step once, 10 s a recipient, the size at that rate), 15 minutes of trying addresses.
//!   A hop that drips is given up when a silent one would be. While another site waits for a connection a reply before
//!   the dot has 60 s, also one that is waited for already, and after as long no further host of a site is tried: what was
//!   not asked comes first the next time. The reply to the dot is never hurried.
//! * **Behind the dot the code is the verdict.** Who wrote 250 has the mail, however long, odd or broken the rest of the reply
//!   is; sending it again would double it. The connection is not used again, for nobody knows where its next reply
//!   starts. For the same reason octets that nobody asked for end a connection, and before the body they are no yes.
//!   Before the dot what is no reply ends the connection: nothing is lost by asking again.
//! * **A certificate that stands in `ca` itself counts octet for octet**, while its name and dates are right: a self-signed
//!   one that is marked as an authority's (`openssl req -x509`) has no chain that could verify it.
//! * **Prompts of AUTH LOGIN are not read**: the first answer is the name, the second the password. mail-send wants
//!   `Username:` and fails with every other prompt, so PLAIN and LOGIN are ours; CRAM-MD5 is answered by its `encode`.
//! * **Reasons are ours in plain words** (`net::plain`), with the address that they were met at, and in reply to nothing:
//!   only what a remote answered is. Libraries' texts go to the log.
//! * **A greeting by our own name is a loop only where DNS chose the host.** Two servers of one name behind a
//!   configured relay are somebody's set-up; an MX that greets as we do is ourselves.
//! * **A site that is down costs one try.** Its other parcels are given back and snoozed, with the reason. It is asked
//!   again after half of the first `[queue] retry`, at most 30 s, then doubled up to 15 minutes; one connection probes,
//!   and only a mail that gets through ends the doubling. The mail that found it down is due when the site is, not by
//!   its own retry: when the site is back the oldest goes too. 530 to MAIL is a way that is wrong, for every mail alike.
//! * **What speaks of us costs no try.** `deliver::throttle` is a table of texts and statuses, from public documentation;
//!   421 always does. The next host is asked first, each once. Then the site has half the connections, or none for a
//!   while (first as above, each pause in a row twice as long, at most 15 minutes; a number in the reply counts within
//!   that), and gets one connection more for each round of mails that it takes, at most one in ten seconds. At RCPT a
//!   text must be unmistakable: "try again later" there is greylisting. What one and the same mail is told twice in a
//!   row, behind MAIL, is about that mail: it is deferred and counted, or it would stand before all others for ever. A
//!   site that refuses connections while others stand is asked for as many as stand.
//! * **Too many recipients means the next transaction** (RFC 5321 section 4.5.3.1.10), if this one got on: no try is
//!   counted, and who was deferred beside them goes into a parcel of his own. The number is believed for an hour, and so
//!   is RCPTMAX of LIMITS (RFC 9422) as long as the connection stands.
//! * **A tenth of the connections is for sites that have none**, and at most a quarter goes to one network (/24, /48)
//!   that DNS chose: whoever owns it may have a thousand domains with a host each. A site that finds its network full
//!   waits without a try until one of those connections ends, or half a minute; its hosts in other networks are asked then,
//!   too, and not more often. A lane gives its place up after `site_messages` mails when
//!   another site waits, an idle one at once, and what is under way hurries.
//! * **No due parcel without a waker.** How a site stands is one pure machine, and what follows is computed anew after
//!   each event, also behind a panic: a lane and its connection are counted out together, a parcel is never put back to
//!   a site that is down, and nobody goes to sleep between a look and the wait for its change. A seeded model holds it.
//! * **Why a group waits lives in memory only** (`queue::waits`), like snoozes: a restart finds out again. Lists, status
//!   and the end of a lifetime read it, so that a mail and its site tell one truth. A person who wants a mail ends the
//!   wait of its site, at most once a second, also if DNS must say first which site that is.
//! * **A site is everything that decides how a mail travels**, compared as a structure: hosts with their preferences
//!   (RFC 5321 section 5.1: each domain has its own), port, TLS rule, the file of roots as it lies on disk, login with
//!   its password, and whether DNS chose the hosts. What is shared by less goes wrong one day: a stranger whose MX named
//!   our relay made our own mail bounce. The password is compared and never hashed or shown. Our name in EHLO is not part
//!   of it; a connection ends after `site_messages` at the latest.
//! * **A reload leaves nothing of the old way.** Of DNS only its words are remembered, and the way is derived from them
//!   and the configuration in force; a route is found by the labels of a domain, not by a walk through all routes. What
//!   waits for a lane is given back and looked at anew. Only what a lane has begun goes out by the rules of its start.
//! * **A and AAAA are two questions.** One good answer is enough; while one of them is open nothing ends. Names with
//!   underscores are taken from DNS and from clients, but not for what we are called ourselves.
//! * **Letters in questions are drawn** (0x20): who cannot see the question must guess them, beside port and id. A server
//!   that does not repeat them is asked again by TCP, at the price of a round trip.
//! * **Bands are ordered in the store, within a group** (domain, account): 8:3:1. Across the groups of a site the
//!   dispatcher does not look at them: groups take turns of 20 parcels, so that an urgent mail waits for one turn of each
//!   other account of its site, and of each other domain of its own account there. Heads would have to carry a band for
//!   more, and a campaign has an account of its own wherever urgency matters.
//! * **Lanes do not wait for settles.** A settle runs beside the next transaction; at most 1,000 are under way. What it
//!   meets short of the process's end it tries again for a day; a commit in doubt is repeated with the version of the
//!   parcel that was read, so that it is refused if it is on disk after all. When it must give up and the dot was out,
//!   the claim is kept: nothing goes out again for a bad disk, and the next start marks it.
//! * **No dot without its intent on disk.** One intent per transaction, for exactly the recipients that the hop can
//!   serve. It is submitted when the connection stands, before MAIL, so that its commit overlaps with MAIL, RCPT and
//!   DATA, and a body's earlier chunks; only the octets that end the data wait. Not already when the parcel is taken:
//!   a site that does not greet would leave intents of transactions that never began, and `maybe_delivered = "hold"`
//!   would hold mail that nobody was sent. If it cannot be written, the connection is closed without the dot, nothing
//!   counts as tried, the site's backlog is given back, and the dispatcher pauses for five seconds.
//! * **In doubt is what no answer ended**: the line broke or was silent after the dot, what came was no reply, the
//!   server stopped (after `stop_timeout`) or was killed. A 421 to the dot is an answer: a 4yz says that the action was
//!   not taken (RFC 5321 section 4.2.1), and large sites say it there when they are asked too often.
//! * **MaybeDelivered is never taken as sent**, because the intent comes before the dot. `[queue] maybe_delivered` sends
//!   it again (default: a mail twice is better than none) or holds it in `bad`. Again means by the retry table, but at
//!   once when it was our own end that cut it off, unless that happens to the same parcel time and again. The slot remembers
//!   the unanswered try for good, so that whatever it comes to later says that the mail may have arrived (twice).
//! * **One claim lends up to 20 parcels**, and a site's backlog is three for each connection: enough that no lane waits
//!   for the store, little enough that a stop gives back almost nothing.
//! * **smtp-proto reads EHLO, our own reader replies.** Its `ResponseReceiver` takes 999 for a code and keeps enhanced
//!   statuses in octets, so that 5.7.509 is lost.
//! * **Not done:** the next message's MAIL in one write with the final dot. RFC 2920 allows it and it would save a round
//!   trip a message; but the dot waits for a commit, and the two belong apart.
