//! The rows that a digest left out, mailed to its own address when a button asks for them.
//!
//! Not here: the page with the button (`tests/it/links`).

use super::buried::rows;
use super::*;
use crate::base::clock::Wall;
use crate::digest::Rest;
use crate::digest::record::{Digest, digest_key};

impl Desk {
    pub(super) async fn digest(&self, number: u32) -> Digest {
        let key = digest_key(number);
        let found = self.stage.queue.store().get(vec![key.clone()]).await;
        decode(&key, &found.unwrap()[0].as_ref().unwrap().value).unwrap()
    }

    /// A button of this digest is pressed.
    async fn press(&self, number: u32) -> Rest {
        let digest = self.digest(number).await;
        self.digests.send_rest(number, &digest).await.unwrap()
    }
}

fn listed(mails: &[(String, String)], name: &str, of: usize) -> Vec<usize> {
    let text: String = mails.iter().map(|(_, text)| text.as_str()).collect();
    let is_in = |n: &usize| text.contains(&format!(" {name}{n}[at]"));
    (0..of).filter(is_in).collect()
}

#[tokio::test]
async fn the_button_mails_the_next_fifty_and_then_the_next_until_all_were_listed() {
    let desk = Desk::new(|_| {}).await;
    desk.flood("n", 170).await;
    let mut all = listed(&desk.day().await, "n", 170);
    assert_eq!(all.len(), 50);
    for (pressed, sent, left) in [(1, 2, "70 more"), (2, 3, "20 more"), (1, 4, "")] {
        assert_eq!(desk.press(pressed).await, Rest::Sent(sent));
        let mails = desk.mails().await;
        assert_eq!(mails.len(), 1);
        assert!(mails[0].1.contains(left), "{}", mails[0].1);
        assert!(rows(&mails[0].1) <= 50);
        all.extend(listed(&mails, "n", 170));
        desk.stage.pass(60);
    }
    all.sort_unstable();
    assert_eq!(all, (0..170).collect::<Vec<_>>(), "each once");
    assert_eq!(desk.press(3).await, Rest::All);
    assert!(desk.mails().await.is_empty());
    // Whoever deleted these mails may ask for them anew.
    desk.stage.pass(3_600);
    assert_eq!(desk.press(1).await, Rest::Sent(5));
    assert_eq!(desk.stream().await.number, 1, "the stream goes its own way");
}

#[tokio::test]
async fn a_wanted_mail_below_a_flood_is_one_click_away() {
    let desk = Desk::new(|_| {}).await;
    desk.flood("before", 30).await;
    desk.hold("wanted0@verein.example").await;
    desk.flood("after", 30).await;
    assert!(listed(&desk.day().await, "wanted", 1).is_empty());
    // What is held since is for the next digest, and cannot push it away either.
    desk.flood("later", 60).await;
    assert_eq!(desk.press(1).await, Rest::Sent(2));
    assert_eq!(listed(&desk.mails().await, "wanted", 1), [0]);
}

#[tokio::test]
async fn a_second_click_within_the_minute_sends_nothing_and_says_when() {
    let desk = Desk::new(|_| {}).await;
    desk.flood("n", 170).await;
    desk.day().await;
    let at = desk.stage.clock.wall().0;
    assert_eq!(desk.press(1).await, Rest::Sent(2));
    desk.stage.pass(59);
    for number in [1, 2] {
        let when = Wall(at + 60_000_000);
        assert_eq!(desk.press(number).await, Rest::TooSoon(when), "{number}");
    }
    assert_eq!(desk.mails().await.len(), 1);
    // It is stored, so a start does not give one more.
    let keys = Keys::load(desk.stage.queue.store().clone(), desk.stage.clock.clone()).await;
    let again = Digests::new(desk.stage.queue.clone(), keys.unwrap());
    let digest = desk.digest(1).await;
    let soon = again.send_rest(1, &digest).await.unwrap();
    assert!(matches!(soon, Rest::TooSoon(_)), "{soon:?}");
    desk.stage.pass(1);
    assert_eq!(desk.press(1).await, Rest::Sent(3));
}

#[tokio::test]
async fn many_clicks_at_once_are_one_mail() {
    let desk = Desk::new(|_| {}).await;
    desk.flood("n", 170).await;
    desk.day().await;
    let digest = desk.digest(1).await;
    let clicks = (0..20).map(|_| {
        let (digests, digest) = (desk.digests.clone(), digest.clone());
        tokio::spawn(async move { digests.send_rest(1, &digest).await.unwrap() })
    });
    let mut sent = 0;
    for click in clicks.collect::<Vec<_>>() {
        sent += usize::from(matches!(click.await.unwrap(), Rest::Sent(_)));
    }
    assert_eq!(sent, 1);
    assert_eq!(desk.mails().await.len(), 1);
}

#[tokio::test]
async fn a_clock_that_is_set_back_locks_nobody_out() {
    let desk = Desk::new(|_| {}).await;
    desk.flood("n", 170).await;
    desk.day().await;
    assert_eq!(desk.press(1).await, Rest::Sent(2));
    let back = desk.stage.clock.wall().0 - 400 * DAY * 1_000_000;
    desk.stage.clock.jump(Wall(back));
    assert_eq!(desk.press(1).await, Rest::Sent(3));
}

#[tokio::test]
async fn who_gets_no_digests_any_more_is_mailed_nothing() {
    let desk = Desk::new(|_| {}).await;
    desk.flood("n", 170).await;
    desk.day().await;
    let mut conf = Config::clone(&desk.stage.queue.conf().load());
    conf.digest.to = vec![mailbox("somebody.else@verein.example")];
    desk.stage.queue.conf().store(Arc::new(conf));
    assert_eq!(desk.press(1).await, Rest::All);
    assert!(desk.mails().await.is_empty());
}

#[tokio::test]
async fn an_owner_has_a_link_to_the_rest_of_what_is_theirs_and_to_nothing_else() {
    let desk = Desk::new(|conf| {
        conf.digest.to.clear();
        conf.digest.owners = true;
        conf.domains.push(crate::config::DomainConf {
            name: crate::mail::domain::Domain::parse("verein.example").unwrap(),
            relay: Vec::new(),
            owner: Some(mailbox(ADMIN)),
            tls: crate::config::RelayTls::Off,
            ca: None,
        });
    })
    .await;
    desk.flood("n", 60).await;
    desk.stage
        .accept("a@sender.example", &["n0@other.example"], Some(held()))
        .await;
    desk.stage.pass(120);
    let mails = desk.day().await;
    let (_, link) = mails[0].1.split_once("Show all:\n").unwrap();
    assert!(
        link.starts_with("https://mail.example.org:444/d/"),
        "{link}"
    );
    assert_eq!(desk.press(1).await, Rest::Sent(2));
    let mails = desk.mails().await;
    assert_eq!(listed(&mails, "n", 60), (25..35).collect::<Vec<_>>());
    assert!(!mails[0].1.contains("other.example"), "{}", mails[0].1);
    assert!(!mails[0].1.contains("Show all"), "that was all");
}
