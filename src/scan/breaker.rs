//! Leaves a scanner alone that fails again and again, and counts what it does.
//!
//! After `SCAN_FAILURES` in a row mails are answered at once with the last failure for `SCAN_PAUSE`, then one mail may
//! try; each trial that fails doubles the pause. So a dead scanner costs mails no waiting, and a busy one no crowd.
//! A question that is dropped (its client is gone, the server stops) says nothing: its `Turn` gives the trial back.
//! Not here: how a scanner is asked, and what becomes of a mail that it did not judge.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Trouble;
use super::clamd::Kept;
use crate::base::clock::{Clock, Mono, Wall};
use crate::base::limit::{SCAN_FAILURES, SCAN_PAUSE, SCAN_PAUSE_MAX};
use crate::config::{ScannerAddress, ScannerConf};

/// The state of one scanner.
#[derive(Debug)]
pub struct Breaker {
    address: ScannerAddress,
    kind: &'static str,
    connections: usize,
    permits: Arc<Semaphore>,
    state: Mutex<State>,
    /// A clamd's connections.
    kept: Kept,
}

#[derive(Clone, Debug, Default)]
struct State {
    /// In a row, while it is asked.
    failures: u32,
    /// None: it is asked.
    pause: Option<Pause>,
    health: Health,
}

/// It is left alone.
#[derive(Clone, Copy, Debug)]
struct Pause {
    /// Nobody asks before.
    until: Mono,
    /// How long it was.
    span: Duration,
    /// One mail is trying.
    trying: bool,
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

/// The right to ask it once; dropped, it leaves no trace.
#[derive(Debug)]
pub(super) struct Turn {
    breaker: Arc<Breaker>,
    /// It is the one mail that tries while the others are answered at once.
    trial: bool,
    _permit: OwnedSemaphorePermit,
}

impl Breaker {
    pub(super) fn new(conf: &ScannerConf) -> Self {
        Self {
            address: conf.address.clone(),
            kind: conf.kind.word(),
            connections: conf.connections,
            permits: Arc::new(Semaphore::new(conf.connections)),
            state: Mutex::default(),
            kept: Kept::default(),
        }
    }

    pub(super) fn is_of(&self, conf: &ScannerConf) -> bool {
        self.address == conf.address
            && self.kind == conf.kind.word()
            && self.connections == conf.connections
    }

    /// Waits for a free connection, unless the scanner is left alone.
    pub(super) async fn enter(
        self: Arc<Self>,
        conf: &ScannerConf,
        clock: &Clock,
    ) -> Result<Turn, Trouble> {
        self.paused(clock).map_or(Ok(()), Err)?;
        let permit = Arc::clone(&self.permits).acquire_owned();
        let Ok(Ok(permit)) = clock.timeout(conf.timeout, permit).await else {
            return Err(Trouble::Busy(self.connections, conf.timeout));
        };
        // Those who had the connections meanwhile may have found it dead: then a crowd that waited does not go on asking.
        let trial = self.take_trial(clock)?;
        Ok(Turn {
            breaker: self,
            trial,
            _permit: permit,
        })
    }

    fn paused(&self, clock: &Clock) -> Option<Trouble> {
        self.state().paused(clock)
    }

    /// Whether this is a trial.
    fn take_trial(&self, clock: &Clock) -> Result<bool, Trouble> {
        let mut state = self.state();
        if let Some(trouble) = state.paused(clock) {
            return Err(trouble);
        }
        let Some(pause) = &mut state.pause else {
            return Ok(false);
        };
        pause.trying = true;
        Ok(true)
    }

    /// A ping was answered, or was not. An answer ends a pause, but proves no scan: the next failure begins another.
    pub(super) fn pinged(&self, conf: &ScannerConf, clock: &Clock, trouble: Option<&Trouble>) {
        let mut state = self.state();
        match trouble {
            None => {
                let was = state.pause.map(|_| SCAN_FAILURES.saturating_sub(1));
                let failures = was.unwrap_or(state.failures);
                state.answered(conf, clock);
                state.failures = failures;
            }
            // It may be busy with mails.
            Some(Trouble::Slow(_)) => {}
            Some(trouble) => state.failed(conf, clock, trouble, false),
        }
    }

