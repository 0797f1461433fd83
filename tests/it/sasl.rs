//! AUTH: never in the clear, never told apart, and an account uses only the addresses that are its own (RFC 4954).
//!
//! Passwords and hashes are the accounts' own tests; here it is what a client sees.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use postwerk::base::clock::Clock;
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::client::{Client, Reply, letter};
use crate::house::{Door, House, nobody};

const ACCOUNT: &str = "[queue]\npaused = true\n[[account]]\nname = \"app1\"\npassword = \"file:{dir}/password\"\nsenders = [\"*@sender.example\"]\n";

async fn house() -> House {
    let dir: TempDir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("password"), "correct horse\n").unwrap();
    House::in_dir(dir, nobody().await, ACCOUNT, Clock::system()).await
}

async fn logged_in(house: &House) -> Client {
    let mut client = house.client(Door::Login).await.starttls().await;
    let reply = client.login("app1", "correct horse").await;
    assert_eq!(reply.code, 235, "{reply:?}");
    client
}

#[tokio::test]
async fn it_is_neither_offered_nor_evaluated_in_the_clear() {
    let house = house().await;
    let mut client = Client::connect(house.door(Door::Login)).await;
    let reply = client.cmd("EHLO client.example").await;
    assert!(!reply.text().contains("AUTH"), "{reply:?}");
    let reply = client.login("app1", "correct horse").await;
    assert!(![235, 334, 535].contains(&reply.code), "{reply:?}");
}

#[tokio::test]
async fn without_it_a_submission_listener_takes_no_mail() {
    let house = house().await;
    let mut client = house.client(Door::Login).await.starttls().await;
    let reply = client.cmd("MAIL FROM:<a@sender.example>").await;
    assert_eq!(reply.code, 530, "{reply:?}");
    assert!(reply.text().starts_with("5.7.0"), "{reply:?}");
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_name_get_the_same_answer() {
    let house = house().await;
    let mut told: Vec<Reply> = Vec::new();
    for (name, password) in [("app1", "wrong"), ("nobody", "wrong"), ("", "")] {
        let mut client = house.client(Door::Login).await.starttls().await;
        told.push(client.login(name, password).await);
    }
    assert_eq!(told[0].code, 535, "{told:?}");
    assert_eq!(told[0], told[1]);
}

#[tokio::test]
async fn login_in_two_steps_works_too() {
    let house = house().await;
    let mut client = house.client(Door::Login).await.starttls().await;
    assert_eq!(client.cmd("AUTH LOGIN").await.code, 334);
    assert_eq!(client.cmd(&STANDARD.encode("app1")).await.code, 334);
    assert_eq!(
        client.cmd(&STANDARD.encode("correct horse")).await.code,
        235
    );
    let reply = client
        .mail("a@sender.example", &["b@example.org"], &letter("login"))
        .await;
    assert_eq!(reply.code, 250, "{reply:?}");
}

#[tokio::test]
async fn an_account_uses_only_its_own_reverse_paths() {
    let house = house().await;
    let mut client = logged_in(&house).await;
    let reply = client
        .mail("a@other.example", &["b@example.org"], &letter("foreign"))
        .await;
    assert!((550..=553).contains(&reply.code), "{reply:?}");
    assert!(reply.text().starts_with("5.7.1"), "{reply:?}");
}

#[tokio::test]
async fn an_account_uses_only_its_own_from_fields() {
    let house = house().await;
    let mut client = logged_in(&house).await;
    let text = letter("field").replace("a@sender.example", "boss@other.example");
    let reply = client
        .mail("a@sender.example", &["b@example.org"], &text)
        .await;
    assert!((550..=554).contains(&reply.code), "{reply:?}");
    assert_eq!(house.places().await, []);
}

#[tokio::test]
async fn an_exchange_can_be_cancelled() {
    let house = house().await;
    let mut client = house.client(Door::Login).await.starttls().await;
    assert_eq!(client.cmd("AUTH LOGIN").await.code, 334);
    assert_eq!(client.cmd("*").await.code, 501);
}

#[tokio::test]
async fn who_is_held_back_hears_for_how_long_and_others_at_the_address_are_served() {
    let house = house().await;
    drop(logged_in(&house).await);
    // All at once: each wrong one is answered after a second only.
    let mut tries = JoinSet::new();
    for _ in 0..12 {
        let mut client = house.client(Door::Login).await.starttls().await;
        tries.spawn(async move { client.login("app2", "guess").await });
    }
    let told = tries.join_all().await;
    let wrong = told.iter().filter(|reply| reply.code == 535).count();
    assert_eq!(wrong, 10, "{told:?}");
    for reply in told.iter().filter(|reply| reply.code != 535) {
        assert_eq!(reply.code, 454, "{reply:?}");
        let wanted = "4.7.0 Too many failed logins for this account; try again in ";
        assert!(reply.text().starts_with(wanted), "{reply:?}");
    }
    drop(logged_in(&house).await);
}
