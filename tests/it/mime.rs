//! What any mail program may find in a mail is found here, and nothing that ordinary programs write is held.
//!
//! The mails stand in `tests/mime`, which `tests/peers/mime_readers.py` reads too and compares with Python's readers.
//! With POSTWERK_CORPUS set, the mails of that folder are looked at too; what is held of them is printed.
//! Not here: archives (`mail::archive`), and what a hold means (`attachments`).

use std::path::Path;
use std::sync::Arc;

use postwerk::config::AttachmentsConf;
use postwerk::mail::archive::{Findings, Inspector};
use postwerk::mail::hold::HoldQueue;
use postwerk::mail::structure::{Scan, Structure};
use postwerk::queue::hold::Shelf;

use crate::house::{Door, House, nobody};

/// One mail of the tables.
struct Case {
    name: String,
    wanted: String,
    text: Vec<u8>,
}

const EXE: &[u8] = b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff\0\0\xb8\0\0\0\0\0\0\0@\0\0\0 and so on";
const NAMES: [&str; 4] = [
    "report.pdf",
    "My report.pdf",
    "Rechnung 2024.11.30 final.xlsx",
    "photo (1).jpg",
];

fn table(text: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    for block in text.split("\n== ").skip(1) {
        let mut lines = block.splitn(4, '\n');
        let mut line = || lines.next().unwrap();
        let (name, wanted, form, text) = (line(), line(), line(), line());
        let text = match form {
            "mail" => text.to_owned(),
            "part" => format!(
                "Content-Type: multipart/mixed; boundary=\"b\"\n\n--b\nContent-Type: text/plain\n\nhi\n--b\n{text}\n--b--\n"
            ),
            other => panic!("{name}: {other} is no form"),
        };
        let text =
            format!("From: a@sender.example\nTo: b@example.org\nMIME-Version: 1.0\n{text}\n");
        let names: &[&str] = if text.contains("@NAME@") {
            &NAMES
        } else {
            &[""]
        };
        for own in names {
            cases.push(Case {
                name: format!("{name} {own}").trim().to_owned(),
                wanted: wanted.to_owned(),
                text: written(&text.replace("@NAME@", own)),
            });
        }
    }
    cases
}

/// With the files, octets and encodings that a text asks for, in lines as on the wire.
fn written(text: &str) -> Vec<u8> {
    let mut text = text
        .replace("@JS@", "WScript.Echo('owned');")
        .replace("@EXE64@", &base64(EXE))
        .replace("@EXEUU@", &uuencoded())
        .replace("@ZIP64@", &base64(&zipped()));
    while let Some((before, rest)) = text.split_once("@B64{\n") {
        let (inner, behind) = rest.split_once("}@").expect("an end");
        text = format!("{before}{}{behind}", base64(&octets(inner)));
    }
    octets(&text)
}

fn octets(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some(hex) = rest.strip_prefix("\\x").and_then(|rest| rest.get(..2))
            && let Ok(octet) = u8::from_str_radix(hex, 16)
        {
            out.push(octet);
            rest = rest.split_at(4).1;
            continue;
        }
        if let Some((count, behind)) = rest.strip_prefix('@').and_then(|rest| rest.split_once('*'))
            && let Ok(count) = count.parse::<usize>()
        {
            out.extend(behind.as_bytes()[..1].repeat(count));
            rest = behind.split_at(2).1;
            continue;
        }
        match first {
            '\n' => out.extend(b"\r\n"),
            other => out.extend(other.to_string().bytes()),
        }
        rest = rest.split_at(first.len_utf8()).1;
    }
    out
}

fn base64(file: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for (n, group) in file.chunks(3).enumerate() {
        if n % 19 == 0 && n > 0 {
            text.push('\n');
        }
        let [a, b, c] = [0, 1, 2].map(|n| group.get(n).copied().unwrap_or_default());
        let all = [
            a >> 2,
            (a << 4 | b >> 4) & 63,
            (b << 2 | c >> 6) & 63,
            c & 63,
        ];
        for (n, digit) in all.into_iter().enumerate() {
            let shown = if n > group.len() {
                b'='
            } else {
                DIGITS[usize::from(digit)]
            };
            text.push(char::from(shown));
        }
    }
    text
}

fn uuencoded() -> String {
    let digit = |bits: u8| char::from(if bits == 0 { b'`' } else { bits + b' ' });
    let mut line = String::from(digit(u8::try_from(EXE.len()).unwrap()));
    for group in EXE.chunks(3) {
        let [a, b, c] = [0, 1, 2].map(|n| group.get(n).copied().unwrap_or_default());
        let all = [
            a >> 2,
            (a << 4 | b >> 4) & 63,
            (b << 2 | c >> 6) & 63,
            c & 63,
        ];
        line.extend(all.map(digit));
    }
    format!("begin 644 a.pdf\n{line}\n`\nend")
}

fn zipped() -> Vec<u8> {
    use std::io::Write;
    let mut file = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let plain = zip::write::SimpleFileOptions::default();
    file.start_file("setup.exe", plain).unwrap();
    file.write_all(b"x").unwrap();
    file.finish().unwrap().into_inner()
}

fn look(text: &[u8], size: usize) -> Findings {
    let mut inspector = Inspector::new(Arc::clone(&AttachmentsConf::default().rules));
    text.chunks(size.max(1))
        .for_each(|piece| inspector.feed(piece));
    inspector.finish()
}

fn structure(text: &[u8], size: usize) -> Structure {
    let mut scan = Scan::default();
    text.chunks(size.max(1)).for_each(|piece| scan.feed(piece));
    scan.finish()
}

