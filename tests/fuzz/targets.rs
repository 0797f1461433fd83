//! What must hold for every input: the bodies of the fuzz targets, shared with the ordinary tests.
//!
//! The first octet chooses how the rest is cut, so that the same text is tried in many chunkings.
//! Not here: how inputs are found (cargo fuzz), and the corpus (`corpus/`).

#![allow(dead_code, reason = "each fuzz target uses one of them")]

use postwerk::mail::mailbox::Mailbox;
use postwerk::mail::path::{ForwardPath, ReversePath};
use postwerk::mail::structure::{Scan, Structure};
use postwerk::net::line::{Found, LineBuffer};
use postwerk::smtp::client::command::rcpt;
use postwerk::smtp::client::offers::Offers;
use postwerk::smtp::command::{Command, Recipient, parse};
use postwerk::smtp::data::{Bare, Decoder, reference};

const LINE_MAX: usize = 64;

fn cut(bytes: &[u8]) -> (usize, &[u8]) {
    match bytes.split_first() {
        Some((first, rest)) => (usize::from(*first).max(1), rest),
        None => (1, bytes),
    }
}

/// Lines come out as a search for LF over the whole text finds them, however the text is cut.
pub fn line(bytes: &[u8]) {
    let (size, text) = cut(bytes);
    let mut buffer = LineBuffer::new();
    let mut got = Vec::new();
    'all: for chunk in text.chunks(size) {
        buffer.push(chunk);
        loop {
            match buffer.take_line(LINE_MAX) {
                Found::Line { text, .. } => got.push(Some(text.to_vec())),
                Found::BareNewline => got.push(None),
                Found::TooLong => break 'all,
                Found::Nothing => break,
            }
        }
    }
    let mut wanted = Vec::new();
    for line in text.split_inclusive(|b| *b == b'\n') {
        if line.len() > LINE_MAX || !line.ends_with(b"\n") {
            break;
        }
        let inner = line.strip_suffix(b"\r\n").filter(|l| !l.contains(&b'\r'));
        wanted.push(inner.map(<[u8]>::to_vec));
    }
    assert_eq!(got, wanted);
}

/// Written for a next hop, a recipient is read there as the same one; an ORCPT that grew too long is left out.
fn passed_on(to: &Recipient, utf8: bool) {
    let ForwardPath::Mailbox(mailbox) = &to.path else {
        return;
    };
    let offers = Offers::parse(b"250-hop.example\r\n250-SMTPUTF8\r\n250 DSN\r\n");
    let mut line = Vec::new();
    rcpt(
        mailbox,
        to.notify,
        to.orcpt.as_deref(),
        utf8,
        &offers,
        &mut line,
    );
    let line = line.strip_suffix(b"\r\n").expect("one line");
    let Ok(Command::Rcpt(again)) = parse(line, utf8) else {
        panic!("refused: {}", String::from_utf8_lossy(line));
    };
    assert_eq!((&again.path, again.notify), (&to.path, to.notify));
    assert!(again.orcpt.is_none() || again.orcpt == to.orcpt);
}

/// Nothing of a command can become a line end, a parameter or another address when it is written again.
pub fn command(bytes: &[u8]) {
    for utf8 in [false, true] {
        match parse(bytes, utf8) {
            Ok(Command::Mail(from)) => {
                let text = from.path.to_string();
                assert!(!text.chars().any(char::is_control));
                assert_eq!(ReversePath::parse(&text).as_ref(), Ok(&from.path));
                assert!(
                    from.envid
                        .is_none_or(|id| !id.chars().any(char::is_control))
                );
            }
            Ok(Command::Rcpt(to)) => {
                let text = to.path.to_string();
                assert!(!text.chars().any(char::is_control));
                assert!(utf8 || text.is_ascii());
                assert_eq!(ForwardPath::parse(&text).as_ref(), Ok(&to.path));
                let orcpt = to.orcpt.as_ref();
                assert!(orcpt.is_none_or(|o| !o.chars().any(char::is_control)));
                passed_on(&to, utf8);
            }
            Ok(Command::Ehlo(name) | Command::Helo(name)) => {
                assert!(!name.chars().any(char::is_control));
            }
            Ok(_) => {}
            Err(fault) => {
                let mut out = Vec::new();
                fault.reply().write(&mut out);
                assert_eq!(out.iter().filter(|b| **b == b'\n').count(), 1);
                assert!(out.ends_with(b"\r\n"));
            }
        }
    }
}

