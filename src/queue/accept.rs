//! Taking responsibility for a message: body, message, parcels and fact in one batch. Only then 250.
//!
//! Recipients of one host and account share parcels of up to 100. Held recipients get a parcel each, because a person
//! decides each alone. The work that made the mail (a DSN of another message) ends in the same batch.

use std::sync::Arc;

use super::body::StoredBody;
use super::ledger;
use super::pressure::Full;
use super::record::{
    BY_DOMAIN, BY_HOLD, BY_JOB, Message, MessageId, Origin, Parcel, Slot, Worked, chunk_key,
    encode, hold_term, job_term, message_key, sweep_key,
};
use super::{Queue, group};
use crate::base::clock::micros;
use crate::base::limit::{ATTACHMENTS_MAX, PARCEL_RECIPIENTS_MAX};
use crate::journal::event::EventKind;
use crate::journal::fact::{Accepted, Fact};
use crate::journal::line;
use crate::mail::envelope::{Envelope, RcptTo};
use crate::mail::hold::Hold;
use crate::mail::mailbox::Host;
use crate::mail::state::State;
use crate::store::{Band, Batch, Counter, Due, Group, Need, Op, Pre, StoreError, Term, Work};

/// A message that a session, a program or a DSN hands over.
#[derive(Debug)]
pub struct NewMail {
    /// Complete and staged but for its last chunk.
    pub body: StoredBody,
    /// Reverse-path and at least one recipient.
    pub envelope: Envelope,
    /// Where it came from.
    pub origin: Origin,
    /// Recipients that are kept for a person, by their index, and why.
    pub held: Vec<(u32, Hold)>,
    /// Fields that checks put on top of it.
    pub top: String,
    /// Filters that did their work on it.
    pub worked: Vec<Worked>,
    /// What scanners said of it, a line each.
    pub said: Vec<String>,
    /// Urgency.
    pub band: Band,
    /// The number of the digest that it is.
    pub digest: Option<u32>,
}

/// The work that made the mail, ended by the batch that accepts it.
#[derive(Debug, Default)]
pub struct Finishing {
    /// Its claims and what they change.
    pub batch: Batch,
}

/// Why a message was not taken; nothing of it is kept.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AcceptError {
    /// 452 4.3.1
    #[error(transparent)]
    Full(#[from] Full),
    /// 451 4.3.0, or 452 4.5.3 when it is too large for one commit.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl NewMail {
    /// Every recipient held for one reason.
    pub fn held_all(envelope: &Envelope, hold: Option<Hold>) -> Vec<(u32, Hold)> {
        let Some(hold) = hold else {
            return Vec::new();
        };
        let each = (0u32..).zip(&envelope.recipients);
        each.map(|(index, _)| (index, hold.clone())).collect()
    }
}

impl Queue {
    /// Takes responsibility. `Ok` only when the message is on disk.
    pub async fn accept(
        &self,
        mail: NewMail,
        finishing: Option<Finishing>,
    ) -> Result<MessageId, AcceptError> {
        let staging = Arc::clone(&mail.body.staging);
        self.pressure_of(staging.source())?;
        debug_assert!(
            !mail.envelope.recipients.is_empty(),
            "a message has at least one recipient"
        );
        let NewMail {
            body,
            envelope,
            origin,
            held,
            top,
            worked,
            said,
            band,
            digest,
        } = mail;
        let mut message = self.message(&body, &envelope, origin);
        message.digest = digest;
        message.top = top;
        message.worked = worked;
        let mut batch = finishing.map(|work| work.batch).unwrap_or_default();
        batch.need = Need::Grow;
        self.put_body(&mut batch, body);
        self.put_message(&mut batch, &message);
        let parcels = self.parcels(&message, envelope.recipients, &held, band);
        for (n, parcel) in (0u64..).zip(&parcels) {
            ledger::put_parcel(&mut batch, message.id, n, parcel, self.store.now());
            if parcel.hold.is_some() {
                drop(self.open_card(&mut batch, &message, n, parcel));
            }
        }
        self.put_facts(&mut batch, &message, &parcels, (&held, said));
        batch
            .ops
            .push(Op::Add(Counter(b"accepted".as_slice().into()), 1));
        let stored = self.store.commit(batch).await;
        stored.map_err(|error| self.refused(staging.source(), error))?;
        staging.accepted();
        self.tell_accepted(&message, &parcels);
        Ok(message.id)
    }

