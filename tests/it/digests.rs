//! Digests: what is held is told to the right person, once, by mail that is never held itself.
//!
//! The remote plays the recipient's server. Not here: the links (`links`), and how a digest looks (`src/digest`).

use std::time::Duration;

use postwerk::base::clock::Clock;
use postwerk::journal::event::EventKind;
use postwerk::mail::hold::{HoldQueue, HoldReason};
use postwerk::mail::state::State;

use crate::client::letter;
use crate::house::{Door, House};
use crate::remote::{Answer, Mail, Remote};
use crate::until;

const DAY: Duration = Duration::from_secs(86_400);

const RULES: &str = "[admin]\nbind = \"127.0.0.1:0\"\npublic_url = \"http://127.0.0.1:8443/\"\n\
    [digest]\nto = [\"boss@admin.example\"]\nowners = false\nlang = \"de\"\n";
const FIRST: &str = "on_first = true\n";
const RULE: &str =
    "[[hold_rule]]\nmatch = { sender = \"held@sender.example\" }\nreason = \"to be looked at\"\n";

fn sections(more: &str) -> String {
    format!("{RULES}{more}{RULE}")
}

async fn hold(house: &mut House, to: &str, subject: &str) {
    house
        .send("held@sender.example", &[to], &letter(subject))
        .await;
    house.told(EventKind::Held).await;
}

fn number(mail: &Mail) -> &str {
    let from = mail
        .from
        .strip_prefix("<postwerk+d")
        .expect("a digest's path");
    from.split('@').next().expect("a number")
}

#[tokio::test]
async fn a_first_held_mail_is_told_at_once() {
    let remote = Remote::friendly().await;
    let mut house = House::before(&remote, &sections(FIRST)).await;
    hold(&mut house, "held@example.org", "to be looked at").await;
    let mails = remote.mails(1).await;
    let digest = &mails[0];
    assert_eq!(digest.to[0].split(' ').next(), Some("<boss@admin.example>"));
    assert_eq!(number(digest), "1");
    assert!(
        digest.text.contains("Auto-Submitted: auto-generated\r\n"),
        "{}",
        digest.text
    );
    assert!(
        digest.text.contains("\r\nhttp://127.0.0.1:8443/d/"),
        "{}",
        digest.text
    );
    assert!(digest.text.is_ascii());
}

#[tokio::test]
async fn nothing_held_is_no_mail() {
    let remote = Remote::friendly().await;
    let house = House::before(&remote, &sections("")).await;
    for _ in 0..3 {
        house.pass(DAY);
    }
    house
        .send("a@sender.example", &["b@example.org"], &letter("other"))
        .await;
    assert!(remote.mails(1).await[0].text.contains("other"));
    assert_eq!(remote.so_far().len(), 1);
}

#[tokio::test]
async fn numbers_and_dates_go_on_over_a_restart() {
    let remote = Remote::friendly().await;
    let mut house = House::before(&remote, &sections("")).await;
    hold(&mut house, "held@example.org", "one").await;
    house.pass(DAY);
    assert_eq!(number(&remote.mails(1).await[0]), "1");
    let mut house = house.restart(remote.address, &sections("")).await;
    hold(&mut house, "held2@example.org", "two").await;
    house.pass(DAY);
    let mails = remote.mails(2).await;
    assert_eq!(number(&mails[1]), "2");
    assert_eq!(mails.len(), 2, "{mails:?}");
}

#[tokio::test]
async fn a_first_hold_that_a_restart_interrupts_is_told_all_the_same() {
    let remote = Remote::friendly().await;
    let mut house = House::before(&remote, &sections("")).await;
    hold(&mut house, "held@example.org", "one").await;
    // Nobody was told when it stopped; a start with `on_first` sees what is held.
    let _house = house.restart(remote.address, &sections(FIRST)).await;
    assert_eq!(number(&remote.mails(1).await[0]), "1");
}

#[tokio::test]
async fn a_digest_is_never_held_and_tells_of_no_digest() {
    let remote = Remote::friendly().await;
    let rule = "[[hold_rule]]\nmatch = { recipient = \"*\" }\nreason = \"everything\"\n";
    let mut house = House::before(&remote, &format!("{RULES}{FIRST}{rule}")).await;
    hold(&mut house, "b@example.org", "one").await;
    let mails = remote.mails(1).await;
    assert_eq!(number(&mails[0]), "1");
    let places = house.places().await;
    let held: Vec<_> = places
        .iter()
        .filter(|place| place.state == State::Held)
        .collect();
    assert_eq!(held.len(), 1, "{places:#?}");
    assert_eq!(
        held[0].hold,
        Some((HoldQueue::Quarantine, HoldReason::Rule))
    );
}

