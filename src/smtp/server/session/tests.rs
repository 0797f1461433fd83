//! The moves of a session, told as sentences; `tests/dialog` holds whole dialogs.
//!
//! Pure: lines in, replies and questions out.
//! Not here: sockets and the queue (`receive`).

use super::*;
use crate::mail::domain::Domain;
use crate::smtp::server::SaslOffer;

fn offer() -> Offer {
    Offer {
        hostname: Domain::parse("mail.example.org").unwrap(),
        size_max: 1_000,
        starttls: true,
        sasl: SaslOffer::UnderTls,
        recipients_max: 3,
        errors_max: 5,
    }
}

fn session() -> Session {
    Session::new(Arc::new(offer()), false)
}

/// The code of the last reply; every question is answered with yes.
fn say(session: &mut Session, lines: &[&str]) -> u16 {
    let mut last = 0;
    for line in lines {
        let mut step = session.line(line.as_bytes(), false);
        loop {
            last = step.reply.map_or(last, |reply| reply.code());
            match step.then {
                Then::Ask(_) => step = session.answer(Answer::Yes),
                Then::Tls => {
                    session.tls_started();
                    break;
                }
                Then::Line | Then::Close => break,
            }
        }
    }
    last
}

#[test]
fn a_mail_goes_through_all_its_questions() {
    let mut session = session();
    assert_eq!(
        say(
            &mut session,
            &["EHLO c.example", "MAIL FROM:<>", "RCPT TO:<a@b.example>"]
        ),
        250
    );
    assert!(session.in_transaction());
    assert_eq!(session.line(b"DATA", false), Step::ask(Ask::Data));
    let step = session.answer(Answer::Yes);
    assert_eq!(step.reply.unwrap().code(), 354);
    assert_eq!(step.then, Then::Ask(Ask::Body));
    let step = session.answer(Answer::Queued("0643E1B2A90C7701".to_owned()));
    assert_eq!(
        step.reply.unwrap().to_string(),
        "250 2.0.0 Ok: queued as 0643E1B2A90C7701"
    );
    assert!(!session.in_transaction());
    assert_eq!(session.summary(), "ehlo=1 mail=1 rcpt=1 data=1 commands=4");
}

#[test]
fn commands_out_of_order_are_refused() {
    for (name, lines, code) in [
        ("MAIL before EHLO", &["MAIL FROM:<>"][..], 503),
        (
            "RCPT before MAIL",
            &["EHLO c", "RCPT TO:<a@b.example>"],
            503,
        ),
        ("DATA before MAIL", &["EHLO c", "DATA"], 503),
        ("DATA before RCPT", &["EHLO c", "MAIL FROM:<>", "DATA"], 554),
        (
            "MAIL in a mail",
            &["EHLO c", "MAIL FROM:<>", "MAIL FROM:<>"],
            503,
        ),
        ("STARTTLS before EHLO", &["STARTTLS"], 503),
        ("STARTTLS twice", &["EHLO c", "STARTTLS", "STARTTLS"], 503),
        ("AUTH in the clear", &["EHLO c", "AUTH PLAIN AGEAYg=="], 538),
        (
            "AUTH in a mail",
            &["EHLO c", "STARTTLS", "EHLO c", "MAIL FROM:<>", "AUTH LOGIN"],
            503,
        ),
        (
            "AUTH twice",
            &[
                "EHLO c",
                "STARTTLS",
                "EHLO c",
                "AUTH PLAIN AGEAYg==",
                "AUTH LOGIN",
            ],
            503,
        ),
        (
            "DATA behind BDAT",
            &[
                "EHLO c",
                "MAIL FROM:<>",
                "RCPT TO:<a@b.example>",
                "BDAT 3",
                "DATA",
            ],
            503,
        ),
        (
            "RCPT behind BDAT",
            &[
                "EHLO c",
                "MAIL FROM:<>",
                "RCPT TO:<a@b.example>",
                "BDAT 3",
                "RCPT TO:<a@b.example>",
            ],
            503,
        ),
    ] {
        assert_eq!(say(&mut session(), lines), code, "case: {name}");
    }
}

