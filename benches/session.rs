//! How fast the reception is without sockets and disk: lines through the session machine, mail text through the
//! decoder and the scan of its structure.
//!
//! `cargo bench --bench session`. The figures say where time does not go; what a mail costs is fsync and packets.

#![allow(missing_docs, clippy::unwrap_used, reason = "a bench may fail loudly")]

use std::hint::black_box;
use std::sync::Arc;

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use postwerk::mail::structure::Scan;
use postwerk::net::line::{Found, LineBuffer};
use postwerk::smtp::data::{Bare, Decoder};
use postwerk::smtp::server::{Answer, Ask, Offer, SaslOffer, Session, Step, Then};

fn main() {
    divan::main();
}

fn offer() -> Arc<Offer> {
    Arc::new(Offer {
        hostname: "mail.example.org".parse().unwrap(),
        size_max: 50 << 20,
        starttls: true,
        sasl: SaslOffer::UnderTls,
        recipients_max: 1_000,
        errors_max: 20,
    })
}

fn follow(session: &mut Session, mut step: Step, out: &mut Vec<u8>) {
    loop {
        if let Some(reply) = &step.reply {
            reply.write(out);
        }
        step = match step.then {
            Then::Ask(Ask::Body) => session.answer(Answer::Queued("0643E1B2A90C7701".to_owned())),
            Then::Ask(_) => session.answer(Answer::Yes),
            Then::Line | Then::Tls | Then::Close => return,
        };
    }
}

/// The lines of one mail, its replies written.
#[divan::bench]
fn lines_of_a_mail(bencher: Bencher<'_, '_>) {
    let lines: [&[u8]; 4] = [
        b"EHLO client.example\r\n",
        b"MAIL FROM:<app@example.org> SIZE=10240 BODY=8BITMIME\r\n",
        b"RCPT TO:<somebody@example.net> NOTIFY=FAILURE\r\n",
        b"DATA\r\n",
    ];
    let offer = offer();
    bencher
        .counter(ItemsCount::new(lines.len()))
        .bench_local(|| {
            let mut session = Session::new(Arc::clone(&offer), false);
            let mut buffer = LineBuffer::new();
            let mut out = Vec::new();
            for line in lines {
                buffer.push(line);
                if let Found::Line { text, more } = buffer.take_line(2_048) {
                    let step = session.line(text, more);
                    follow(&mut session, step, &mut out);
                }
            }
            black_box(out)
        });
}

/// A group of 50 recipients in one segment.
#[divan::bench]
fn recipients_in_a_group(bencher: Bencher<'_, '_>) {
    let offer = offer();
    let group = b"RCPT TO:<somebody@example.net>\r\n".repeat(50);
    bencher.counter(ItemsCount::new(50usize)).bench_local(|| {
        let mut session = Session::new(Arc::clone(&offer), false);
        let mut out = Vec::new();
        for line in [&b"EHLO client.example"[..], b"MAIL FROM:<>"] {
            let step = session.line(line, false);
            follow(&mut session, step, &mut out);
        }
        let mut buffer = LineBuffer::new();
        buffer.push(&group);
        while let Found::Line { text, more } = buffer.take_line(2_048) {
            let step = session.line(text, more);
            follow(&mut session, step, &mut out);
        }
        black_box(out)
    });
}

/// Mail text with lines of so many octets, in reads of 64 KiB.
#[divan::bench(args = [10, 76, 998])]
fn decode(bencher: Bencher<'_, '_>, width: usize) {
    let mut line = vec![b'x'; width];
    line.extend_from_slice(b"\r\n");
    let text = line.repeat((1 << 20) / line.len());
    bencher
        .counter(BytesCount::new(text.len()))
        .bench_local(|| {
            let mut decoder = Decoder::dotted(Bare::Refuse, u64::MAX);
            let mut sum = 0;
            for chunk in text.chunks(64 << 10) {
                let mut used = 0;
                while used < chunk.len() {
                    let piece = decoder.next(chunk.get(used..).unwrap_or_default());
                    sum += black_box(piece.text).len();
                    used += piece.used;
                }
            }
            sum
        });
}

