//! Leaves a scanner alone that fails again and again, and counts what it does.
//!
//! After `SCAN_FAILURES` in a row mails are answered at once with the last failure for `SCAN_PAUSE`, then one mail may
//! try; each further failure doubles the pause. So a dead scanner costs mails no waiting, and a busy one no crowd.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Trouble;
use crate::base::clock::{Clock, Mono, Wall};
use crate::base::limit::{SCAN_FAILURES, SCAN_PAUSE, SCAN_PAUSE_MAX};
use crate::config::{ScannerAddress, ScannerConf};

/// The state of one scanner.
#[derive(Debug)]
pub struct Breaker {
    address: ScannerAddress,
    connections: usize,
    permits: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Clone, Debug, Default)]
struct State {
    /// In a row.
    failures: u32,
    /// Nobody is asked before.
    until: Option<Mono>,
    /// One mail is trying.
    trying: bool,
    health: Health,
}

/// What is known of a scanner's health.
#[derive(Clone, Debug, Default)]
pub struct Health {
    /// Whether it is left alone.
    pub paused: bool,
    /// Since when it fails; none after it answered.
    pub failing: Option<Wall>,
    /// The last failure in words, and when; none after it answered.
    pub failure: Option<(String, Wall)>,
    /// When it answered last.
    pub answered: Option<Wall>,
    /// Answers since the start.
    pub answers: u64,
    /// Failures since the start.
    pub failures: u64,
}

/// The right to ask it once.
#[derive(Debug)]
pub(super) struct Turn {
    _permit: OwnedSemaphorePermit,
}

impl Breaker {
    pub(super) fn new(conf: &ScannerConf) -> Self {
        Self {
            address: conf.address.clone(),
            connections: conf.connections,
            permits: Arc::new(Semaphore::new(conf.connections)),
            state: Mutex::default(),
        }
    }

    pub(super) fn is_of(&self, conf: &ScannerConf) -> bool {
        self.address == conf.address && self.connections == conf.connections
    }

    /// Waits for a free connection, unless the scanner is left alone.
    pub(super) async fn enter(&self, conf: &ScannerConf, clock: &Clock) -> Result<Turn, Trouble> {
        self.may_ask(clock)?;
        let permit = Arc::clone(&self.permits).acquire_owned();
        match clock.timeout(conf.timeout, permit).await {
            Ok(Ok(permit)) => Ok(Turn { _permit: permit }),
            Ok(Err(_)) | Err(_) => Err(Trouble::Busy(self.connections, conf.timeout)),
        }
    }

    fn may_ask(&self, clock: &Clock) -> Result<(), Trouble> {
        let mut state = self.state();
        let Some(until) = state.until else {
            return Ok(());
        };
        if clock.mono() >= until && !state.trying {
            state.trying = true;
            return Ok(());
        }
        let last = state.health.failure.as_ref();
        let last = last.map(|(text, _)| text.clone()).unwrap_or_default();
        Err(Trouble::Paused(last))
    }

    /// What became of a question.
    pub(super) fn note(&self, conf: &ScannerConf, clock: &Clock, trouble: Option<&Trouble>) {
        let mut state = self.state();
        state.trying = false;
        let Some(trouble) = trouble.filter(|trouble| trouble.counts()) else {
            if trouble.is_none() {
                if state.until.is_some() {
                    tracing::info!(scanner = conf.name, "the scanner answers again");
                }
                state.failures = 0;
                state.until = None;
                state.health.paused = false;
                state.health.failing = None;
                state.health.failure = None;
                state.health.answers += 1;
                state.health.answered = Some(clock.wall());
            }
            return;
        };
        state.failures = state.failures.saturating_add(1);
        state.health.failures += 1;
        state.health.failing.get_or_insert(clock.wall());
        state.health.failure = Some((trouble.to_string(), clock.wall()));
        if state.failures >= SCAN_FAILURES {
            let doubled = SCAN_PAUSE.saturating_mul(1 << (state.failures - SCAN_FAILURES).min(8));
            let pause = doubled.min(SCAN_PAUSE_MAX);
            if state.until.is_none() {
                let name = &conf.name;
                tracing::error!(scanner = name, %trouble, "the scanner fails; it is left alone for a while");
            }
            state.until = Some(clock.mono() + pause);
            state.health.paused = true;
        }
    }

    pub(super) fn health(&self) -> Health {
        self.state().health.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
