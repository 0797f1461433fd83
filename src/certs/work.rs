//! Claims Cert work: orders what is due, and asks for the window of renewal.
//!
//! A try is written into its record as if it had failed before it begins, and outside of the claim: whatever ends it,
//! a crash included, the next one comes after its back-off and never at once. Orders come one after the other, each in
//! a task of its own, so that a fault of ours in one is one failed try. Not here: the order itself (`order`).

use std::sync::Arc;
use std::time::Duration;

use rustls::sign::CertifiedKey;

use super::failure::{Failure, Kind};
use super::http::Way;
use super::order::Ordering;
use super::plan::{self, Plan};
use super::renewal::{self, Window};
use super::{Certs, Tools, account, hook, tell, watch};
use crate::base::limit::{ORDER_RETRY_FIRST, ORDER_TIME};
use crate::base::repeats::Repeats;
use crate::base::shutdown::Shutdown;
use crate::config::{AcmeConf, CertConf, Config};
use crate::store::{Batch, Claimed, Op, Pre, StoreError, Work};

/// Groups asked for at once: all there are.
const GROUPS: usize = 16;
/// Certificates claimed at once: an order takes minutes, and what is claimed cannot be asked for.
const ROOM: usize = 1;
/// Waited when nothing is known to become due.
const IDLE: Duration = Duration::from_secs(60);
/// Waited after a failure of the store.
const PAUSE: Duration = Duration::from_secs(5);
/// Tries to write what came of an order, when somebody changes the record at the same time.
const WRITE_TRIES: u32 = 5;
/// A date has come when the wall is so near: store time and wall are read at two moments.
const NEAR: u64 = 1;

/// Told when a reload overtook an order.
const OUTDATED: &str = "what was ordered is not what the configuration wants now; it is not shown";

/// What came of a try that did not fail.
struct Done {
    pair: CertifiedKey,
    order_at: u64,
    look_at: u64,
    /// Questions for the window that failed.
    looks: u32,
    notes: Vec<&'static str>,
}

impl Certs {
    /// Orders what is due until the server stops.
    pub(super) async fn work(&self, tools: &Tools, shutdown: &Shutdown) {
        let mut hint = tools.store.hint(Work::Cert);
        let repeats = Repeats::new(tools.clock.clone());
        while !shutdown.begun() {
            hint.mark_unchanged();
            let wait = match self.round(tools, shutdown).await {
                Ok(wait) => wait,
                Err(error) => {
                    if let Some(repeated) = repeats.say(&error.to_string()) {
                        tracing::warn!(%error, "certificates cannot be looked after; trying again{repeated}");
                    }
                    // No hint ends the pause: the first one comes from the claim that was given back just now.
                    tokio::select! {
                        () = shutdown.wait() => {}
                        () = tools.clock.sleep(PAUSE) => {}
                    }
                    continue;
                }
            };
            if wait.is_zero() {
                continue;
            }
            tokio::select! {
                () = shutdown.wait() => {}
                () = tools.clock.sleep(wait) => {}
                changed = hint.changed() => if changed.is_err() { return },
            }
        }
    }

    /// One look at all groups; how long to wait before the next.
    async fn round(&self, tools: &Tools, shutdown: &Shutdown) -> Result<Duration, StoreError> {
        let (mut done, mut last) = (false, Ok(()));
        for head in tools.store.ready(Work::Cert, GROUPS).await? {
            let now = tools.store.now();
            if head.at > now {
                // A certificate that fails keeps no other waiting.
                last?;
                let wait = Duration::from_micros(head.at.0 - now.0).min(IDLE);
                return Ok(if done { Duration::ZERO } else { wait });
            }
            for claimed in tools.store.claim(Work::Cert, head.group, ROOM).await? {
                done = true;
                match Box::pin(self.due(tools, claimed, shutdown)).await {
                    // Somebody else changed it first; it comes again if it still is due.
                    Ok(()) | Err(StoreError::Conflict(_)) => {}
                    Err(error) => last = Err(error),
                }
                if shutdown.begun() {
                    return Ok(Duration::ZERO);
                }
            }
        }
        last?;
        Ok(if done { Duration::ZERO } else { IDLE })
    }