#[test]
fn what_was_said_before_tls_is_forgotten() {
    let mut session = session();
    say(
        &mut session,
        &["EHLO c", "MAIL FROM:<early@a.example>", "STARTTLS"],
    );
    assert_eq!(say(&mut session, &["RCPT TO:<a@b.example>"]), 503);
    assert_eq!(say(&mut session, &["MAIL FROM:<>"]), 503);
    assert_eq!(say(&mut session, &["EHLO c", "MAIL FROM:<>"]), 250);
    assert_eq!(session.protocol(false), "ESMTPS");
}

#[test]
fn a_recipient_too_many_is_no_error_of_the_client() {
    let mut session = session();
    say(&mut session, &["EHLO c", "MAIL FROM:<>"]);
    for _ in 0..3 {
        assert_eq!(say(&mut session, &["RCPT TO:<a@b.example>"]), 250);
    }
    for _ in 0..RECIPIENTS_OVERSHOOT {
        assert_eq!(say(&mut session, &["RCPT TO:<a@b.example>"]), 452);
    }
    let codes: Vec<u16> = (0..5)
        .map(|_| say(&mut session, &["RCPT TO:<a@b.example>"]))
        .collect();
    assert_eq!(codes, [452, 452, 452, 452, 421]);
}

#[test]
fn errors_and_idle_commands_end_a_session() {
    let mut guesser = session();
    let codes: Vec<u16> = (0..5).map(|_| say(&mut guesser, &["WRONG"])).collect();
    assert_eq!(codes, [500, 500, 500, 500, 421]);
    let mut idler = session();
    for _ in 0..IDLE_COMMANDS_MAX {
        assert_eq!(say(&mut idler, &["NOOP"]), 250);
    }
    assert_eq!(say(&mut idler, &["NOOP"]), 421);
    let mut empty = session();
    say(
        &mut empty,
        &["HELO c", "MAIL FROM:<>", "RCPT TO:<a@b.example>"],
    );
    let codes: Vec<u16> = (0..IDLE_COMMANDS_MAX)
        .map(|_| say(&mut empty, &["BDAT 0"]))
        .collect();
    // HELO was one of them.
    assert_eq!(codes.iter().filter(|code| **code == 250).count(), 99);
    assert_eq!(codes.last(), Some(&421));
    assert_eq!(codes.len(), 100);
}

#[test]
fn who_does_not_wait_for_the_reply_is_cut() {
    for line in ["EHLO c", "STARTTLS", "DATA", "AUTH PLAIN AGEAYg=="] {
        let step = session().line(line.as_bytes(), true);
        assert_eq!(step.then, Then::Close, "case: {line}");
        assert_eq!(step.reply.unwrap().code(), 554, "case: {line}");
    }
    assert_eq!(session().greet(Answer::Yes, true).then, Then::Close);
}

#[test]
fn a_chunk_without_a_mail_is_read_and_refused() {
    let mut session = session();
    say(&mut session, &["EHLO c"]);
    let step = session.line(b"BDAT 5 LAST", false);
    assert_eq!(
        step.then,
        Then::Ask(Ask::Chunk {
            size: 5,
            last: true,
            keep: false
        })
    );
    assert_eq!(session.answer(Answer::Yes).reply.unwrap().code(), 503);
}

#[test]
fn a_refused_chunk_refuses_the_rest_of_its_mail() {
    let mut session = session();
    say(
        &mut session,
        &["EHLO c", "MAIL FROM:<>", "RCPT TO:<a@b.example>"],
    );
    session.line(b"BDAT 5", false);
    session.answer(Answer::No(too_large(1)));
    assert_eq!(say(&mut session, &["BDAT 5 LAST"]), 503);
    assert_eq!(say(&mut session, &["RSET", "MAIL FROM:<>"]), 250);
}

#[test]
fn a_login_is_asked_for_and_counted() {
    let mut session = session();
    say(&mut session, &["EHLO c", "STARTTLS", "EHLO c"]);
    assert_eq!(say(&mut session, &["AUTH LOGIN", "YXBwMQ=="]), 334);
    assert_eq!(say(&mut session, &["Z2VoZWlt"]), 235);
    assert_eq!(session.protocol(false), "ESMTPSA");
    assert_eq!(session.protocol(true), "UTF8SMTPSA");
}
