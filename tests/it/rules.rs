//! Hold rules: which recipients they keep, by what they look at, and what a requeue does with them.
//!
//! Not here: how a rule is written (`conf_bad`, `config`), and the other ways into a hold queue (`holds`, `loops`).

use postwerk::journal::event::EventKind;
use postwerk::mail::hold::{Check, HoldQueue, HoldReason};
use postwerk::mail::state::State;
use postwerk::queue::hold::{Card, Shelf};
use postwerk::queue::verbs::Verb;

use crate::client::letter;
use crate::house::{Door, House, config, nobody};
use crate::remote::Remote;

fn rule(matching: &str) -> String {
    format!("[[hold_rule]]\nname = \"r\"\nreason = \"to be looked at\"\nmatch = {{ {matching} }}\n")
}

/// A mail with one attachment.
fn parcel(fields: &str, body: &str) -> String {
    format!(
        "From: a@sender.example\r\nSubject: =?utf-8?Q?Rechnung_f=C3=BCr_Mai?=\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=\"b\"\r\n\r\n--b\r\n\r\ntext\r\n--b\r\n{fields}\r\n\r\n{body}\r\n--b--\r\n"
    )
}

async fn cards(house: &House) -> Vec<Card> {
    let queue = house.server.queue();
    let page = queue.cards(&Shelf::All, None, false, 100).await;
    page.expect("cards").cards
}

/// The open holds after one mail for b@example.org.
async fn held(more: &str, text: &str) -> Vec<Card> {
    let house = House::start(nobody().await, &format!("[queue]\npaused = true\n{more}")).await;
    house
        .send("a@sender.example", &["b@example.org"], text)
        .await;
    cards(&house).await
}

#[tokio::test]
async fn a_rule_of_each_kind_holds_what_it_says() {
    let exe = parcel(
        "Content-Type: image/png; name=\"photo.png\"\r\nContent-Transfer-Encoding: base64",
        "TVqQAAMAAAAEAAAA//8AALgAAAAAAAAAQAAAAAAAAAA=",
    );
    let zip = parcel(
        "Content-Disposition: attachment; filename*=utf-8''%C3%A4.ZIP",
        "x",
    );
    let large = letter(&"yyyyyyyyy yyyyyyyyyy\r\n".repeat(60));
    for (matching, text, wanted) in [
        ("sender = \"*@sender.example\"", &exe, true),
        ("sender = \"b@sender.example\"", &exe, false),
        ("recipient = \"*@example.org\"", &exe, true),
        ("recipient = \"c@example.org\"", &exe, false),
        ("domain = \"example.org\"", &exe, true),
        ("domain = \"example.net\"", &exe, false),
        ("header = \"Subject: rechnung für*\"", &exe, true),
        ("header = \"Subject: *quittung*\"", &exe, false),
        ("larger = \"1 KiB\"", &large, true),
        ("larger = \"1 KiB\"", &exe, false),
        ("attachment_type = \"image/png\"", &exe, true),
        (
            "attachment_type = \"application/vnd.microsoft.portable-executable\"",
            &exe,
            true,
        ),
        ("attachment_type = \"application/zip\"", &exe, false),
        ("attachment_name = \"*.zip\"", &zip, true),
        ("attachment_name = \"*.zip\"", &exe, false),
        // The house begins on a Saturday at 20:00 UTC.
        ("hours = \"18:00-06:00\"", &exe, true),
        ("hours = \"08:00-18:00\"", &exe, false),
        ("account = \"app1\"", &exe, false),
    ] {
        let found = held(&rule(matching), text).await;
        assert_eq!(!found.is_empty(), wanted, "case: {matching}");
        for card in found {
            assert_eq!(card.hold.queue, HoldQueue::Quarantine);
            assert_eq!(card.hold.reason, HoldReason::Rule);
            assert_eq!(card.hold.cause, "to be looked at");
            assert_eq!(card.hold.params["rule"], "r");
            let checks = [Check::Loop, Check::Account, Check::Rate, Check::Rules];
            assert_eq!(card.hold.checked, checks);
        }
    }
}