fn verdict(found: &Findings) -> &'static str {
    if found.blocked.is_some() {
        "held"
    } else if found.stopped.is_some() || found.lost.is_some() || found.damaged.is_some() {
        "lost"
    } else if found.encrypted.is_some() {
        "held"
    } else {
        "clear"
    }
}

fn all() -> Vec<Case> {
    let mut cases = table(include_str!("../mime/variants.txt"));
    let ordinary = table(include_str!("../mime/ordinary.txt"));
    assert!(cases.len() >= 100, "{} variants", cases.len());
    assert!(ordinary.len() >= 100, "{} ordinary mails", ordinary.len());
    cases.extend(ordinary);
    cases
}

#[test]
fn what_a_mail_hides_is_found_and_ordinary_mail_is_not_held() {
    let mut wrong = Vec::new();
    for case in all() {
        let found = look(&case.text, case.text.len());
        let got = verdict(&found);
        if got != case.wanted {
            wrong.push(format!(
                "{}: {got}, wanted {}: {found:?}",
                case.name, case.wanted
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_cut_does_not_matter_to_any_reading() {
    for case in all() {
        let whole = look(&case.text, case.text.len());
        let parts = structure(&case.text, case.text.len());
        for size in [1, 2, 7, 64, 333] {
            assert_eq!(look(&case.text, size), whole, "{}: {size}", case.name);
            assert_eq!(structure(&case.text, size), parts, "{}: {size}", case.name);
        }
    }
}

#[test]
fn mangled_mails_are_survived_and_the_cut_does_not_matter() {
    let cases = all();
    let mut random = fastrand::Rng::with_seed(5);
    let letters = b"\r\n\0. <>\"\\:;,=*'()-%+b\xC3\xA4";
    for _ in 0..1_500 {
        let case = random.choice(&cases).unwrap();
        let mut text = case.text.clone();
        for _ in 0..random.usize(1..8) {
            let at = random.usize(0..text.len());
            let letter = letters[random.usize(0..letters.len())];
            match random.u8(0..3) {
                0 => text.insert(at, letter),
                1 => text[at] = letter,
                _ => drop(text.remove(at)),
            }
        }
        let whole = look(&text, text.len());
        let size = random.usize(1..200);
        let shown = String::from_utf8_lossy(&text);
        assert_eq!(look(&text, size), whole, "{size}: {shown}");
        let parts = structure(&text, text.len());
        assert_eq!(structure(&text, size), parts, "{size}: {shown}");
    }
}

#[test]
fn hold_rules_see_every_name_of_every_part() {
    // What only the decoded inside of a part shows is for `[attachments]`.
    let inside = [
        "uuencode", "yEnc", "zip", "base64", "eml", "padd", "encoding",
    ];
    let mut wrong = Vec::new();
    for case in table(include_str!("../mime/variants.txt")) {
        let text = String::from_utf8_lossy(&case.text).into_owned();
        let by_name = text.contains("owned") && case.wanted == "held";
        if !by_name || inside.iter().any(|word| case.name.contains(word)) {
            continue;
        }
        let found = structure(&case.text, case.text.len());
        let mut names = found.seen.iter().flat_map(|seen| &seen.names);
        if !names.any(|name| name.to_lowercase().ends_with(".js")) {
            wrong.push(format!("{}: {:?}", case.name, found.seen));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn the_server_holds_what_is_found_and_lets_the_rest_go() {
    let house = House::start(nobody().await, "[queue]\npaused = true\n").await;
    let mut client = house.client(Door::Mx).await;
    let mut wanted = Vec::new();
    for case in all() {
        client
            .cmd("MAIL FROM:<a@sender.example> BODY=8BITMIME")
            .await;
        client.cmd("RCPT TO:<b@example.org>").await;
        let size = case.text.len();
        client.send(format!("BDAT {size} LAST\r\n")).await;
        client.send(&case.text[..]).await;
        let reply = client.reply().await;
        assert_eq!(reply.code, 250, "{}: {reply:?}", case.name);
        wanted.push((reply.queue_id(), case));
    }
    let page = house.server.queue().cards(&Shelf::All, None, false, 1_000);
    let cards = page.await.expect("cards").cards;
    for (id, case) in wanted {
        let card = cards.iter().find(|card| card.message.to_string() == id);
        let got = match card.map(|card| card.hold.queue) {
            None => "clear",
            Some(HoldQueue::Bad) => "lost",
            Some(HoldQueue::Quarantine | HoldQueue::Defect) => "held",
        };
        assert_eq!(got, case.wanted, "{}", case.name);
    }
}

#[test]
#[expect(
    clippy::print_stdout,
    reason = "a person runs it, and reads what is held"
)]
fn of_a_corpus_nothing_is_held_but_what_is_told() {
    let Some(folder) = std::env::var_os("POSTWERK_CORPUS") else {
        return;
    };
    let (mut count, mut split) = (0, 0);
    for entry in Path::new(&folder).read_dir().expect("a folder") {
        let path = entry.unwrap().path();
        let text = std::fs::read(&path).unwrap();
        let found = look(&text, text.len());
        let parts = structure(&text, text.len());
        count += 1;
        split += usize::from(parts.split);
        if verdict(&found) != "clear" || parts.split || parts.cut {
            let (name, split, cut) = (path.file_name(), parts.split, parts.cut);
            println!(
                "{} {name:?} split={split} cut={cut} {found:?}",
                verdict(&found)
            );
        }
    }
    println!("{count} mails, {split} with more than one reading");
}
