//! Who may hand in mail: accounts of the file and of the store, and whether a password is right.
//!
//! A login that fails is the same work for a name that does not exist as for one that does (`costs`), so that time tells
//! nobody which names there are. Passwords are hashed by argon2, at most two at once and on the blocking pool: 200 logins
//! at once must neither take 4 GB nor stop the sessions of others. Who guesses is held back (`throttle`) before anything
//! is compared. File accounts win nothing over stored ones: a name in both is an error at start (`conflicts`).
//! Not here: the AUTH exchange (`smtp::server`), and who may see the list (`admin`).

mod costs;
mod edit;
mod password;
mod places;
mod recent;
mod record;
mod throttle;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Semaphore;

use crate::base::band::Band;
use crate::base::clock::Mono;
use crate::base::limit;
use crate::config::{self, AccountConf, AddressPattern, Config, Rate};
use crate::mail::mailbox::Mailbox;
use crate::store::{Record, Store, StoreError};

pub use edit::{AccountError, Listed, NewAccount};
pub use password::hash;
pub use throttle::{Bound, Caller, Throttled};

use costs::Costs;
use password::Cost;
use places::Places;
use recent::Recent;
use throttle::Throttle;

/// Whether everything of an account is held now, be it of the file or of the store.
///
/// # Errors
/// The store could not be read.
pub async fn is_held(conf: &Config, store: &Store, name: &str) -> Result<bool, StoreError> {
    if let Some(own) = conf.accounts.iter().find(|account| account.name == name) {
        return Ok(own.hold);
    }
    let found = store.get(vec![record::key(name)]).await?;
    match found.into_iter().next().flatten() {
        None => Ok(false),
        Some(found) => record::Stored::decode(name, &found.value).map(|stored| stored.hold),
    }
}

/// A handle on all accounts; clones share it.
#[derive(Clone, Debug)]
pub struct Accounts(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    conf: config::Shared,
    store: Store,
    /// A permit is one argon2 under way.
    gate: Semaphore,
    recent: Recent,
    costs: Costs,
    throttle: Throttle,
    /// Wrong names and passwords since the start.
    failures: AtomicU64,
    /// Each argon2 that was worked through, for tests that must not look at a clock.
    #[cfg(test)]
    worked: std::sync::Mutex<Vec<Cost>>,
}

/// What became of a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Login {
    /// The password is the account's own.
    Right(Account),
    /// There is no such account, or it has another password.
    Wrong,
    /// Nobody looked: too many were wrong before.
    Throttled(Throttled),
}

/// Who logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// What AUTH said.
    pub name: String,
    /// Its tenant.
    pub tenant: String,
    /// Reverse-paths and From it may use; empty: any.
    pub senders: Vec<AddressPattern>,
    /// Who is told about its holds.
    pub owner: Option<Mailbox>,
    /// Hold everything.
    pub hold: bool,
    /// Mails in a span.
    pub rate: Option<Rate>,
    /// How urgent its mail is.
    pub band: Band,
}

/// An account and what its password is measured by: the text itself or a PHC string.
struct Known {
    account: Account,
    verifier: String,
}

impl Accounts {
    /// Over the live configuration and the store.
    pub fn new(conf: config::Shared, store: Store) -> Self {
        Self(Arc::new(Inner {
            conf,
            store,
            gate: Semaphore::new(limit::HASHES_MAX),
            recent: Recent::new(),
            costs: Costs::default(),
            throttle: Throttle::default(),
            failures: AtomicU64::new(0),
            #[cfg(test)]
            worked: std::sync::Mutex::default(),
        }))
    }

    /// Looks whether there is an account of that name and the password is its own, unless too many were wrong before.
    ///
    /// # Errors
    /// The store could not be read; nothing is known of the password then, and nothing is counted.
    pub async fn log_in(
        &self,
        caller: Caller,
        name: &str,
        password: &str,
    ) -> Result<Login, StoreError> {
        // What is longer is no account, and its name is remembered nowhere.
        let known_name = if name.len() > limit::ACCOUNT_NAME_MAX {
            ""
        } else {
            name
        };
        let store = &self.0.store;
        let found = store
            .get(vec![record::key(known_name), places::key(known_name)])
            .await?;
        let [stored, places] = <[_; 2]>::try_from(found).unwrap_or_default();
        let places = Places::of(known_name, places.as_ref());
        let known = places.knows(caller.ip, store.now());
        let now = || Mono(store.now().0);
        let entered = self.0.throttle.enter(caller, known_name, known, now).await;
        let tried = match entered {
            Ok(tried) => tried,
            Err(throttled) => return Ok(Login::Throttled(throttled)),
        };
        let checked = match self.find(known_name, stored.as_ref()) {
            Ok(known) => self.check(known, name, password).await,
            Err(error) => Err(error),
        };
        match checked {
            Ok(Some(account)) => {
                tried.good();
                places.note(store, name, caller.ip).await;
                Ok(Login::Right(account))
            }
            Ok(None) => {
                self.0.failures.fetch_add(1, Ordering::Relaxed);
                Ok(Login::Wrong)
            }
            Err(error) => {
                tried.good();
                Err(error)
            }
        }
    }

    /// Wrong names and passwords since the start.
    pub fn failures(&self) -> u64 {
        self.0.failures.load(Ordering::Relaxed)
    }

