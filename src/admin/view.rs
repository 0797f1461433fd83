//! What the API says of a message, as JSON: the list's row and the whole story.
//!
//! The row begins with the members of `postqueue -j`, so that recipes written for it work; ours follow. The command line
//! reads the same types back. Times of ours are RFC 3339; `arrival_time` is seconds since 1970, as in Postfix.

use serde::{Deserialize, Serialize};

use crate::base::clock::Wall;
use crate::base::text::clean;
use crate::journal::fact::{Entry, Fact, Held, InDoubt};
use crate::mail::date;
use crate::mail::state::State;
use crate::queue::list::{Listed, Shown};
use crate::queue::record::{Parcel, Slot};
use crate::queue::waits::{NextTry, Wait};
use crate::queue::{Message, Queue};

/// A message of the list.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    /// `active`, `deferred`, `hold`: where Postfix would have it. `hold`: all that is left of it is held.
    pub queue_name: String,
    /// 16 hex digits.
    pub queue_id: String,
    /// Seconds since 1970.
    pub arrival_time: u64,
    /// Octets.
    pub message_size: u64,
    /// Always false; Postfix has it.
    pub forced_expire: bool,
    /// The reverse-path; `MAILER-DAEMON` when it is null, as in Postfix.
    #[serde(rename = "sender")]
    pub from: String,
    /// Unfinished ones, unless the query asks for others.
    pub recipients: Vec<RowRecipient>,
    /// `bad`, `quarantine`, `defect`, if somebody of it is held.
    pub hold_queue: Option<String>,
    /// Why it is held.
    pub reason: Option<String>,
    /// Of the recipient that comes first.
    pub next_try: Option<String>,
    /// Most of any recipient.
    pub attempts: u32,
    /// Who submitted it.
    pub account: Option<String>,
    /// Whose.
    pub tenant: String,
    /// The Message-ID field.
    pub message_id: Option<String>,
    /// The Subject field as it came.
    pub subject: Option<String>,
}

/// A recipient of a row.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RowRecipient {
    /// Its forward-path.
    pub address: String,
    /// From ORCPT, if it was another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orig_address: Option<String>,
    /// What the last try said, while there will be another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_reason: Option<String>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bounce_reason: Option<String>,
    /// The state in snake_case.
    pub status: String,
    /// Where it is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_queue: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The cause in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// If it waits for one: when the next try really is, also when its site is waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_try: Option<String>,
    /// A delivery has it at this moment.
    #[serde(default, skip_serializing_if = "is_false")]
    pub in_delivery: bool,
    /// The site that holds it back until then, or what else does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
    /// What that site said, or why it cannot be reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_reason: Option<String>,
    /// So far; 0 for one that has ended: the timeline has its tries.
    pub attempts: u32,
    /// Where it was tried last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// Where and when a try ended whose final dot was not answered: it may have arrived then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unanswered: Option<RowUnanswered>,
}

/// A try whose final dot was not answered.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RowUnanswered {
    /// RFC 3339.
    pub timestamp: String,
    /// `mx.example[192.0.2.1]:25`
    pub site: String,
}

/// Everything about one message.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Story {
    /// 16 hex digits.
    pub queue_id: String,
    /// Unless it is retired: then only the timeline is left.
    pub message: Option<Row>,
    /// In the order in which it happened.
    pub timeline: Vec<Step>,
    /// The report of failures that waits for the end of its minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<WaitingReport>,
    /// Records of it that are damaged and set aside, with what is wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub damaged: Vec<String>,
}

/// A report (DSN) that is not made yet, so that failures of one minute stand in one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WaitingReport {
    /// RFC 3339.
    pub at: String,
    /// Whom it tells of so far.
    pub recipients: usize,
}

/// One thing that happened.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Step {
    /// RFC 3339.
    pub timestamp: String,
    /// `email.accepted`, `attempt`, `email.held`, `acted`, `expired`, `notified`, `email.maybe_delivered`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it was, in one sentence.
    pub text: String,
    /// Site of an attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// TLS of the session or the attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<String>,
    /// Who it was done to, and what came of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recipients: Vec<StepRecipient>,
    /// RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_try: Option<String>,
    /// Who acted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// The dialogue, if it was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dialogue: Option<String>,
    /// What each scanner said of the mail when it came, a line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub said: Vec<String>,
}

/// A recipient of a step.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct StepRecipient {
    /// Its forward-path.
    pub address: String,
    /// `email.delivered`, `email.deferred`, `email.maybe_delivered`, `email.bounced`, `email.held`; nothing when the step
    /// says it.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The remote's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<String>,
    /// The command that they answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// A try before this one was not answered, so it may have arrived then, too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub maybe_before: bool,
}

