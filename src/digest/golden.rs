//! Digests as people get them, held against files in tests/digest; `POSTWERK_BLESS=1` writes them anew.
//!
//! Read the difference before it is committed. Beside the files, what must hold of every digest: short links, no
//! element that a client blocks, the same links in both parts but for the canary.

use std::collections::BTreeSet;
use std::path::Path;

use jiff::tz::TimeZone;

use super::Rendered;
use super::compose::{Entry, Links, Sheet, Tally, View};
use super::record::Scope;
use super::tests::mailbox;
use super::token::Action;
use crate::base::clock::Wall;
use crate::base::lang::Lang;
use crate::config::{HoldsConf, PublicUrl, ReleaseRule};
use crate::mail::attachment::Attachment;
use crate::mail::domain::Domain;
use crate::mail::hold::{Hold, HoldQueue, HoldReason};
use crate::queue::MessageId;
use crate::queue::hold::Card;
use crate::queue::record::HoldId;

/// 2026-11-21 17:00 UTC.
const NOW: u64 = 1_795_280_400_000_000;
const HOUR: u64 = 3_600_000_000;

fn card(n: u64) -> Card {
    Card {
        id: HoldId(n << 8),
        message: MessageId(0x0643_E1B2_A90C_7701 + n),
        parcel: 0,
        index: 0,
        to: mailbox("kasse@verein.example"),
        from: "bounce@mailer.example".into(),
        author: Some("=?utf-8?Q?Stadtwerke_M=C3=BCnster?= <rechnung@stadtwerke-x.example>".into()),
        subject: Some(format!("Rechnung 2026-{n}")),
        size: 213_456 + n,
        attachments: Vec::new(),
        account: None,
        hold: Hold::new(HoldQueue::Quarantine, HoldReason::Spam, "DMARC, new sender")
            .with("score", "7.4")
            .with("limit", "6.0"),
        since: NOW - n * HOUR,
        until: NOW + 14 * 24 * HOUR,
        arrived: NOW - n * HOUR,
        end: None,
        back: None,
        proven: None,
    }
}

fn entry(card: Card) -> Entry {
    Entry {
        until: Wall(card.until),
        ending: false,
        card,
    }
}

fn three() -> Vec<Entry> {
    let mut internal = card(3);
    internal.hold = Hold::new(
        HoldQueue::Bad,
        HoldReason::Internal,
        "the scan ended by itself",
    );
    internal.author = None;
    internal.from = String::new();
    internal.subject = None;
    let mut virus = card(2);
    virus.hold = Hold::new(
        HoldQueue::Quarantine,
        HoldReason::Virus,
        "Eicar-Test-Signature",
    );
    virus.account = Some("shop".into());
    virus.attachments = vec![
        Attachment {
            name: Some("rechnung.pdf".into()),
            declared: "application/pdf".into(),
            found: Some("application/x-dosexec".into()),
            size: 10,
        },
        Attachment {
            name: None,
            declared: "image/png".into(),
            found: None,
            size: 10,
        },
    ];
    let mut ends = entry(card(1));
    ends.ending = true;
    ends.until = Wall(NOW + 30 * HOUR);
    vec![entry(internal), entry(virus), ends]
}

fn hostile() -> Vec<Entry> {
    let subjects = [
        "a\r\nBcc: x@evil.example\r\n\r\n<script>alert(1)</script>".to_owned(),
        "=?utf-8?Q?b=0D=0ABcc:_x=40evil.example?=".to_owned(),
        "x".repeat(300),
        "=?utf-8?B?8J+OiSBHcsO8w59lIPCfkajigI3wn5Gp4oCN8J+Rpw==?=".to_owned(),
        "\u{202E}txt.exe \u{5E9}\u{5DC}\u{5D5}\u{5DD} \u{200B}hidden".to_owned(),
        "<b>bold</b> & \"quotes\" https://evil.example/d/x www.evil.example evil.example"
            .to_owned(),
        ".".to_owned(),
        "From the start of a line".to_owned(),
    ];
    let mut all = Vec::new();
    for (n, subject) in (1..).zip(subjects) {
        let mut one = card(n);
        one.subject = Some(subject);
        one.author =
            Some("\"Bank <service@bank.example>\" <x@xn--pypal-4ve.example>, b@c.example".into());
        one.hold.cause = "rule <img src=x> http://evil.example/".into();
        one.attachments = vec![Attachment {
            name: Some("<script>\u{202E}gpj.exe".into()),
            declared: "text/html\"><style>".into(),
            found: None,
            size: 1,
        }];
        all.push(entry(one));
    }
    all
}

