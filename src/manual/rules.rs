//! # Hold rules and the structure of mails
//!
//! A mail is scanned while it arrives (`mail::structure`): each octet once, in memory that bounds keep small. A requeue
//! reads the stored body again, and every check but the rate runs anew by the configuration of that moment.
//!
//! * **A delimiter is a whole line.** RFC 2046 section 5.1.1 lets a line that only begins with the boundary count; then
//!   `--a` would end inside `--ab`. Mail programs compare whole lines, and a rule must see what they see.
//! * **Leniency where readers are lenient:** names in two charsets, in pieces, unquoted, as encoded words where RFC 2047
//!   forbids them, with paths, and with dots and blanks behind them that Windows drops. Hidden characters go.
//! * **The first field of a kind counts**, as in most readers. A second Content-Type is no fault of its own.
//! * **What a bound leaves out fits every rule about attachments.** Above 200 attachments, 10,000 parts, 100 levels or
//!   16 KiB of fields of one part nobody can say what is in a mail; a person looks. Without such a rule it goes out.
//! * **Types are matched as declared, by content, and by their other names**: `application/x-msdownload` and
//!   `application/x-dosexec` mean `application/vnd.microsoft.portable-executable`. By content the scan knows: Windows
//!   programs, ELF, shortcuts, scripts, zip, Office documents (`application/vnd.openxmlformats-officedocument`, old ones
//!   `application/x-ole-storage`), OpenDocument, Java archives, rar, 7z, gzip, bzip2, xz, cab, pdf, rtf, html, png, jpeg,
//!   gif, webp. What is inside an archive counts for `[attachments]`.
//! * **Of a mail in a mail both count**: it is an attachment, and its own attachments are looked at.
//! * **`[attachments]` sees what any program may see** (`mail::archive`): every name that a part's fields give, zips by
//!   their directory and from header to header, what stands before and behind them, names up to a NUL, members of a
//!   gzip file as one content. What it cannot see is told: a bound is named and the mail held in `bad`, and so is a
//!   damaged archive, after all that can be read of it. 7z, rar, xz, bzip2, cab and disk images are not
//!   unpacked; block their types (`application/vnd.rar`) to keep them out. An entry of a zip that is packed by another
//!   method than stored and deflated is told by its names, and the mail held in `bad` with the method, as a damaged one
//!   is: Windows opens what it hides, and no ordinary program writes it.
//! * **A look costs what it counts** (`mail::archive::work`). Each octet that is searched or unpacked, each name, record,
//!   line and deflated block is charged to one account of the mail before it is worked on, in units of about a
//!   nanosecond; with two thousand million of them, two seconds, the look ends and the mail is held. Counted and not
//!   timed, so that the same mail ends the same everywhere. The account is the last resort: marks of a zip are searched
//!   for once, names of an entry are read once, and a name is compared with the few patterns that share its ending.
//!   miniz_oxide is used as it is, and not through flate2, because only so a stream stops behind each of its blocks.
//! * **Places to look are few, and fairly shared** (`scan`): two, and one for small mails. The next one that is free goes
//!   to the network that has the fewest. Who finds none for a minute is held in `bad`, and judged again by itself.
//! * **Order:** `[checks] order`; as delivered loop, broken MIME, attachments, scanners, account, rate, then rules, so that
//!   what is dangerous is told before what is only ordered. The first that holds the whole mail ends it; a rule holds
//!   single recipients. The hold names what was looked at before it, and a release records what was not.
