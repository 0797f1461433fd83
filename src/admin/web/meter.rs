//! What `/metrics` tells: counts of events since the start, and what the store knows.
//!
//! Counters hang on the events of the queue, so they are true to what was committed; a reader that fell behind loses
//! some. Holds are read from the store's counters. Labels are bounded: no address and no domain becomes one.
//! Not here: who may read them (`health`).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use axum::http::StatusCode;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::site::Site;
use crate::base::shutdown::Shutdown;
use crate::digest::record::number_key;
use crate::journal::event::{EventKind, Events};
use crate::store::StoreError;

/// Counts; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Meter(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    events: [AtomicU64; KINDS.len()],
    requests: [AtomicU64; 5],
    refused: AtomicBool,
}

const KINDS: [(EventKind, &str); 11] = [
    (EventKind::Accepted, "accepted"),
    (EventKind::Delivered, "delivered"),
    (EventKind::Deferred, "deferred"),
    (EventKind::MaybeDelivered, "maybe_delivered"),
    (EventKind::Bounced, "bounced"),
    (EventKind::Held, "held"),
    (EventKind::Released, "released"),
    (EventKind::Requeued, "requeued"),
    (EventKind::Deleted, "deleted"),
    (EventKind::CertRenewed, "renewed"),
    (EventKind::CertFailed, "failed"),
];

