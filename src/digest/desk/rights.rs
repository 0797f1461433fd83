//! What the buttons of a link may do: by everything that was found, by `[hold.release]`, and by whose digest it is.
//!
//! An owner decides about what is theirs, but not about what could harm others. Not here: whether the link still counts.

use std::fmt;

use crate::config::{HoldsConf, ReleaseRule};
use crate::digest::record::{Digest, Scope};
use crate::queue::hold::Card;

/// Whether a button works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// It does.
    Yes,
    /// For an administrator who is logged in.
    Login,
    /// For nobody.
    Never,
    /// Not for owners: an administrator must be asked.
    Administrator,
}

/// What the buttons may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights {
    /// Deliver without a check.
    pub release: Right,
    /// Judge again.
    pub requeue: Right,
    /// Into the trash.
    pub delete: Right,
    /// Delete, and tell the sender.
    pub bounce: Right,
}

impl Rights {
    /// Of a digest's links to a card, for somebody who is logged in or not.
    pub(super) fn of(conf: &HoldsConf, digest: &Digest, card: &Card, login: bool) -> Self {
        let scopes = || digest.scopes.iter().filter(|scope| scope.holds(card));
        let admin = login || scopes().any(Scope::is_admins);
        let owner = scopes().next().is_some();
        let asks = |allowed: bool, right| {
            if admin || allowed {
                right
            } else {
                Right::Administrator
            }
        };
        let owners = owner && card.hold.is_owners();
        let right = |rule| match rule {
            ReleaseRule::Link => Right::Yes,
            ReleaseRule::Login if login => Right::Yes,
            ReleaseRule::Login => Right::Login,
            ReleaseRule::Never => Right::Never,
        };
        let release = right(conf.release_of(&card.hold));
        let requeue = right(conf.requeue_of(&card.hold));
        Self {
            release: asks(owners, release),
            requeue: asks(owners, requeue),
            delete: asks(owner, Right::Yes),
            bounce: asks(owner, Right::Yes),
        }
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Yes => "allowed",
            Self::Login => "an administrator who is logged in may",
            Self::Never => "nobody may",
            Self::Administrator => "an administrator may",
        })
    }
}
