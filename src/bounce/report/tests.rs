//! Golden DSNs under `tests/dsn`, read again by mail-parser; `UPDATE_GOLDEN=1` writes them anew.
//!
//! The files are what people get; a change of wording shows in them and nowhere else.
//! Not here: who gets a DSN and when (`bounce::tests`).

use std::path::PathBuf;

use mail_parser::{MessageParser, MimeHeaders, PartType};

use super::*;
use crate::mail::envelope::{MailFrom, Notify};
use crate::mail::outcome::{Fault, Scope};
use crate::mail::path::ReversePath;
use crate::mail::reply::Reply;
use crate::queue::Origin;

const NOW: Wall = Wall(1_795_287_508_204_000);
const ORIGINAL: &[u8] = b"From: Rechnung <rechnung@verein.example>\r\nTo: kunde@example.net\r\nSubject: Rechnung 4711\r\nMessage-ID: <r4711@verein.example>\r\n\r\nHello\r\n--0643E1B2A90C7712.00\r\n.\r\n";

fn message(from: &str) -> Message {
    let mut mail_from = MailFrom::new(ReversePath::parse(from).unwrap());
    mail_from.envid = Some("QQ314159".to_owned());
    Message {
        top: String::new(),
        worked: Vec::new(),
        first: 0,
        id: MessageId(0x0643_E1B2_A90C_7701),
        from: mail_from,
        origin: Origin::default(),
        size: ORIGINAL.len() as u64,
        arrived: NOW.0,
        wall: NOW.0,
        eight_bit: false,
        chunks: 1,
        header_id: Some("<r4711@verein.example>".to_owned()),
        subject: Some("Rechnung 4711".to_owned()),
        recipients: 2,
        author: None,
        attachments: Vec::new(),
        digest: None,
    }
}

fn failed(address: &str, reply: &str, synthetic: bool, expired: bool) -> FailedRecipient {
    let fault = Fault {
        scope: Scope::Recipient,
        reply: reply.parse::<Reply>().unwrap(),
        synthetic,
        step: "RCPT TO".to_owned(),
    };
    FailedRecipient {
        index: 0,
        mailbox: Mailbox::parse(address).unwrap(),
        orcpt: None,
        notify: Notify::Default,
        fault: Some(fault),
        site: "mx.example.net[192.0.2.25]:25".to_owned(),
        expired,
        at: NOW.0,
        relayed: None,
        unanswered: None,
        bare: false,
    }
}

/// A report that brings back what it may of `content`.
fn compose(message: &Message, failed: &[FailedRecipient], content: &[u8]) -> Vec<u8> {
    let to = message.from.path.mailbox().unwrap();
    let terms = Terms::of(message, failed, to);
    let returned = Returned::of(content.to_vec(), content.len() as u64, terms);
    compose_with(message, failed, &returned)
}

fn compose_with(message: &Message, failed: &[FailedRecipient], returned: &Returned) -> Vec<u8> {
    let to = message.from.path.mailbox().unwrap();
    Report {
        id: MessageId(0x0643_E1B2_A90C_7712),
        hostname: &Domain::parse("mail.example.org").unwrap(),
        message,
        to,
        told: failed,
        returned,
        now: NOW,
        boundary: "0643E1B2A90C7712.00c0ffee00c0ffee",
    }
    .compose()
}

/// Compares with the golden file, dates in UTC.
fn golden(name: &str, got: &[u8]) {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests", "dsn", name]
        .iter()
        .collect();
    let here = date::rfc5322(NOW);
    let got = String::from_utf8(got.to_vec())
        .unwrap()
        .replace(&here, "Sat, 21 Nov 2026 18:58:28 +0000");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &got).unwrap();
    }
    let wanted = std::fs::read_to_string(&path).unwrap();
    assert_eq!(got, wanted, "{name}");
}

/// The three parts with their content types, decoded.
fn parts(dsn: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mail = MessageParser::new().parse(dsn).unwrap();
    assert_eq!(mail.content_type().unwrap().subtype(), Some("report"));
    let PartType::Multipart(children) = &mail.parts[0].body else {
        panic!("no multipart");
    };
    children
        .iter()
        .map(|n| {
            let part = &mail.parts[*n as usize];
            let kind = part.content_type().unwrap();
            let name = format!("{}/{}", kind.ctype(), kind.subtype().unwrap());
            let octets = match &part.body {
                PartType::Message(inner) => inner.raw_message().to_vec(),
                PartType::Text(_)
                | PartType::Html(_)
                | PartType::Binary(_)
                | PartType::InlineBinary(_)
                | PartType::Multipart(_) => part.contents().to_vec(),
            };
            (name, octets)
        })
        .collect()
}