    fn message(&self, body: &StoredBody, envelope: &Envelope, origin: Origin) -> Message {
        let kept = body.structure.attachments.iter().take(ATTACHMENTS_MAX);
        Message {
            id: body.id,
            from: envelope.from.clone(),
            origin,
            size: body.size,
            arrived: self.store.now().0,
            wall: self.clock.wall().0,
            eight_bit: body.eight_bit,
            chunks: body.chunks,
            header_id: body.fields.header_id.clone(),
            subject: body.fields.subject.clone(),
            recipients: u32::try_from(envelope.recipients.len()).unwrap_or(u32::MAX),
            author: body.fields.author.clone(),
            attachments: kept.cloned().collect(),
            digest: None,
            top: String::new(),
            worked: Vec::new(),
            first: body.first,
        }
    }

    fn put_body(&self, batch: &mut Batch, body: StoredBody) {
        if let Some(version) = body.swept {
            batch.pre.push(Pre::Is(sweep_key(body.id), version));
            batch.ops.push(Op::Delete(sweep_key(body.id)));
        }
        if body.first > 0 {
            // The text before its filters changed it.
            batch.ops.push(Op::DeleteRange {
                from: chunk_key(body.id, 0),
                to: chunk_key(body.id, body.first),
                limit: usize::MAX,
            });
        }
        let key = chunk_key(body.id, body.chunks - 1);
        batch.ops.push(Op::Put {
            key,
            value: body.last,
            due: None,
            terms: Vec::new(),
        });
    }

    fn put_message(&self, batch: &mut Batch, message: &Message) {
        let key = message_key(message.id);
        batch.pre.push(Pre::Absent(key.clone()));
        let expire = Due {
            work: Work::Expire,
            group: Group::of_key(&key),
            band: Band::Normal,
            after: self.conf.load().queue.lifetime,
        };
        let at_zero = ledger::retire(&key);
        batch.ops.push(Op::Put {
            key: key.clone(),
            value: encode(message),
            due: Some(expire),
            terms: Vec::new(),
        });
        let by = i32::try_from(message.recipients).unwrap_or(i32::MAX);
        batch.ops.push(Op::Count { key, by, at_zero });
    }

    /// Cuts the recipients into parcels, in the order of their hosts; a held one is alone in its parcel.
    fn parcels(
        &self,
        message: &Message,
        recipients: Vec<RcptTo>,
        held: &[(u32, Hold)],
        band: Band,
    ) -> Vec<Parcel> {
        let mut parcels: Vec<(Host, Parcel)> = Vec::new();
        for (index, rcpt) in (0u32..).zip(recipients) {
            let hold = held.iter().find(|(of, _)| *of == index);
            let host = rcpt.mailbox.host().clone();
            let slot = Slot {
                index,
                mailbox: rcpt.mailbox,
                notify: rcpt.notify,
                orcpt: rcpt.orcpt,
                state: if hold.is_some() {
                    State::Held
                } else {
                    State::Due
                },
                fault: None,
                unanswered: None,
            };
            // Searched from the end: the open parcel of a host is its last one.
            let open = parcels
                .iter_mut()
                .rev()
                .find(|(of, parcel)| *of == host && parcel.hold.is_none())
                .filter(|(_, parcel)| parcel.slots.len() < PARCEL_RECIPIENTS_MAX);
            match open {
                Some((_, parcel)) if hold.is_none() => parcel.slots.push(slot),
                Some(_) | None => {
                    let mut parcel = self.parcel(message, slot, band);
                    parcel.hold = hold.map(|(_, hold)| self.kept(hold.clone()));
                    parcels.push((host, parcel));
                }
            }
        }
        parcels.into_iter().map(|(_, parcel)| parcel).collect()
    }