#[tokio::test]
async fn only_the_recipients_that_a_rule_means_are_held() {
    let remote = Remote::friendly().await;
    let more = rule("recipient = \"held@example.org\"");
    let house = House::before(&remote, &more).await;
    let to = ["b@example.org", "held@example.org", "c@example.org"];
    house.send("a@sender.example", &to, &letter("some")).await;
    let mails = remote.mails(1).await;
    assert_eq!(mails[0].to.len(), 2, "{mails:?}");
    let cards = cards(&house).await;
    assert_eq!(cards.len(), 1);
    assert_eq!(cards[0].to.to_string(), "held@example.org");
}

#[tokio::test]
async fn a_hold_of_the_whole_mail_wins_over_rules() {
    let more = format!(
        "[checks]\nbroken_mime = \"hold\"\n{}",
        rule("sender = \"*\"")
    );
    let broken = "Subject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\nno part\r\n";
    let cards = held(&more, broken).await;
    assert_eq!(cards[0].hold.reason, HoldReason::BrokenMime);
    assert_eq!(cards[0].hold.checked, [Check::Loop, Check::Mime]);
}

#[tokio::test]
async fn a_mail_of_the_program_itself_is_judged_like_any_other() {
    let house = House::start(nobody().await, &rule("recipient = \"*@example.org\"")).await;
    house
        .submit("a@sender.example", &["b@example.org"], &letter("own"))
        .await;
    let cards = cards(&house).await;
    assert_eq!(cards[0].hold.reason, HoldReason::Rule);
    assert_eq!(
        cards[0].hold.checked,
        [Check::Loop, Check::Account, Check::Rules]
    );
}

#[tokio::test]
async fn a_requeue_under_the_same_rule_is_a_new_hold_and_without_it_goes_out() {
    let remote = Remote::friendly().await;
    let more = rule("attachment_name = \"*.zip\"");
    let mut house = House::before(&remote, &more).await;
    let text = parcel("Content-Type: application/zip; name=a.zip", "x");
    let id = house
        .send("a@sender.example", &["b@example.org"], &text)
        .await;
    let first = cards(&house).await.remove(0);
    house.act(Verb::Requeue { undo: false }, &id).await;
    house.told_nth(EventKind::Held, 2).await;
    let second = cards(&house).await;
    assert_eq!(second.len(), 1);
    assert_ne!(second[0].id, first.id);
    assert_eq!(
        second[0].hold.checked,
        [Check::Loop, Check::Account, Check::Rules]
    );
    let ended = house.server.queue().card(first.id).await.unwrap().unwrap();
    assert_eq!(ended.end.and_then(|end| end.again), Some(second[0].id));

    let without = config(house.dir.path(), remote.address, "");
    house.server.reload(without).await.expect("reloaded");
    house.act(Verb::Requeue { undo: false }, &id).await;
    assert_eq!(remote.mails(1).await[0].to.len(), 1);
    assert_eq!(cards(&house).await, []);
}

#[tokio::test]
async fn a_requeue_whose_body_is_damaged_leaves_the_hold_as_it_was_and_is_not_tried_again() {
    let mut house = House::start(nobody().await, &rule("sender = \"*\"")).await;
    let id = house
        .send("a@sender.example", &["b@example.org"], &letter("torn"))
        .await;
    house.lose_body(&id).await;
    house.act(Verb::Requeue { undo: false }, &id).await;
    house.told_nth(EventKind::Held, 2).await;
    let card = cards(&house).await.remove(0);
    assert_eq!(card.hold.queue, HoldQueue::Quarantine);
    assert_eq!(card.hold.reason, HoldReason::Rule);
    let words = card.hold.in_words();
    assert!(words.contains("is missing"), "{words}");
    assert_eq!(house.places().await[0].state, State::Held);
}