    async fn due(
        &self,
        tools: &Tools,
        claimed: Claimed,
        shutdown: &Shutdown,
    ) -> Result<(), StoreError> {
        let conf = tools.conf.load_full();
        let key = claimed.record.key.clone();
        let finish = |op| {
            let mut batch = Batch::new();
            batch.pre.push(Pre::Mine(claimed.guard.id()));
            batch.ops.push(op);
            batch
        };
        let found = plan::title(&key).and_then(|title| Some((title, of_title(&conf, title)?)));
        let (Some((title, cert)), Some(acme)) = (found, &conf.tls.acme) else {
            return tools.store.commit(finish(Op::Delete(key))).await.map(drop);
        };
        let (now, store) = (tools.clock.wall().secs(), tools.store.now());
        let mut plan = match Plan::read(&key, &claimed.record.value) {
            Ok(plan) => plan,
            Err(error) => {
                tracing::error!(certificate = title, %error, "the record of a certificate cannot be read; it begins anew");
                let names = titles(cert);
                Plan::fresh(names, &acme.directory, now + ORDER_RETRY_FIRST.as_secs())
            }
        };
        // Each day anew: the wall that these dates were reckoned by may have been ahead.
        self.bound(tools, title, &mut plan);
        let before = plan.clone();
        let ordering = plan.order_at <= now + NEAR;
        if ordering {
            plan.order_at = plan.order_at.max(plan.earliest(now, store));
        }
        if ordering && plan.order_at <= now + NEAR {
            plan.begin(now, store, jitter());
            // What came of it is told by what was ordered, whether the record was in step before or not.
            plan.names = titles(cert);
            plan.directory.clone_from(&acme.directory);
            tools.store.commit(finish(plan.put(title, now))).await?;
            self.know(tools, title, Some(plan));
            drop(claimed);
            return self
                .try_order(tools, &conf, cert, title, before, shutdown)
                .await;
        }
        if plan.look_at != 0 && plan.look_at <= now + NEAR {
            self.look(tools, acme, &conf, title, &mut plan).await;
        }
        tools.store.commit(finish(plan.put(title, now))).await?;
        self.know(tools, title, Some(plan));
        Ok(())
    }

    /// Draws dates back that were reckoned by a wall that was ahead.
    pub(super) fn bound(&self, tools: &Tools, title: &str, plan: &mut Plan) {
        let table = self.0.table.load();
        let shown = table.titled(title).filter(|shown| watch::is_sound(shown));
        let renewal = shown.map(|shown| renewal::latest(&shown.facts));
        plan.bound(renewal, tools.clock.wall().secs());
    }

    /// Asks whether the window of renewal moved (RFC 9773 section 4.3).
    async fn look(
        &self,
        tools: &Tools,
        acme: &AcmeConf,
        conf: &Config,
        title: &str,
        plan: &mut Plan,
    ) {
        let now = tools.clock.wall().secs();
        let Some(shown) = self.0.table.load().titled(title).map(Arc::clone) else {
            return;
        };
        let asking = async {
            let way = Way::new(acme, tools.clock.clone()).ok()?;
            let account = account::known(acme, &conf.tls.dir, &way).await.ok()??;
            renewal::ask(&account, &shown.key).await.ok()
        };
        let window = tools.clock.timeout(ORDER_TIME, Box::pin(asking)).await;
        match window {
            Ok(Some(window)) => {
                let date = renewal::date(&shown.facts, window, Some(plan.order_at), now, jitter());
                (plan.order_at, plan.look_at) = date;
                plan.looks = 0;
            }
            // What is known stays: the date was drawn from a window, or from the lifetime.
            Ok(None) | Err(_) => {
                plan.looks = plan.looks.saturating_add(1);
                plan.look_at = now + renewal::again(plan.looks).as_secs();
            }
        }
    }

