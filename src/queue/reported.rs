//! Writes down that somebody reported a mail as spam, or as none.
//!
//! Only a fact in its history: a report moves nothing. Not here: who learns from it (`admin::report`).

use super::Queue;
use super::record::MessageId;
use super::verbs::Actor;
use crate::journal::fact::{Acted, Fact};
use crate::store::{Batch, StoreError};

impl Queue {
    /// What came of it stands in `note`.
    ///
    /// # Errors
    /// The store failed.
    pub async fn reported(
        &self,
        id: MessageId,
        verb: &str,
        recipients: Vec<String>,
        note: String,
        actor: &Actor,
    ) -> Result<(), StoreError> {
        let mut batch = Batch::default();
        let acted = Acted {
            verb: verb.to_owned(),
            recipients,
            by: actor.by.clone(),
            note,
            place: actor.place.clone(),
            digest: actor.digest,
        };
        self.put_fact(&mut batch, id, Fact::Acted(acted));
        self.store.commit(batch).await.map(drop)
    }
}