    pub(super) fn health(&self) -> Health {
        self.state().health.clone()
    }

    /// Closes connections that waited too long.
    pub(super) fn sweep(&self, clock: &Clock) {
        self.kept.sweep(clock.mono());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    /// Connections that wait.
    pub(super) fn kept(&self) -> &Kept {
        &self.breaker.kept
    }

    /// What became of the question.
    pub(super) fn end(mut self, conf: &ScannerConf, clock: &Clock, trouble: Option<&Trouble>) {
        let mut state = self.breaker.state();
        match trouble {
            None => {
                state.answered(conf, clock);
                state.health.answers += 1;
            }
            Some(trouble) => state.failed(conf, clock, trouble, self.trial),
        }
        drop(state);
        // Said already.
        self.trial = false;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.trial
            && let Some(pause) = &mut self.breaker.state().pause
        {
            pause.trying = false;
        }
    }
}

impl State {
    fn paused(&self, clock: &Clock) -> Option<Trouble> {
        let pause = self.pause?;
        if clock.mono() >= pause.until && !pause.trying {
            return None;
        }
        let last = self.health.failure.as_ref();
        let last = last.map(|(text, _)| text.clone()).unwrap_or_default();
        Some(Trouble::Paused(last))
    }

    fn answered(&mut self, conf: &ScannerConf, clock: &Clock) {
        if self.pause.take().is_some() {
            tracing::info!(scanner = conf.name, "the scanner answers again");
        }
        self.failures = 0;
        self.health.paused = false;
        self.health.failing = None;
        self.health.failure = None;
        self.health.answered = Some(clock.wall());
    }

    fn failed(&mut self, conf: &ScannerConf, clock: &Clock, trouble: &Trouble, trial: bool) {
        match trouble {
            Trouble::Unreachable(..)
            | Trouble::Slow(_)
            | Trouble::Broken(_)
            | Trouble::Garbage(_) => self.down(conf, clock, trouble, trial),
            // It lives, and says no to one mail: that keeps nobody else waiting.
            Trouble::Unable(_) => {
                if self.health.failure.is_none() {
                    // One line for a row of them.
                    tracing::warn!(scanner = conf.name, %trouble, "the scanner gives no opinion");
                }
                let since = self.health.failing;
                self.answered(conf, clock);
                self.health.failures += 1;
                self.health.failing = since.or(Some(clock.wall()));
                self.health.failure = Some((trouble.to_string(), clock.wall()));
            }
            Trouble::OverLimit(_) => self.answered(conf, clock),
            // It was not asked to the end: the next one tries.
            Trouble::TooLarge(..)
            | Trouble::Unfit(_)
            | Trouble::Busy(..)
            | Trouble::Stopping
            | Trouble::Crowded(_)
            | Trouble::Paused(_)
            | Trouble::Unread(_) => {
                if let (true, Some(pause)) = (trial, &mut self.pause) {
                    pause.trying = false;
                }
            }
        }
    }

