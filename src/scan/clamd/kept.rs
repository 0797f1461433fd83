//! What is known of how a clamd may be spoken to, and connections to it that wait for their next mail.
//!
//! Everything understands a connection a mail, so that is how each begins. One that gave `SCAN_SESSION_AFTER` answers
//! without a pause is asked whether it knows IDSESSION; after a pause, or if a connection breaks or says nonsense, nothing
//! is known any more: behind the address something else may stand. So few mails cost no question, and many gain.
//! There are never more connections than `connections`: those that wait are had by the same turns as those in use.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::session::Session;
use crate::base::clock::Mono;
use crate::base::limit::{SCAN_PROBE_AGAIN, SCAN_SESSION_AFTER, SCAN_SESSION_IDLE};

/// Of one scanner at one address.
#[derive(Default)]
pub(in crate::scan) struct Kept(Mutex<State>);

#[derive(Default)]
struct State {
    speech: Speech,
    /// When it answered last.
    last: Option<Mono>,
    /// The one that was used last is the first to be used again, so that those that are not needed grow old.
    idle: Vec<(Session, Mono)>,
}

/// How it is spoken to.
#[derive(Clone, Copy, Debug)]
enum Speech {
    /// A connection a mail; so many were answered.
    Unknown(u32),
    /// A connection a mail, and nobody asks before.
    Alone(Mono),
    /// Many mails a connection.
    Sessions,
}

impl Default for Speech {
    fn default() -> Self {
        Self::Unknown(0)
    }
}

impl Kept {
    /// Whether it is time to ask how it can be spoken to: of a crowd one asks, and the others go on.
    pub(super) fn wants_to_know(&self, now: Mono) -> bool {
        let mut state = self.state();
        state.look_at(now);
        match state.speech {
            Speech::Unknown(answers) if answers >= SCAN_SESSION_AFTER => {
                // Who asks may be dropped meanwhile.
                state.speech = Speech::Alone(now + SCAN_PROBE_AGAIN);
                true
            }
            Speech::Unknown(_) | Speech::Alone(_) | Speech::Sessions => false,
        }
    }

    /// What came of that question.
    pub(super) fn learned(&self, sessions: bool) {
        if sessions {
            self.state().speech = Speech::Sessions;
        }
    }

    /// Whether sessions are spoken.
    pub(super) fn has_sessions(&self, now: Mono) -> bool {
        let mut state = self.state();
        state.look_at(now);
        matches!(state.speech, Speech::Sessions)
    }

    /// A connection that waits.
    pub(super) fn take(&self) -> Option<Session> {
        self.state().idle.pop().map(|(session, _)| session)
    }

    /// One that answered; it is closed if it is of no more use.
    pub(super) fn give_back(&self, session: Session, now: Mono) {
        let mut state = self.state();
        state.last = Some(now);
        if session.is_good() && matches!(state.speech, Speech::Sessions) {
            state.idle.push((session, now));
        }
    }

    /// A mail had a connection of its own.
    pub(super) fn answered(&self, well: bool, now: Mono) {
        let mut state = self.state();
        state.last = Some(now);
        if let Speech::Unknown(answers) = &mut state.speech {
            *answers = if well { answers.saturating_add(1) } else { 0 };
        }
    }

    /// Something was not as it should be.
    pub(super) fn forget(&self) {
        let mut state = self.state();
        state.speech = Speech::default();
        state.idle.clear();
    }

    /// Closes those that waited too long; without mails nobody else would.
    pub(in crate::scan) fn sweep(&self, now: Mono) {
        self.state().look_at(now);
    }

    /// How many wait.
    #[cfg(test)]
    pub(in crate::scan) fn waiting(&self) -> usize {
        self.state().idle.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// What is too old goes, and what is known with it.
    fn look_at(&mut self, now: Mono) {
        self.idle
            .retain(|(_, since)| now - *since < SCAN_SESSION_IDLE);
        let paused = self
            .last
            .is_some_and(|last| now - last >= SCAN_SESSION_IDLE);
        match self.speech {
            Speech::Unknown(_) | Speech::Sessions if paused => self.speech = Speech::default(),
            Speech::Alone(until) if now >= until => self.speech = Speech::default(),
            Speech::Unknown(_) | Speech::Alone(_) | Speech::Sessions => {}
        }
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("Kept")
            .field("speech", &state.speech)
            .field("idle", &state.idle.len())
            .finish_non_exhaustive()
    }
}
