//! The transaction machine against scripted peers: replies as data, verdicts as text.
//!
//! No socket and no clock: a script is replies in the order in which a peer sends them.
//! Not here: what a verdict means for the next try (`deliver::trouble`).

use super::*;

fn machine(recipients: usize, pipelining: bool) -> Transaction {
    let rcpts: Vec<String> = (0..recipients)
        .map(|n| format!("RCPT TO:<r{n}@x.example>\r\n"))
        .collect();
    Transaction::new(
        false,
        b"MAIL FROM:<a@b.example>\r\n",
        rcpts.iter().map(String::as_bytes),
        pipelining,
    )
}

/// Plays `script` against the machine; a reply `-` closes the connection. Gives what was written in how many writes.
fn play(machine: &mut Transaction, script: &[&str]) -> Vec<String> {
    let mut writes = Vec::new();
    let mut replies = script.iter();
    loop {
        match machine.wants() {
            Next::Send(octets) => writes.push(String::from_utf8_lossy(octets).into_owned()),
            Next::Await(stage) => match replies.next() {
                Some(&"-") | None => machine.lose(format!("lost while waiting for {stage}")),
                Some(text) => machine.answer(text.parse().unwrap()),
            },
            Next::Body => {
                writes.push("BODY".to_owned());
                machine.body_sent();
            }
            Next::NoBody => {
                writes.push(".".to_owned());
                machine.body_sent();
            }
            Next::Over => return writes,
        }
    }
}

fn verdicts(machine: &Transaction) -> Vec<String> {
    let show = |verdict: &Verdict| match verdict {
        Verdict::Taken(reply) => format!("taken {}", reply.code()),
        Verdict::Refused { stage, reply } => format!("{stage} {}", reply.code()),
        Verdict::Cut { stage, cut } => match cut {
            Cut::Closing(reply) => format!("closing {stage} {}", reply.code()),
            Cut::Lost(_) => format!("lost {stage}"),
        },
    };
    machine.finish().verdicts.iter().map(show).collect()
}

/// Name, recipients, the peer's replies, one verdict for each recipient.
type Case = (
    &'static str,
    usize,
    &'static [&'static str],
    &'static [&'static str],
);

const CASES: &[Case] = &[
    (
        "all taken",
        2,
        &["250", "250", "250", "354", "250 ok"],
        &["taken 250", "taken 250"],
    ),
    (
        "one refused",
        2,
        &["250", "550", "250", "354", "250"],
        &["RCPT TO 550", "taken 250"],
    ),
    (
        "all refused, no DATA",
        2,
        &["250", "550", "450", "503"],
        &["RCPT TO 550", "RCPT TO 450"],
    ),
    (
        "all refused, 354",
        1,
        &["250", "550", "354", "554"],
        &["RCPT TO 550"],
    ),
    (
        "MAIL refused",
        2,
        &["451", "503", "503", "503"],
        &["MAIL FROM 451", "MAIL FROM 451"],
    ),
    (
        "MAIL refused, the rest taken",
        1,
        &["550", "250", "354", "250"],
        &["MAIL FROM 550"],
    ),
    (
        "DATA refused",
        2,
        &["250", "250", "550", "451"],
        &["DATA 451", "RCPT TO 550"],
    ),
    (
        "dot refused",
        2,
        &["250", "250", "550", "354", "552"],
        &["end of DATA 552", "RCPT TO 550"],
    ),
    (
        "cut in RCPT",
        3,
        &["250", "550", "-"],
        &["RCPT TO 550", "lost RCPT TO", "lost RCPT TO"],
    ),
    (
        "421 in RCPT",
        2,
        &["250", "550", "421 bye"],
        &["RCPT TO 550", "closing RCPT TO 421"],
    ),
    (
        "cut after the dot",
        2,
        &["250", "550", "250", "354", "-"],
        &["RCPT TO 550", "lost end of DATA"],
    ),
    ("cut at once", 1, &["-"], &["lost MAIL FROM"]),
    ("354 to MAIL", 1, &["354"], &["lost MAIL FROM"]),
    ("250 to DATA", 1, &["250", "250", "250"], &["lost DATA"]),
];