    /// One try, and what came of it.
    async fn try_order(
        &self,
        tools: &Tools,
        conf: &Arc<Config>,
        cert: &CertConf,
        title: &str,
        before: Plan,
        shutdown: &Shutdown,
    ) -> Result<(), StoreError> {
        let trying = {
            let (certs, tools, conf) = (self.clone(), tools.clone(), Arc::clone(conf));
            let (cert, title, before) = (cert.clone(), title.to_owned(), before.clone());
            tokio::spawn(async move { certs.attempt(&tools, &conf, &cert, &title, &before).await })
        };
        let stop = trying.abort_handle();
        let ended = tokio::select! {
            biased;
            ended = trying => Some(ended),
            () = shutdown.wait() => None,
        };
        stop.abort();
        self.clear_answers(tools, conf).await;
        let result = match ended {
            // The record says already when it goes on.
            None => return Ok(()),
            Some(Ok(result)) => result,
            Some(Err(fault)) => {
                let why = format!("a fault of this program: {fault}; please report it");
                Err(Failure::new(Kind::Broken, why))
            }
        };
        match result {
            Ok(Some(done)) => self.succeeded(tools, conf, cert, title, done).await,
            Ok(None) => self.outdated(tools, title).await,
            Err(failure) => self.failed(tools, title, &before, failure).await,
        }
    }

    async fn attempt(
        &self,
        tools: &Tools,
        conf: &Config,
        cert: &CertConf,
        title: &str,
        before: &Plan,
    ) -> Result<Option<Done>, Failure> {
        let Some(acme) = &conf.tls.acme else {
            return Err(Failure::new(Kind::Broken, "[acme] is gone"));
        };
        let way = Way::new(acme, tools.clock.clone())
            .map_err(|error| Failure::new(Kind::Unreachable, error.to_string()))?;
        let shown = self.0.table.load().titled(title).map(Arc::clone);
        let old = shown.filter(|shown| watch::is_sound(shown));
        let mut ordering = Ordering {
            certs: self,
            tools,
            acme,
            dir: &conf.tls.dir,
            cert,
            title,
            replaces: old.and_then(|shown| renewal::identifier(&shown.key)),
            begun: before.order.clone(),
            notes: Vec::new(),
        };
        let ordered = tools
            .clock
            .timeout(ORDER_TIME, Box::pin(ordering.run(&way)))
            .await;
        let ordered = ordered.unwrap_or_else(|_| {
            let minutes = ORDER_TIME.as_secs() / 60;
            let why = format!("the order was not done within {minutes} minutes");
            Err(Failure::new(Kind::Slow, why))
        });
        if ordering.begun.is_empty() {
            self.remember(tools, title, "").await;
        }
        let (pair, account) = match ordered {
            Ok(Some(ordered)) => ordered,
            Ok(None) => return Ok(None),
            Err(mut failure) => {
                failure.wait = way.noted().retry_after.filter(|_| failure.heeds());
                for note in ordering.notes {
                    failure.why = format!("{} ({note})", failure.why);
                }
                return Err(failure);
            }
        };
        let now = tools.clock.wall().secs();
        // One that is not answered is asked again; only a directory without windows is not.
        let asked = renewal::ask(&account, &pair).await;
        let looks = u32::from(asked.is_err());
        let window = asked.unwrap_or_else(|_| Window {
            span: None,
            again: Some(renewal::again(looks)),
        });
        let facts = super::facts::Facts::read(&pair.cert).unwrap_or_default();
        let (order_at, look_at) = renewal::date(&facts, window, None, now, jitter());
        // A window that is over for what was issued just now is a fault, and would order all day.
        let order_at = order_at.max(renewal::rest(&facts, now));
        Ok(Some(Done {
            pair,
            order_at,
            look_at,
            looks,
            notes: ordering.notes,
        }))
    }

    async fn succeeded(
        &self,
        tools: &Tools,
        conf: &Config,
        cert: &CertConf,
        title: &str,
        done: Done,
    ) -> Result<(), StoreError> {
        match self.install_ordered(title, done.pair) {
            Ok(Some(shown)) => {
                let text = tell::renewed(tools, title, &shown, done.order_at, &done.notes);
                tell::event(tools, tell::RENEWED, title, text);
            }
            Ok(None) => tracing::info!(certificate = %title, OUTDATED),
            Err(error) => tracing::error!(certificate = title, %error, "it cannot be used"),
        }
        let (names, directory) = (titles(cert), conf.tls.acme.as_ref());
        let directory = directory.map_or_else(String::new, |acme| acme.directory.clone());
        self.change(tools, title, |plan| {
            if plan.names != names || plan.directory != directory {
                // Another configuration is in force since: what it wants is still due.
                return;
            }
            *plan = Plan {
                names: names.clone(),
                directory: directory.clone(),
                order_at: done.order_at,
                look_at: done.look_at,
                looks: done.looks,
                tries: plan.tries.clone(),
                ..Plan::default()
            };
        })
        .await
    }

