//! Who gets in, who does not, and what a change of an account does at once.
//!
//! Every check goes through the same door as a login, so that nothing is known here that a client could not learn.
//! Not here: what AUTH looks like on the wire (`receive`), and the command line (`cli::account`).

use std::time::Duration;

use arc_swap::ArcSwap;

use super::*;
use crate::base::clock::{Clock, Wall};
use crate::base::secret::Secret;
use crate::mail::domain::Domain;
use crate::store;

fn conf(accounts: &[(&str, &str)]) -> Config {
    let hostname = Domain::parse("mail.example.org").unwrap();
    let mut config = Config::fallback(hostname, "/nowhere".into());
    for (name, password) in accounts {
        config.accounts.push(AccountConf {
            name: (*name).to_owned(),
            password: Secret::new(password),
            senders: vec![AddressPattern::parse("*@example.org").unwrap()],
            tenant: "standard".to_owned(),
            owner: None,
            hold: false,
            rate: None,
            band: Band::Bulk,
        });
    }
    config
}

fn accounts(of_file: &[(&str, &str)]) -> (Accounts, config::Shared, Clock) {
    let clock = Clock::moved(Wall(1_700_000_000_000_000));
    let shared: config::Shared = Arc::new(ArcSwap::from_pointee(conf(of_file)));
    let store = store::memory(clock.clone());
    (Accounts::new(Arc::clone(&shared), store), shared, clock)
}

fn new(name: &str, password: &str) -> NewAccount {
    NewAccount {
        name: name.to_owned(),
        password: Secret::new(password),
        senders: vec![AddressPattern::parse("*@example.org").unwrap()],
        tenant: None,
        band: Band::Urgent,
    }
}

#[tokio::test]
async fn accounts_of_file_and_store_log_in_with_their_own_password_only() {
    let phc = hash("of the file").unwrap();
    let (accounts, ..) = accounts(&[("plain", "of the file"), ("hashed", &phc)]);
    accounts.add(new("stored", "of the store")).await.unwrap();
    for (name, right, wrong) in [
        ("plain", "of the file", "of the store"),
        ("hashed", "of the file", "of the store"),
        ("stored", "of the store", "of the file"),
    ] {
        let account = accounts.check(name, right).await.unwrap();
        assert_eq!(
            (account.name.as_str(), account.tenant.as_str()),
            (name, "standard")
        );
        assert_eq!(account.senders.len(), 1);
        let band = if name == "stored" {
            Band::Urgent
        } else {
            Band::Bulk
        };
        assert_eq!(account.band, band, "{name}");
        assert_eq!(accounts.check(name, wrong).await, None, "{name}");
        assert_eq!(accounts.check(name, "").await, None, "{name}");
    }
    for (name, password) in [
        ("nobody", "of the file"),
        ("", ""),
        ("hashed", &phc),
        ("Plain", "of the file"),
    ] {
        assert_eq!(accounts.check(name, password).await, None, "{name}");
    }
}

#[tokio::test]
async fn endless_names_and_passwords_are_refused_without_a_hash() {
    let (accounts, ..) = accounts(&[("app", "secret")]);
    let long = "x".repeat(limit::PASSWORD_MAX + 1);
    assert_eq!(accounts.check("app", &long).await, None);
    assert_eq!(accounts.check(&long, "secret").await, None);
}

#[tokio::test]
async fn a_changed_password_ends_the_old_one_although_it_was_just_used() {
    let (accounts, shared, _) = accounts(&[("app", "first secret")]);
    assert!(accounts.check("app", "first secret").await.is_some());
    shared.store(Arc::new(conf(&[("app", "second secret")])));
    assert_eq!(accounts.check("app", "first secret").await, None);
    assert!(accounts.check("app", "second secret").await.is_some());

    accounts.add(new("stored", "first secret")).await.unwrap();
    assert!(accounts.check("stored", "first secret").await.is_some());
    let fresh = Secret::new("second secret");
    accounts.change_password("stored", &fresh).await.unwrap();
    assert_eq!(accounts.check("stored", "first secret").await, None);
    assert!(accounts.check("stored", "second secret").await.is_some());
    accounts.remove("stored").await.unwrap();
    assert_eq!(accounts.check("stored", "second secret").await, None);
}

