//! The table of troubles, row by row: for ever or not, whom it means, and what it says of other mail.
//!
//! Not here: the words in which it is told (`net::plain`).

use super::*;

fn reply(text: &str) -> Reply {
    text.parse().unwrap()
}

fn refused(stage: Stage, text: &str) -> Trouble {
    Trouble::Refused {
        stage,
        reply: reply(text),
    }
}

fn lost(stage: Stage) -> Trouble {
    let cut = Cut::Lost("the connection was closed".to_owned());
    Trouble::Cut { stage, cut }
}

fn domain(text: &str) -> crate::mail::domain::Domain {
    text.parse().unwrap()
}

fn not_now() -> DnsFault {
    DnsFault::NotNow {
        name: domain("a.test"),
        why: "SERVFAIL".to_owned(),
    }
}

fn unwelcome(text: &str) -> Trouble {
    let reply = reply(text);
    Trouble::Unwelcome {
        step: "banner",
        reply,
    }
}

fn closing(stage: Stage) -> Trouble {
    let cut = Cut::Closing(reply("421 4.3.2 bye"));
    Trouble::Cut { stage, cut }
}

/// Name, trouble, for ever, whom it means, status.
type Case = (&'static str, Trouble, bool, Scope, &'static str);

#[expect(clippy::too_many_lines, reason = "a table")]
fn before_the_greeting() -> Vec<Case> {
    let text = String::new;
    vec![
        (
            "no such domain",
            Trouble::Domain(DnsFault::NoSuchDomain(domain("a.test"))),
            true,
            SITE,
            "5.1.2",
        ),
        (
            "null MX",
            Trouble::Domain(DnsFault::NullMx(domain("a.test"))),
            true,
            SITE,
            "5.1.10",
        ),
        (
            "no address",
            Trouble::Domain(DnsFault::NoAddress(domain("a.test"))),
            true,
            SITE,
            "5.4.4",
        ),
        (
            "bad MX",
            Trouble::Domain(DnsFault::UnusableMx(domain("a.test"))),
            true,
            SITE,
            "5.4.4",
        ),
        ("SERVFAIL", Trouble::Domain(not_now()), false, SITE, "4.4.3"),
        (
            "host without address",
            Trouble::Host(DnsFault::NoAddress(domain("a.test"))),
            true,
            HOST,
            "5.4.4",
        ),
        (
            "host SERVFAIL",
            Trouble::Host(not_now()),
            false,
            HOST,
            "4.4.3",
        ),
        (
            "loopback MX",
            Trouble::Forbidden(text()),
            true,
            HOST,
            "5.4.6",
        ),
        ("loop", Trouble::Loop(text()), true, HOST, "5.4.6"),
        (
            "connection refused",
            Trouble::Unreachable(text()),
            false,
            HOST,
            "4.4.1",
        ),
        (
            "silent banner",
            Trouble::Broken {
                step: "banner",
                why: text(),
            },
            false,
            HOST,
            "4.4.2",
        ),
        (
            "554 banner",
            unwelcome("554 5.7.1 no"),
            false,
            HOST,
            "5.7.1",
        ),
        (
            "421 banner",
            unwelcome("421 4.7.0 busy"),
            false,
            HOST,
            "4.7.0",
        ),
    ]
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn after_it() -> Vec<Case> {
    let text = String::new;
    vec![
        ("no TLS", Trouble::NoTls(text()), false, HOST, "4.7.5"),
        (
            "wrong password",
            Trouble::LoginRefused(reply("535 5.7.8 no")),
            false,
            SITE,
            "5.7.8",
        ),
        (
            "no TLS for AUTH",
            Trouble::LoginUnsafe(text()),
            false,
            SITE,
            "4.7.11",
        ),
        (
            "UTF-8 address",
            Trouble::NeedsUtf8,
            true,
            RECIPIENT,
            "5.6.7",
        ),
        (
            "8-bit content",
            Trouble::NeedsEightBit,
            true,
            MESSAGE,
            "5.6.3",
        ),
        ("too large", Trouble::TooLarge(9), true, MESSAGE, "5.3.4"),
        (
            "MAIL 4",
            refused(Stage::Mail, "451 4.7.1 later"),
            false,
            MESSAGE,
            "4.7.1",
        ),
        (
            "MAIL 5",
            refused(Stage::Mail, "550 5.7.1 no"),
            true,
            MESSAGE,
            "5.7.1",
        ),
        (
            "MAIL 530",
            refused(Stage::Mail, "530 5.7.0 STARTTLS first"),
            false,
            SITE,
            "5.7.0",
        ),
        (
            "RCPT 4",
            refused(Stage::Rcpt, "450 4.2.0 greylisted"),
            false,
            RECIPIENT,
            "4.2.0",
        ),
        (
            "RCPT 5",
            refused(Stage::Rcpt, "550 5.1.1 unknown"),
            true,
            RECIPIENT,
            "5.1.1",
        ),
        (
            "RCPT 552",
            refused(Stage::Rcpt, "552 too many"),
            false,
            RECIPIENT,
            "5.0.0",
        ),
        (
            "RCPT 552 5.5.3",
            refused(Stage::Rcpt, "552 5.5.3 enough"),
            false,
            RECIPIENT,
            "5.5.3",
        ),
        (
            "RCPT 552 5.2.2",
            refused(Stage::Rcpt, "552 5.2.2 full"),
            true,
            RECIPIENT,
            "5.2.2",
        ),
        (
            "DATA 4",
            refused(Stage::Data, "451 4.3.0 no"),
            false,
            MESSAGE,
            "4.3.0",
        ),
        (
            "dot 5",
            refused(Stage::Dot, "554 5.6.0 no"),
            true,
            MESSAGE,
            "5.6.0",
        ),
        ("421 in RCPT", closing(Stage::Rcpt), false, HOST, "4.3.2"),
        ("lost in DATA", lost(Stage::Data), false, HOST, "4.4.2"),
        ("lost after the dot", lost(Stage::Dot), false, HOST, "4.4.2"),
        (
            "our disk",
            Trouble::Ours(text()),
            false,
            Scope::Local,
            "4.3.0",
        ),
    ]
}

#[test]
fn each_trouble_means_whom_the_table_says() {
    for (name, trouble, ends, scope, status) in before_the_greeting().into_iter().chain(after_it())
    {
        let ruling = rule(&trouble);
        assert_eq!(
            (
                ruling.ends,
                ruling.fault.scope,
                ruling.fault.reply.status_or_class().to_string()
            ),
            (ends, scope, status.to_owned()),
            "case: {name}"
        );
        let decided = name.ends_with("after the dot");
        assert_eq!(ruling.next_host, scope == HOST && !decided, "case: {name}");
    }
}

#[test]
fn what_bears_on_other_mail_slows_or_stops_the_site() {
    let slows = |trouble: &Trouble| matches!(rule(trouble).bears, Bears::Slow(_));
    for (name, trouble, slow) in [
        ("421 anywhere", closing(Stage::Rcpt), true),
        ("421 at the banner", unwelcome("421 4.7.0 busy"), true),
        ("a banner that refuses us", unwelcome("554 5.7.1 no"), false),
        (
            "our rate",
            refused(Stage::Mail, "450 4.7.28 unusual rate"),
            true,
        ),
        (
            "greylisting",
            refused(Stage::Rcpt, "450 4.2.0 greylisted"),
            false,
        ),
        ("lost in DATA", lost(Stage::Data), false),
    ] {
        assert_eq!(slows(&trouble), slow, "case: {name}");
        let counted = matches!(rule(&trouble).outcome(), Outcome::Deferred(_));
        assert_eq!(counted, !slow, "case: {name}");
    }
    let login = rule(&refused(Stage::Mail, "530 5.7.0 STARTTLS first"));
    assert_eq!(login.bears, Bears::Site);
    assert_eq!(rule(&lost(Stage::Dot)).bears, Bears::Mail);
    let gmail = "450 4.2.1 The user is receiving mail at a rate that prevents more";
    assert_eq!(rule(&refused(Stage::Rcpt, gmail)).bears, Bears::Mail);
}

#[test]
fn a_site_is_given_up_only_when_no_host_can_do_later() {
    let gone = Trouble::Host(DnsFault::NoAddress(domain("a.test")));
    let down = Trouble::Unreachable("connection refused".to_owned());
    let mixed = rule_all(&[gone.clone(), down]);
    assert!(!mixed.ends && mixed.fault.scope == SITE, "got {mixed:?}");
    assert!(rule_all(&[gone.clone(), gone]).ends);
    assert!(!rule_all(&[]).ends);
}

#[test]
fn a_reply_lost_after_the_dot_leaves_the_mail_in_doubt() {
    let text = rule(&lost(Stage::Dot)).fault.reply.to_string();
    assert!(text.contains("may have been delivered"), "got {text}");
    assert!(lost(Stage::Dot).is_in_doubt());
    // RFC 5321 section 4.2.1: after a 4yz the action was not taken, 421 among them.
    for known in [lost(Stage::Data), closing(Stage::Dot)] {
        assert!(!known.is_in_doubt(), "case: {known:?}");
    }
}