    /// What was ordered is not what the configuration wants now; its own order is due, or will be when the record is in
    /// step.
    async fn outdated(&self, tools: &Tools, title: &str) -> Result<(), StoreError> {
        tracing::info!(certificate = %title, OUTDATED);
        self.change(tools, title, |plan| {
            plan.order.clear();
            plan.error.clear();
            plan.failures = 0;
        })
        .await
    }

    async fn failed(
        &self,
        tools: &Tools,
        title: &str,
        before: &Plan,
        failure: Failure,
    ) -> Result<(), StoreError> {
        let now = tools.clock.wall().secs();
        self.change(tools, title, |plan| {
            plan.kind = failure.word().to_owned();
            plan.failed(failure.why.clone(), failure.wait, now);
        })
        .await?;
        if let Some(span) = failure.wait {
            self.all_wait(tools, title, plan::waits(span, now)).await?;
        }
        let shown = self.0.table.load().titled(title).map(Arc::clone);
        let plans = self.0.plans.load();
        let next = plans.get(title).map_or(now, |known| known.plan.order_at);
        let text = tell::failed(title, shown.as_deref(), &failure, next, now);
        // The same trouble again is in the log, not in another event.
        if before.failures == 0 || before.kind != failure.word() {
            tell::event(tools, tell::FAILED, title, text);
        }
        Ok(())
    }

    /// What the directory asked of one order it asked of the account (RFC 8555 section 6.6): the others wait too.
    async fn all_wait(&self, tools: &Tools, except: &str, until: u64) -> Result<(), StoreError> {
        let conf = tools.conf.load_full();
        let all = conf.tls.ordered().filter_map(|cert| cert.names.first());
        for title in all.map(ToString::to_string).filter(|title| title != except) {
            self.change(tools, &title, |plan| plan.wait_until(until))
                .await?;
        }
        Ok(())
    }

    async fn clear_answers(&self, tools: &Tools, conf: &Config) {
        let records = self.answers().clear();
        let Some(acme) = &conf.tls.acme else { return };
        let Some(program) = &acme.hook else { return };
        for (name, value) in records {
            let removed = hook::run(program, acme, "remove", &name, &value, &tools.clock).await;
            if let Err(why) = removed {
                tracing::warn!(%name, why, "a TXT record of a validation may be left behind; it does no harm");
            }
        }
    }

    /// Notes the URL of an order under way, so that it can be gone on with after a crash.
    pub(super) async fn remember(&self, tools: &Tools, title: &str, url: &str) {
        let noted = self.change(tools, title, |plan| url.clone_into(&mut plan.order));
        if let Err(error) = noted.await {
            tracing::warn!(certificate = title, %error, "an order cannot be noted; after a crash it would begin anew");
        }
    }

    /// Changes a record that nobody has claimed, whoever else does.
    pub(super) async fn change(
        &self,
        tools: &Tools,
        title: &str,
        change: impl Fn(&mut Plan),
    ) -> Result<(), StoreError> {
        let key = plan::key(title);
        for left in (0..WRITE_TRIES).rev() {
            let found = tools.store.get(vec![key.clone()]).await?;
            let Some(record) = found.into_iter().flatten().next() else {
                return Ok(());
            };
            let mut plan = Plan::read(&key, &record.value)?;
            change(&mut plan);
            let mut batch = Batch::new();
            let unchanged = Pre::Is(key.clone(), record.version);
            batch.pre.extend([unchanged, Pre::Free(key.clone())]);
            batch.ops.push(plan.put(title, tools.clock.wall().secs()));
            match tools.store.commit(batch).await {
                Ok(_) => {
                    self.know(tools, title, Some(plan));
                    return Ok(());
                }
                Err(StoreError::Conflict(_)) if left > 0 => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// What is ordered under this title.
pub(super) fn of_title<'a>(conf: &'a Config, title: &str) -> Option<&'a CertConf> {
    let is = |cert: &&CertConf| {
        cert.names
            .first()
            .is_some_and(|name| name.to_string() == title)
    };
    conf.tls.ordered().find(is)
}

/// Its names as texts.
pub(super) fn titles(cert: &CertConf) -> Vec<String> {
    cert.names.iter().map(ToString::to_string).collect()
}

pub(super) fn jitter() -> u16 {
    fastrand::u16(..)
}