#[test]
fn a_refused_recipient_is_told_with_all_fields() {
    let mut one = failed("kunde@example.net", "550 5.1.1 No such user", false, false);
    one.orcpt = Some("rfc822;kunde+alias@example.net".to_owned());
    let mut two = failed(
        "big@example.net",
        "552 5.2.2 Full: a very long explanation that has to be folded because it does not fit",
        false,
        false,
    );
    two.index = 1;
    let dsn = compose(&message("rechnung@verein.example"), &[one, two], ORIGINAL);
    golden("refused.eml", &dsn);
    let parts = parts(&dsn);
    let kinds: Vec<&str> = parts.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(
        kinds,
        ["text/plain", "message/delivery-status", "message/rfc822"]
    );
    assert_eq!(parts[2].1, ORIGINAL, "octet for octet");
    let mail = MessageParser::new().parse(&dsn).unwrap();
    assert_eq!(
        mail.header_raw("Auto-Submitted").unwrap().trim(),
        "auto-replied"
    );
    assert_eq!(mail.message_id(), Some("0643E1B2A90C7712@mail.example.org"));
}

#[test]
fn an_expired_recipient_keeps_what_was_said_last() {
    let one = failed(
        "kunde@example.net",
        "451 4.4.1 no answer from any host",
        true,
        true,
    );
    let header = b"Subject: Gr\xc3\xbc\xc3\x9fe\r\nMessage-ID: <r4711@verein.example>\r\n".to_vec();
    let mut message = message("rechnung@verein.example");
    message.subject = Some("Grüße".to_owned());
    message.header_id = Some("<broken id\r\n>".to_owned());
    let dsn = compose(&message, &[one], &[&header[..], b"\r\nHello\r\n"].concat());
    golden("expired.eml", &dsn);
    let parts = parts(&dsn);
    assert_eq!(parts[2].0, "text/rfc822-headers");
    assert_eq!(parts[2].1, header);
    assert!(
        dsn.is_ascii(),
        "a header that is not ASCII comes back encoded"
    );
}

#[test]
fn a_relay_to_a_hop_without_dsn_is_told_to_who_asked() {
    let mut one = failed("kunde@example.net", "550 5.1.1 unused", false, false);
    one.fault = None;
    one.relayed = Some("250 2.0.0 Queued as X".parse().unwrap());
    let dsn = compose(
        &message("rechnung@verein.example"),
        &[one],
        b"Subject: a\r\n\r\nHello\r\n",
    );
    golden("relayed.eml", &dsn);
    let status = String::from_utf8(parts(&dsn)[1].1.clone()).unwrap();
    assert!(
        status.contains("Action: relayed\r\nStatus: 2.0.0\r\nRemote-MTA: dns; mx.example.net\r\n"),
        "got {status}"
    );
}

#[test]
fn addresses_that_are_not_ascii_take_the_utf8_form() {
    let one = failed(
        "jörg@bücher.example",
        "553 5.6.7 Adresse nicht möglich",
        false,
        false,
    );
    let mut message = message("größe@verein.example");
    message.from.smtputf8 = true;
    let original = "Subject: Grüße\r\n\r\nText\r\n".as_bytes();
    let dsn = compose(&message, &[one], original);
    golden("utf8.eml", &dsn);
    let text = String::from_utf8(dsn.clone()).unwrap();
    assert!(
        text.contains("report-type=\"global-delivery-status\""),
        "got {text}"
    );
    let parts = parts(&dsn);
    assert_eq!(parts[1].0, "message/global-delivery-status");
    assert_eq!(parts[2].0, "message/global");
    let status = String::from_utf8(parts[1].1.clone()).unwrap();
    assert!(
        status.contains("Final-Recipient: utf-8; jörg@bücher.example\r\n"),
        "got {status}"
    );
    assert!(text.contains(&status), "not hidden in base64: {text}");
    assert!(text.contains("To: <größe@verein.example>\r\n"));
}

