//! How single things are told in either language: a reason, a size, a date, what is attached.
//!
//! Pages say them in the same words. Everything that came with a mail is cleaned here; what comes out is plain text.
//! Not here: what a digest is made of (`compose`).

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::unseen;
use crate::base::clock::Wall;
use crate::base::lang::Lang;
use crate::base::limit::{SHOWN_MAX, SHOWN_NAME_MAX};
use crate::mail::attachment::Attachment;
use crate::mail::found::Found;
use crate::mail::hold::{Hold, HoldReason, SCANNER};
use crate::mail::shown::defused;
use crate::words::{Arg, say};

/// Attachments that are named; the others are counted.
const NAMED_MAX: usize = 5;

/// Why it is held: the reason with what it names, and the cause.
pub fn reason(lang: Lang, hold: &Hold) -> String {
    let known = wording(lang, hold);
    // These causes are written by this program, in English, for logs; the wording says the same.
    let ours = matches!(
        hold.reason,
        HoldReason::Loop
            | HoldReason::Account
            | HoldReason::RateLimit
            | HoldReason::Attachment
            | HoldReason::Scanner
    );
    let told = ours && known.is_some();
    let plain = || say(lang, &format!("reason-{}", hold.reason.word()), &[]);
    let mut text = known.unwrap_or_else(plain);
    let cause = defused(&hold.cause, SHOWN_MAX);
    if !cause.is_empty() && !told && !text.contains(&cause) {
        text.push_str(": ");
        text.push_str(&cause);
    }
    for more in unseen::words(lang, hold) {
        text.push_str("; ");
        text.push_str(&more);
    }
    text
}

/// The hold as an owner may know it: where our scanners listen, and what went wrong inside, is no business of theirs.
pub fn discreet(hold: &Hold) -> Hold {
    let others = hold.others.iter().map(|one| Found {
        cause: told_cause(one.reason, &one.params, &one.cause),
        ..one.clone()
    });
    Hold {
        cause: told_cause(hold.reason, &hold.params, &hold.cause),
        others: others.collect(),
        ..hold.clone()
    }
}

fn told_cause(reason: HoldReason, params: &BTreeMap<String, String>, cause: &str) -> String {
    match reason {
        HoldReason::Scanner => params.get(SCANNER).cloned().unwrap_or_default(),
        HoldReason::Internal => String::new(),
        HoldReason::Operator
        | HoldReason::Loop
        | HoldReason::BrokenMime
        | HoldReason::Undeliverable
        | HoldReason::Rule
        | HoldReason::Account
        | HoldReason::RateLimit
        | HoldReason::Virus
        | HoldReason::Phish
        | HoldReason::Spam
        | HoldReason::Dmarc
        | HoldReason::Attachment
        | HoldReason::Filter
        | HoldReason::MaybeDelivered => cause.to_owned(),
    }
}

/// What was found in attachments, and what of them could not be looked into.
fn found(lang: Lang, hold: &Hold) -> Option<String> {
    let wanted = match hold.reason {
        HoldReason::Attachment => true,
        // Those of other scanners say their cause.
        HoldReason::Scanner => {
            let scanner = hold.params.get("scanner");
            scanner.is_none_or(|name| name == crate::mail::found::ATTACHMENTS)
        }
        HoldReason::Operator
        | HoldReason::Loop
        | HoldReason::BrokenMime
        | HoldReason::Undeliverable
        | HoldReason::Internal
        | HoldReason::Rule
        | HoldReason::Account
        | HoldReason::RateLimit
        | HoldReason::Virus
        | HoldReason::Phish
        | HoldReason::Spam
        | HoldReason::Dmarc
        | HoldReason::Filter
        | HoldReason::MaybeDelivered => false,
    };
    if !wanted {
        return None;
    }
    let value = |name| Some(defused(hold.params.get(name)?, SHOWN_MAX));
    let (name, bound) = (value("name"), value("bound"));
    let media = hold.params.get("type").map(|media| kind(media));
    let (method, encoding) = (value("method"), value("encoding"));
    let key = match hold.params.get("kind").map(String::as_str) {
        Some("encrypted") => "why-encrypted",
        Some("damaged") => "why-damaged",
        Some("packed") => "why-packed",
        Some("busy") => "why-busy",
        Some("clamd-limits") => "why-clamd-limits",
        Some("clamd-encrypted") => "why-clamd-encrypted",
        Some("clamd-macros") => "why-clamd-macros",
        Some("encoding") => "why-encoding",
        Some("piece") => "why-piece",
        Some("binhex") => "why-binhex",
        Some(_) | None if bound.is_some() && name.is_some() => "why-bound",
        Some(_) | None if bound.is_some() => "why-bound-mail",
        Some(_) | None if media.is_some() => "why-blocked",
        Some(_) | None if name.is_some() => "why-attachment",
        Some(_) | None => return None,
    };
    let args = [
        ("name", &name),
        ("bound", &bound),
        ("type", &media),
        ("method", &method),
        ("encoding", &encoding),
    ];
    let args = args
        .iter()
        .filter_map(|(key, value)| Some((*key, Arg::Text(value.as_deref()?))));
    Some(say(lang, key, &args.collect::<Vec<_>>()))
}

