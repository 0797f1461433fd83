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
    }
}

fn compose(message: &Message, failed: &[FailedRecipient], returned: &Returned) -> Vec<u8> {
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
        "552 5.3.4 Too big: a very long explanation that has to be folded because it does not fit",
        false,
        false,
    );
    two.index = 1;
    let returned = Returned::Whole(ORIGINAL.to_vec());
    let dsn = compose(&message("rechnung@verein.example"), &[one, two], &returned);
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
    let dsn = compose(&message, &[one], &Returned::Header(header.clone()));
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
    let header = Returned::Header(b"Subject: a\r\n".to_vec());
    let dsn = compose(&message("rechnung@verein.example"), &[one], &header);
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
    let original = "Subject: Grüße\r\n\r\nText\r\n".as_bytes().to_vec();
    let dsn = compose(&message, &[one], &Returned::Whole(original.clone()));
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
        status.contains("Final-Recipient: utf-8; jörg@xn--bcher-kva.example\r\n"),
        "got {status}"
    );
}

#[test]
fn a_message_with_eight_bits_comes_back_as_it_was() {
    let one = failed("kunde@example.net", "554 5.7.1 Denied", false, false);
    let original = b"Subject: a\r\n\r\nGr\xfc\xdfe\r\n".to_vec();
    let returned = Returned::Whole(original.clone());
    let dsn = compose(&message("rechnung@verein.example"), &[one], &returned);
    assert_eq!(parts(&dsn)[2].1, original);
    let end = dsn.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    let header = String::from_utf8(dsn[..end].to_vec()).unwrap();
    assert!(
        header.contains("Content-Transfer-Encoding: 8bit"),
        "got {header}"
    );
}

#[test]
fn what_peers_wrote_never_becomes_a_line_of_ours() {
    let mut one = failed("\"a b\"@example.net", "550 5.1.1 x", false, false);
    one.orcpt = Some("rfc822;x\r\nAction: delivered".to_owned());
    one.site = "mx\r\nStatus: 2.0.0[192.0.2.1]:25".to_owned();
    let mut message = message("rechnung@verein.example");
    message.from.envid = Some("a\r\nAction: relayed".to_owned());
    let dsn = compose(&message, &[one], &Returned::Header(Vec::new()));
    let status = String::from_utf8(parts(&dsn)[1].1.clone()).unwrap();
    let actions: Vec<&str> = status
        .lines()
        .filter(|line| line.starts_with("Action") || line.starts_with("Status"))
        .collect();
    assert_eq!(actions, ["Action: failed", "Status: 5.1.1"], "got {status}");
}
