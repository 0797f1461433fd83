//! Parcels that our own faults keep from being delivered: held in `bad`, reason `internal`, for a person.
//!
//! A panic gives its claim back and the parcel is tried again; the third panic in one run says that trying is no use.

use std::sync::Arc;

use super::Queue;
use super::lend::claimable;
use super::record::{Message, Parcel};
use crate::journal::event::EventKind;
use crate::journal::fact::{Fact, Held};
use crate::journal::line;
use crate::mail::hold::{Hold, HoldQueue, HoldReason};
use crate::mail::state::{Move, next};
use crate::store::{Batch, ClaimGuard, Pre, StoreError};

impl Queue {
    /// Holds what is due in the parcel.
    pub(super) async fn set_aside(
        &self,
        message: &Arc<Message>,
        number: u64,
        mut parcel: Parcel,
        guard: ClaimGuard,
    ) -> Result<(), StoreError> {
        let now = self.store.now();
        let hold = Hold::new(
            HoldQueue::Bad,
            HoldReason::Internal,
            "delivery panicked three times; the log says where".to_owned(),
        );
        let mut addresses = Vec::new();
        for slot in &mut parcel.slots {
            let held = claimable(&slot.state, now).map(|claimed| next(&claimed, Move::Hold));
            if let Some(Ok(state)) = held {
                slot.state = state;
                addresses.push(slot.mailbox.to_string());
            }
        }
        let mut batch = Batch::new();
        batch.pre.push(Pre::Mine(guard.id()));
        self.hold_each(&mut batch, message, number, parcel, &hold);
        let fact = Held {
            recipients: addresses.clone(),
            hold,
            by: "postwerk".to_owned(),
        };
        self.put_fact(&mut batch, message.id, Fact::Held(fact));
        self.store.commit(batch).await?;
        drop(guard);
        tracing::error!(id = %message.id, "its delivery panicked three times; it is held in `bad`");
        line::acted(message.id, "placed on hold", "postwerk");
        for address in addresses {
            self.tell(
                EventKind::Held,
                message,
                address,
                HoldReason::Internal.word().to_owned(),
            );
        }
        Ok(())
    }
}