#[test]
fn an_ascii_recipient_of_an_author_beyond_ascii_is_found_by_every_program() {
    let one = failed(
        "kunde@example.net",
        "550 5.1.1 Unbekannt: für uns",
        false,
        false,
    );
    let mut message = message("größe@verein.example");
    message.from.smtputf8 = true;
    let original = "Subject: Grüße\r\n\r\nText\r\n".as_bytes();
    let dsn = compose(&message, &[one], original);
    golden("utf8_author.eml", &dsn);
    let parts = parts(&dsn);
    assert_eq!(parts[1].0, "message/delivery-status");
    assert!(parts[1].1.is_ascii());
    assert_eq!(parts[2], ("message/global".to_owned(), original.to_vec()));
}

#[test]
fn a_recipient_beyond_ascii_of_an_ascii_author_is_told_in_ascii() {
    let mut one = failed(
        "jörg@bücher.example",
        "553 5.6.7 nicht möglich",
        false,
        false,
    );
    one.orcpt = Some("utf-8;jörg+rechnung@bücher.example".to_owned());
    let mut message = message("rechnung@verein.example");
    message.from.smtputf8 = true;
    message.subject = Some("=?UTF-8?Q?Gr=C3=BC=C3?= =?UTF-8?Q?=9Fe?=".to_owned());
    let original = "Subject: Grüße\r\n\r\nText\r\n".as_bytes();
    let dsn = compose(&message, &[one], original);
    golden("utf8_recipient.eml", &dsn);
    needs_nothing(&dsn, "a recipient beyond ASCII");
}

/// Every field of the machine's part, unfolded.
fn status_fields(dsn: &[u8]) -> Vec<String> {
    let status = String::from_utf8(parts(dsn)[1].1.clone()).unwrap();
    let unfolded = status.replace("\r\n ", " ");
    unfolded.lines().map(str::to_owned).collect()
}

/// The part for people, decoded, on one line.
fn words(dsn: &[u8]) -> String {
    let text = String::from_utf8(parts(dsn)[0].1.clone()).unwrap();
    text.replace("\r\n", " ")
}

/// Every hop takes it, the one that refused the message too.
fn needs_nothing(dsn: &[u8], case: &str) {
    let text = std::str::from_utf8(dsn).unwrap();
    assert!(dsn.is_ascii(), "case: {case}\n{text}");
    let longest = text.split("\r\n").map(str::len).max().unwrap();
    assert!(longest <= 998, "case: {case}: a line of {longest}");
    let eight = text.to_ascii_lowercase().contains("encoding: 8bit");
    assert!(!eight, "case: {case}\n{text}");
    let [_, (kind, _), _] = parts(dsn).try_into().unwrap();
    assert_eq!(kind, "message/delivery-status", "case: {case}");
}

#[test]
fn a_report_to_an_ascii_address_never_needs_what_a_hop_may_lack() {
    let long = format!("Subject: a\r\nX: {0}\r\n\r\n{0}\r\n", "x".repeat(2_000));
    let contents: [(&str, &[u8]); 5] = [
        ("ASCII", ORIGINAL),
        ("8-bit body", "Subject: a\r\n\r\nGrüße\r\n".as_bytes()),
        ("8-bit header", "Subject: Grüße\r\n\r\nabc\r\n".as_bytes()),
        (
            "Latin-1 header",
            b"Subject: Gr\xfc\xdfe\r\n\r\nGr\xfc\xdfe\r\n",
        ),
        ("long lines", long.as_bytes()),
    ];
    let mut relayed = failed("kunde@example.net", "550 5.1.1 unused", false, false);
    (relayed.fault, relayed.relayed) = (None, Some("250 2.0.0 schön".parse().unwrap()));
    let told = [
        (
            "8BITMIME",
            failed("kunde@example.net", "554 5.6.3 no 8BITMIME", true, false),
        ),
        (
            "SMTPUTF8",
            failed(
                "jörg@bücher.example",
                "553 5.6.7 kein SMTPUTF8, schade: ü",
                true,
                false,
            ),
        ),
        (
            "Unicode domain",
            failed("kunde@bücher.example", "550 5.1.1 nö", false, false),
        ),
        (
            "expired",
            failed("kunde@example.net", "451 4.4.1 später", false, true),
        ),
        ("relayed", relayed),
    ];
    for (what, content) in contents {
        for (why, one) in &told {
            for smtputf8 in [false, true] {
                let mut message = message("rechnung@verein.example");
                message.from.smtputf8 = smtputf8;
                let dsn = compose(&message, std::slice::from_ref(one), content);
                needs_nothing(&dsn, &format!("{what}, {why}, SMTPUTF8 {smtputf8}"));
            }
        }
    }
}