    fn parcel(&self, message: &Message, slot: Slot, band: Band) -> Parcel {
        let lifetime = micros(self.conf.load().queue.lifetime);
        Parcel {
            slots: vec![slot],
            account: message.origin.account.clone().unwrap_or_default(),
            band: band as u8,
            attempts: 0,
            jitter: fastrand::u16(..),
            expires: message.arrived.saturating_add(lifetime),
            next_try: message.arrived,
            hold: None,
            dialogues: Vec::new(),
            unchecked: false,
            last_site: None,
            top: None,
            worked: None,
            tried: 0,
            found: Vec::new(),
            job: None,
            back: None,
        }
    }

    fn put_facts(
        &self,
        batch: &mut Batch,
        message: &Message,
        parcels: &[Parcel],
        (held, said): (&[(u32, Hold)], Vec<String>),
    ) {
        let recipients = addresses(parcels);
        let origin = &message.origin;
        let accepted = Accepted {
            from: message.from.path.to_string(),
            recipients,
            peer: origin
                .peer
                .map_or_else(|| "local".to_owned(), |peer| peer.to_string()),
            helo: origin.helo.clone(),
            with: origin.with.clone(),
            tls: origin.tls.clone(),
            account: origin.account.clone(),
            tenant: origin.tenant.clone(),
            size: message.size,
            header_id: message.header_id.clone(),
            said,
        };
        self.put_fact(batch, message.id, Fact::Accepted(accepted));
        let out: Vec<&Slot> = parcels
            .iter()
            .filter(|parcel| parcel.hold.is_some())
            .flat_map(|parcel| &parcel.slots)
            .collect();
        self.put_held_facts(batch, message, &out, held, "postwerk");
    }

    fn tell_accepted(&self, message: &Message, parcels: &[Parcel]) {
        let nrcpt = parcels.iter().map(|parcel| parcel.slots.len()).sum();
        let sasl = message
            .origin
            .sasl
            .as_deref()
            .zip(message.origin.account.as_deref());
        line::client(message.id, message.origin.peer, sasl);
        line::message_id(message.id, message.header_id.as_deref().unwrap_or_default());
        line::queued(message.id, &message.from.path, message.size, nrcpt);
        if self.events.wanted() {
            let all = addresses(parcels).join(", ");
            self.tell(EventKind::Accepted, message, all, String::new());
        }
        let held = parcels.iter().filter_map(|parcel| {
            let hold = parcel.hold.as_ref()?;
            Some((parcel.slots.first()?.mailbox.to_string(), &hold.hold))
        });
        self.tell_held(message, held, "postwerk");
    }
}

/// Index terms of a parcel: its domain, and its hold queue while it is held.
pub(super) fn terms(parcel: &Parcel) -> Vec<(crate::store::IndexId, Term)> {
    let mut terms = Vec::new();
    let Some(first) = parcel.slots.first() else {
        return terms;
    };
    let host = first.mailbox.host().to_string();
    terms.push((
        BY_DOMAIN,
        Term(
            host.as_bytes()
                .iter()
                .take(crate::store::TERM_MAX)
                .copied()
                .collect(),
        ),
    ));
    if let Some(kept) = &parcel.hold
        && first.state != State::Judging
    {
        terms.push((BY_HOLD, hold_term(&kept.hold)));
    }
    let waits = matches!(first.state, State::Releasing { .. } | State::Trashed { .. });
    terms.extend(
        parcel
            .job
            .filter(|_| waits)
            .map(|job| (BY_JOB, job_term(job))),
    );
    terms
}

/// The group of a parcel that waits for delivery.
pub(super) fn group_of(parcel: &Parcel) -> Option<Group> {
    parcel
        .slots
        .first()
        .map(|slot| group::for_delivery(slot.mailbox.host(), &parcel.account))
}

fn addresses(parcels: &[Parcel]) -> Vec<String> {
    parcels
        .iter()
        .flat_map(|parcel| &parcel.slots)
        .map(|slot| slot.mailbox.to_string())
        .collect()
}
