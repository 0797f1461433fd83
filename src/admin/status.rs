//! `GET /api/v1/status`: how the server is, in one answer.
//!
//! Everything in it is cheap: counters, one bounded look at the queue, and what was found by the last hourly look.
//! Not here: how it prints (`cli::status`).

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use super::certs::say::days;
use super::certs::{CertView, views};
use super::problem::Problem;
use super::view::said;
use super::web::Site;
use crate::base::clock::Wall;
use crate::base::limit::{STATUS_COUNT_MAX, STATUS_WAITS_MAX};
use crate::mail::date;
use crate::net::permits::Stand;
use crate::queue::Queue;
use crate::queue::record::Message;
use crate::queue::waits::Wait;
use crate::scan::ScannerStand;
use crate::store::Room;

/// What `GET /api/v1/status` says.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Status {
    /// Ours.
    pub hostname: String,
    /// Of this program.
    pub version: String,
    /// Since its start.
    #[serde(default)]
    pub uptime_seconds: u64,
    /// Whether deliveries wait for maintenance.
    pub paused: bool,
    /// `plenty`, `low` (nothing new is accepted) or `none`.
    pub room: String,
    /// Messages in the queue, held ones too; `queued_more`: at least so many.
    #[serde(default)]
    pub queued: usize,
    /// Counting stopped there.
    #[serde(default)]
    pub queued_more: bool,
    /// Sites that are waited for, soonest first.
    #[serde(default)]
    pub waits: Vec<Waited>,
    /// Recipients that are held.
    #[serde(default)]
    pub holds: Vec<Held>,
    /// Records that are damaged and set aside; `STATUS_COUNT_MAX` may stand for more.
    #[serde(default)]
    pub damaged: usize,
    /// What is wrong with the first of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damaged_first: Option<String>,
    /// Digests that did not arrive.
    #[serde(default)]
    pub digest_troubles: Vec<Undelivered>,
    /// None: `[admin] public_url` is not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_url: Option<Public>,
    /// `[[scanner]]`, in their order.
    #[serde(default)]
    pub scanners: Vec<ScannerState>,
    /// Connections of each door that somebody has come to.
    #[serde(default)]
    pub connections: Vec<Connections>,
    /// Whole days until the first certificate ends; below zero: it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_days: Option<i64>,
    /// Each of them, the default first.
    #[serde(default)]
    pub certificates: Vec<Certificate>,
}

/// A certificate in brief; `GET /api/v1/certs` says the rest.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Certificate {
    /// Its first name.
    pub name: String,
    /// How long it lasts, in words.
    pub left: String,
    /// It ends soon, or has ended.
    pub ends_soon: bool,
    /// Self-signed until the first order is done.
    pub stand_in: bool,
    /// Orders that failed since the last that did not.
    pub failures: u32,
    /// Why the last one failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

/// A site that cannot be used now.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Waited {
    /// `mx.example[192.0.2.1]:25`, as far as it is known.
    pub site: String,
    /// RFC 3339: then it is tried again.
    pub until: String,
    /// What it said, or why it cannot be reached.
    pub reason: String,
    /// Domains (of one account each) whose mail waits for it.
    pub groups: usize,
}

/// Holds of one queue and reason.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Held {
    /// bad, quarantine, defect.
    pub queue: String,
    /// Its code.
    pub reason: String,
    /// Recipients.
    pub count: u64,
}

/// How a scanner is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ScannerState {
    /// As configured.
    pub name: String,
    /// clamd, rspamd, milter.
    pub kind: String,
    /// Where it is.
    pub address: String,
    /// Why it failed when it was asked last; none: it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// Since when it fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing: Option<String>,
    /// When it answered last; none: never since the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered: Option<String>,
    /// What becomes of mails meanwhile: hold, defer, accept.
    pub on_failure: String,
}

impl ScannerState {
    fn of(stand: ScannerStand) -> Self {
        let (conf, health) = (stand.conf, stand.health);
        Self {
            kind: conf.kind.word().to_owned(),
            address: conf.address.to_string(),
            on_failure: conf.on_failure.word().to_owned(),
            name: conf.name,
            trouble: health.failure.map(|(why, _)| why),
            failing: health.failing.map(date::rfc3339),
            answered: health.answered.map(date::rfc3339),
        }
    }
}