impl Row {
    /// A message with those of its recipients that `shown` says yes to; none if that is nobody.
    pub fn of(queue: &Queue, listed: &Listed, shown: impl Fn(&Slot) -> bool) -> Option<Self> {
        let message = &listed.message;
        let mut slots: Vec<(u32, RowRecipient)> = Vec::new();
        let mut name = QueueName::Hold;
        let now = queue.store().now();
        for stored in &listed.parcels {
            let parcel = &stored.parcel;
            let next = queue.next_try(message.id, stored.number, parcel);
            for slot in parcel.slots.iter().filter(|slot| shown(slot)) {
                name = name.with(QueueName::of(parcel, slot, next.as_ref(), now.0));
                slots.push((slot.index, recipient(queue, parcel, slot, next.as_ref())));
            }
        }
        if slots.is_empty() {
            return None;
        }
        slots.sort_by_key(|(index, _)| *index);
        let recipients: Vec<RowRecipient> = slots.into_iter().map(|(_, one)| one).collect();
        let held = recipients.iter().find(|one| one.hold_queue.is_some());
        let next_try = recipients.iter().filter_map(|one| one.next_try.clone());
        Some(Self {
            queue_name: name.word().to_owned(),
            queue_id: message.id.to_string(),
            arrival_time: Wall(message.wall).secs(),
            message_size: message.size,
            forced_expire: false,
            from: reverse_path(message),
            hold_queue: held.and_then(|one| one.hold_queue.clone()),
            reason: held.and_then(|one| one.reason.clone()),
            next_try: next_try.min(),
            attempts: recipients.iter().map(|one| one.attempts).max().unwrap_or(0),
            account: message.origin.account.clone(),
            tenant: message.origin.tenant.clone(),
            message_id: message.header_id.clone(),
            subject: message.subject.clone(),
            recipients,
        })
    }
}

impl Story {
    /// All there is about a message.
    pub fn of(queue: &Queue, id: String, shown: Shown) -> Self {
        let message = shown.message.map(|message| Listed {
            message,
            parcels: shown.parcels,
        });
        Self {
            queue_id: id,
            message: message.and_then(|listed| Row::of(queue, &listed, |_| true)),
            timeline: shown.facts.iter().map(Step::of).collect(),
            report: shown.report.map(|report| WaitingReport {
                at: date::rfc3339(Wall(queue.wall_of(report.at))),
                recipients: report.recipients,
            }),
            damaged: shown.damages.iter().map(|one| one.to_string()).collect(),
        }
    }
}

impl Step {
    fn of(entry: &Entry) -> Self {
        let step = match &entry.fact {
            Fact::Accepted(fact) => {
                let account = fact
                    .account
                    .as_ref()
                    .map(|account| format!(", account {account}"))
                    .unwrap_or_default();
                Self {
                    kind: "email.accepted".into(),
                    text: format!(
                        "accepted from <{}>: {} octets by {} from {} (called itself {}){account}",
                        fact.from,
                        fact.size,
                        fact.with,
                        fact.peer,
                        clean(&fact.helo, 255)
                    ),
                    tls: fact.tls.clone(),
                    recipients: addresses(&fact.recipients),
                    said: fact.said.clone(),
                    ..Self::default()
                }
            }
            Fact::Tried(fact) => Self {
                kind: "attempt".into(),
                text: format!("try {} at {}", fact.attempt, fact.site),
                site: Some(fact.site.clone()),
                tls: fact.tls.clone(),
                recipients: fact.results.iter().map(tried).collect(),
                next_try: fact.next_try.map(|at| date::rfc3339(Wall(at))),
                dialogue: fact.dialogue.clone(),
                ..Self::default()
            },
            Fact::Held(fact) => held(fact),
            Fact::Acted(fact) => Self {
                kind: "acted".into(),
                text: match fact.note.as_str() {
                    "" => fact.verb.clone(),
                    note => format!("{}: {note}", fact.verb),
                },
                recipients: addresses(&fact.recipients),
                actor: Some(fact.by.clone()),
                ..Self::default()
            },
            Fact::Expired(fact) => Self {
                kind: "expired".into(),
                text: "its lifetime is over".into(),
                recipients: addresses(&fact.recipients),
                ..Self::default()
            },
            Fact::Notified(fact) => Self {
                kind: "notified".into(),
                text: format!("told <{}> by {}", fact.to, fact.dsn),
                recipients: addresses(&fact.recipients),
                ..Self::default()
            },
            Fact::InDoubt(fact) => in_doubt(fact),
        };
        Self {
            timestamp: date::rfc3339(Wall(entry.at)),
            ..step
        }
    }
}

/// Where Postfix would have a message; the liveliest of its recipients decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum QueueName {
    Hold,
    Deferred,
    Active,
}

impl QueueName {
    fn of(parcel: &Parcel, slot: &Slot, next: Option<&NextTry>, now: u64) -> Self {
        let waits = match next {
            Some(NextTry::Waits(_)) => true,
            Some(NextTry::At(_) | NextTry::Paused) => parcel.attempts > 0 && parcel.next_try > now,
            Some(NextTry::Now) | None => false,
        };
        match slot.state {
            State::Held | State::Releasing { .. } | State::Trashed { .. } => Self::Hold,
            State::Due | State::MaybeDelivered if waits => Self::Deferred,
            State::Due
            | State::MaybeDelivered
            | State::Claimed
            | State::Judging
            | State::Relayed
            | State::Failed
            | State::Expired
            | State::Deleted => Self::Active,
        }
    }