/// The wording that names parameters, when all of them are there.
fn wording(lang: Lang, hold: &Hold) -> Option<String> {
    if let Some(text) = found(lang, hold) {
        return Some(text);
    }
    let names: &[&'static str] = match hold.reason {
        HoldReason::Spam => &["score", "limit"],
        HoldReason::Virus | HoldReason::Phish | HoldReason::Attachment | HoldReason::Filter => {
            &["name"]
        }
        HoldReason::Rule => &["reason"],
        HoldReason::Account => &["account"],
        HoldReason::RateLimit => &["account"],
        HoldReason::Loop => &["received", "own"],
        HoldReason::Operator
        | HoldReason::BrokenMime
        | HoldReason::Undeliverable
        | HoldReason::Internal
        | HoldReason::Dmarc
        | HoldReason::Scanner
        | HoldReason::MaybeDelivered => return None,
    };
    let mut values = Vec::new();
    for name in names {
        let value = defused(hold.params.get(*name)?, SHOWN_MAX);
        values.push((*name, number(lang, &value)));
    }
    let args: Vec<_> = values
        .iter()
        .map(|(name, value)| (*name, Arg::Text(value)))
        .collect();
    Some(say(lang, &format!("why-{}", hold.reason.word()), &args))
}

/// `7.4` as the language writes it; anything else as it is.
fn number(lang: Lang, text: &str) -> String {
    match lang {
        Lang::De if text.parse::<f64>().is_ok() => text.replace('.', ","),
        Lang::De | Lang::En => text.to_owned(),
    }
}

/// `214 kB`, `1,2 MB`.
pub fn size(lang: Lang, octets: u64) -> String {
    let (value, unit) = match octets {
        0..1_000 => return format!("{octets} B"),
        1_000..1_000_000 => return format!("{} kB", octets.div_ceil(1_000)),
        1_000_000..1_000_000_000 => (octets / 100_000, "MB"),
        1_000_000_000.. => (octets / 100_000_000, "GB"),
    };
    let value = format!("{}.{}", value / 10, value % 10);
    format!("{} {unit}", number(lang, &value))
}

/// `2 Anhänge: rechnung.pdf (PDF), bild.png (PNG)`; empty without any.
pub fn attachments(lang: Lang, all: &[Attachment]) -> String {
    if all.is_empty() {
        return String::new();
    }
    let mut list: Vec<String> = all
        .iter()
        .take(NAMED_MAX)
        .map(|one| attachment(lang, one))
        .collect();
    if let Some(more @ 1..) = all.len().checked_sub(NAMED_MAX) {
        list.push(say(lang, "digest-and-more", &[("count", count(more))]));
    }
    let args = [
        ("count", count(all.len())),
        ("list", Arg::Text(&list.join(", "))),
    ];
    say(lang, "digest-attachments", &args)
}

fn attachment(lang: Lang, one: &Attachment) -> String {
    let name = one.name.as_deref().unwrap_or_default();
    let mut name = defused(name, SHOWN_NAME_MAX);
    if name.is_empty() {
        name = say(lang, "digest-no-name", &[]);
    }
    let declared = kind(&one.declared);
    match one.found.as_deref().map(kind) {
        // What it is and what it claims to be.
        Some(found) if found != declared => format!("{name} ({found}, „{declared}“)"),
        Some(_) | None => format!("{name} ({declared})"),
    }
}