fn sixty() -> Vec<Entry> {
    (11..=60).rev().map(|n| entry(card(n))).collect()
}

fn tally(entries: &[Entry]) -> Tally {
    let count = |queue| {
        let of = entries
            .iter()
            .filter(|entry| entry.card.hold.queue == queue);
        (queue, of.count() as u64)
    };
    Tally {
        told: HoldQueue::ALL.map(count).to_vec(),
        ..Tally::default()
    }
}

struct Case {
    name: &'static str,
    entries: Vec<Entry>,
    tally: Tally,
    scopes: Vec<Scope>,
    holds: HoldsConf,
    linked: bool,
}

fn admins() -> Vec<Scope> {
    HoldQueue::ALL.map(Scope::Queue).to_vec()
}

fn cases() -> Vec<Case> {
    let case = |name, entries: Vec<Entry>| Case {
        name,
        tally: tally(&entries),
        entries,
        scopes: admins(),
        holds: HoldsConf::default(),
        linked: true,
    };
    let mut many = case("sixty", sixty());
    many.tally = Tally {
        told: vec![(HoldQueue::Quarantine, 60)],
        left_out: 10,
        older: 17,
        ..Tally::default()
    };
    let mut flood = case("flood", vec![entry(card(1))]);
    flood.tally = Tally {
        told: vec![(HoldQueue::Quarantine, 1_000)],
        left_out: 999,
        older: 0,
        capped: true,
        older_capped: true,
    };
    let mut never = case("never", three());
    never.holds.release = vec![(HoldReason::Virus, ReleaseRule::Never)];
    let mut owner = case("owner", three());
    owner.scopes = vec![
        Scope::Domain("verein.example".into()),
        Scope::Account("shop".into()),
    ];
    let mut owner_flood = case("owner-flood", vec![entry(card(1))]);
    owner_flood.scopes = vec![Scope::Domain("verein.example".into())];
    owner_flood.tally.left_out = 70;
    owner_flood.tally.older = 3;
    let mut bare = case("no-links", three());
    bare.linked = false;
    let mut bare_owner = case("owner-no-links", vec![entry(card(1))]);
    bare_owner.scopes = vec![Scope::Domain("verein.example".into())];
    bare_owner.linked = false;
    vec![
        case("none", Vec::new()),
        case("one", vec![entry(card(1))]),
        case("three", three()),
        many,
        flood,
        case("hostile", hostile()),
        never,
        owner,
        owner_flood,
        bare,
        bare_owner,
    ]
}

fn rendered(case: &Case, lang: Lang) -> Rendered {
    let url = PublicUrl {
        https: true,
        host: mailbox("a@mail.example.com").host().clone(),
        port: 444,
    };
    let token =
        |action: Action, hold: HoldId| format!("{:A<44}", format!("{action:?}-{}-", hold.0 >> 8));
    let code = |hold: HoldId| format!("{:04}", 4_711 + (hold.0 >> 8));
    let links = Links {
        url: &url,
        end: u32::try_from(NOW / HOUR + 168).unwrap(),
        newest_only: case.name == "one",
        token: &token,
        code: &code,
    };
    Rendered::of(&View::of(&Sheet {
        hostname: &Domain::parse("mail.verein.example").unwrap(),
        to: &mailbox("postmaster@verein.example"),
        scopes: &case.scopes,
        lang,
        zone: &TimeZone::get("Europe/Berlin").unwrap(),
        since: (case.name != "one").then_some(Wall(NOW - 24 * HOUR)),
        now: Wall(NOW),
        entries: &case.entries,
        tally: &case.tally,
        holds: &case.holds,
        links: case.linked.then_some(links),
    }))
}