    fn with(self, other: Self) -> Self {
        self.max(other)
    }

    fn word(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Deferred => "deferred",
            Self::Active => "active",
        }
    }
}

fn recipient(queue: &Queue, parcel: &Parcel, slot: &Slot, next: Option<&NextTry>) -> RowRecipient {
    let kept = parcel.hold.as_ref().filter(|_| !slot.state.is_final());
    let ended = slot.state.is_final();
    let reason = slot.fault.as_ref().map(|fault| fault.reply.to_string());
    let failed = matches!(slot.state, State::Failed | State::Expired);
    let waits = matches!(slot.state, State::Due | State::MaybeDelivered);
    let (at, waits_for, wait_reason) = match next.filter(|_| waits) {
        Some(NextTry::At(at)) => (Some(*at), None, None),
        Some(NextTry::Waits(wait)) => {
            let (site, reason) = said(wait);
            (Some(wait.until), Some(site), Some(reason))
        }
        Some(NextTry::Paused) => (None, Some("[queue] paused".to_owned()), None),
        Some(NextTry::Now) | None => (None, None, None),
    };
    let address = slot.mailbox.to_string();
    let original = slot
        .orcpt
        .as_deref()
        .and_then(|text| text.split_once(';'))
        .map(|(_, original)| original.trim().to_owned());
    RowRecipient {
        orig_address: original.filter(|original| *original != address),
        address,
        delay_reason: reason.clone().filter(|_| !ended),
        bounce_reason: reason.filter(|_| failed),
        status: slot.state.word().to_owned(),
        hold_queue: kept.map(|kept| kept.hold.queue.word().to_owned()),
        reason: kept.map(|kept| kept.hold.reason.word().to_owned()),
        cause: kept
            .map(|kept| kept.hold.in_words())
            .filter(|cause| !cause.is_empty()),
        next_try: at.map(|at| date::rfc3339(Wall(queue.wall_of(at.0)))),
        in_delivery: waits && next == Some(&NextTry::Now),
        waits_for,
        wait_reason,
        attempts: if ended { 0 } else { parcel.attempts },
        site: parcel.last_site.clone().filter(|_| !ended),
        unanswered: slot.unanswered.as_ref().map(|one| RowUnanswered {
            timestamp: date::rfc3339(Wall(one.at)),
            site: one.site.clone(),
        }),
    }
}

/// Which site is waited for, and why, in words.
pub(super) fn said(wait: &Wait) -> (String, String) {
    let site = match wait.why.site.as_str() {
        "none" => "its next hop".to_owned(),
        site => site.to_owned(),
    };
    let fault = &wait.why.fault;
    let reason = if fault.synthetic {
        fault.reply.text().replace('\n', " ")
    } else {
        fault.reply.to_string()
    };
    (site, reason)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_false(value: &bool) -> bool {
    !value
}

fn held(fact: &Held) -> Step {
    Step {
        kind: "email.held".into(),
        text: match fact.hold.in_words().as_str() {
            "" => format!("held in {}: {}", fact.hold.queue, fact.hold.reason),
            cause => format!("held in {}: {}, {cause}", fact.hold.queue, fact.hold.reason),
        },
        recipients: addresses(&fact.recipients),
        actor: Some(fact.by.clone()),
        ..Step::default()
    }
}

fn in_doubt(fact: &InDoubt) -> Step {
    let then = match fact.next_try {
        Some(_) => "it is sent again and may arrive twice",
        None => "it is held",
    };
    Step {
        kind: "email.maybe_delivered".into(),
        text: format!(
            "the server ended while a delivery at {} was under way; it may have arrived, and {then}",
            fact.site
        ),
        site: Some(fact.site.clone()),
        recipients: addresses(&fact.recipients),
        next_try: fact.next_try.map(|at| date::rfc3339(Wall(at))),
        ..Step::default()
    }
}

fn reverse_path(message: &Message) -> String {
    if message.from.path.is_null() {
        "MAILER-DAEMON".to_owned()
    } else {
        message.from.path.to_string()
    }
}

fn tried(one: &crate::journal::fact::TriedRecipient) -> StepRecipient {
    let kind = match one.action.as_str() {
        "relayed" => "email.delivered",
        "deferred" => "email.deferred",
        "maybe_delivered" => "email.maybe_delivered",
        "held" => "email.held",
        _ => "email.bounced",
    };
    StepRecipient {
        address: one.address.clone(),
        kind: Some(kind.to_owned()),
        reply: one.reply.as_ref().map(ToString::to_string),
        command: Some(one.step.clone()).filter(|step| !step.is_empty()),
        maybe_before: one.maybe_before,
    }
}

fn addresses(all: &[String]) -> Vec<StepRecipient> {
    let one = |address: &String| StepRecipient {
        address: address.clone(),
        ..StepRecipient::default()
    };
    all.iter().map(one).collect()
}