/// A media type in the short form that people know.
fn kind(media: &str) -> String {
    let (group, sub) = media.split_once('/').unwrap_or(("", media));
    let sub = sub.trim_start_matches("x-").trim_start_matches("vnd.");
    let known = match sub {
        "pdf" => "PDF",
        "zip" | "zip-compressed" => "ZIP",
        "msword" => "DOC",
        "openxmlformats-officedocument.wordprocessingml.document" => "DOCX",
        "ms-excel" => "XLS",
        "openxmlformats-officedocument.spreadsheetml.sheet" => "XLSX",
        "ms-powerpoint" => "PPT",
        "openxmlformats-officedocument.presentationml.presentation" => "PPTX",
        "msdownload"
        | "dosexec"
        | "msdos-program"
        | "portable-executable"
        | "microsoft.portable-executable" => "EXE",
        "elf" => "ELF",
        "mach-binary" => "Mach-O",
        "ms-shortcut" => "LNK",
        "iso9660-image" => "ISO",
        "vhd" | "vhdx" => "VHD",
        "ms-office.vbaproject" => "VBA",
        "rfc822" => "EML",
        "octet-stream" => "BIN",
        "jpeg" => "JPEG",
        _ if group == "image" || group == "audio" || group == "video" || group == "text" => {
            return defused(&sub.to_uppercase(), 12);
        }
        _ => return defused(media, 40),
    };
    known.to_owned()
}

/// A number for a text.
pub fn count(n: usize) -> Arg<'static> {
    Arg::Count(u64::try_from(n).unwrap_or(u64::MAX))
}

/// `21.11.2026`, `2026-11-21`.
pub fn date(lang: Lang, zone: &TimeZone, at: Wall) -> String {
    local(zone, at).strftime(form(lang)).to_string()
}

/// `Sa 21.11.2026 14:02`, `Sat 2026-11-21 14:02`.
pub fn moment(lang: Lang, zone: &TimeZone, at: Wall) -> String {
    let local = local(zone, at);
    let day = local.weekday().to_monday_one_offset();
    let day = say(lang, &format!("digest-day-{day}"), &[]);
    format!("{day} {}", local.strftime(&format!("{} %H:%M", form(lang))))
}

/// `CET`: of the zone at that moment.
pub fn zone_name(zone: &TimeZone, at: Wall) -> String {
    local(zone, at).strftime("%Z").to_string()
}

fn form(lang: Lang) -> &'static str {
    match lang {
        Lang::De => "%d.%m.%Y",
        Lang::En => "%Y-%m-%d",
    }
}

