//! What a person does to recipients: retry, requeue, release, hold, delete, undo.
//!
//! Each is recorded with who did it. A recipient that somebody acts on alone moves into a parcel of its own in the same
//! batch. A parcel that is in delivery answers "try again". Not here: who may act (`admin`).

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::Queue;
use super::ledger::{self, Stored};
use super::record::{Message, MessageId, Parcel, Slot, encode, message_key, parcel_key};
use crate::base::clock::micros;
use crate::base::id::BadId;
use crate::journal::event::EventKind;
use crate::journal::fact::{Acted, Fact, Held};
use crate::journal::line;
use crate::mail::hold::{Hold, HoldQueue, HoldReason};
use crate::mail::mailbox::{BadMailbox, Mailbox};
use crate::mail::state::{Illegal, Leave, Move, State, next};
use crate::store::{Batch, Op, Pre, StoreError, Version};

/// How long a deleted recipient can be brought back.
const TRASH: Duration = Duration::from_secs(7 * 86_400);
/// The wait of release and requeue when undo is asked for.
const UNDO: Duration = Duration::from_secs(10);
/// A change that somebody else's change overtook is built again so often.
const TRIES: usize = 3;

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Due now.
    Retry,
    /// Judged again; with a wait in which it can be undone, if asked.
    Requeue {
        /// Wait first.
        undo: bool,
    },
    /// Out of its hold, unchecked.
    Release {
        /// Wait first.
        undo: bool,
    },
    /// Into `quarantine`, reason `operator`.
    Hold,
    /// Into the trash, or gone at once.
    Delete {
        /// At once.
        now: bool,
    },
    /// Back from a wait or the trash.
    Undo,
}

/// On whom: all unfinished recipients of a message, or one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Which message.
    pub message: MessageId,
    /// Only this recipient.
    pub address: Option<Mailbox>,
}

/// Who acts, as facts show it: `cli:root`, `admin:anna`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor(pub String);