#[test]
fn a_message_with_eight_bits_comes_back_as_its_header_and_says_why() {
    let one = failed("kunde@example.net", "554 5.6.3 no 8BITMIME", true, false);
    let original = b"Subject: Gr\xfc\xdfe\r\n\r\nGr\xfc\xdfe\r\n";
    let dsn = compose(&message("rechnung@verein.example"), &[one], original);
    golden("eight_bit.eml", &dsn);
    let parts = parts(&dsn);
    assert_eq!(parts[2].0, "text/rfc822-headers");
    let source = String::from_utf8(dsn.clone()).unwrap();
    let octets = "\r\n\r\nSubject: Gr=FC=DFe\r\n";
    assert!(source.contains(octets), "octet for octet: {source}");
    let text = words(&dsn);
    assert!(
        text.contains("Inhalt Ihrer Nachricht ist nicht angehängt"),
        "got {text}"
    );
    assert!(
        text.contains("content of your message is not attached"),
        "got {text}"
    );
}

#[test]
fn a_message_that_was_too_large_for_a_server_comes_back_as_its_header() {
    for (reply, header) in [
        ("552 5.3.4 too big", true),
        ("552 message size exceeds limit", true),
        ("552 5.2.2 mailbox full", false),
    ] {
        let one = failed("kunde@example.net", reply, false, false);
        let dsn = compose(&message("rechnung@verein.example"), &[one], ORIGINAL);
        let kind = parts(&dsn)[2].0.clone();
        assert_eq!(kind == "text/rfc822-headers", header, "case: {reply}");
    }
}

#[test]
fn what_is_lost_is_left_out_and_the_report_goes_out() {
    let one = failed("kunde@example.net", "550 5.1.1 no", false, false);
    let message = message("rechnung@verein.example");
    let lost = Returned::Header(Vec::new(), Why::Damaged);
    let dsn = compose_with(&message, &[one], &lost);
    assert_eq!(parts(&dsn).len(), 2);
    assert!(words(&dsn).contains("can no longer be read"));
}

#[test]
fn addresses_beyond_ascii_are_written_out_in_ascii() {
    for (address, orcpt, wanted) in [
        (
            "jörg@bücher.example",
            Some("utf-8;jörg+a@bücher.example"),
            vec![
                "Original-Recipient: utf-8; j\\x{F6}rg\\x{2B}a@b\\x{FC}cher.example",
                "Final-Recipient: utf-8; j\\x{F6}rg@b\\x{FC}cher.example",
            ],
        ),
        (
            "kunde@bücher.example",
            Some("x400;/C=de/S=x"),
            vec![
                "Original-Recipient: x400; /C=de/S=x",
                "Final-Recipient: rfc822; kunde@xn--bcher-kva.example",
            ],
        ),
        (
            "a\u{202E}b@x.example",
            None,
            vec!["Final-Recipient: utf-8; a\\x{202E}b@x.example"],
        ),
    ] {
        let mut one = failed(address, "550 5.1.1 no", false, false);
        one.orcpt = orcpt.map(str::to_owned);
        let dsn = compose(&message("rechnung@verein.example"), &[one], ORIGINAL);
        let fields = status_fields(&dsn);
        for line in wanted {
            assert!(
                fields.iter().any(|f| f == line),
                "no {line:?} in {fields:#?}"
            );
        }
    }
}

#[test]
fn the_longest_address_is_not_cut() {
    let address = format!(
        "{}@{}.example",
        "a".repeat(255),
        vec!["b".repeat(60); 3].join(".")
    );
    let one = failed(&address, "550 5.1.1 no", false, false);
    let dsn = compose(&message("rechnung@verein.example"), &[one], ORIGINAL);
    let line = format!("Final-Recipient: rfc822; {address}");
    assert!(status_fields(&dsn).contains(&line));
    needs_nothing(&dsn, "a long address");
}

#[test]
fn the_subject_stands_decoded_in_both_languages_and_is_no_link() {
    for (subject, shown) in [
        ("=?UTF-8?B?R3LD?= =?UTF-8?B?tsOfZQ==?=", "\"Größe\""),
        (
            "=?iso-8859-1?Q?Gr=FC=DFe?= aus K\u{f6}ln",
            "\"Grüße aus Köln\"",
        ),
        ("a \u{202E}fdp.exe", "\"a fdp.exe\""),
        ("=?utf-8?Q?a=0D=0ABcc:_x=40y?=", "\"a Bcc: x[at]y\""),
        (
            "see https://evil.example/a",
            "\"see hxxps[:]//evil[.]example/a\"",
        ),
    ] {
        let mut message = message("rechnung@verein.example");
        message.subject = Some(subject.to_owned());
        let one = failed("kunde@example.net", "550 5.1.1 no", false, false);
        let text = words(&compose(&message, &[one], ORIGINAL));
        for words in [
            format!("Ihre Nachricht {shown} vom "),
            format!("Your message {shown} of "),
        ] {
            assert!(text.contains(&words), "no {words:?} in {text}");
        }
    }
}

