//! How urgent a mail is: by whose it is, and less if it says so itself; and what that is good for.
//!
//! Nothing is delivered here but in the last test: the queue shows what was decided.
//! Not here: that a claim takes 8:3:1 (`store`).

use std::sync::Arc;

use postwerk::base::clock::Clock;
use postwerk::mail::envelope::MailFrom;
use postwerk::mail::path::ReversePath;
use postwerk::store::Band;

use crate::client::letter;
use crate::deliver::{LETTER, Rig, conf, route};
use crate::house::{Door, House, nobody};
use crate::remote::Remote;

const ACCOUNTS: &str = "[queue]\npaused = true\n\
    [[account]]\nname = \"codes\"\npassword = \"file:{dir}/password\"\nband = \"urgent\"\n\
    [[account]]\nname = \"shop\"\npassword = \"file:{dir}/password\"\n\
    [[account]]\nname = \"news\"\npassword = \"file:{dir}/password\"\nband = \"bulk\"\n";

async fn house() -> House {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("password"), "correct horse\n").unwrap();
    House::in_dir(dir, nobody().await, ACCOUNTS, Clock::system()).await
}

/// The only mail for `to`.
async fn band_of(house: &House, to: &str) -> Band {
    let queue = house.server.queue();
    let (listed, _) = queue.list(|_, _| true, None, 100).await.unwrap();
    let parcels = listed.iter().flat_map(|message| &message.parcels);
    let mut bands = parcels
        .filter(|parcel| parcel.parcel.slots[0].mailbox.to_string() == to)
        .map(|parcel| Band::of(parcel.parcel.band));
    bands.next().unwrap()
}

#[tokio::test]
async fn an_account_says_how_urgent_its_mail_is_and_a_mail_only_that_it_is_less() {
    let house = house().await;
    for (account, says, band) in [
        ("codes", "", Band::Urgent),
        ("codes", "Precedence: bulk\r\n", Band::Bulk),
        ("shop", "", Band::Normal),
        ("shop", "Precedence: urgent\r\n", Band::Normal),
        ("shop", "Precedence: list\r\n", Band::Bulk),
        ("news", "", Band::Bulk),
        ("news", "Precedence: first-class\r\n", Band::Bulk),
    ] {
        let mut client = house.client(Door::Login).await.starttls().await;
        assert_eq!(client.login(account, "correct horse").await.code, 235);
        let to = format!("{account}{}@d.example", says.len());
        let text = format!("{says}{}", letter("band"));
        let reply = client.mail("a@sender.example", &[&to], &text).await;
        assert_eq!(reply.code, 250, "{reply:?}");
        assert_eq!(band_of(&house, &to).await, band, "case: {account} {says}");
    }
}

#[tokio::test]
async fn mail_of_no_account_is_normal_or_bulk() {
    let house = house().await;
    let (plain, bulk) = (
        letter("plain"),
        format!("Precedence: junk\r\n{}", letter("b")),
    );
    house
        .send("a@sender.example", &["1@d.example"], &plain)
        .await;
    house
        .send("a@sender.example", &["2@d.example"], &bulk)
        .await;
    house
        .submit("a@sender.example", &["3@d.example"], &plain)
        .await;
    house
        .submit("a@sender.example", &["4@d.example"], &bulk)
        .await;
    for (to, band) in [
        ("1@d.example", Band::Normal),
        ("2@d.example", Band::Bulk),
        ("3@d.example", Band::Normal),
        ("4@d.example", Band::Bulk),
    ] {
        assert_eq!(band_of(&house, to).await, band, "case: {to}");
    }
}

#[tokio::test]
async fn an_urgent_mail_passes_a_campaign_that_came_before_it() {
    let remote = Remote::friendly().await;
    let mut conf = conf();
    conf.deliver.connections_per_site = 1;
    conf.routes
        .push(route(&remote, postwerk::config::RelayTls::Off));
    let mut paused = conf.clone();
    paused.queue.paused = true;
    let rig = Rig::start(paused);
    let from = || MailFrom::new(ReversePath::parse("a@b.example").unwrap());
    for _ in 0..30 {
        rig.accept_in(Band::Bulk, from(), &["bulk@d.example"], LETTER)
            .await;
    }
    rig.accept_in(Band::Urgent, from(), &["code@d.example"], LETTER)
        .await;
    rig.conf.store(Arc::new(conf));
    let mails = remote.mails(31).await;
    let place = mails
        .iter()
        .position(|mail| mail.to == ["<code@d.example>"]);
    assert_eq!(place, Some(0), "of {} mails", mails.len());
    rig.stop().await;
}