type Labels = Vec<(&'static str, String)>;
type Gauges = Family<Labels, Gauge<i64, AtomicI64>>;
type Counters = Family<Labels, Counter>;

impl Meter {
    /// Whether nobody was told yet that a token is needed: one line in the log is enough for a start.
    pub(super) fn is_first_refusal(&self) -> bool {
        !self.0.refused.swap(true, Ordering::Relaxed)
    }

    /// Counts events until the signal to stop.
    pub async fn run(self, events: Events, shutdown: Shutdown) {
        let mut events = events.subscribe();
        loop {
            let event = tokio::select! {
                biased;
                () = shutdown.wait() => return,
                event = events.next() => event,
            };
            let Some(event) = event else { return };
            let of = KINDS.iter().position(|(kind, _)| *kind == event.kind);
            if let Some(count) = of.and_then(|of| self.0.events.get(of)) {
                count.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// One answer of the endpoint.
    pub(super) fn answered(&self, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100).saturating_sub(1);
        if let Some(count) = self.0.requests.get(class) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// OpenMetrics text.
    pub(super) async fn text(&self, site: &Site) -> Result<String, StoreError> {
        let mut registry = Registry::with_prefix("postwerk");
        self.register_counts(&mut registry);
        register_space(&mut registry, site);
        register_certificates(&mut registry, site);
        register_scanners(&mut registry, site);
        let holds = Gauges::default();
        for (queue, reason, count) in site.queue.held_counts().await? {
            let labels = vec![
                ("queue", queue.word().to_owned()),
                ("reason", reason.word().to_owned()),
            ];
            holds
                .get_or_create(&labels)
                .set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        registry.register("hold_messages", "Recipients that are held", holds);
        let damaged = Gauge::<i64, AtomicI64>::default();
        let damages = site.queue.damages_in_all().await?.len();
        damaged.set(i64::try_from(damages).unwrap_or(i64::MAX));
        registry.register(
            "damaged_records",
            "Records that cannot be read and are set aside; counted up to 1,000",
            damaged,
        );
        let digests = Counter::<u64>::default();
        let number = site.queue.store().get(vec![number_key()]).await?;
        let number = number.into_iter().flatten().next();
        let sent = number.and_then(|record| record.value.as_ref().try_into().ok());
        digests.inc_by(sent.map_or(0, |sent| u64::from(u32::from_be_bytes(sent))));
        registry.register("digest_sent", "Digests that were sent, ever", digests);
        register_guests(&mut registry, site);
        let mut text = String::new();
        encode(&mut text, &registry)
            .map_err(|error| StoreError::Unavailable(error.to_string().into()))?;
        Ok(text)
    }

    fn register_counts(&self, registry: &mut Registry) {
        let received = Counter::<u64>::default();
        let (deliveries, acts, orders) = (
            Counters::default(),
            Counters::default(),
            Counters::default(),
        );
        for ((kind, word), count) in KINDS.iter().zip(&self.0.events) {
            let count = count.load(Ordering::Relaxed);
            let labels = vec![("status", (*word).to_owned())];
            match kind {
                EventKind::Accepted => drop(received.inc_by(count)),
                EventKind::Delivered
                | EventKind::Deferred
                | EventKind::MaybeDelivered
                | EventKind::Bounced => {
                    deliveries.get_or_create(&labels).inc_by(count);
                }
                EventKind::Held
                | EventKind::Released
                | EventKind::Requeued
                | EventKind::Deleted => {
                    acts.get_or_create(&labels).inc_by(count);
                }
                EventKind::CertRenewed | EventKind::CertFailed => {
                    let labels = vec![("result", (*word).to_owned())];
                    orders.get_or_create(&labels).inc_by(count);
                }
                EventKind::CertExpiring => {}
            }
        }
        registry.register(
            "messages_received",
            "Messages taken in since the start",
            received,
        );
        registry.register(
            "deliveries",
            "Recipients by what became of a try",
            deliveries,
        );
        registry.register("decisions", "Recipients held, released and so on", acts);
        registry.register(
            "cert_renewals",
            "Orders of certificates by what became of them",
            orders,
        );
        let requests = Counters::default();
        for (class, count) in (1..).zip(&self.0.requests) {
            let labels = vec![("status", format!("{class}xx"))];
            requests
                .get_or_create(&labels)
                .inc_by(count.load(Ordering::Relaxed));
        }
        registry.register("admin_requests", "Answers of the endpoint", requests);
    }
}

/// Names are of our own configuration or files, so there are few.
fn register_certificates(registry: &mut Registry, site: &Site) {
    let now = site.clock.wall().secs();
    let ends = Gauges::default();
    for stand in site.certs.stands() {
        let Some(until) = stand.until else { continue };
        let seconds = |at: u64| i64::try_from(at).unwrap_or(i64::MAX);
        let labels = vec![("name", stand.title().to_owned())];
        ends.get_or_create(&labels)
            .set(seconds(until).saturating_sub(seconds(now)));
    }
    registry.register(
        "cert_expiry_seconds",
        "Seconds until a certificate ends; below zero: it has ended",
        ends,
    );
}

/// Who came and could not come in.
fn register_guests(registry: &mut Registry, site: &Site) {
    let wrong = Counter::<u64>::default();
    wrong.inc_by(site.accounts.failures());
    registry.register(
        "auth_failures",
        "Wrong names and passwords since the start",
        wrong,
    );
    let throttled = Counters::default();
    for (bound, count) in site.accounts.throttled() {
        let labels = vec![("bound", bound.word().to_owned())];
        throttled.get_or_create(&labels).inc_by(count);
    }
    registry.register(
        "auth_throttled",
        "Logins that nobody looked at, because too many had failed of this",
        throttled,
    );
    let (open, places) = (Gauges::default(), Gauges::default());
    let (made_room, turned_away) = (Counters::default(), Counters::default());
    for stand in site.places.stands() {
        let labels = vec![("door", stand.door.to_owned())];
        let whole = |count| i64::try_from(count).unwrap_or(i64::MAX);
        open.get_or_create(&labels).set(whole(stand.open));
        places.get_or_create(&labels).set(whole(stand.max));
        made_room.get_or_create(&labels).inc_by(stand.made_room);
        turned_away.get_or_create(&labels).inc_by(stand.turned_away);
    }
    registry.register("connections", "Connections that are open", open);
    registry.register("connections_max", "Places for connections", places);
    registry.register(
        "connections_made_room",
        "Idle connections that were closed for a new one",
        made_room,
    );
    registry.register(
        "connections_turned_away",
        "Connections that found no place",
        turned_away,
    );
}

fn register_scanners(registry: &mut Registry, site: &Site) {
    site.scanners.tally().register(registry);
    let up = Gauges::default();
    for stand in site.scanners.stands() {
        let labels = vec![("scanner", stand.conf.name)];
        let well = stand.health.failure.is_none();
        up.get_or_create(&labels).set(i64::from(well));
    }
    let help = "1 unless the scanner failed when it was asked last";
    registry.register("scan_up", help, up);
}

fn register_space(registry: &mut Registry, site: &Site) {
    let conf = site.conf.load();
    let gauge = |value: u64| {
        let gauge = Gauge::<i64, AtomicI64>::default();
        gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        gauge
    };
    if let Ok(system) = rustix::fs::statvfs(&conf.server.data_dir) {
        let free = system.f_bavail.saturating_mul(system.f_frsize);
        registry.register(
            "disk_free_bytes",
            "Free for us where the store is",
            gauge(free),
        );
    }
    if let Ok(file) = std::fs::metadata(conf.server.store_file()) {
        registry.register("store_bytes", "Size of the store's file", gauge(file.len()));
    }
}
