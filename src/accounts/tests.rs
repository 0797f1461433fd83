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

fn from(ip: &str) -> Caller {
    Caller {
        ip: ip.parse().unwrap(),
        trusted: false,
    }
}

impl Accounts {
    /// The account, if the password is its own; from a place that is never throttled by what the others did.
    async fn check_in(&self, name: &str, password: &str) -> Option<Account> {
        match self.log_in(from("192.0.2.1"), name, password).await {
            Ok(Login::Right(account)) => Some(account),
            Ok(Login::Wrong) => None,
            other => panic!("{name}: {other:?}"),
        }
    }
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
        let account = accounts.check_in(name, right).await.unwrap();
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
        assert_eq!(accounts.check_in(name, wrong).await, None, "{name}");
        assert_eq!(accounts.check_in(name, "").await, None, "{name}");
    }
    for (name, password) in [
        ("nobody", "of the file"),
        ("", ""),
        ("hashed", &phc),
        ("Plain", "of the file"),
    ] {
        assert_eq!(accounts.check_in(name, password).await, None, "{name}");
    }
}

#[tokio::test]
async fn endless_names_and_passwords_are_refused_without_a_hash() {
    let (accounts, ..) = accounts(&[("app", "secret")]);
    let long = "x".repeat(limit::PASSWORD_MAX + 1);
    assert_eq!(accounts.check_in("app", &long).await, None);
    assert_eq!(accounts.check_in(&long, "secret").await, None);
}

#[tokio::test]
async fn a_changed_password_ends_the_old_one_although_it_was_just_used() {
    let (accounts, shared, _) = accounts(&[("app", "first secret")]);
    assert!(accounts.check_in("app", "first secret").await.is_some());
    shared.store(Arc::new(conf(&[("app", "second secret")])));
    assert_eq!(accounts.check_in("app", "first secret").await, None);
    assert!(accounts.check_in("app", "second secret").await.is_some());

    accounts.add(new("stored", "first secret")).await.unwrap();
    assert!(accounts.check_in("stored", "first secret").await.is_some());
    let fresh = Secret::new("second secret");
    accounts.change_password("stored", &fresh).await.unwrap();
    assert_eq!(accounts.check_in("stored", "first secret").await, None);
    assert!(accounts.check_in("stored", "second secret").await.is_some());
    accounts.remove("stored").await.unwrap();
    assert_eq!(accounts.check_in("stored", "second secret").await, None);
}

#[tokio::test]
async fn a_login_that_was_just_right_needs_no_hash_and_is_forgotten_when_unused() {
    let phc = hash("a secret").unwrap();
    let (accounts, _, clock) = accounts(&[("app", &phc)]);
    // Without a permit no hash can be made: only a remembered login gets in.
    assert!(accounts.check_in("app", "a secret").await.is_some());
    let permits = accounts.0.gate.acquire_many(2).await.unwrap();
    assert!(accounts.check_in("app", "a secret").await.is_some());
    clock.advance(Duration::from_secs(3_600));
    let mut waiting = std::pin::pin!(accounts.check_in("app", "a secret"));
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
    assert!(accounts.check_in("app", "a secret").await.is_some());
}

const FIRST: &str = "192.0.2.1";
const SECOND: &str = "198.51.100.1";

/// What a login comes to, in a word.
async fn word(accounts: &Accounts, caller: Caller, name: &str, password: &str) -> &'static str {
    match accounts.log_in(caller, name, password).await.unwrap() {
        Login::Right(_) => "right",
        Login::Wrong => "wrong",
        Login::Throttled(throttled) => throttled.bound.word(),
    }
}

/// Wrong passwords until they are not looked at; how many were.
async fn guess(accounts: &Accounts, caller: Caller, name: &str) -> u32 {
    let mut looked = 0;
    while word(accounts, caller, name, "guess").await == "wrong" {
        looked += 1;
    }
    looked
}