#[tokio::test]
async fn a_digest_to_a_dead_address_shows_as_trouble_and_nothing_loops() {
    let remote = Remote::scripted(|asked| {
        if asked.verb == "RCPT" && asked.line.contains("boss@") {
            Answer::Say("550 5.1.1 nobody here")
        } else {
            Answer::Usual
        }
    })
    .await;
    let mut house = House::before(&remote, &sections(FIRST)).await;
    hold(&mut house, "held@example.org", "one").await;
    house.told(EventKind::Bounced).await;
    house.pass(Duration::from_secs(120));
    let house = &house;
    until("the trouble", || async {
        !house
            .server
            .digests()
            .troubles()
            .await
            .expect("troubles")
            .is_empty()
    })
    .await;
    let troubles = house.server.digests().troubles().await.expect("troubles");
    assert_eq!(troubles[0].number, 1);
    assert!(troubles[0].why.contains("nobody here"), "{troubles:?}");
    assert_eq!(remote.so_far().len(), 0, "no DSN, no digest about a digest");
    let held = house.places().await;
    assert_eq!(
        held.iter()
            .filter(|place| place.state == State::Held)
            .count(),
        1,
        "{held:#?}"
    );
}

#[tokio::test]
async fn an_owner_sees_what_is_theirs_and_nothing_else() {
    let remote = Remote::friendly().await;
    let more = sections(FIRST).replace("owners = false", "owners = true");
    let mut house = House::before(&remote, &more).await;
    hold(&mut house, "held@foreign.example", "foreign").await;
    hold(&mut house, "held@example.org", "their own").await;
    let mails = remote.mails(2).await;
    let of = |to: &str| {
        let mail = mails.iter().find(|mail| mail.to[0].starts_with(to));
        &mail.expect("a digest").text
    };
    assert!(of("<boss@admin.example>").contains("foreign"));
    let theirs = of("<chef@example.org>");
    assert!(theirs.contains("their own"), "{theirs}");
    assert!(!theirs.contains("foreign"), "{theirs}");
}

#[tokio::test]
async fn who_is_held_themselves_is_told_all_the_same_and_nothing_loops() {
    let remote = Remote::friendly().await;
    // Everything is held: by recipient, by the sender that digests have, and by their own domain and account.
    let rules = "[[hold_rule]]\nmatch = { recipient = \"*\" }\nreason = \"everything\"\n\
         [[hold_rule]]\nmatch = { sender = \"*@mail.postwerk.example\" }\nreason = \"digests\"\n\
         [[hold_rule]]\nmatch = { domain = \"example.org\" }\nreason = \"a domain\"\n\
         [[account]]\nname = \"app1\"\npassword = \"file:{dir}/password\"\nhold = true\nowner = \"app@example.org\"\n";
    let more = RULES.replace("owners = false", "owners = true") + FIRST + rules;
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("password"), "correct horse\n").unwrap();
    // Certificates and passwords know the machine's clock.
    let clock = Clock::moved(Clock::system().wall());
    let mut house = House::in_dir(dir, remote.address, &more, clock).await;
    let mut client = house.client(Door::Login).await.starttls().await;
    assert_eq!(client.login("app1", "correct horse").await.code, 235);
    let reply = client
        .mail("app@example.org", &["b@example.org"], &letter("one"))
        .await;
    assert_eq!(reply.code, 250, "{reply:?}");
    house.told(EventKind::Held).await;
    let mut told: Vec<String> = remote.mails(3).await.iter().map(receiver).collect();
    told.sort();
    let wanted = ["app@example.org", "boss@admin.example", "chef@example.org"];
    assert_eq!(told, wanted);
    // Days later the same is held and nothing else; digests about digests there are none.
    for _ in 0..3 {
        house.pass(DAY);
        house
            .send("x@sender.example", &["c@foreign.example"], &letter("two"))
            .await;
    }
    let places = house.places().await;
    let held = places.iter().filter(|place| place.state == State::Held);
    assert_eq!(held.count(), 4, "{places:#?}");
    for mail in remote.so_far() {
        assert!(mail.from.starts_with("<postwerk+d"), "{mail:?}");
        assert!(!mail.text.contains("postwerk+d@"), "{mail:?}");
        assert!(wanted.contains(&receiver(&mail).as_str()), "{mail:?}");
    }
}

fn receiver(mail: &Mail) -> String {
    let path = mail.to[0].split(' ').next().expect("a path");
    path.trim_matches(['<', '>']).to_owned()
}
