//! Changing the accounts of the store: add, remove, another password, list.
//!
//! Accounts of the file are shown and never changed: the file is its owner's. Every change is one batch with a
//! precondition, so that of two at once one wins and the other is told.

use super::record::{self, Stored};
use super::{Account, Accounts, Known, password, places};
use crate::base::band::Band;
use crate::base::clock::micros;
use crate::base::limit;
use crate::base::secret::Secret;
use crate::config::{AddressPattern, RateAction};
use crate::store::{Batch, Key, Op, Pre, Record, Span, StoreError};

/// Where an account stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Without its password.
    pub account: Account,
    /// In the configuration, and so not to be changed here.
    pub in_file: bool,
}

/// An account to be.
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// What AUTH will say.
    pub name: String,
    /// Plain text or a PHC string.
    pub password: Secret,
    /// Patterns; empty: any.
    pub senders: Vec<AddressPattern>,
    /// None: the first tenant of the file.
    pub tenant: Option<String>,
    /// How urgent its mail is.
    pub band: Band,
}

/// Why an account was not changed.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// It stands in the file.
    #[error("account {0} stands in the configuration; change it there and reload")]
    InFile(String),
    /// There is one.
    #[error(
        "there is an account {0} already; use `postwerk account passwd {0}`, or remove it first"
    )]
    Exists(String),
    /// There is none.
    #[error("there is no account {0}; `postwerk account list` shows all")]
    Unknown(String),
    /// No name.
    #[error(
        "\"{0}\" is no account name; use 1 to 100 octets without spaces at the edges and control characters"
    )]
    Name(String),
    /// No such tenant.
    #[error("there is no tenant \"{0}\"; add a [[tenant]] to the configuration, or leave it out")]
    Tenant(String),
    /// Too short or too long.
    #[error("the password must have 8 to 1,024 octets")]
    Password,
    /// Looks like a hash and is none that we can check.
    #[error(
        "this looks like a hash but is no argon2 PHC string; give the plain password, or one from `postwerk account hash`"
    )]
    Hash,
    /// Somebody was faster.
    #[error("account {0} was changed by somebody else at the same time; look at it and try again")]
    Raced(String),
    /// argon2 failed.
    #[error("the password cannot be hashed: {0}")]
    Argon(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Accounts {
    /// Stores a new account.
    ///
    /// # Errors
    /// [`AccountError`] says what to change.
    pub async fn add(&self, new: NewAccount) -> Result<(), AccountError> {
        let name = new.name;
        let edge = name.trim() != name;
        let long = name.is_empty() || name.len() > limit::ACCOUNT_NAME_MAX;
        if edge || long || name.contains(char::is_control) {
            return Err(AccountError::Name(crate::base::text::clean(&name, 100)));
        }
        self.not_in_file(&name)?;
        let tenant = self.tenant(new.tenant)?;
        let stored = Stored {
            password: self.verifier_of(&new.password).await?,
            tenant,
            senders: new.senders.iter().map(ToString::to_string).collect(),
            owner: None,
            hold: false,
            rate: None,
            band: (new.band != Band::default()).then_some(new.band as u8),
            changed: self.0.store.now().0,
        };
        let key = record::key(&name);
        let done = self.put(Pre::Absent(key.clone()), key, &stored).await;
        done.map_err(|why| conflict(why, AccountError::Exists(name)))
    }

    /// Gives a stored account another password; logins with the old one end at once.
    ///
    /// # Errors
    /// [`AccountError`] says what to change.
    pub async fn change_password(&self, name: &str, fresh: &Secret) -> Result<(), AccountError> {
        self.not_in_file(name)?;
        let found = self.stored(name).await?;
        let mut stored = Stored::decode(name, &found.value)?;
        stored.password = self.verifier_of(fresh).await?;
        stored.changed = self.0.store.now().0;
        let unchanged = Pre::Is(found.key.clone(), found.version);
        let done = self.put(unchanged, found.key, &stored).await;
        done.map_err(|why| conflict(why, AccountError::Raced(name.to_owned())))
    }

    /// Removes a stored account; its mail stays queued.
    ///
    /// # Errors
    /// [`AccountError`] says what to change.
    pub async fn remove(&self, name: &str) -> Result<(), AccountError> {
        let found = match self.stored(name).await {
            // One that stands in both must be removable here: it keeps the server from starting.
            Ok(found) => found,
            Err(why) => return self.not_in_file(name).and(Err(why)),
        };
        let batch = Batch {
            pre: vec![Pre::Is(found.key.clone(), found.version)],
            // Whoever gets the name next comes from other places.
            ops: vec![Op::Delete(found.key), Op::Delete(places::key(name))],
            ..Batch::new()
        };
        let done = self.0.store.commit(batch).await;
        self.0.costs.changed();
        done.map(drop)
            .map_err(|why| conflict(why, AccountError::Raced(name.to_owned())))
    }

    /// Every account by name, those of the file first.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn list(&self) -> Result<Vec<Listed>, StoreError> {
        let conf = self.0.conf.load_full();
        let of_file = |own| Listed {
            account: Known::of_file(own).account,
            in_file: true,
        };
        let mut all: Vec<Listed> = conf.accounts.iter().map(of_file).collect();
        all.sort_by(|a, b| a.account.name.cmp(&b.account.name));
        let mut after: Option<Key> = None;
        loop {
            let span = Span::Prefix(record::prefix());
            let page = self.0.store.scan(span, after, false, PAGE).await?;
            for found in &page.records {
                let Some(name) = record::name_of(&found.key) else {
                    continue;
                };
                let read = Stored::decode(&name, &found.value);
                let account = match read.and_then(|stored| stored.account(&name)) {
                    Ok(account) => account,
                    // It logs nobody in; the others are listed, and their owners get their digests.
                    Err(error) => {
                        tracing::error!(%error, "an account is passed over");
                        continue;
                    }
                };
                all.push(Listed {
                    account,
                    in_file: false,
                });
            }
            after = page.next;
            if after.is_none() || all.len() >= limit::ACCOUNTS_MAX {
                return Ok(all);
            }
        }
    }

    /// What the passwords of stored accounts are measured by; those that cannot be read log nobody in.
    pub(super) async fn verifiers(&self) -> Result<Vec<String>, StoreError> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let span = Span::Prefix(record::prefix());
            let page = self.0.store.scan(span, after, false, PAGE).await?;
            let read = |found: &Record| {
                let name = record::name_of(&found.key)?;
                Stored::decode(&name, &found.value).ok()
            };
            let stored = page.records.iter().filter_map(read);
            all.extend(stored.map(|stored| stored.password));
            after = page.next;
            if after.is_none() || all.len() >= limit::ACCOUNTS_MAX {
                return Ok(all);
            }
        }
    }

    fn not_in_file(&self, name: &str) -> Result<(), AccountError> {
        let conf = self.0.conf.load();
        if conf.accounts.iter().any(|account| account.name == name) {
            return Err(AccountError::InFile(name.to_owned()));
        }
        Ok(())
    }

    fn tenant(&self, wanted: Option<String>) -> Result<String, AccountError> {
        let conf = self.0.conf.load();
        let mut known = conf.tenants.iter().map(|tenant| &tenant.id);
        match wanted {
            None => Ok(known.next().cloned().unwrap_or_default()),
            Some(id) if known.any(|known| *known == id) => Ok(id),
            Some(id) => Err(AccountError::Tenant(id)),
        }
    }

    /// What the password will be measured by: its hash, or itself when it is one.
    async fn verifier_of(&self, fresh: &Secret) -> Result<String, AccountError> {
        let text = fresh.reveal();
        if crate::config::is_phc(text) {
            let good = password::is_hash(text);
            return good.then(|| text.to_owned()).ok_or(AccountError::Hash);
        }
        if !(limit::PASSWORD_MIN..=limit::PASSWORD_MAX).contains(&text.len()) {
            return Err(AccountError::Password);
        }
        let stopped = |_| AccountError::Argon("the server is stopping".to_owned());
        let _permit = self.0.gate.acquire().await.map_err(stopped)?;
        let text = text.to_owned();
        let hashed = tokio::task::spawn_blocking(move || password::hash(&text)).await;
        let hashed = hashed.map_err(|why| AccountError::Argon(why.to_string()))?;
        hashed.map_err(|why| AccountError::Argon(why.to_string()))
    }

    async fn stored(&self, name: &str) -> Result<Record, AccountError> {
        let found = self.0.store.get(vec![record::key(name)]).await?;
        let found = found.into_iter().next().flatten();
        found.ok_or_else(|| AccountError::Unknown(name.to_owned()))
    }

    async fn put(&self, pre: Pre, key: Key, stored: &Stored) -> Result<(), StoreError> {
        let put = Op::Put {
            key,
            value: stored.encode(),
            due: None,
            terms: Vec::new(),
        };
        let batch = Batch {
            pre: vec![pre],
            ops: vec![put],
            ..Batch::new()
        };
        let done = self.0.store.commit(batch).await;
        self.0.costs.changed();
        done.map(drop)
    }
}

impl Listed {
    /// As the control socket and `account list --json` show it; there is no password in it.
    pub fn to_json(&self) -> serde_json::Value {
        let account = &self.account;
        let senders: Vec<String> = account.senders.iter().map(ToString::to_string).collect();
        let rate = account.rate.map(|rate| {
            let action = match rate.action {
                RateAction::Defer => "defer",
                RateAction::Reject => "reject",
                RateAction::Hold => "hold",
            };
            serde_json::json!({"count": rate.count, "span_secs": micros(rate.span) / 1_000_000, "action": action})
        });
        serde_json::json!({
            "name": account.name,
            "tenant": account.tenant,
            "senders": senders,
            "hold": account.hold,
            "owner": account.owner.as_ref().map(ToString::to_string),
            "rate": rate,
            "band": account.band.word(),
            "origin": if self.in_file { "file" } else { "store" },
        })
    }
}

fn conflict(why: StoreError, told: AccountError) -> AccountError {
    match why {
        StoreError::Conflict(_) => told,
        StoreError::Unavailable(_)
        | StoreError::InDoubt(_)
        | StoreError::TooLarge
        | StoreError::Damaged(_) => AccountError::Store(why),
    }
}

/// Records of one page of the list.
const PAGE: usize = 500;