#[test]
fn who_was_never_tried_is_told_why_and_gets_no_date_of_a_try() {
    let mut one = failed(
        "kunde@example.net",
        "451 4.4.1 connection refused",
        true,
        true,
    );
    one.at = 0;
    let dsn = compose(&message("rechnung@verein.example"), &[one], ORIGINAL);
    golden("never_tried.eml", &dsn);
    let fields = status_fields(&dsn);
    assert!(
        fields
            .iter()
            .all(|field| !field.starts_with("Last-Attempt-Date"))
    );
    assert!(
        fields.contains(&"Diagnostic-Code: X-Postwerk; 451 4.4.1 connection refused".to_owned())
    );
    let text = words(&dsn);
    assert!(text.contains("and no attempt was possible:     451 4.4.1 connection refused"));
}

#[test]
fn what_a_person_returned_blames_no_server() {
    let mut one = failed("kunde@example.net", "550 5.7.1 kept back", true, false);
    one.at = 0;
    let text = words(&compose(
        &message("rechnung@verein.example"),
        &[one],
        ORIGINAL,
    ));
    assert!(!text.contains("The recipient's server"), "got {text}");
    assert!(text.contains("Show this message to your administrator."));
}

#[test]
fn what_peers_wrote_never_becomes_a_line_of_ours() {
    let mut one = failed("\"a b\"@example.net", "550 5.1.1 x", false, false);
    one.orcpt = Some("rfc822;x\r\nAction: delivered".to_owned());
    one.site = "mx\r\nStatus: 2.0.0[192.0.2.1]:25".to_owned();
    let mut message = message("rechnung@verein.example");
    message.from.envid = Some("a\r\nAction: relayed".to_owned());
    let dsn = compose(&message, &[one], ORIGINAL);
    let status = String::from_utf8(parts(&dsn)[1].1.clone()).unwrap();
    let actions: Vec<&str> = status
        .lines()
        .filter(|line| line.starts_with("Action") || line.starts_with("Status"))
        .collect();
    assert_eq!(actions, ["Action: failed", "Status: 5.1.1"], "got {status}");
}

/// What a stranger may write where it is quoted, and what his server may answer.
const HOSTILE: [&str; 8] = [
    "visit http://evil.example/x now",
    "WWW.EVIL.EXAMPLE.pdf",
    "call click:evil.com or mailto:a@evil.example",
    "evil.xn--p1ai \\\\evil\\share",
    "=?utf-8?Q?evil=2Ecom?=",
    "javascript:alert(1) tel:0900",
    "пример.рф ❤.ws evil。com",
    "a@evil.example, <b@evil.example>",
];

#[test]
fn nothing_in_the_part_for_people_is_a_link_but_our_own_address() {
    for text in HOSTILE {
        let mut message = message("rechnung@verein.example");
        message.subject = Some(text.to_owned());
        let mut refused = failed("max.muster@evil.example", "550 5.7.1 no", false, false);
        refused.site = "www.evil.example[192.0.2.25]:25".to_owned();
        if let Some(fault) = &mut refused.fault {
            fault.reply = Reply::new(554, None, text);
            fault.step = format!("RCPT TO:<{text}>");
        }
        let mut relayed = refused.clone();
        relayed.relayed = Some(Reply::new(250, None, text));
        let dsn = compose(&message, &[refused, relayed], ORIGINAL);
        let words = words(&dsn);
        let found = crate::mail::unlinked::linker::links(&words);
        let foreign: Vec<_> = found
            .iter()
            .filter(|link| !link.starts_with("postmaster@mail.example.org"))
            .collect();
        assert!(foreign.is_empty(), "case: {text}: {foreign:?} in {words}");
        assert!(
            words.contains("<max[.]muster[at]evil[.]example>"),
            "{words}"
        );
        let fields = status_fields(&dsn).join("\n");
        assert!(fields.contains("Final-Recipient: rfc822; max.muster@evil.example"));
        assert!(
            fields.contains("Remote-MTA: dns; www.evil.example"),
            "{fields}"
        );
    }
}