#[test]
fn the_body_goes_to_nobody_who_refused_the_sender() {
    let mut machine = machine(1, true);
    let writes = play(&mut machine, &["550", "250", "354", "250"]);
    assert_eq!(writes.last().map(String::as_str), Some("."));
}

#[test]
fn every_recipient_gets_its_own_verdict() {
    for &(name, recipients, script, wanted) in CASES {
        for pipelining in [true, false] {
            if !pipelining
                && script.len() > 2
                && (name.contains("all refused") || name.contains("MAIL"))
            {
                continue;
            }
            let mut machine = machine(recipients, pipelining);
            play(&mut machine, script);
            assert_eq!(
                verdicts(&machine),
                wanted,
                "case: {name}, pipelining: {pipelining}"
            );
        }
    }
}

#[test]
fn without_pipelining_nothing_is_sent_that_cannot_help() {
    let mut refused = machine(2, false);
    assert_eq!(play(&mut refused, &["250", "550", "450"]).len(), 3);
    assert_eq!(verdicts(&refused), ["RCPT TO 550", "RCPT TO 450"]);
    assert!(refused.finish().needs_reset && refused.finish().usable);
    let mut mail = machine(2, false);
    assert_eq!(play(&mut mail, &["550"]), ["MAIL FROM:<a@b.example>\r\n"]);
    assert!(!mail.finish().needs_reset);
}

#[test]
fn a_small_transaction_is_one_write_and_the_body_another() {
    let mut machine = machine(2, true);
    let writes = play(&mut machine, &["250", "250", "250", "354", "250"]);
    assert_eq!(writes.len(), 2, "got {writes:?}");
    assert!(writes[0].ends_with("DATA\r\n"));
    assert!(!machine.finish().needs_reset);
}

#[test]
fn never_more_than_a_group_waits_for_its_answers() {
    let mut machine = machine(120, true);
    let replies: Vec<&str> = std::iter::repeat_n("250", 121)
        .chain(["354", "250"])
        .collect();
    let writes = play(&mut machine, &replies);
    let lines: Vec<usize> = writes.iter().map(|w| w.lines().count()).collect();
    assert_eq!(
        lines,
        [PIPELINE_MAX, PIPELINE_MAX, 122 - 2 * PIPELINE_MAX, 1]
    );
    assert!(verdicts(&machine).iter().all(|v| v == "taken 250"));
}

#[test]
fn a_refused_mail_stops_further_groups() {
    let mut machine = machine(120, true);
    let replies: Vec<&str> = std::iter::once("451")
        .chain(std::iter::repeat_n("503", 60))
        .collect();
    assert_eq!(play(&mut machine, &replies).len(), 1);
    assert_eq!(verdicts(&machine)[119], "MAIL FROM 451");
}

#[test]
fn a_reset_goes_in_the_same_write_and_its_loss_touches_nobody() {
    let mut machine = Transaction::new(
        true,
        b"MAIL FROM:<>\r\n",
        [&b"RCPT TO:<a@b.example>\r\n"[..]],
        true,
    );
    let writes = play(&mut machine, &["250", "250", "250", "354", "250"]);
    assert!(writes[0].starts_with("RSET\r\nMAIL FROM:<>\r\n"));
    assert_eq!(verdicts(&machine), ["taken 250"]);
    let mut lost = Transaction::new(
        true,
        b"MAIL FROM:<>\r\n",
        [&b"RCPT TO:<a@b.example>\r\n"[..]],
        true,
    );
    play(&mut lost, &["-"]);
    assert!(lost.untouched() && !lost.finish().usable);
    assert_eq!(verdicts(&lost), ["lost RSET"]);
}

#[test]
fn the_dialogue_shows_who_said_what() {
    let mut machine = machine(1, true);
    play(
        &mut machine,
        &["250 2.1.0 ok", "550 5.1.1 no", "503 5.5.1 no recipients"],
    );
    let mut text = String::new();
    machine.dialogue(&mut text);
    assert_eq!(
        text,
        "C: MAIL FROM:<a@b.example>\nS: 250 2.1.0 ok\nC: RCPT TO:<r0@x.example>\nS: 550 5.1.1 no\nC: DATA\nS: 503 5.5.1 no recipients\n"
    );
}
