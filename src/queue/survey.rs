//! What a query means now, before a verb is done to all of it: how many, which, how dangerous, and what stays.
//!
//! Counts end at `COUNT_MAX`. What `[hold.release]` lets nobody release is meant by a query and left alone by a bulk
//! release, on whatever way it comes; the survey says how many these are. Not here: doing it (`bulk`, `stride`).

use std::time::Duration;

use super::Queue;
use super::act::TRASH;
use super::hold::{self, Card};
use super::query::Query;
use super::record::{Message, MessageId, Parcel, Slot};
use super::returned::Returned;
use super::verbs::Verb;
use crate::base::limit::SCAN_MAX;
use crate::config::ReleaseRule;
use crate::mail::hold::{Hold, Risk};
use crate::mail::state::State;
use crate::store::StoreError;

/// Counting stops here: "more than 10,000".
pub const COUNT_MAX: u64 = SCAN_MAX as u64;
/// Recipients of a survey's sample.
const SAMPLE: usize = 5;

/// What a query means now.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    /// Recipients; at `COUNT_MAX` there may be more.
    pub count: u64,
    /// Of these, found harmful.
    pub high: u64,
    /// Of these, not judged or found doubtful.
    pub raised: u64,
    /// Of these, not to be released by anybody: the verb leaves them alone.
    pub stays: u64,
    /// Of these, to be released by a login only.
    pub login: u64,
    /// Some of them: the newest when all are held, else the oldest.
    pub sample: Vec<Sampled>,
}

/// One of a sample.
#[derive(Clone, Debug)]
pub enum Sampled {
    /// It is held.
    Held(Box<Card>),
    /// It is not.
    Other(Box<Waiting>),
}

/// A recipient that is not held.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// Of which message.
    pub message: MessageId,
    /// Its state.
    pub state: State,
    /// The reverse-path, empty for null.
    pub from: String,
    /// Its forward-path.
    pub to: String,
    /// The subject as it is meant.
    pub subject: String,
}

/// Whether what a verb does to many can be taken back as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakeBack {
    /// Out of the trash, for so long.
    Trash(Duration),
    /// As long as it waits before it goes.
    Wait(Duration),
    /// It cannot.
    Never,
}

impl TakeBack {
    /// How long.
    pub fn span(self) -> Option<Duration> {
        match self {
            Self::Trash(span) | Self::Wait(span) => Some(span),
            Self::Never => None,
        }
    }
}

impl Survey {
    /// Whether there may be more than were counted.
    pub fn is_cut(&self) -> bool {
        self.count >= COUNT_MAX
    }

    /// Whether the verb would leave alone all of it.
    pub fn all_stay(&self) -> bool {
        self.count > 0 && self.stays == self.count && !self.is_cut()
    }

    fn is_full(&self) -> bool {
        self.is_cut()
    }
}

impl Queue {
    /// What a query means now, counted up to `COUNT_MAX`, and what of it `verb` would leave alone.
    ///
    /// # Errors
    /// The store's.
    pub async fn survey(&self, query: &Query, verb: Option<Verb>) -> Result<Survey, StoreError> {
        if query.is_of_holds() {
            self.survey_holds(query, verb).await
        } else {
            self.survey_messages(query, verb).await
        }
    }

    /// The same of holds that are known.
    pub fn survey_of(&self, cards: &[Card], verb: Verb) -> Survey {
        let mut survey = Survey::default();
        for card in cards {
            self.weigh(&mut survey, Some(verb), Some(&card.hold));
        }
        survey
    }