    fn down(&mut self, conf: &ScannerConf, clock: &Clock, trouble: &Trouble, trial: bool) {
        self.failures = self.failures.saturating_add(1);
        self.health.failures += 1;
        self.health.failing.get_or_insert(clock.wall());
        self.health.failure = Some((trouble.to_string(), clock.wall()));
        let now = clock.mono();
        match &mut self.pause {
            Some(pause) if trial => {
                pause.trying = false;
                pause.span = pause.span.saturating_mul(2).min(SCAN_PAUSE_MAX);
                pause.until = now + pause.span;
            }
            // Of many that were under way when it died, the first few opened it.
            Some(_) => {}
            None if self.failures >= SCAN_FAILURES => {
                let (name, rule) = (&conf.name, conf.on_failure.word());
                tracing::error!(
                    scanner = name, %trouble, on_failure = rule,
                    "the scanner fails; it is left alone, and tried again from time to time"
                );
                self.pause = Some(Pause {
                    until: now + SCAN_PAUSE,
                    span: SCAN_PAUSE,
                    trying: false,
                });
                self.health.paused = true;
            }
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{OnFailure, Role, ScannerKind};

    fn conf(connections: usize) -> ScannerConf {
        ScannerConf {
            name: "clam".to_owned(),
            kind: ScannerKind::Clamd,
            address: ScannerAddress::Tcp("127.0.0.1".to_owned(), 1),
            timeout: Duration::from_secs(30),
            max_size: crate::base::size::ByteSize::mib(25),
            connections,
            on_failure: OnFailure::Hold,
            listeners: vec![Role::Mx],
            headers: crate::config::HeadersFor::default(),
        }
    }

    fn dead() -> Trouble {
        Trouble::Broken("it died".to_owned())
    }

    struct Stand {
        conf: ScannerConf,
        clock: Clock,
        breaker: Arc<Breaker>,
    }

    impl Stand {
        fn new(connections: usize) -> Self {
            let conf = conf(connections);
            Self {
                breaker: Arc::new(Breaker::new(&conf)),
                conf,
                clock: Clock::moved(Wall(0)),
            }
        }

        async fn enter(&self) -> Result<Turn, Trouble> {
            let breaker = Arc::clone(&self.breaker);
            breaker.enter(&self.conf, &self.clock).await
        }

        async fn ask(&self, trouble: Option<&Trouble>) {
            let turn = self.enter().await.unwrap();
            turn.end(&self.conf, &self.clock, trouble);
        }

        async fn open(&self) {
            for _ in 0..SCAN_FAILURES {
                self.ask(Some(&dead())).await;
            }
            assert!(self.breaker.health().paused);
        }

        async fn is_paused(&self) -> bool {
            matches!(self.enter().await, Err(Trouble::Paused(_)))
        }
    }

    #[tokio::test]
    async fn it_opens_after_failures_in_a_row_and_closes_with_an_answer() {
        let stand = Stand::new(4);
        stand.ask(Some(&dead())).await;
        stand.ask(Some(&dead())).await;
        stand.ask(None).await;
        stand.open().await;
        assert!(stand.is_paused().await);
        stand.clock.advance(SCAN_PAUSE);
        stand.ask(None).await;
        assert!(!stand.is_paused().await);
        let health = stand.breaker.health();
        assert_eq!(
            (health.paused, health.answers, health.failures),
            (false, 2, 5)
        );
        assert_eq!(health.failure, None);
    }

    #[tokio::test]
    async fn a_trial_that_is_dropped_lets_the_next_one_try() {
        let stand = Stand::new(4);
        stand.open().await;
        stand.clock.advance(SCAN_PAUSE);
        let trial = stand.enter().await.unwrap();
        assert!(stand.is_paused().await, "one tries at a time");
        drop(trial);
        stand.ask(None).await;
        assert!(!stand.breaker.health().paused);
    }

    #[tokio::test]
    async fn a_trial_that_ends_without_an_opinion_on_the_scanner_lets_the_next_one_try() {
        let stand = Stand::new(4);
        stand.open().await;
        stand.clock.advance(SCAN_PAUSE);
        stand.ask(Some(&Trouble::Unread("torn".to_owned()))).await;
        assert!(stand.breaker.health().paused);
        stand.ask(None).await;
        assert!(!stand.breaker.health().paused);
    }

    #[tokio::test]
    async fn only_trials_double_the_pause() {
        let stand = Stand::new(16);
        let mut turns = Vec::new();
        for _ in 0..16 {
            turns.push(stand.enter().await.unwrap());
        }
        for turn in turns {
            turn.end(&stand.conf, &stand.clock, Some(&dead()));
        }
        let mut span = SCAN_PAUSE;
        for _ in 0..6 {
            stand.clock.advance(span - Duration::from_micros(1));
            assert!(stand.is_paused().await, "too early after {span:?}");
            stand.clock.advance(Duration::from_micros(1));
            stand.ask(Some(&dead())).await;
            span = (span * 2).min(SCAN_PAUSE_MAX);
        }
        assert_eq!(span, SCAN_PAUSE_MAX);
    }

    #[tokio::test]
    async fn who_waited_for_a_connection_does_not_ask_a_scanner_that_died_meanwhile() {
        let stand = Stand::new(1);
        stand.ask(Some(&dead())).await;
        stand.ask(Some(&dead())).await;
        let last = stand.enter().await.unwrap();
        let crowd = stand.enter();
        tokio::pin!(crowd);
        assert!(futures_waits(crowd.as_mut()).await);
        last.end(&stand.conf, &stand.clock, Some(&dead()));
        assert!(matches!(crowd.await, Err(Trouble::Paused(text)) if text.contains("it died")));
    }

    #[tokio::test]
    async fn a_crowd_gives_up_within_its_timeout() {
        let stand = Stand::new(1);
        let _busy = stand.enter().await.unwrap();
        let crowd = stand.enter();
        tokio::pin!(crowd);
        assert!(futures_waits(crowd.as_mut()).await);
        stand.clock.advance(stand.conf.timeout);
        assert!(matches!(crowd.await, Err(Trouble::Busy(1, _))));
        assert_eq!(stand.breaker.health().failures, 0);
    }

    #[tokio::test]
    async fn what_a_scanner_says_of_one_mail_does_not_stop_the_others() {
        let stand = Stand::new(1);
        for _ in 0..10 {
            stand
                .ask(Some(&Trouble::Unable("no room".to_owned())))
                .await;
        }
        let health = stand.breaker.health();
        assert!(!health.paused);
        assert!(health.failure.unwrap().0.contains("no room"));
    }

    #[tokio::test]
    async fn an_answered_ping_ends_the_pause_and_the_next_failure_begins_another() {
        let stand = Stand::new(1);
        stand.open().await;
        stand.breaker.pinged(&stand.conf, &stand.clock, None);
        assert!(!stand.breaker.health().paused);
        stand.ask(Some(&dead())).await;
        assert!(stand.is_paused().await);
        let slow = Trouble::Slow(stand.conf.timeout);
        let other = Stand::new(1);
        for _ in 0..10 {
            other.breaker.pinged(&other.conf, &other.clock, Some(&slow));
        }
        assert!(!other.is_paused().await);
    }

    #[tokio::test]
    async fn an_outage_is_one_line_in_the_log_and_its_end_another() {
        let lines = Lines::default();
        let out = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || out.clone())
            .finish();
        let _until_the_end = tracing::subscriber::set_default(subscriber);
        let stand = Stand::new(16);
        for _ in 0..2 {
            let mut turns = Vec::new();
            for _ in 0..16 {
                turns.push(stand.enter().await.unwrap());
            }
            for turn in turns {
                turn.end(&stand.conf, &stand.clock, Some(&dead()));
            }
            for _ in 0..5 {
                assert!(stand.is_paused().await);
                stand.clock.advance(SCAN_PAUSE_MAX);
                stand.ask(Some(&dead())).await;
            }
            stand.clock.advance(SCAN_PAUSE_MAX);
            stand.ask(None).await;
        }
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let count = |words: &str| text.matches(words).count();
        assert_eq!(count("the scanner fails; it is left alone"), 2, "{text}");
        assert_eq!(count("the scanner answers again"), 2, "{text}");
        assert_eq!(text.lines().count(), 4, "{text}");
    }

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// Polls once.
    async fn futures_waits<F: Future>(mut future: std::pin::Pin<&mut F>) -> bool {
        std::future::poll_fn(|context| {
            std::task::Poll::Ready(future.as_mut().poll(context).is_pending())
        })
        .await
    }
}
