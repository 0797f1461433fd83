//! How much work a login that fails is: the same for every name.
//!
//! Hashes differ in what they cost, so a name that does not exist must not cost what one of them does: each kind of hash
//! that any account has is worked through once for every login that fails, by the account's own hash where it has one
//! and for nothing otherwise. Accounts have one kind as a rule, and then that is one check as ever.
//! Not here: the work itself (`password`).

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::password::Cost;
use crate::base::limit::LOGIN_COSTS_MAX;
use crate::config::Config;

/// The kinds, as far as they were looked for.
#[derive(Debug, Default)]
pub(super) struct Costs {
    /// Changes of stored accounts.
    changes: AtomicU64,
    known: Mutex<Option<Known>>,
}

#[derive(Debug)]
struct Known {
    conf: Arc<Config>,
    changes: u64,
    kinds: Arc<[Cost]>,
}

impl Costs {
    /// A stored account has another password, or is new, or gone.
    pub(super) fn changed(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
    }

    /// What `keep` needs to notice a change that comes meanwhile.
    pub(super) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// All kinds, unless something changed since they were kept.
    pub(super) fn kinds(&self, conf: &Arc<Config>) -> Option<Arc<[Cost]>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.as_ref()?;
        let same = Arc::ptr_eq(&known.conf, conf) && known.changes == self.changes();
        same.then(|| Arc::clone(&known.kinds))
    }

    /// Keeps the kinds of these hashes, which were read when `changes` was the number of changes.
    pub(super) fn keep<'h>(
        &self,
        conf: Arc<Config>,
        changes: u64,
        hashes: impl Iterator<Item = &'h str>,
    ) -> Arc<[Cost]> {
        let kinds = kinds_of(hashes);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        *known = Some(Known {
            conf,
            changes,
            kinds: Arc::clone(&kinds),
        });
        kinds
    }
}

/// Each once, the costliest first; the usual one where there is none.
fn kinds_of<'h>(hashes: impl Iterator<Item = &'h str>) -> Arc<[Cost]> {
    let mut kinds: Vec<Cost> = hashes.filter_map(Cost::of).collect();
    kinds.sort_unstable_by_key(|cost| (std::cmp::Reverse(cost.weight()), *cost));
    kinds.dedup();
    kinds.truncate(LOGIN_COSTS_MAX);
    if kinds.is_empty() {
        kinds.push(Cost::usual());
    }
    kinds.into()
}