    async fn survey_holds(&self, query: &Query, verb: Option<Verb>) -> Result<Survey, StoreError> {
        let (mut survey, mut after) = (Survey::default(), None);
        // A page may be empty and not the last: it ends when enough was looked at.
        while !survey.is_full() {
            let page = self.find_cards(query, after, true, SCAN_MAX).await?;
            for card in page.cards {
                if survey.is_full() {
                    break;
                }
                self.weigh(&mut survey, verb, Some(&card.hold));
                if survey.sample.len() < SAMPLE {
                    survey.sample.push(Sampled::Held(Box::new(card)));
                }
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        Ok(survey)
    }

    async fn survey_messages(
        &self,
        query: &Query,
        verb: Option<Verb>,
    ) -> Result<Survey, StoreError> {
        let (mut survey, mut after) = (Survey::default(), None);
        while !survey.is_full() {
            let page = self.page_of_messages(query, after, u64::MAX).await?;
            for one in &page.targets {
                for stored in &one.parcels {
                    for slot in &stored.parcel.slots {
                        let parcel = &stored.parcel;
                        if survey.is_full()
                            || !self.is_slot_meant(query, &one.message, parcel, slot)
                            || verb.is_some_and(|verb| is_done_already(verb, &slot.state))
                        {
                            continue;
                        }
                        let held = parcel.hold.as_ref().filter(|_| slot.state == State::Held);
                        self.weigh(&mut survey, verb, held.map(|kept| &kept.hold));
                        if survey.sample.len() < SAMPLE {
                            let sampled = sampled(&one.message, (stored.number, parcel), slot);
                            survey.sample.push(sampled);
                        }
                    }
                }
            }
            after = page.next.map(MessageId);
            if after.is_none() {
                break;
            }
        }
        Ok(survey)
    }

    fn weigh(&self, survey: &mut Survey, verb: Option<Verb>, hold: Option<&Hold>) {
        survey.count += 1;
        let Some(hold) = hold else { return };
        match hold.risk() {
            Risk::High => survey.high += 1,
            Risk::Raised => survey.raised += 1,
            Risk::Low => {}
        }
        match verb.and_then(|verb| self.rule_of(verb, hold)) {
            Some(ReleaseRule::Never) => survey.stays += 1,
            Some(ReleaseRule::Login) => survey.login += 1,
            Some(ReleaseRule::Link) | None => {}
        }
    }

    /// Whether the configuration lets nobody let this hold go, whoever asks and by whatever road. What no check finds
    /// again a requeue lets go too.
    pub(super) fn is_barred(&self, verb: Verb, hold: &Hold) -> bool {
        self.rule_of(verb, hold) == Some(ReleaseRule::Never)
    }

    /// What `[hold.release]` says to a verb that lets go; none: it does not let go.
    fn rule_of(&self, verb: Verb, hold: &Hold) -> Option<ReleaseRule> {
        let conf = self.conf.load();
        match verb {
            Verb::Release { .. } => Some(conf.hold.release_of(hold)),
            Verb::Requeue { .. } => Some(conf.hold.requeue_of(hold)),
            Verb::Retry | Verb::Hold | Verb::Delete { .. } | Verb::Bounce | Verb::Undo => None,
        }
    }

    /// Whether what the verb does to many can be taken back as a whole, and how long.
    pub fn take_back(&self, verb: Verb) -> TakeBack {
        let wait = self.conf.load().hold.undo;
        match verb {
            Verb::Delete { now: false } => TakeBack::Trash(TRASH),
            Verb::Release { undo: true } | Verb::Requeue { undo: true } if !wait.is_zero() => {
                TakeBack::Wait(wait)
            }
            Verb::Release { .. }
            | Verb::Requeue { .. }
            | Verb::Delete { now: true }
            | Verb::Retry
            | Verb::Hold
            | Verb::Bounce
            | Verb::Undo => TakeBack::Never,
        }
    }
}

/// What lies in the trash is not deleted once more by many: else the second job would own what the first one did.
pub(super) fn is_done_already(verb: Verb, state: &State) -> bool {
    verb == Verb::Delete { now: false } && matches!(state, State::Trashed { .. })
}

fn sampled(message: &Message, (number, parcel): (u64, &Parcel), slot: &Slot) -> Sampled {
    let held = parcel.hold.as_ref().filter(|_| slot.state == State::Held);
    match held {
        Some(kept) => {
            let back = Returned::of(message, parcel, slot);
            Sampled::Held(Box::new(Card::of(message, number, slot, kept, back)))
        }
        None => Sampled::Other(Box::new(Waiting {
            message: message.id,
            state: slot.state.clone(),
            from: message.from.path.to_string(),
            to: slot.mailbox.to_string(),
            subject: hold::plain(message.subject.as_deref().unwrap_or_default()),
        })),
    }
}