#[tokio::test]
async fn a_login_that_was_just_right_needs_no_hash_and_is_forgotten_when_unused() {
    let phc = hash("a secret").unwrap();
    let (accounts, _, clock) = accounts(&[("app", &phc)]);
    // Without a permit no hash can be made: only a remembered login gets in.
    assert!(accounts.check("app", "a secret").await.is_some());
    let permits = accounts.0.gate.acquire_many(2).await.unwrap();
    assert!(accounts.check("app", "a secret").await.is_some());
    clock.advance(Duration::from_secs(3_600));
    let mut waiting = std::pin::pin!(accounts.check("app", "a secret"));
    let now = futures_poll(&mut waiting).await;
    assert!(now.is_none(), "an hour later the password is hashed again");
    drop(permits);
    assert!(waiting.await.is_some());
}

/// Polls once; what is ready comes back.
async fn futures_poll<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    tokio::select! {
        biased;
        done = future => Some(done),
        () = std::future::ready(()) => None,
    }
}

#[tokio::test]
async fn a_name_in_file_and_store_is_a_conflict() {
    let (accounts, shared, _) = accounts(&[("app", "secret")]);
    accounts.add(new("other", "12345678")).await.unwrap();
    assert_eq!(accounts.conflicts().await.unwrap(), [""; 0]);
    let both = conf(&[("app", "secret"), ("other", "secret")]);
    assert_eq!(accounts.conflicts_with(&both).await.unwrap(), ["other"]);
    shared.store(Arc::new(both));
    assert_eq!(accounts.conflicts().await.unwrap(), ["other"]);
    // The stored one can be removed, or nobody could ever start again.
    accounts.remove("other").await.unwrap();
    assert_eq!(accounts.conflicts().await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn what_cannot_be_changed_says_why() {
    let (accounts, ..) = accounts(&[("app", "secret")]);
    accounts.add(new("stored", "12345678")).await.unwrap();
    let told = |result: Result<(), AccountError>| result.unwrap_err().to_string();
    let fresh = Secret::new("12345678");
    for (case, wanted, got) in [
        (
            "twice",
            "there is an account stored already",
            told(accounts.add(new("stored", "12345678")).await),
        ),
        (
            "of the file",
            "account app stands in the configuration",
            told(accounts.add(new("app", "12345678")).await),
        ),
        (
            "of the file",
            "account app stands in the configuration",
            told(accounts.remove("app").await),
        ),
        (
            "of the file",
            "account app stands in the configuration",
            told(accounts.change_password("app", &fresh).await),
        ),
        (
            "unknown",
            "there is no account ghost",
            told(accounts.remove("ghost").await),
        ),
        (
            "unknown",
            "there is no account ghost",
            told(accounts.change_password("ghost", &fresh).await),
        ),
        (
            "short",
            "the password must have 8 to 1,024 octets",
            told(accounts.add(new("x", "1234567")).await),
        ),
        (
            "no hash",
            "this looks like a hash",
            told(accounts.add(new("x", "$6$rounds$abc")).await),
        ),
        (
            "no name",
            "\"\" is no account name",
            told(accounts.add(new("", "12345678")).await),
        ),
        (
            "no name",
            "\"a?b\" is no account name",
            told(accounts.add(new("a\nb", "12345678")).await),
        ),
    ] {
        assert!(
            got.starts_with(wanted),
            "case {case}: wanted {wanted}, got {got}"
        );
    }
    let mut foreign = new("x", "12345678");
    foreign.tenant = Some("west".into());
    assert!(told(accounts.add(foreign).await).starts_with("there is no tenant"));
}

#[tokio::test]
async fn the_list_shows_both_kinds_and_no_password() {
    let (accounts, ..) = accounts(&[("app", "hunter22")]);
    accounts.add(new("stored", "hunter22")).await.unwrap();
    let list = accounts.list().await.unwrap();
    let names: Vec<(&str, bool)> = list
        .iter()
        .map(|one| (one.account.name.as_str(), one.in_file))
        .collect();
    assert_eq!(names, [("app", true), ("stored", false)]);
    let json: String = list.iter().map(|one| one.to_json().to_string()).collect();
    assert!(
        !json.contains("hunter22") && !json.contains("argon2"),
        "{json}"
    );
}

#[tokio::test]
async fn a_hash_given_for_an_account_is_kept_as_it_is() {
    let (accounts, ..) = accounts(&[]);
    accounts
        .add(new("app", &hash("a secret").unwrap()))
        .await
        .unwrap();
    assert!(accounts.check("app", "a secret").await.is_some());
}