/// The worst case: every line starts with a dot.
#[divan::bench]
fn decode_dots(bencher: Bencher<'_, '_>) {
    let text = b"..x\r\n".repeat((1 << 20) / 5);
    bencher
        .counter(BytesCount::new(text.len()))
        .bench_local(|| {
            let mut decoder = Decoder::dotted(Bare::Refuse, u64::MAX);
            let (mut used, mut sum) = (0, 0);
            while used < text.len() {
                let piece = decoder.next(text.get(used..).unwrap_or_default());
                sum += black_box(piece.text).len();
                used += piece.used;
            }
            sum
        });
}

/// A mail of 10 KiB that is one text: what its header costs.
#[divan::bench]
fn scan_plain(bencher: Bencher<'_, '_>) {
    let body =
        "This line is as long as lines of mails are, so that the text is like one.\r\n".repeat(125);
    let text = format!("{FIELDS}Content-Type: text/plain; charset=utf-8\r\n\r\n{body}");
    scan(bencher, text.as_bytes());
}

/// 1 MiB: a text, its HTML, and two attachments in base64.
#[divan::bench]
fn scan_multipart(bencher: Bencher<'_, '_>) {
    let line = "JVBERi0xLjQKJcOkw7zDtsOfCjIgMCBvYmoKPDwvTGVuZ3RoIDMgMCBSL0ZpbHRlci9GbGF0ZURl\r\n";
    let file = |name: &str| {
        format!(
            "--=_b1\r\nContent-Type: application/pdf; name=\"{name}\"\r\n\
             Content-Disposition: attachment; filename=\"{name}\"\r\nContent-Transfer-Encoding: base64\r\n\r\n{}",
            line.repeat(6_500)
        )
    };
    let texts = "--=_b2\r\nContent-Type: text/plain\r\n\r\ntext\r\n--=_b2\r\nContent-Type: text/html\r\n\r\n<p>text\r\n--=_b2--\r\n";
    let text = format!(
        "{FIELDS}Content-Type: multipart/mixed; boundary=\"=_b1\"\r\n\r\n--=_b1\r\n\
         Content-Type: multipart/alternative; boundary=\"=_b2\"\r\n\r\n{texts}{}{}--=_b1--\r\n",
        file("a.pdf"),
        file("b.pdf")
    );
    scan(bencher, text.as_bytes());
}

/// The worst case: every line could be a delimiter, and a hundred multiparts are open.
#[divan::bench]
fn scan_delimiters(bencher: Bencher<'_, '_>) {
    let open = |n| format!("Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n");
    let deep: String = (100..200).map(open).collect();
    let text = format!("{deep}\r\n{}", "--c10\r\n".repeat((1 << 20) / 7));
    scan(bencher, text.as_bytes());
}

const FIELDS: &str = "Received: from client.example ([192.0.2.7])\r\n\tby mail.example.org with ESMTPSA id 0643E1B2A90C7701;\r\n\tSat, 21 Nov 2026 20:00:00 +0000\r\n\
    From: App <app@example.org>\r\nTo: Somebody <somebody@example.net>\r\nSubject: A subject of usual length\r\n\
    Date: Sat, 21 Nov 2026 20:00:00 +0000\r\nMessage-ID: <0643E1B2A90C7701@mail.example.org>\r\nMIME-Version: 1.0\r\n";

/// In chunks as they come from the decoder.
fn scan(bencher: Bencher<'_, '_>, text: &[u8]) {
    bencher
        .counter(BytesCount::new(text.len()))
        .bench_local(|| {
            let mut scan = Scan::default();
            text.chunks(64 << 10).for_each(|chunk| scan.feed(chunk));
            black_box(scan.finish())
        });
}