    /// Passwords that were not looked at since the start, by why.
    pub fn throttled(&self) -> impl Iterator<Item = (Bound, u64)> {
        self.0.throttle.refused()
    }

    async fn check(
        &self,
        known: Option<Known>,
        name: &str,
        password: &str,
    ) -> Result<Option<Account>, StoreError> {
        if name.len() > limit::ACCOUNT_NAME_MAX || password.len() > limit::PASSWORD_MAX {
            return Ok(None);
        }
        let verifier = known.as_ref().map(|known| known.verifier.as_str());
        let mark = self
            .0
            .recent
            .mark(name, password, verifier.unwrap_or_default());
        let now = self.0.store.now();
        if known.is_some() && self.0.recent.knows(&mark, now) {
            return Ok(known.map(|known| known.account));
        }
        let plain = verifier.filter(|verifier| !config::is_phc(verifier));
        let right = plain.is_some_and(|plain| self.0.recent.same(plain, password));
        let hash = verifier.filter(|_| plain.is_none());
        let right = right || self.work(hash, password).await?;
        let account = known.filter(|_| right).map(|known| known.account);
        if account.is_some() {
            self.0.recent.note(mark, now);
        }
        Ok(account)
    }

    /// Who is told about an account's holds, as it is now; none: nobody, or there is no such account any more.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn owner(&self, name: &str) -> Result<Option<Mailbox>, StoreError> {
        let stored = self.0.store.get(vec![record::key(name)]).await?;
        let known = self.find(name, stored.into_iter().next().flatten().as_ref())?;
        Ok(known.and_then(|known| known.account.owner))
    }

    /// Names that stand in the file and in the store.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn conflicts(&self) -> Result<Vec<String>, StoreError> {
        self.conflicts_with(&self.0.conf.load_full()).await
    }

    /// The same for a configuration that is not yet in force: a reload asks first.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn conflicts_with(&self, conf: &Config) -> Result<Vec<String>, StoreError> {
        let names: Vec<&String> = conf.accounts.iter().map(|account| &account.name).collect();
        let keys = names.iter().map(|name| record::key(name)).collect();
        let found = self.0.store.get(keys).await?;
        let both = names.into_iter().zip(found);
        let both = both.filter(|(_, record)| record.is_some());
        Ok(both.map(|(name, _)| name.clone()).collect())
    }

    fn find(&self, name: &str, stored: Option<&Record>) -> Result<Option<Known>, StoreError> {
        let conf = self.0.conf.load();
        let own = conf.accounts.iter().find(|account| account.name == name);
        match (own, stored) {
            (Some(own), _) => Ok(Some(Known::of_file(own))),
            (None, Some(stored)) => Known::of_store(name, stored).map(Some),
            (None, None) => Ok(None),
        }
    }

    /// Whether the password fits the hash; when it does not, or there is none, all work that any name could cost is done.
    async fn work(&self, hash: Option<&str>, password: &str) -> Result<bool, StoreError> {
        let kinds = self.kinds().await?;
        let Ok(_permit) = self.0.gate.acquire().await else {
            return Ok(false);
        };
        let (hash, password) = (hash.map(str::to_owned), password.to_owned());
        let worked =
            tokio::task::spawn_blocking(move || measured(hash.as_deref(), &password, &kinds));
        let (right, _worked) = worked.await.unwrap_or_default();
        #[cfg(test)]
        self.0.worked.lock().unwrap().extend(_worked);
        Ok(right)
    }

    /// Every kind of hash that an account has.
    async fn kinds(&self) -> Result<Arc<[Cost]>, StoreError> {
        let conf = self.0.conf.load_full();
        if let Some(kinds) = self.0.costs.kinds(&conf) {
            return Ok(kinds);
        }
        let changes = self.0.costs.changes();
        let stored = self.verifiers().await?;
        let of_file = conf.accounts.iter();
        let of_file = of_file.map(|account| account.password.reveal());
        let all = of_file.chain(stored.iter().map(String::as_str));
        Ok(self.0.costs.keep(Arc::clone(&conf), changes, all))
    }
}

/// Whether it fits, and what was worked through to find out.
fn measured(hash: Option<&str>, password: &str, kinds: &[Cost]) -> (bool, Vec<Cost>) {
    let own = hash.and_then(Cost::of);
    let mut worked: Vec<Cost> = own.into_iter().collect();
    if own.is_some() && hash.is_some_and(|hash| password::verify(hash, password)) {
        return (true, worked);
    }
    for cost in kinds.iter().filter(|cost| own != Some(**cost)) {
        cost.spend(password);
        worked.push(*cost);
    }
    (false, worked)
}

impl Known {
    fn of_file(conf: &AccountConf) -> Self {
        Self {
            account: Account {
                name: conf.name.clone(),
                tenant: conf.tenant.clone(),
                senders: conf.senders.clone(),
                owner: conf.owner.clone(),
                hold: conf.hold,
                rate: conf.rate,
                band: conf.band,
            },
            verifier: conf.password.reveal().to_owned(),
        }
    }

    fn of_store(name: &str, found: &Record) -> Result<Self, StoreError> {
        let stored = record::Stored::decode(name, &found.value)?;
        Ok(Self {
            account: stored.account(name)?,
            verifier: stored.password,
        })
    }
}

#[cfg(test)]
mod tests;
