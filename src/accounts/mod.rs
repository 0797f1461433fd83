//! Who may hand in mail: accounts of the file and of the store, and whether a password is right.
//!
//! `check` is the same work for a name that does not exist as for one that does, so that time tells nobody which
//! names there are. Passwords are hashed by argon2, at most two at once and on the blocking pool: 200 logins at once
//! must neither take 4 GB nor stop the sessions of others. File accounts win nothing over stored ones: a name in both
//! is an error at start (`conflicts`).
//! Not here: the AUTH exchange (`smtp::server`), and who may see the list (`admin`).

mod edit;
mod password;
mod recent;
mod record;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Semaphore;

use crate::base::band::Band;
use crate::base::limit;
use crate::config::{self, AccountConf, AddressPattern, Config, Rate};
use crate::mail::mailbox::Mailbox;
use crate::store::{Record, Store, StoreError};

pub use edit::{AccountError, Listed, NewAccount};
pub use password::hash;

use recent::Recent;

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
    /// Wrong names and passwords since the start.
    failures: AtomicU64,
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
            failures: AtomicU64::new(0),
        }))
    }

    /// The account, if there is one of that name and the password is its own. A store that cannot be read is logged
    /// and counts as a wrong password; who can answer 454 4.7.0 asks `try_check`.
    pub async fn check(&self, name: &str, password: &str) -> Option<Account> {
        match self.try_check(name, password).await {
            Ok(account) => account,
            Err(error) => {
                tracing::error!(%error, "a login could not be checked");
                None
            }
        }
    }

    /// The same, with the store's failure told apart from a wrong password.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn try_check(
        &self,
        name: &str,
        password: &str,
    ) -> Result<Option<Account>, StoreError> {
        let found = self.tried(name, password).await?;
        if found.is_none() {
            self.0.failures.fetch_add(1, Ordering::Relaxed);
        }
        Ok(found)
    }

    /// Wrong names and passwords since the start.
    pub fn failures(&self) -> u64 {
        self.0.failures.load(Ordering::Relaxed)
    }

    async fn tried(&self, name: &str, password: &str) -> Result<Option<Account>, StoreError> {
        if name.len() > limit::ACCOUNT_NAME_MAX || password.len() > limit::PASSWORD_MAX {
            return Ok(None);
        }
        let known = self.find(name).await?;
        let verifier = known
            .as_ref()
            .map_or(password::DUMMY, |known| &known.verifier);
        let mark = self.0.recent.mark(name, password, verifier);
        let now = self.0.store.now();
        if known.is_some() && self.0.recent.knows(&mark, now) {
            return Ok(known.map(|known| known.account));
        }
        let right = if config::is_phc(verifier) {
            self.verify(verifier.to_owned(), password.to_owned()).await
        } else if self.0.recent.same(verifier, password) {
            true
        } else {
            // A plain password is compared at once; a wrong one must take as long as one for a name that is not there.
            self.verify(password::DUMMY.to_owned(), password.to_owned())
                .await;
            false
        };
        let account = known.filter(|_| right).map(|known| known.account);
        if account.is_some() {
            self.0.recent.note(mark, now);
        }
        Ok(account)
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

    async fn find(&self, name: &str) -> Result<Option<Known>, StoreError> {
        let conf = self.0.conf.load();
        if let Some(own) = conf.accounts.iter().find(|account| account.name == name) {
            return Ok(Some(Known::of_file(own)));
        }
        drop(conf);
        let found = self.0.store.get(vec![record::key(name)]).await?;
        match found.into_iter().next().flatten() {
            None => Ok(None),
            Some(found) => Known::of_store(name, &found).map(Some),
        }
    }

    async fn verify(&self, verifier: String, password: String) -> bool {
        let Ok(_permit) = self.0.gate.acquire().await else {
            return false;
        };
        let checked = tokio::task::spawn_blocking(move || password::verify(&verifier, &password));
        checked.await.unwrap_or(false)
    }
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