/// Fills the bucket of an address by many names.
async fn guess_names(accounts: &Accounts, caller: Caller) -> u32 {
    let mut looked = 0;
    for n in 0.. {
        match word(accounts, caller, &format!("name{n}"), "guess").await {
            "wrong" => looked += 1,
            other => {
                assert_eq!(other, "address");
                break;
            }
        }
    }
    looked
}

/// Hashes that cost next to nothing: what is counted here is how often they are asked.
fn cheap(password: &str) -> String {
    let hash: argon2::password_hash::phc::PasswordHash = {
        let params = argon2::Params::new(8, 1, 1, None).unwrap();
        let argon2 = argon2::Argon2::new(Default::default(), Default::default(), params);
        argon2::PasswordHasher::hash_password(&argon2, password.as_bytes()).unwrap()
    };
    hash.to_string()
}

#[tokio::test]
async fn who_guesses_at_an_address_does_not_lock_out_who_logged_in_from_there() {
    let (app, web) = (cheap("of app"), cheap("of web"));
    let (accounts, ..) = accounts(&[("app", &app), ("web", &web)]);
    let here = from(FIRST);
    assert_eq!(word(&accounts, here, "app", "of app").await, "right");
    assert_eq!(
        guess_names(&accounts, here).await,
        limit::LOGIN_FAILURES_OF_ADDRESS
    );
    for (case, caller, name, password, wanted) in [
        ("known pair", here, "app", "of app", "right"),
        ("known pair, typed wrong", here, "app", "x", "wrong"),
        ("known pair again", here, "app", "of app", "right"),
        ("new to this address", here, "web", "of web", "address"),
        ("another address", from(SECOND), "web", "of web", "right"),
    ] {
        assert_eq!(
            word(&accounts, caller, name, password).await,
            wanted,
            "case: {case}"
        );
    }
}

#[tokio::test]
async fn each_bucket_is_of_its_own_size_and_a_trusted_network_has_twenty_times_the_room() {
    for (trusted, times) in [(false, 1), (true, limit::LOGIN_ROOM_TRUSTED)] {
        let hash = cheap("of app");
        let (accounts, _, clock) = accounts(&[("app", &hash)]);
        let here = Caller {
            trusted,
            ..from(FIRST)
        };
        assert_eq!(
            guess(&accounts, here, "app").await,
            limit::LOGIN_FAILURES_OF_PAIR * times
        );
        // No success before it exempts a pair from its own bucket, and none is looked at above it.
        let pair = Bound::Pair.word();
        assert_eq!(word(&accounts, here, "app", "of app").await, pair);
        clock.advance(limit::LOGIN_SPAN);
        assert_eq!(word(&accounts, here, "app", "of app").await, "right");
        guess(&accounts, here, "app").await;
        assert_eq!(word(&accounts, here, "app", "of app").await, pair);
        clock.advance(limit::LOGIN_SPAN);
        assert_eq!(
            guess_names(&accounts, here).await,
            limit::LOGIN_FAILURES_OF_ADDRESS * times
        );
    }
}

#[tokio::test]
async fn guessing_from_everywhere_is_bounded_and_locks_out_nobody_who_is_known() {
    let hash = cheap("of app");
    let (accounts, ..) = accounts(&[("app", &hash)]);
    let home = from(SECOND);
    assert_eq!(word(&accounts, home, "app", "of app").await, "right");
    let mut looked = 0;
    for n in 0..=255 {
        let caller = from(&format!("10.0.0.{n}"));
        looked += u32::from(word(&accounts, caller, "app", "guess").await == "wrong");
    }
    assert_eq!(looked, limit::LOGIN_FAILURES_OF_ACCOUNT);
    let office = Caller {
        ip: "10.1.0.1".parse().unwrap(),
        trusted: true,
    };
    for (case, caller, wanted) in [
        ("a stranger", from("10.0.1.1"), "account"),
        ("from home", home, "right"),
        ("a trusted network", office, "right"),
    ] {
        assert_eq!(
            word(&accounts, caller, "app", "of app").await,
            wanted,
            "case: {case}"
        );
    }
    let refused: Vec<u64> = accounts.throttled().map(|(_, count)| count).collect();
    assert_eq!(refused, [0, 256 - u64::from(looked) + 1, 0]);
}