/// The decoder agrees with a slow one, and never lets a lone CR or LF through.
pub fn data(bytes: &[u8]) {
    let (size, text) = cut(bytes);
    for bare in [Bare::Refuse, Bare::Normalise] {
        assert_eq!(decoded(text, size, bare), reference(text, bare));
        let mut decoder = Decoder::chunked(bare, u64::MAX);
        let mut out = Vec::new();
        for chunk in text.chunks(size) {
            let mut used = 0;
            while used < chunk.len() {
                let piece = decoder.next(&chunk[used..]);
                out.extend_from_slice(piece.text);
                used += piece.used;
            }
        }
        out.extend_from_slice(decoder.finish_chunks());
        if decoder.fault().is_none() {
            assert!(is_clean(&out), "{:?}", String::from_utf8_lossy(&out));
            assert!(out.is_empty() || out.ends_with(b"\r\n"));
        }
    }
}

type Decoded = Option<(Result<Vec<u8>, ()>, usize)>;

fn decoded(text: &[u8], size: usize, bare: Bare) -> Decoded {
    let mut decoder = Decoder::dotted(bare, u64::MAX);
    let (mut out, mut at) = (Vec::new(), 0);
    for chunk in text.chunks(size) {
        let mut used = 0;
        while used < chunk.len() {
            let piece = decoder.next(&chunk[used..]);
            out.extend_from_slice(piece.text);
            used += piece.used;
            if piece.end {
                let text = decoder.fault().map_or(Ok(out), |_| Err(()));
                return Some((text, at + used));
            }
        }
        at += chunk.len();
    }
    None
}

fn is_clean(text: &[u8]) -> bool {
    let mut rest = text;
    while let Some((first, tail)) = rest.split_first() {
        match (first, tail.first()) {
            (b'\r', Some(b'\n')) => rest = &tail[1..],
            (b'\r' | b'\n' | 0, _) => return false,
            _ => rest = tail,
        }
    }
    true
}

/// What is read as an address is written so that it is read as the same one.
pub fn address(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(mailbox) = Mailbox::parse(text) {
        let shown = mailbox.to_string();
        assert!(!shown.chars().any(char::is_control));
        assert!(mailbox.needs_smtputf8() || shown.is_ascii());
        let written = mailbox.as_written();
        let again = Mailbox::parse(&written).expect("as it was written");
        assert_eq!((again.as_written(), &again), (written, &mailbox));
        assert_eq!(Mailbox::parse(&shown), Ok(mailbox));
    }
    if let Ok(path) = ReversePath::parse(text) {
        assert_eq!(ReversePath::parse(&path.to_string()), Ok(path));
    }
    if let Ok(path) = ForwardPath::parse(text) {
        assert_eq!(ForwardPath::parse(&path.to_string()), Ok(path));
    }
}

/// The structure does not depend on the chunks, and what it tells is bounded and fit to be shown.
pub fn structure(bytes: &[u8]) {
    let (size, text) = cut(bytes);
    let found = scanned(text, text.len().max(1));
    assert_eq!(scanned(text, size), found);
    assert_eq!(scanned(text, 1), found);
    assert!(found.parts >= 1 && found.parts >= found.depth);
    for attachment in &found.attachments {
        assert!(attachment.size <= text.len() as u64);
        let name = attachment.name.as_deref().unwrap_or("x");
        assert!(!name.is_empty() && name.chars().count() <= 150);
        assert!(!name.contains(|c: char| c.is_control() || c == '/' || c == '\\'));
        assert!(attachment.declared.is_ascii() && attachment.declared.contains('/'));
    }
}

fn scanned(text: &[u8], size: usize) -> Structure {
    let mut scan = Scan::default();
    text.chunks(size).for_each(|chunk| scan.feed(chunk));
    scan.finish()
}
