//! # How failures are told
//!
//! `bounce` tells the reverse-path what could not be delivered. What stands behind it:
//!
//! * **A report never needs what the failed hop lacked.** It often goes back by the same way, and nobody can be told that it
//!   failed too. So it is decided when it is composed, by the reverse-path alone: to an ASCII address every octet is
//!   ASCII, every line short, and its domain in A-labels; no hop of it is asked for 8BITMIME or SMTPUTF8. Only an address
//!   beyond ASCII gets a report in UTF-8, which needs SMTPUTF8 anyway.
//! * **Of an 8-bit message only the header comes back**, encoded where it must be, and the text says so. message/rfc822 may
//!   not be encoded as a whole (RFC 2046 section 5.2.1). A copy whose parts are converted would come back under the name
//!   of the original while its signatures break and a malformed part changes its meaning; the header says which message
//!   it was, and its author has the rest. The same for lines above 998 octets, for a NUL, and for a message that some
//!   server called too large.
//! * **The machine's part is message/delivery-status in the clear**, whatever the message was: programs that read bounces
//!   know this type and do not look into base64. An address beyond ASCII stands there as `utf-8; j\x{F6}rg@…` (RFC 6533
//!   section 3). message/global-delivery-status is used only to an author beyond ASCII about a recipient beyond ASCII,
//!   in 8bit.
//! * **An address is told as it was written**, in the text and in the fields of RFC 6533; elsewhere its domain has A-labels.
//! * **Last-Attempt-Date is left out when nothing was tried** (RFC 3464 section 2.3.7): a decision, or the end of a lifetime
//!   that passed in a pause, is no attempt.
//! * **What a stranger wrote is no link** in the part for people: subject, addresses, names of servers and their replies,
//!   which whoever answers for a domain chooses (`mail::unlinked`). The machine's part has the exact words.
//! * **Nothing dangerous travels back** (`queue::returned`). A stranger's reverse-path proves nothing, and a DSN would carry
//!   what a check found to whomever he wrote there. So what is held for attachment, scanner, filter, virus, phish, spam,
//!   dmarc or a fault of ours (the check that would have found it may not have come) and then given up, by
//!   whom and on whatever road, is told to nobody when it came from a stranger, and brings only
//!   its header to our own: who logged in, a trusted network, this program. For other holds a stranger gets the header: a
//!   rule or a person holds for reasons that no program weighs. Records of older stores that do not say are a stranger's.
//!   Where nobody is told the pages offer no *bounce*; ordered all the same it ends the mail, and answer, page and history
//!   say that the sender was not told.
//! * **The finding stays with the mail** when a person lets it go (`Parcel::back`): should the next hop refuse it, or its
//!   time end, its sender is told, for that is no decision of ours, but without the content. The same for a stranger's
//!   mail that a next hop refuses for what it is (X.7.z). Only a check that finds it good after all makes it as any other.
//! * **A header ends at the first line that is no field**, or a mail without an empty line would come back whole.
