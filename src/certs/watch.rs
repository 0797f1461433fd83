//! Keeps what is in force in step with the world: records with the configuration, files with the disk, people with ends.
//!
//! Files are looked at by their times, sizes and numbers; a changed pair that is whole is in force at the next look. One
//! that is not is told when it is found so twice, because whoever copies two files is between them for a moment.
//! Not here: orders (`work`).

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::plan::{self, Plan};
use super::renewal::{self, Window};
use super::stand::CertSource;
use super::table::Shown;
use super::work::{jitter, titles};
use super::{Certs, Tools, check, load, tell};
use crate::base::limit::CERT_WATCH;
use crate::base::repeats::Repeats;
use crate::base::shutdown::Shutdown;
use crate::config::{AcmeConf, CertConf, CertFiles, pem};
use crate::store::{Batch, Op, Pre, Span, StoreError};

/// How a pair of files looks from outside.
pub(super) type Stamp = [Option<(SystemTime, u64, u64)>; 2];

/// What was told, so that it is told once.
#[derive(Default)]
struct Told {
    /// Broken files: as they looked, and whether it was told.
    files: HashMap<CertFiles, (Stamp, bool)>,
    /// Ends: by title, in seconds since 1970.
    ends: HashMap<String, u64>,
}

/// Records read with one scan; there are never more certificates.
const PAGE: usize = crate::base::limit::CERTS_MAX;
/// Told again so often.
const DAY: u64 = 86_400;
/// Waited after records could not be kept in step.
const PAUSE: Duration = Duration::from_secs(5);

/// How `files` look now.
pub(super) fn stamp(files: &CertFiles) -> Stamp {
    use std::os::unix::fs::MetadataExt;
    let look = |path: &Path| {
        let facts = std::fs::metadata(path).ok()?;
        Some((facts.modified().ok()?, facts.len(), facts.ino()))
    };
    [look(&files.cert), look(&files.key)]
}

impl Certs {
    /// Looks until the server stops.
    pub(super) async fn watch(&self, tools: &Tools, shutdown: &Shutdown) {
        let (mut told, mut behind) = (Told::default(), true);
        let repeats = Repeats::new(tools.clock.clone());
        while !shutdown.begun() {
            if behind {
                match self.keep(tools).await {
                    Ok(()) => behind = false,
                    Err(error) => {
                        if let Some(repeated) = repeats.say(&error.to_string()) {
                            tracing::warn!(%error, "the records of certificates cannot be kept in step; trying again{repeated}");
                        }
                    }
                }
            }
            self.look_at_files(tools, &mut told);
            self.look_at_ends(tools, &mut told);
            let wait = if behind { PAUSE } else { CERT_WATCH };
            tokio::select! {
                () = shutdown.wait() => {}
                () = self.0.changed.notified() => behind = true,
                () = tools.clock.sleep(wait) => {}
            }
        }
    }

    /// One record for each certificate that is ordered, and none for others.
    pub(super) async fn keep(&self, tools: &Tools) -> Result<(), StoreError> {
        let conf = tools.conf.load_full();
        let page = tools
            .store
            .scan(Span::Prefix(plan::prefix()), None, false, PAGE);
        let records = page.await?.records;
        let kept = |title: &str| super::work::of_title(&conf, title).is_some();
        for record in &records {
            if plan::title(&record.key).is_some_and(kept) {
                continue;
            }
            let mut batch = Batch::new();
            batch.pre.push(Pre::Free(record.key.clone()));
            batch.ops.push(Op::Delete(record.key.clone()));
            commit(tools, batch).await?;
        }
        self.forget_others(&conf);
        let Some(acme) = &conf.tls.acme else {
            return Ok(());
        };
        // What the directory asked of one order it asked of the account.
        let plans = records
            .iter()
            .filter_map(|record| Plan::read(&record.key, &record.value).ok());
        let plans = plans.filter(|plan| plan.directory == acme.directory);
        let asked = plans.map(|plan| plan.not_before).max().unwrap_or(0);
        for cert in conf.tls.ordered() {
            let Some(title) = cert.names.first().map(ToString::to_string) else {
                continue;
            };
            let key = plan::key(&title);
            let found = records.iter().find(|record| record.key == key);
            let old = found.map(|record| Plan::read(&key, &record.value));
            let (old, pre) = match (old, found) {
                (Some(Ok(old)), Some(found)) => (Some(old), Pre::Is(key.clone(), found.version)),
                // `due` begins it anew, with its floor.
                (Some(Err(_)), _) => continue,
                (_, _) => (None, Pre::Absent(key.clone())),
            };
            let mut plan = self.in_step(tools, acme, cert, &title, old.as_ref());
            if asked > tools.clock.wall().secs() {
                plan.not_before = plan.not_before.max(asked);
            }
            self.bound(tools, &title, &mut plan);
            if old.as_ref() != Some(&plan) {
                let mut batch = Batch::new();
                batch.pre.extend([pre, Pre::Free(key.clone())]);
                batch.ops.push(plan.put(&title, tools.clock.wall().secs()));
                if !commit(tools, batch).await? {
                    // Whoever was faster has said what is known of it.
                    continue;
                }
            }
            self.know(tools, &title, Some(plan));
        }
        Ok(())
    }

