//! # Hold rules and the structure of mails
//!
//! A mail is scanned while it arrives (`mail::structure`): each octet once, in memory that bounds keep small. A requeue
//! reads the stored body again, and every check but the rate runs anew by the configuration of that moment.
//!
//! * **Every reading counts, one is told.** Mail programs differ in what they make of a mail that is written in its own
//!   way, so `[attachments]` and rules look at all that any of them may see, while digests and pages show the most
//!   probable reading: the first field of a kind, the value that RFC 2231 means, a delimiter that is a whole line.
//! * **Names:** a token ends at a blank or goes on to the semicolon, with its comments or without; pieces count in any
//!   order and with gaps; plain, extended, quoted, escaped and encoded values of `name` and `filename` count in both
//!   fields, in every charset that is named and as octets. Of each name counts what systems make of it: without path,
//!   hidden characters, and what Windows drops (dots, blanks, colons, streams), up to a NUL, wide letters as narrow ones.
//!   An odd name holds nothing by itself: `filename=My report.pdf` means `My` and `My report.pdf`, and neither is blocked.
//! * **Parts:** two types, two boundaries or a multipart that says it is encoded are gone into in each way. Five questions
//!   are answered in both ways for the whole mail, because a reader always does the same: does a line of blanks end a
//!   header, does a line that is no field, is a line that only begins with a boundary a delimiter (RFC 2046 section 5.1.1
//!   says so, most programs compare the whole line), does a delimiter behind the last one begin a part, does CR alone end
//!   a line. A second way is followed only in mails that ask the question, beside the first, so an ordinary mail is read once.
//! * **Encodings:** each field that is there is tried; one that is written in its own way (`"base64"`, `base64,`) also
//!   counts as none. Padding inside base64 is passed over unless it ends a group, and what is behind it is read.
//! * **Lost is what nobody here can read:** an unknown transfer encoding of an attachment, BinHex, a piece of a mail
//!   (`message/partial`), a boundary above 2,000 octets, more than 16 readings of one mail or 32 names of one part. It is
//!   held in `bad` where `[attachments]` is on; what is found in the rest of the mail comes first.
//! * **What a bound leaves out fits every rule about attachments.** Above 200 attachments, 10,000 parts, 100 levels or
//!   16 KiB of fields of one part nobody can say what is in a mail; a person looks. Without such a rule it goes out.
//! * **Types are matched as declared, by content, and by their other names**: `application/x-msdownload` and
//!   `application/x-dosexec` mean `application/vnd.microsoft.portable-executable`. By content the scan knows: Windows
//!   programs, ELF, shortcuts, scripts, zip, Office documents (`application/vnd.openxmlformats-officedocument`, old ones
//!   `application/x-ole-storage`), OpenDocument, Java archives, rar, 7z, gzip, bzip2, xz, cab, pdf, rtf, html, png, jpeg,
//!   gif, webp. What is inside an archive counts for `[attachments]`.
//! * **Of a mail in a mail both count**: it is an attachment, and its own attachments are looked at.
//! * **`[attachments]` sees what any program may see** (`mail::archive`): every name that a part's fields may mean, zips by
//!   their directory and from header to header, what stands before and behind them, names up to a NUL, members of a
//!   gzip file as one content. A file is looked into as what its first octets show and as what its names and types claim,
//!   side by side: programs open a gzip head with a zip behind it by its name. What it cannot see is told: a bound is
//!   named and the mail held in `bad`, and so is a damaged archive, after all that can be read of it. 7z, rar, xz,
//!   bzip2, cab and disk images are not unpacked; block their types (`application/vnd.rar`) to keep them out. An entry
//!   of a zip that is packed by another method than stored and deflated is told by its names, and the mail held in
//!   `bad` with the method, as a damaged one is: Windows opens what it hides, and no ordinary program writes it.
//! * **Prose is no uuencode**: a `begin` with unusual permissions or blanks in its name counts from the first line behind it
//!   that uuencode may have, and the words of BinHex count with a line that begins the file.
//! * **A look costs what it counts** (`mail::archive::work`). Each octet that is searched or unpacked, each name, record,
//!   line and deflated block is charged to one account of the mail before it is worked on, in units of about a
//!   nanosecond; with two thousand million of them, two seconds, the look ends and the mail is held. Counted and not
//!   timed, so that the same mail ends the same everywhere. The account is the last resort: marks of a zip are searched
//!   for once, names of an entry are read once, and a name is compared with the few patterns that share its ending.
//!   miniz_oxide is used as it is, and not through flate2, because only so a stream stops behind each of its blocks.
//! * **Places to look are few, and fairly shared** (`scan`): two, and one for small mails. The next one that is free goes
//!   to the network that has the fewest. Who finds none for a minute is held in `bad`, and judged again by itself.
//! * **Order:** `[checks] order`; as delivered loop, broken MIME, attachments, scanners, account, rate, then rules, so that
//!   what is dangerous is told before what is only ordered. What one
//!   holds the content checks (attachments, scanners) look at too, unless it is a loop: else a part that nobody can read
//!   would keep a virus from being found, and its owner could let it go as "not judged". The gravest tells, the others
//!   stand beside it. The other checks pass over who is held. Among scanners a virus is the end, and a refusal
//!   or "later" to a client that waits. The hold names what was looked at, and a release records what was not.
