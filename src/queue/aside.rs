//! Parcels that our own faults keep from being delivered: held in `bad`, reason `internal`, for a person.
//!
//! A panic gives its claim back and the parcel is tried again; the third panic in one run says that trying is no use.

use std::sync::Arc;

use super::Queue;
use super::ledger;
use super::lend::claimable;
use super::record::{Message, Parcel};
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
        let step = if message.digest.is_some() {
            // A digest is never held; it ends, and the next one tells the same.
            Move::Fail
        } else {
            Move::Hold
        };
        let (mut held, mut ended) = (Vec::new(), 0);
        for slot in &mut parcel.slots {
            let state = claimable(&slot.state, now).map(|claimed| next(&claimed, step));
            if let Some(Ok(state)) = state {
                ended += usize::from(state.is_final());
                slot.state = state;
                held.push((slot.index, hold.clone()));
            }
        }
        let addresses: Vec<String> = parcel
            .slots
            .iter()
            .filter(|slot| held.iter().any(|(index, _)| *index == slot.index))
            .map(|slot| slot.mailbox.to_string())
            .collect();
        let mut batch = Batch::new();
        batch.pre.push(Pre::Mine(guard.id()));
        if ended > 0 {
            ledger::count(&mut batch, message.id, ended, 0);
            ledger::put_parcel(&mut batch, message.id, number, &parcel, now);
            self.store.commit(batch).await?;
            tracing::error!(id = %message.id, "the delivery of a digest panicked three times; it is given up");
            return Ok(());
        }
        self.hold_each(&mut batch, message, number, parcel, &held, "postwerk");
        self.store.commit(batch).await?;
        drop(guard);
        tracing::error!(id = %message.id, "its delivery panicked three times; it is held in `bad`");
        let told = addresses.into_iter().map(|address| (address, &hold));
        self.tell_held(message, told, "postwerk");
        Ok(())
    }
}