#[tokio::test]
async fn a_known_place_outlives_a_restart_and_not_its_account() {
    let (accounts, shared, clock) = accounts(&[]);
    accounts.add(new("app", "of the app")).await.unwrap();
    let here = from(FIRST);
    assert_eq!(word(&accounts, here, "app", "of the app").await, "right");
    let again = Accounts::new(Arc::clone(&shared), accounts.0.store.clone());
    guess_names(&again, here).await;
    assert_eq!(word(&again, here, "app", "of the app").await, "right");
    again.remove("app").await.unwrap();
    again.add(new("app", "of another")).await.unwrap();
    assert_eq!(word(&again, here, "app", "of another").await, "address");
    clock.advance(limit::LOGIN_SPAN);
    assert_eq!(word(&again, here, "app", "of another").await, "right");
    clock.advance(Duration::from_secs(31 * 86_400));
    guess_names(&again, here).await;
    assert_eq!(word(&again, here, "app", "of another").await, "address");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_are_neither_let_through_uncounted_nor_turned_away_for_what_is_right() {
    let hash = cheap("of app");
    let (accounts, ..) = accounts(&[("app", &hash)]);
    let all = async |password: &'static str| {
        let tries = (0..100).map(|_| {
            let accounts = accounts.clone();
            tokio::spawn(async move { word(&accounts, from(FIRST), "app", password).await })
        });
        let mut words = Vec::new();
        for one in tries.collect::<Vec<_>>() {
            words.push(one.await.unwrap());
        }
        words
    };
    // A pool of an application that has just started.
    assert_eq!(all("of app").await, ["right"; 100]);
    let wrong = all("guess").await;
    let looked = wrong.iter().filter(|word| **word == "wrong").count();
    assert_eq!(looked, limit::LOGIN_FAILURES_OF_PAIR as usize);
}

#[tokio::test]
async fn a_login_that_fails_is_the_same_work_for_every_name() {
    let strong: argon2::password_hash::phc::PasswordHash = {
        let params = argon2::Params::new(16, 3, 1, None).unwrap();
        let argon2 = argon2::Argon2::new(Default::default(), Default::default(), params);
        argon2::PasswordHasher::hash_password(&argon2, b"strong").unwrap()
    };
    let (strong, weak) = (strong.to_string(), cheap("weak"));
    let (accounts, shared, _) = accounts(&[
        ("plain", "in the clear"),
        ("weak", &weak),
        ("strong", &strong),
    ]);
    let work = async |name: &str, password: &str| {
        accounts.0.worked.lock().unwrap().clear();
        let caller = Caller {
            trusted: true,
            ..from(FIRST)
        };
        let word = word(&accounts, caller, name, password).await;
        let mut worked = accounts.0.worked.lock().unwrap().clone();
        worked.sort_unstable();
        (word, worked)
    };
    let [weak, strong] = [weak, strong].map(|phc| Cost::of(&phc).unwrap());
    for kinds in [vec![weak, strong], vec![weak, strong, Cost::usual()]] {
        for name in ["plain", "weak", "strong", "nobody", ""] {
            assert_eq!(
                work(name, "guess").await,
                ("wrong", kinds.clone()),
                "case: {name}"
            );
        }
        // A stored account brings the kind of its own hash.
        accounts
            .add(new(&format!("stored{}", kinds.len()), "12345678"))
            .await
            .unwrap();
    }
    let only = |cost| ("right", vec![cost]);
    assert_eq!(work("strong", "strong").await, only(strong));
    assert_eq!(work("weak", "weak").await, only(weak));
    assert_eq!(work("plain", "in the clear").await, ("right", Vec::new()));
    // What a reload takes away is no work any more.
    shared.store(Arc::new(conf(&[("weak", &cheap("weak"))])));
    let kinds = vec![weak, Cost::usual()];
    assert_eq!(work("nobody", "guess").await, ("wrong", kinds));
}
