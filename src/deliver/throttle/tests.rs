//! Texts of real providers, as their public documentation and the labelled bounces have them, and what they ask for.
//!
//! Not here: what a site does about it (`pace`, `stand`).

use super::*;

const MAIL: Option<Stage> = Some(Stage::Mail);
const RCPT: Option<Stage> = Some(Stage::Rcpt);
const DATA: Option<Stage> = Some(Stage::Data);
const DOT: Option<Stage> = Some(Stage::Dot);

fn asks(stage: Option<Stage>, text: &str) -> Option<What> {
    slow(stage, &text.parse().unwrap()).map(|slow| slow.what)
}

#[test]
fn replies_about_us_slow_the_site() {
    use What::{Connections, Rate};
    for (stage, text, what) in [
        (
            MAIL,
            "421 4.7.28 Our system has detected an unusual rate of unsolicited mail originating from your IP address",
            Rate,
        ),
        (
            DOT,
            "421 4.7.28 Gmail has detected an unusual rate of unsolicited mail",
            Rate,
        ),
        (MAIL, "450 4.7.28 see the bulk senders guidelines", Rate),
        (
            MAIL,
            "421 4.7.0 [TSS04] Messages from 192.0.2.25 temporarily deferred due to unexpected volume or user complaints",
            Rate,
        ),
        (
            None,
            "421 4.7.0 [TS01] Messages from 192.0.2.25 temporarily deferred",
            Rate,
        ),
        (
            MAIL,
            "451 4.7.650 The mail server [192.0.2.25] has been temporarily rate limited due to IP reputation",
            Rate,
        ),
        (MAIL, "452 4.3.2 Connection rate limit exceeded.", Rate),
        (
            None,
            "421 4.7.0 mx.example Error: too many connections from 192.0.2.1",
            Connections,
        ),
        (
            MAIL,
            "421 4.7.1 Too many concurrent SMTP connections",
            Connections,
        ),
        (MAIL, "450 4.7.1 Error: too much mail from 192.0.2.1", Rate),
        (
            None,
            "421 4.2.0 Service refuse. Veuillez essayer plus tard. Service refused, please try later. OFR005_505",
            Rate,
        ),
        (MAIL, "451 4.3.2 Server busy, try again later", Rate),
        (
            DATA,
            "452 4.3.1 Insufficient system resources (UsedDiskSpace)",
            Rate,
        ),
        (RCPT, "450 4.7.1 rate limit exceeded, slow down", Rate),
        (RCPT, "421 4.3.2 closing for a restart", Rate),
        (DATA, "421 bye", Rate),
        (MAIL, "450 4.3.2 not now", Rate),
        (MAIL, "452 4.3.1 Insufficient system storage", Rate),
    ] {
        assert_eq!(asks(stage, text), Some(what), "case: {stage:?} {text}");
    }
}

#[test]
fn replies_about_a_recipient_or_the_mail_never_do() {
    for (stage, text) in [
        (
            RCPT,
            "450 4.2.1 The user you are trying to contact is receiving mail at a rate that prevents additional messages",
        ),
        (
            DOT,
            "421 4.2.1 The user you are trying to contact is receiving mail too quickly",
        ),
        (
            RCPT,
            "452 4.2.2 The email account that you tried to reach is over quota",
        ),
        (RCPT, "452 4.2.2 mailbox full, too busy to clean it"),
        (RCPT, "450 4.2.0 greylisted, try again later"),
        (
            RCPT,
            "451 4.7.1 Greylisting in action, please come back later",
        ),
        (
            MAIL,
            "451 4.7.1 Greylisted, service unavailable for 5 minutes",
        ),
        (RCPT, "450 4.1.1 user unknown, try again later"),
        (RCPT, "451 4.7.1 come back later"),
        (RCPT, "450 4.3.2 try again later"),
        (RCPT, "452 4.5.3 Too many recipients"),
        (RCPT, "452 too many recipients, connection limit of 5"),
        (MAIL, "451 4.7.1 later"),
        (RCPT, "452 4.3.1 Insufficient system storage"),
        (DOT, "452 4.3.1 Insufficient system storage"),
        (DATA, "451 4.3.0 content filter failed, try again later"),
        (
            RCPT,
            "451 4.3.0 This message could not be delivered due to a recipient error. Please try again later.",
        ),
        (MAIL, "550 5.7.1 too many connections"),
        (MAIL, "250 2.1.0 rate limit ok"),
    ] {
        assert_eq!(asks(stage, text), None, "case: {stage:?} {text}");
    }
}

#[test]
fn a_number_in_the_text_is_read_where_it_is_a_wait() {
    for (text, secs) in [
        ("421 4.7.0 try again in 300 seconds", Some(300)),
        ("421 rate limited, retry after 5 minutes", Some(300)),
        ("421 slow down: wait 90s please", Some(90)),
        ("421 come back in 1 hour.", Some(3_600)),
        ("421 blocked for 10 min", Some(600)),
        ("421 limit of 100 messages per 60 minutes", None),
        ("421 4.7.0 in 2 words", None),
        ("421 in 99999999999999999999 seconds", None),
        ("421 bye", None),
    ] {
        let got = slow(None, &text.parse().unwrap()).and_then(|slow| slow.span);
        assert_eq!(got, secs.map(Duration::from_secs), "case: {text}");
    }
}

#[test]
fn too_many_recipients_is_told_from_a_full_mailbox() {
    for (text, wanted) in [
        ("452 4.5.3 Too many recipients", true),
        (
            "452 4.5.3 Recipients belong to multiple regions ATTR38",
            true,
        ),
        ("451 4.5.3 limit", true),
        ("452 Too many recipients received this hour", true),
        ("452 no more", true),
        ("552 too many recipients", true),
        ("552 5.5.3 enough", true),
        ("452 4.2.2 mailbox full", false),
        ("452 4.3.1 Insufficient system storage", false),
        ("452 Insufficient storage", false),
        ("552 mailbox full", false),
        ("552 5.2.2 too many", false),
        ("450 later", false),
        ("550 5.5.3 never", false),
    ] {
        assert_eq!(too_many(&text.parse().unwrap()), wanted, "case: {text}");
    }
}