/// Connections of one door.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Connections {
    /// smtp, https, http.
    pub door: String,
    /// That are open.
    pub open: usize,
    /// Of them trusted or logged in.
    pub favoured: usize,
    /// Places.
    pub max: usize,
    /// Idle ones that were closed for a new one, since the start.
    pub made_room: u64,
    /// That found no place, since the start.
    pub turned_away: u64,
}

impl Connections {
    fn of(stand: Stand) -> Self {
        Self {
            door: stand.door.to_owned(),
            open: stand.open,
            favoured: stand.favoured,
            max: stand.max,
            made_room: stand.made_room,
            turned_away: stand.turned_away,
        }
    }
}

/// A digest that did not arrive.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Undelivered {
    /// Who was not told.
    pub to: String,
    /// Of the digest.
    pub number: u32,
    /// When it was sent.
    pub at: String,
    /// What the next hop said.
    pub why: String,
}

/// Where links lead.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Public {
    /// As configured.
    pub url: String,
    /// When somebody looked last; none: not yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked: Option<String>,
    /// Why it could not be reached; none: it could.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// The route; without a site, which is so in tests of the socket, what only it knows is left out.
pub fn router(queue: Queue, site: Option<Site>) -> Router {
    Router::new()
        .route("/api/v1/status", get(status))
        .with_state((queue, site))
}

async fn status(
    State((queue, site)): State<(Queue, Option<Site>)>,
) -> Result<Json<Status>, Problem> {
    let conf = queue.conf().load_full();
    let any = |_: &Message, _: &[_]| true;
    let (some, more) = queue.list(any, None, STATUS_COUNT_MAX).await?;
    let holds = queue.held_counts().await?;
    let damages = queue.damages_in_all().await?;
    let mut status = Status {
        hostname: conf.server.hostname.to_string(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        uptime_seconds: queue.clock().mono().0 / 1_000_000,
        paused: conf.queue.paused,
        room: match queue.store().room() {
            Room::Plenty => "plenty",
            Room::Low => "low",
            Room::None => "none",
        }
        .to_owned(),
        queued: some.len(),
        queued_more: more.is_some(),
        damaged: damages.len(),
        damaged_first: damages.first().map(|one| one.to_string()),
        waits: waits_of(&queue),
        holds: holds
            .into_iter()
            .map(|(queue, reason, count)| Held {
                queue: queue.word().to_owned(),
                reason: reason.word().to_owned(),
                count,
            })
            .collect(),
        ..Status::default()
    };
    if let Some(site) = site {
        let troubles = site.digests.troubles().await?;
        status.digest_troubles = troubles
            .into_iter()
            .map(|one| Undelivered {
                to: one.to.to_string(),
                number: one.number,
                at: date::rfc3339(one.at),
                why: one.why,
            })
            .collect();
        let last = site.reach.last();
        status.public_url = conf.admin.public_url.as_ref().map(|url| Public {
            url: url.to_string(),
            checked: last.at.map(date::rfc3339),
            trouble: last.trouble.clone(),
        });
        let stands = site.scanners.stands().into_iter();
        status.scanners = stands.map(ScannerState::of).collect();
        status.connections = site.places.stands().map(Connections::of).collect();
        let end = site.certs.valid_until();
        status.certificate_days = end.map(|end| days(end, queue.clock().wall().secs()));
        let certificates = views(&site).into_iter();
        status.certificates = certificates.map(Certificate::of).collect();
    }
    Ok(Json(status))
}

fn waits_of(queue: &Queue) -> Vec<Waited> {
    let waits = queue.waited_for(STATUS_WAITS_MAX).into_iter();
    let one = |(wait, groups): (Wait, usize)| {
        let (site, reason) = said(&wait);
        Waited {
            site,
            until: date::rfc3339(Wall(queue.wall_of(wait.until.0))),
            reason,
            groups,
        }
    };
    waits.map(one).collect()
}

impl Certificate {
    fn of(view: CertView) -> Self {
        Self {
            name: view.title().to_owned(),
            left: view.left,
            ends_soon: view.ends_soon,
            stand_in: view.stand_in,
            failures: view.failures,
            last_error: view.last_error,
        }
    }
}