    /// The record as the configuration wants it.
    fn in_step(
        &self,
        tools: &Tools,
        acme: &AcmeConf,
        cert: &CertConf,
        title: &str,
        old: Option<&Plan>,
    ) -> Plan {
        let now = tools.clock.wall().secs();
        let shown = self.0.table.load().titled(title).map(Arc::clone);
        let shown = shown.filter(|shown| is_sound(shown) && covers(shown, cert));
        let names = titles(cert);
        let Some(old) = old else {
            let mut plan = Plan::fresh(names, &acme.directory, now);
            if let Some(shown) = shown {
                // It came here without its record: it is used up before another one is ordered, unless the directory
                // says otherwise.
                let date = renewal::date(&shown.facts, Window::default(), None, now, jitter());
                (plan.order_at, plan.look_at) = (date.0, now);
            }
            return plan;
        };
        let mut plan = old.clone();
        let moved = old.directory != acme.directory;
        if old.names != names || moved {
            plan.names = names;
            plan.directory.clone_from(&acme.directory);
            plan.order.clear();
            plan.error.clear();
            (plan.failures, plan.look_at, plan.looks) = (0, 0, 0);
            if moved {
                // Another directory never asked us to wait.
                plan.not_before = 0;
            }
            plan.order_at = plan.earliest(now, tools.store.now());
        } else if shown.is_none() && old.failures == 0 && old.order_at > now {
            // Its file is gone or damaged, or for other names.
            plan.order_at = plan.earliest(now, tools.store.now()).min(old.order_at);
        }
        plan
    }

    fn look_at_files(&self, tools: &Tools, told: &mut Told) {
        let conf = tools.conf.load_full();
        let now = tools.clock.wall().secs();
        for cert in &conf.tls.certificates {
            let Some(files) = &cert.files else { continue };
            let table = self.0.table.load_full();
            let Some(old) = table
                .all()
                .iter()
                .find(|one| one.files.as_ref() == Some(files))
            else {
                continue;
            };
            let seen = stamp(files);
            if old.stamp == Some(seen) {
                told.files.remove(files);
                continue;
            }
            let read = load::of_files(&cert.names, files).map_err(|error| error.to_string());
            let read = read.and_then(|new| {
                let fit = check::fit(&new.key, &cert.names, now).map_err(|why| why.to_string());
                fit.map(|()| new)
            });
            match read {
                Ok(new) => {
                    let title = new.title();
                    let text = tell::fresh_files(&title, &new);
                    self.install(new);
                    tell::event(tools, tell::RENEWED, &title, text);
                    told.files.remove(files);
                }
                Err(why) => match told.files.get_mut(files) {
                    Some((stamp, true)) if *stamp == seen => {}
                    Some((stamp, is_told)) if *stamp == seen => {
                        *is_told = true;
                        let text = tell::broken_files(&old.title(), old, &why, now);
                        tell::event(tools, tell::FAILED, &old.title(), text);
                    }
                    Some(_) | None => {
                        told.files.insert(files.clone(), (seen, false));
                    }
                },
            }
        }
    }

    fn look_at_ends(&self, tools: &Tools, told: &mut Told) {
        let now = tools.clock.wall().secs();
        for shown in self.0.table.load().all() {
            let soon = pem::ends_soon(shown.facts.from, shown.facts.until, now);
            if shown.source == CertSource::SelfSigned || !soon {
                continue;
            }
            let title = shown.title();
            let last = told.ends.get(&title).copied();
            // One that was told in the future was told by a clock that was ahead.
            if last.is_some_and(|last| last <= now && now - last < DAY) {
                continue;
            }
            let text = tell::expiring(&title, shown, now);
            tell::event(tools, tell::EXPIRING, &title, text);
            told.ends.insert(title, now);
        }
    }
}

/// Whether a certificate is in force that a start would find again.
pub(super) fn is_sound(shown: &Shown) -> bool {
    !shown.stand_in && shown.unsaved.is_none()
}

fn covers(shown: &Shown, cert: &CertConf) -> bool {
    let own = &shown.key.cert;
    cert.names.iter().all(|name| pem::covers(own, name))
}

/// Whether it was written: whoever has the record at this moment puts it in step himself.
async fn commit(tools: &Tools, batch: Batch) -> Result<bool, StoreError> {
    match tools.store.commit(batch).await {
        Ok(_) => Ok(true),
        Err(StoreError::Conflict(_)) => Ok(false),
        Err(error) => Err(error),
    }
}
