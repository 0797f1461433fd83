//! Golden files of the three shapes, and the patterns of the tools that read Postfix's lines.
//!
//! `tests/log/*.txt` hold what must come out; `UPDATE_GOLDEN=1` writes them anew.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use crate::base::clock::Wall;
use crate::journal::line::{self, Delivered};
use crate::mail::date;
use crate::mail::mailbox::Mailbox;
use crate::mail::path::ReversePath;
use crate::mail::reply::{EnhancedStatus, Reply};

const NOW: Wall = Wall(1_795_287_508_204_000);

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn logged(shape: Shape, work: impl FnOnce()) -> String {
    let sink = Sink::default();
    let out = sink.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || out.clone())
        .with_ansi(false)
        .event_format(shape)
        .finish();
    tracing::subscriber::with_default(subscriber, work);
    let bytes = sink.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

fn postfix_shape() -> Shape {
    Shape::Postfix(postfix::Postfix::new(
        Clock::moved(NOW),
        "host",
        "postwerk",
        4711,
    ))
}

fn json_shape() -> Shape {
    Shape::Json(json::Json::new(Clock::moved(NOW)))
}

fn delivered(status: &'static str, dsn: EnhancedStatus, text: &str, tls: Option<&str>) {
    line::delivery(&Delivered {
        id: "0643E1B2A90C7701",
        to: &Mailbox::parse("kunde@example.net").unwrap(),
        relay: "mx.example.net[192.0.2.25]:25",
        delay: Duration::from_millis(570),
        delays: [110, 30, 230, 190].map(Duration::from_millis),
        status,
        dsn,
        text,
        tls,
    });
}

/// Every line of the contract once, and what a hostile peer may say.
fn every_line() {
    let id = "0643E1B2A90C7701";
    let peer = "198.51.100.7:40000".parse().unwrap();
    let local = "[::1]:40001".parse().unwrap();
    let cipher = "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)";
    let from = ReversePath::parse("rechnung@verein.example").unwrap();
    line::connect(peer);
    line::tls_from(peer, cipher);
    line::client(id, Some(peer), None);
    line::client(id, Some(local), Some(("PLAIN", "app1")));
    line::client(id, None, None);
    line::message_id(id, "<a@b.example>");
    line::queued(id, &from, 1234, 1);
    line::tls_to("mx.example.net[192.0.2.25]:25", true, cipher);
    delivered("sent", EnhancedStatus(2, 0, 0), "250 ok", Some("TLSv1.3"));
    let said =
        "host mx.example.net[192.0.2.25] said: 451 4.7.1 Greylisted (in reply to RCPT TO command)";
    delivered("deferred", EnhancedStatus(4, 7, 1), said, None);
    delivered(
        "bounced",
        EnhancedStatus(5, 1, 1),
        "550 5.1.1 No such user",
        None,
    );
    delivered("expired", EnhancedStatus(4, 4, 7), "gave up after 5d", None);
    line::expired(id, &from);
    line::notification(id, "0643E1B2A90C7712");
    line::removed(id);
    let relay = Reply::new(554, Some(EnhancedStatus(5, 7, 1)), "Relay access denied");
    line::reject(
        "RCPT",
        peer,
        &relay,
        Some(&from),
        Some("x@y.example"),
        "ESMTP",
        "evil\r\nhost",
    );
    let long = Reply::new(
        552,
        Some(EnhancedStatus(5, 3, 4)),
        "Too large\nMost is 50 MiB",
    );
    line::reject("MAIL", peer, &long, None, None, "SMTP", "");
    line::sasl_failed(peer, "LOGIN", "wrong name or password");
    line::disconnect(peer, "ehlo=1 auth=0/1 commands=1/2");
    for what in [
        "placed on hold",
        "released from hold",
        "requeued",
        "removed",
    ] {
        line::acted(id, what, "operator");
    }
    tracing::warn!(target: "postwerk::deliver::schedule", id, site = "a\nb", "no host answers");
}

fn golden(name: &str, got: &str) {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests", "log", name]
        .iter()
        .collect();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, got).unwrap();
    }
    let wanted = std::fs::read_to_string(&path).unwrap();
    for (n, (got, wanted)) in got.lines().zip(wanted.lines()).enumerate() {
        assert_eq!(got, wanted, "{name}, line {}", n + 1);
    }
    assert_eq!(got.lines().count(), wanted.lines().count(), "{name}");
}

#[test]
fn each_fact_is_written_as_postfix_would() {
    let got = logged(postfix_shape(), every_line);
    assert!(got.starts_with(&date::syslog(NOW)), "got {got}");
    golden(
        "postfix.txt",
        &got.replace(&date::syslog(NOW), "Nov 21 19:58:28"),
    );
}

#[test]
fn each_fact_is_written_as_json() {
    let got = logged(json_shape(), every_line);
    for line in got.lines() {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(record["type"].is_string() && record["timestamp"].is_string());
    }
    golden("json.txt", &got);
}

#[test]
fn each_fact_is_written_for_people() {
    let pretty = Shape::Pretty(pretty::Pretty::new(Clock::moved(NOW)));
    let got = logged(pretty, every_line);
    golden(
        "pretty.txt",
        &got.replace(&date::time_of_day(NOW), "19:58:28"),
    );
}

#[test]
fn what_hides_turns_or_ends_a_line_reaches_no_shape() {
    let evil: String = crate::base::text::HIDDEN
        .iter()
        .flat_map(|range| [*range.start(), *range.end()])
        .chain(['\r', '\n', '\u{1B}', '\u{85}', '\u{9B}', '\u{7F}'])
        .collect();
    let pretty = || Shape::Pretty(pretty::Pretty::new(Clock::moved(NOW)));
    for (name, shape) in [
        ("postfix", postfix_shape()),
        ("json", json_shape()),
        ("pretty", pretty()),
    ] {
        let got = logged(shape, || {
            let said = format!("550 no{evil}\nfake line");
            tracing::warn!(error = %said, debug = ?evil, text = said, "told: {said}");
            delivered("bounced", EnhancedStatus(5, 1, 1), &said, None);
            line::message_id("0643E1B2A90C7701", &format!("<a{evil}@b.example>"));
            line::client(&evil, None, Some((&evil, &evil)));
        });
        assert!((3..=4).contains(&got.lines().count()), "{name}: {got}");
        assert!(!got.contains("\nfake"), "{name}: {got}");
        let hidden = |c: char| c != '\n' && crate::base::text::is_hidden(c);
        assert!(!got.contains(hidden), "{name}: {got:?}");
    }
}

#[test]
fn the_tools_that_read_postfix_read_us() {
    let lines = logged(postfix_shape(), every_line);
    let patterns = include_str!("../../../tests/log/patterns.txt");
    for row in patterns.lines().filter(|row| !row.starts_with('#')) {
        let mut parts = row.splitn(3, " | ");
        let (tool, count) = (parts.next().unwrap(), parts.next().unwrap());
        let pattern = parts.next().unwrap();
        let expression = regex_lite::Regex::new(pattern).unwrap();
        let found = lines.lines().filter(|line| expression.is_match(line));
        assert_eq!(
            found.count().to_string(),
            count,
            "{tool}: {pattern}\n{lines}"
        );
    }
}

#[test]
fn a_broken_level_is_named() {
    let conf = LogConf {
        format: None,
        level: "loud=very".to_owned(),
        file: None,
        keep: 0,
        syslog_name: "postwerk".to_owned(),
    };
    let error = start(&conf).unwrap_err().to_string();
    assert!(
        error.starts_with("[log] level = \"loud=very\" is no filter"),
        "got {error}"
    );
}