/// Why nothing was done.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ActError {
    /// Retired, deleted, or never was.
    #[error("no such message in the queue; `queue show` still has its history for a while")]
    Unknown,
    /// The message has no such recipient.
    #[error("the message has no recipient {0}")]
    NoRecipient(Mailbox),
    /// The state does not allow it.
    #[error(transparent)]
    Illegal(#[from] Illegal),
    /// See there.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A text that is no target.
#[derive(Clone, Debug, thiserror::Error)]
pub enum BadTarget {
    /// Before the slash.
    #[error(transparent)]
    Id(#[from] BadId),
    /// Behind it.
    #[error(transparent)]
    Address(#[from] BadMailbox),
}

/// The changes of one message by one verb, while they are gathered.
struct Acting {
    batch: Batch,
    done: Vec<Mailbox>,
    ended: usize,
    refused: Option<Illegal>,
    versions: Vec<(u64, Version)>,
}

impl Queue {
    /// Does `verb` to `target`; how many recipients it was done to.
    pub async fn act(&self, verb: Verb, target: &Target, actor: &Actor) -> Result<usize, ActError> {
        let mut seen: Option<Vec<(u64, Version)>> = None;
        for _ in 0..TRIES {
            let (message, version) = self
                .message_by_id(target.message)
                .await?
                .ok_or(ActError::Unknown)?;
            let acting = self.gather(verb, &message, version, target, actor).await?;
            if seen.as_ref() == Some(&acting.versions) {
                // Nothing changed since the conflict: the parcel is lent to a delivery.
                return Err(Illegal::InDelivery.into());
            }
            let Acting {
                batch,
                done,
                versions,
                ..
            } = acting;
            match self.store.commit(batch).await {
                Ok(_) => {
                    self.tell_acted(verb, &message, &done, actor);
                    return Ok(done.len());
                }
                Err(StoreError::Conflict(_)) => seen = Some(versions),
                Err(error) => return Err(error.into()),
            }
        }
        Err(Illegal::InDelivery.into())
    }

    async fn gather(
        &self,
        verb: Verb,
        message: &Message,
        version: Version,
        target: &Target,
        actor: &Actor,
    ) -> Result<Acting, ActError> {
        let mut acting = Acting {
            batch: Batch::new(),
            done: Vec::new(),
            ended: 0,
            refused: None,
            versions: Vec::new(),
        };
        let mut found = false;
        for stored in self.parcels_of(message.id).await? {
            let meant = |slot: &Slot| {
                target
                    .address
                    .as_ref()
                    .is_none_or(|address| *address == slot.mailbox)
            };
            if stored.parcel.slots.iter().any(meant) {
                found = true;
                self.act_on_parcel(&mut acting, verb, message.id, stored, meant);
            }
        }
        if let (false, Some(address)) = (found, &target.address) {
            return Err(ActError::NoRecipient(address.clone()));
        }
        if acting.done.is_empty() {
            return Err(acting.refused.unwrap_or(Illegal::AlreadyFinal).into());
        }
        self.put_acted(&mut acting, verb, message, version, actor);
        Ok(acting)
    }

    fn act_on_parcel(
        &self,
        acting: &mut Acting,
        verb: Verb,
        id: MessageId,
        stored: Stored,
        meant: impl Fn(&Slot) -> bool,
    ) {
        let Stored {
            number,
            version,
            mut parcel,
        } = stored;
        let now = self.store.now();
        let (mut acted, mut rest) = (Vec::new(), Vec::new());
        for mut slot in parcel.slots.drain(..) {
            if !meant(&slot) {
                rest.push(slot);
                continue;
            }
            match next(&slot.state, self.step(verb)) {
                Ok(state) => {
                    acting.ended += usize::from(state.is_final());
                    acting.done.push(slot.mailbox.clone());
                    slot.state = state;
                    acted.push(slot);
                }
                Err(why) => {
                    // "Already finished" says least: any other reason is the better answer.
                    if acting
                        .refused
                        .is_none_or(|old| old == Illegal::AlreadyFinal)
                    {
                        acting.refused = Some(why);
                    }
                    rest.push(slot);
                }
            }
        }
        if acted.is_empty() {
            return;
        }
        acting.versions.push((number, version));
        let key = parcel_key(id, number);
        acting
            .batch
            .pre
            .extend([Pre::Is(key.clone(), version), Pre::Free(key)]);
        let alone = verb == Verb::Hold;
        let stays = !rest.is_empty();
        if stays {
            let old = Parcel {
                slots: rest,
                ..parcel.clone()
            };
            ledger::put_parcel(&mut acting.batch, id, number, &old, now);
        }
        let groups: Vec<Vec<Slot>> = if alone {
            acted.into_iter().map(|slot| vec![slot]).collect()
        } else {
            vec![acted]
        };
        for (n, slots) in groups.into_iter().enumerate() {
            let moved = self.moved(
                verb,
                Parcel {
                    slots,
                    ..parcel.clone()
                },
            );
            let own = if n == 0 && !stays {
                number
            } else {
                self.fresh_id()
            };
            ledger::put_parcel(&mut acting.batch, id, own, &moved, now);
        }
    }

    fn step(&self, verb: Verb) -> Move {
        let now = self.store.now().0;
        let until = |undo: bool| undo.then(|| now.saturating_add(micros(UNDO)));
        match verb {
            Verb::Retry => Move::Unclaim,
            Verb::Requeue { undo } => Move::Leave {
                verb: Leave::Requeue,
                until: until(undo),
            },
            Verb::Release { undo } => Move::Leave {
                verb: Leave::Release,
                until: until(undo),
            },
            Verb::Hold => Move::Hold,
            Verb::Delete { now: true } => Move::Delete,
            Verb::Delete { now: false } => Move::Trash {
                until: now.saturating_add(micros(TRASH)),
            },
            Verb::Undo => Move::Undo,
        }
    }

    /// The parcel with what the verb changes besides the states.
    fn moved(&self, verb: Verb, mut parcel: Parcel) -> Parcel {
        let now = self.store.now().0;
        match verb {
            Verb::Retry => parcel.next_try = now,
            Verb::Requeue { undo } | Verb::Release { undo } => {
                parcel.next_try = now;
                parcel.expires = now.saturating_add(micros(self.conf.load().queue.lifetime));
                parcel.unchecked = matches!(verb, Verb::Release { .. });
                if !undo {
                    parcel.hold = None;
                }
            }
            Verb::Hold => {
                let hold = Hold::new(HoldQueue::Quarantine, HoldReason::Operator, String::new());
                parcel.hold = Some(self.kept(hold));
            }
            Verb::Delete { .. } => {}
            Verb::Undo => {
                parcel.unchecked = false;
                let waits = parcel.slots.iter().any(|slot| slot.state == State::Due);
                if waits {
                    parcel.next_try = now;
                    parcel.expires = now.saturating_add(micros(self.conf.load().queue.lifetime));
                }
            }
        }
        parcel
    }

    fn put_acted(
        &self,
        acting: &mut Acting,
        verb: Verb,
        message: &Message,
        version: Version,
        actor: &Actor,
    ) {
        let recipients: Vec<String> = acting.done.iter().map(Mailbox::to_string).collect();
        let fact = if verb == Verb::Hold {
            let hold = Hold::new(HoldQueue::Quarantine, HoldReason::Operator, String::new());
            Fact::Held(Held {
                recipients,
                hold,
                by: actor.0.clone(),
            })
        } else {
            let note = match verb {
                Verb::Release { .. } => "released without being checked".to_owned(),
                Verb::Retry
                | Verb::Requeue { .. }
                | Verb::Hold
                | Verb::Delete { .. }
                | Verb::Undo => String::new(),
            };
            Fact::Acted(Acted {
                verb: verb.word().to_owned(),
                recipients,
                by: actor.0.clone(),
                note,
            })
        };
        self.put_fact(&mut acting.batch, message.id, fact);
        if matches!(
            verb,
            Verb::Release { .. } | Verb::Requeue { .. } | Verb::Undo
        ) {
            // Leaving a hold starts a new lifetime: the message's own due slot may have been used up.
            let key = message_key(message.id);
            let due = self.expire_due(&key, self.conf.load().queue.lifetime);
            acting.batch.pre.push(Pre::Is(key.clone(), version));
            acting.batch.ops.push(Op::Put {
                key,
                value: encode(message),
                due: Some(due),
                terms: Vec::new(),
            });
        }
        ledger::count(&mut acting.batch, message.id, acting.ended, 0);
    }

    fn tell_acted(&self, verb: Verb, message: &Message, done: &[Mailbox], actor: &Actor) {
        let (what, kind) = match verb {
            Verb::Retry => ("due now", None),
            Verb::Requeue { .. } => ("requeued", Some(EventKind::Requeued)),
            Verb::Release { .. } => ("released from hold", Some(EventKind::Released)),
            Verb::Hold => ("placed on hold", Some(EventKind::Held)),
            Verb::Delete { .. } => ("removed", Some(EventKind::Deleted)),
            Verb::Undo => ("brought back", None),
        };
        line::acted(message.id, what, &actor.0);
        if let Some(kind) = kind {
            for address in done {
                self.tell(kind, message, address.to_string(), actor.0.clone());
            }
        }
    }
}

impl Verb {
    /// As CLI and facts spell it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Requeue { .. } => "requeue",
            Self::Release { .. } => "release",
            Self::Hold => "hold",
            Self::Delete { .. } => "delete",
            Self::Undo => "undo",
        }
    }
}

/// `ID` or `ID/ADDRESS`.
impl FromStr for Target {
    type Err = BadTarget;
    fn from_str(text: &str) -> Result<Self, BadTarget> {
        let (id, address) = match text.split_once('/') {
            Some((id, address)) => (id, Some(address)),
            None => (text, None),
        };
        Ok(Self {
            message: id.trim().parse()?,
            address: address.map(Mailbox::parse).transpose()?,
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.address {
            Some(address) => write!(f, "{}/{address}", self.message),
            None => self.message.fmt(f),
        }
    }
}