#[tokio::test]
async fn a_requeue_that_cannot_be_read_keeps_no_other_waiting() {
    let remote = Remote::friendly().await;
    let house = House::before(&remote, &rule("sender = \"*\"")).await;
    let (from, to) = ("a@sender.example", ["b@example.org"]);
    let spoilt = house.send(from, &to, &letter("spoilt")).await;
    let others = ["one", "two", "three"].map(letter);
    let without = config(house.dir.path(), remote.address, "");
    let mut good = Vec::new();
    for text in &others {
        good.push(house.send(from, &to, text).await);
    }
    house.server.reload(without).await.expect("reloaded");
    house.act(Verb::Requeue { undo: true }, &spoilt).await;
    house.spoil_message(&spoilt).await;
    house.pass(std::time::Duration::from_secs(11));
    for id in &good {
        house.act(Verb::Requeue { undo: false }, id).await;
    }
    let (clock, end) = (&house.clock, others.len());
    // After each failure the worker waits a second of its clock.
    crate::until("the others", || async {
        clock.advance(std::time::Duration::from_millis(100));
        remote.so_far().len() == end
    })
    .await;
}

#[tokio::test]
async fn mails_built_to_cost_time_are_taken_and_held_by_rules_about_attachments() {
    let parts = "--b\r\nContent-Type: image/png\r\n\r\nx\r\n".repeat(10_500);
    let flat = format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n{parts}--b--\r\n");
    let open = |n| format!("Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n");
    let deep: String = (0..150).map(open).collect();
    let late = format!(
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n{}--b\r\nContent-Type: text/plain; name=z.exe\r\n\r\n--b--\r\n",
        "--b\r\nContent-Type: image/png\r\n\r\nx\r\n".repeat(30)
    );
    for (name, text) in [
        ("parts", flat),
        ("levels", deep),
        ("behind what is kept", late),
    ] {
        let found = held(&rule("attachment_name = \"*.exe\""), &text).await;
        assert_eq!(found.len(), 1, "case: {name}");
        assert!(found[0].attachments.len() <= 20, "case: {name}");
    }
}

#[tokio::test]
async fn names_of_attachments_have_no_path_and_nothing_hidden() {
    for (field, wanted) in [
        ("filename=\"../../../etc/passwd\"", "passwd"),
        ("filename=\"C:\\\\Users\\\\a\\\\evil.exe\"", "evil.exe"),
        ("filename*=utf-8''fdp%E2%80%AE%00%0D%0A.exe", "fdp.exe"),
        ("filename=\"e\u{200B}vil.e\u{202E}xe. \"", "evil.exe"),
    ] {
        let text = parcel(&format!("Content-Disposition: attachment; {field}"), "x");
        let mut client_side = held(&rule("attachment_name = \"*\""), &text).await;
        let card = client_side.remove(0);
        assert_eq!(
            card.attachments[0].name.as_deref(),
            Some(wanted),
            "case: {field}"
        );
    }
}

#[tokio::test]
async fn a_rule_by_account_holds_what_that_account_sends() {
    let remote = Remote::friendly().await;
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("password"), "correct horse\n").unwrap();
    let more = format!(
        "{}[[account]]\nname = \"app1\"\npassword = \"file:{{dir}}/password\"\n",
        rule("account = \"app1\"")
    );
    let clock = postwerk::base::clock::Clock::system();
    let house = House::in_dir(dir, remote.address, &more, clock).await;
    let mut client = house.client(Door::Login).await.starttls().await;
    assert_eq!(client.login("app1", "correct horse").await.code, 235);
    let reply = client
        .mail("a@sender.example", &["b@example.org"], &letter("account"))
        .await;
    assert_eq!(reply.code, 250, "{reply:?}");
    assert_eq!(cards(&house).await.len(), 1);
}