fn local(zone: &TimeZone, at: Wall) -> jiff::Zoned {
    let micros = i64::try_from(at.0).unwrap_or(i64::MAX);
    let at = Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MAX);
    at.to_zoned(zone.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::hold::HoldQueue;

    #[test]
    fn a_reason_names_what_is_known() {
        let spam = Hold::new(HoldQueue::Quarantine, HoldReason::Spam, "BAYES_99");
        assert_eq!(
            reason(Lang::De, &spam),
            "Spam-Bewertung über der Grenze: BAYES_99"
        );
        let spam = spam.with("score", "7.4").with("limit", "6.0");
        assert_eq!(
            reason(Lang::De, &spam),
            "Spam-Bewertung 7,4 (Grenze 6,0): BAYES_99"
        );
        assert_eq!(
            reason(Lang::En, &spam),
            "Spam score 7.4 (limit 6.0): BAYES_99"
        );
        let rule = Hold::new(HoldQueue::Quarantine, HoldReason::Rule, "")
            .with("reason", "see http://x.example\r\n.");
        assert_eq!(reason(Lang::En, &rule), "Rule: see hxxp[:]//x[.]example .");
    }

    #[test]
    fn a_mail_that_may_have_arrived_says_so_in_both_languages() {
        let hold = Hold::new(HoldQueue::Bad, HoldReason::MaybeDelivered, "451 4.4.2 cut");
        for (lang, wanted) in [
            (Lang::De, "Vielleicht schon zugestellt"),
            (Lang::En, "It may have been delivered already"),
        ] {
            let text = reason(lang, &hold);
            assert!(
                text.starts_with(wanted) && text.contains("451 4.4.2"),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_in_an_archive_is_told_with_its_path() {
        let hold = |queue, reason| Hold::new(queue, reason, "a.zip: in English, for logs");
        let attached = || hold(HoldQueue::Quarantine, HoldReason::Attachment);
        let unseen = || hold(HoldQueue::Bad, HoldReason::Scanner);
        let path = "rechnung.zip > setup.exe";
        for (hold, wanted) in [
            (
                attached().with("name", path),
                "Nicht zugelassener Anhang: rechnung[.]zip > setup.exe",
            ),
            (
                attached()
                    .with("name", path)
                    .with("type", "application/x-dosexec"),
                "Nicht zugelassener Anhang: rechnung[.]zip > setup.exe (EXE)",
            ),
            (
                attached().with("name", path).with("kind", "encrypted"),
                "Nur mit einem Passwort zu öffnen: rechnung[.]zip > setup.exe",
            ),
            (
                unseen().with("name", "a.zip").with("kind", "damaged"),
                "Beschädigtes Archiv, Prüfung nicht möglich: a[.]zip",
            ),
            (
                unseen()
                    .with("name", "a.zip")
                    .with("kind", "packed")
                    .with("method", "lzma"),
                "Prüfung nicht möglich, mit lzma gepackt: a[.]zip",
            ),
            (
                unseen()
                    .with("name", "a.pdf")
                    .with("kind", "encoding")
                    .with("encoding", "x-foo"),
                "Prüfung nicht möglich, a.pdf ist in einer unbekannten Kodierung (x-foo)",
            ),
            (
                unseen().with("name", "a.pdf").with("kind", "piece"),
                "Prüfung nicht möglich, die Nachricht ist nur ein Teil einer größeren: a.pdf",
            ),
            (
                unseen().with("name", "a.hqx").with("kind", "binhex"),
                "Prüfung nicht möglich, a[.]hqx enthält eine Datei in BinHex",
            ),
            (
                unseen().with("scanner", "attachments").with("kind", "busy"),
                "Noch nicht geprüft, zu viele andere Nachrichten; es wird von selbst wiederholt",
            ),
            (
                unseen().with("name", "a.zip").with("bound", "X = 2"),
                "Prüfung nicht möglich, a[.]zip überschreitet eine Grenze (X = 2)",
            ),
            (
                unseen().with("bound", "X = 2"),
                "Prüfung nicht möglich, die Nachricht überschreitet eine Grenze (X = 2)",
            ),
            (
                unseen().with("scanner", "clam"),
                "Prüfung nicht möglich: a[.]zip: in English, for logs",
            ),
        ] {
            assert_eq!(reason(Lang::De, &hold), wanted);
        }
    }

    #[test]
    fn sizes_read_as_people_write_them() {
        for (octets, wanted) in [
            (0, "0 B"),
            (999, "999 B"),
            (213_100, "214 kB"),
            (1_250_000, "1,2 MB"),
            (7_000_000_000, "7,0 GB"),
        ] {
            assert_eq!(size(Lang::De, octets), wanted);
        }
    }

    #[test]
    fn what_is_attached_says_what_it_really_is() {
        let one = Attachment {
            name: Some("rechnung\u{202E}fdp.exe".into()),
            declared: "application/pdf".into(),
            found: Some("application/x-dosexec".into()),
            size: 3,
        };
        assert_eq!(
            attachments(Lang::De, std::slice::from_ref(&one)),
            "1 Anhang: rechnungfdp.exe (EXE, „PDF“)"
        );
        let many = vec![one; 7];
        assert!(attachments(Lang::En, &many).ends_with("and 2 more"));
    }

    #[test]
    fn an_owner_is_told_the_scanner_and_not_where_it_listens() {
        let failed = Hold::new(
            HoldQueue::Bad,
            HoldReason::Scanner,
            "clam: 127.0.0.1:3310 cannot be reached: refused",
        )
        .with("scanner", "clam");
        let inside = Hold::new(HoldQueue::Bad, HoldReason::Internal, "/var/lib/x: denied");
        for (hold, owners, administrators) in [
            (failed, "Could not be checked: clam", "127[.]0[.]0[.]1:3310"),
            (inside, "Internal fault while processing", "/var/lib/x"),
        ] {
            assert_eq!(reason(Lang::En, &discreet(&hold)), owners);
            assert!(reason(Lang::En, &hold).contains(administrators), "{hold:?}");
        }
    }
}