fn links(text: &str) -> BTreeSet<String> {
    let is_end = |c: char| c.is_whitespace() || "\"<>".contains(c);
    let urls = text.split("https://").skip(1);
    urls.filter_map(|rest| rest.split(is_end).next())
        .map(|rest| format!("https://{rest}"))
        .collect()
}

#[test]
fn a_digest_looks_as_its_file_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/digest");
    let bless = std::env::var_os("POSTWERK_BLESS").is_some();
    let mut wrong = Vec::new();
    for case in cases() {
        for lang in Lang::ALL {
            let digest = rendered(&case, lang);
            let text = format!("Subject: {}\n\n{}", digest.subject, digest.text);
            for (ending, text) in [("txt", &text), ("html", &digest.html)] {
                let file = folder.join(format!("{}.{lang}.{ending}", case.name));
                if bless {
                    std::fs::write(&file, text).unwrap();
                } else if std::fs::read_to_string(&file).ok().as_ref() != Some(text) {
                    wrong.push(format!("{}:\n{text}", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_hides_turns_or_ends_a_line_reaches_no_row() {
    let evil: String = crate::base::text::HIDDEN
        .iter()
        .flat_map(|range| [*range.start(), *range.end()])
        .chain(['\r', '\n', '\u{1B}', '\u{85}', '\u{9B}', '\u{7F}'])
        .collect();
    let said = format!("a{evil}b");
    let mut one = card(1);
    one.subject = Some(said.clone());
    one.author = Some(format!("\"{said}\" <{said}@x.example>"));
    one.from.clone_from(&said);
    one.account = Some(said.clone());
    one.hold.cause.clone_from(&said);
    one.attachments = vec![Attachment {
        name: Some(said.clone()),
        declared: said.clone(),
        found: Some(said.clone()),
        size: 1,
    }];
    let mut all = vec![entry(one.clone())];
    for reason in HoldReason::ALL {
        let mut held = Hold::new(HoldQueue::Quarantine, reason, &said);
        for name in [
            "name", "reason", "account", "score", "limit", "received", "own",
        ] {
            held = held.with(name, &said);
        }
        one.hold = held;
        all.push(entry(one.clone()));
    }
    let mut owner = Case {
        name: "evil",
        tally: tally(&all),
        entries: all,
        scopes: vec![Scope::Account(said.clone()), Scope::Domain(said)],
        holds: HoldsConf::default(),
        linked: true,
    };
    for lang in Lang::ALL {
        let digest = rendered(&owner, lang);
        let hidden = |c: char| c != '\n' && crate::base::text::is_hidden(c);
        for text in [&digest.subject, &digest.text, &digest.html] {
            let line = text.lines().find(|line| line.contains(hidden));
            assert_eq!(line, None, "{lang}");
        }
        owner.linked = false;
    }
}

#[test]
fn every_digest_keeps_the_rules_of_mail_clients() {
    for case in cases() {
        for lang in Lang::ALL {
            let name = format!("{} {lang}", case.name);
            let digest = rendered(&case, lang);
            let (plain, html) = (links(&digest.text), links(&digest.html));
            assert!(
                html.iter().chain(&plain).all(|url| url.len() <= 78),
                "{name}"
            );
            assert!(plain.is_subset(&html), "{name}: {plain:?}");
            let more: Vec<_> = html.difference(&plain).collect();
            assert_eq!(more.len(), usize::from(case.linked), "{name}: {more:?}");
            assert!(more.iter().all(|url| url.contains("/d/Canary")), "{name}");
            for line in digest.text.lines().filter(|line| line.contains("https://")) {
                assert!(
                    line.starts_with("https://") && !line.contains(' '),
                    "{name}: {line}"
                );
            }
            let lower = digest.html.to_lowercase();
            for element in ["style", "img", "script", "form", "link", "iframe", "input"] {
                assert!(
                    !lower.contains(&format!("<{element}")),
                    "{name}: <{element}"
                );
            }
            for piece in lower.split("style=\"").collect::<Vec<_>>().windows(2) {
                let tag = piece[0].rsplit('<').next().unwrap();
                assert!(tag.starts_with("td"), "{name}: a style on <{tag}");
            }
            assert!(!digest.subject.contains(['\r', '\n']), "{name}");
            let hidden =
                |c: char| c.is_control() && c != '\n' || ('\u{202A}'..='\u{202E}').contains(&c);
            assert!(
                !digest.text.contains(hidden) && !digest.html.contains(hidden),
                "{name}"
            );
            assert!(!digest.text.contains("\nBcc:"), "{name}");
            if case.linked {
                assert_eq!(
                    digest.text.matches("\n   Code:").count(),
                    case.entries.len(),
                    "{name}"
                );
            }
        }
    }
}

/// The text of an HTML part, its elements left out, and its links.
fn seen(html: &str) -> String {
    let mut out = String::new();
    for piece in html.split('<').skip(1) {
        out.push_str(piece.split_once('>').map_or("", |(_, text)| text));
        out.push(' ');
    }
    let out = out.replace("&#34;", "\"").replace("&#39;", "'");
    out.replace("&#60;", "<")
        .replace("&#62;", ">")
        .replace("&#38;", "&")
}

/// A mail that has `text` wherever a stranger can write.
fn hostile_card(text: &str, reason: HoldReason) -> Card {
    let mut one = card(1);
    one.subject = Some(text.to_owned());
    one.author = Some(format!("\"{text}\" <x.y@evil.example>, b@evil.example"));
    one.from = "bounce.x@www.evil.example".to_owned();
    one.to = mailbox("max.muster@evil.example");
    one.account = Some(text.to_owned());
    one.hold = Hold::new(HoldQueue::Quarantine, reason, text);
    for name in [
        "name", "reason", "type", "bound", "account", "score", "limit", "scanner",
    ] {
        one.hold = one.hold.with(name, text);
    }
    let attached = |name: &str, declared: &str| Attachment {
        name: Some(name.to_owned()),
        declared: declared.to_owned(),
        found: Some(format!("application/{text}")),
        size: 1,
    };
    one.attachments = vec![attached(text, "text/evil.com"), attached("evil.zip", text)];
    one
}

#[test]
fn nothing_in_a_digest_is_a_link_but_our_own() {
    let texts = [
        "visit http://evil.example/x now",
        "WWW.EVIL.EXAMPLE.pdf",
        "click:evil.com mailto:a@evil.example tel:0900",
        "evil.xn--p1ai \\\\evil\\share",
        "=?utf-8?Q?evil=2Ecom_a=40evil=2Ecom?=",
        "пример.рф ❤.ws evil。com",
        "<a href=//evil.example>x</a> &#101;vil.com",
        "a@evil.example",
    ];
    for reason in HoldReason::ALL {
        for text in texts {
            let entries = vec![entry(hostile_card(text, reason))];
            for scopes in [admins(), vec![Scope::Domain("evil.example".into())]] {
                let case = Case {
                    name: "links",
                    tally: tally(&entries),
                    entries: entries.clone(),
                    scopes,
                    holds: HoldsConf::default(),
                    linked: true,
                };
                let digest = rendered(&case, Lang::De);
                for part in [digest.subject, digest.text, seen(&digest.html)] {
                    let found = crate::mail::unlinked::linker::links(&part);
                    let own = |link: &&String| {
                        link.starts_with("https://mail.example.com:444/")
                            || link.contains("mail.verein.example")
                    };
                    let foreign: Vec<_> = found.iter().filter(|link| !own(link)).collect();
                    assert!(foreign.is_empty(), "case: {reason} {text}: {foreign:?}");
                }
            }
        }
    }
}
