//! Whose a held mail is at this moment, by the configuration and the accounts: asked at every look and every act.
//!
//! A digest says what was its recipient's when it was sent. Whoever was removed since, or whose domain went to somebody
//! else, has links that count for nothing; who became an administrator has an administrator's.
//! Not here: who gets digests (`stream`, which goes by the same rules), and what is allowed then (`rights`).

use super::Desk;
use crate::config::Config;
use crate::digest::record::Scope;
use crate::mail::hold::HoldQueue;
use crate::mail::mailbox::Mailbox;
use crate::queue::hold::Card;
use crate::store::StoreError;

impl Desk {
    /// As what `to` sees the card now; empty: it is none of theirs.
    pub(super) async fn standing(
        &self,
        conf: &Config,
        to: &Mailbox,
        card: &Card,
    ) -> Result<Vec<Scope>, StoreError> {
        let mut scopes = Vec::new();
        if conf.administrators(card.hold.queue).contains(to) {
            scopes.push(Scope::Queue(card.hold.queue));
        }
        if !conf.digest.owners {
            return Ok(scopes);
        }
        for domain in &conf.domains {
            let scope = Scope::Domain(domain.name.to_string().to_lowercase());
            if domain.owner.as_ref() == Some(to) && scope.holds(card) {
                scopes.push(scope);
            }
        }
        if let Some(account) = &card.account
            && self.accounts.owner(account).await?.as_ref() == Some(to)
        {
            scopes.push(Scope::Account(account.clone()));
        }
        Ok(scopes)
    }

    /// Whether anything at all is theirs now.
    pub(super) async fn gets_digests(&self, to: &Mailbox) -> Result<bool, StoreError> {
        let conf = self.queue.conf().load_full();
        let is = |owner: &Option<Mailbox>| owner.as_ref() == Some(to);
        let mut queues = HoldQueue::ALL.into_iter();
        if queues.any(|queue| conf.administrators(queue).contains(to)) {
            return Ok(true);
        }
        if !conf.digest.owners {
            return Ok(false);
        }
        if conf.domains.iter().any(|domain| is(&domain.owner)) {
            return Ok(true);
        }
        let all = self.accounts.list().await?;
        Ok(all.iter().any(|listed| is(&listed.account.owner)))
    }
}
