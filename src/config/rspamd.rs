//! Keys of `kind = "rspamd"`: what each of rspamd's actions means here, a limit of our own, and where it learns.
//!
//! Every action has only the answers that make sense for it; nothing that rspamd says loses a mail.
//! Not here: the keys that all scanners have (`scanner`), and what comes of an action (`policy`).

use std::path::Path;

use toml::de::DeValue;

use super::ScannerAddress;
use super::file::{Fault, Section, Value};
use super::kind::{choice, not, number};
use super::secret::{self, Purpose};
use super::value::parsed;
use crate::base::secret::Secret;

/// Keys of `kind = "rspamd"`.
#[derive(Clone, Debug, PartialEq)]
pub struct RspamdConf {
    /// For `reject`.
    pub reject: SpamAct,
    /// For `add header`.
    pub add_header: SpamAct,
    /// For `rewrite subject`.
    pub rewrite_subject: SpamAct,
    /// For `greylist`: above its threshold, and rspamd itself does not want to put it off.
    pub greylist: SpamAct,
    /// For `soft reject`.
    pub soft_reject: SpamAct,
    /// For `quarantine`.
    pub quarantine: SpamAct,
    /// For `discard`.
    pub discard: SpamAct,
    /// Held from so many points on, whatever rspamd would do.
    pub limit: Option<f64>,
    /// The controller, which learns what people report.
    pub learn: Option<ScannerAddress>,
    /// Of the controller.
    pub password: Option<Secret>,
}

/// What becomes of a mail for which rspamd has an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpamAct {
    /// Held in `quarantine`.
    Hold,
    /// It goes on, and its header says that it is spam.
    Header,
    /// The same, and its subject says so.
    Subject,
    /// 451: the client tries again.
    Defer,
    /// 554.
    Reject,
    /// It goes on.
    Accept,
}

/// Which mail gets the fields of a scanner on top.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HeadersFor {
    /// What came by a listener of role mx.
    #[default]
    Mx,
    /// Every mail that it looked at.
    All,
    /// None.
    None,
}

impl Default for RspamdConf {
    fn default() -> Self {
        Self {
            reject: SpamAct::Hold,
            add_header: SpamAct::Header,
            rewrite_subject: SpamAct::Subject,
            greylist: SpamAct::Accept,
            soft_reject: SpamAct::Defer,
            quarantine: SpamAct::Hold,
            discard: SpamAct::Hold,
            limit: None,
            learn: None,
            password: None,
        }
    }
}

/// Reads them.
pub(super) fn rspamd(at: &Section<'_, '_>, folder: &Path) -> RspamdConf {
    let other = RspamdConf::default();
    let limit = at.get("limit", points);
    let learn = at.get("learn", parsed("address", ScannerAddress::parse));
    let password = at
        .has("password")
        .then(|| secret::read(at, "password", folder, Purpose::Sent));
    if at.has("password") && !at.has("learn") {
        let fault = Fault::new(
            "only the controller asks for it",
            "write learn = \"http://127.0.0.1:11334\" too",
        );
        at.warn("password", fault);
    }
    let act = |key, words, other| at.get(key, choice(words)).unwrap_or(other);
    RspamdConf {
        reject: act("reject", REJECT, other.reject),
        add_header: act("add_header", ADD_HEADER, other.add_header),
        rewrite_subject: act("rewrite_subject", REWRITE, other.rewrite_subject),
        greylist: act("greylist", LATER, other.greylist),
        soft_reject: act("soft_reject", LATER, other.soft_reject),
        quarantine: act("quarantine", KEEP, other.quarantine),
        discard: act("discard", DISCARD, other.discard),
        limit,
        learn,
        password: password.flatten(),
    }
}

/// Reads `headers`.
pub(super) fn headers(value: &Value<'_>) -> Result<HeadersFor, Fault> {
    choice(HEADERS)(value)
}

fn points(value: &Value<'_>) -> Result<f64, Fault> {
    let read = match value.get_ref() {
        DeValue::Float(number) => number.as_str().parse().ok(),
        DeValue::Integer(_) => number(value)
            .and_then(|n| u32::try_from(n).ok())
            .map(f64::from),
        DeValue::String(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)
        | DeValue::Array(_)
        | DeValue::Table(_) => return Err(not(value, "a number of points", "8.0")),
    };
    let sensible = read.filter(|points: &f64| (0.1..=POINTS_MAX).contains(points));
    sensible.ok_or_else(|| {
        Fault::new(
            "this many points make no limit",
            "write a number above 0 and up to 1000, such as 8.0",
        )
    })
}

impl SpamAct {
    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Header => "header",
            Self::Subject => "subject",
            Self::Defer => "defer",
            Self::Reject => "reject",
            Self::Accept => "accept",
        }
    }
}

/// Points of a limit; rspamd's own ends at 15.
const POINTS_MAX: f64 = 1_000.0;

const HEADERS: &[(&str, HeadersFor)] = &[
    ("mx", HeadersFor::Mx),
    ("all", HeadersFor::All),
    ("none", HeadersFor::None),
];
const REJECT: &[(&str, SpamAct)] = &[
    ("hold", SpamAct::Hold),
    ("header", SpamAct::Header),
    ("reject", SpamAct::Reject),
];
const ADD_HEADER: &[(&str, SpamAct)] = &[
    ("header", SpamAct::Header),
    ("hold", SpamAct::Hold),
    ("accept", SpamAct::Accept),
];
const REWRITE: &[(&str, SpamAct)] = &[
    ("subject", SpamAct::Subject),
    ("header", SpamAct::Header),
    ("hold", SpamAct::Hold),
    ("accept", SpamAct::Accept),
];
const LATER: &[(&str, SpamAct)] = &[
    ("accept", SpamAct::Accept),
    ("defer", SpamAct::Defer),
    ("hold", SpamAct::Hold),
];
const KEEP: &[(&str, SpamAct)] = &[("hold", SpamAct::Hold), ("header", SpamAct::Header)];
const DISCARD: &[(&str, SpamAct)] = &[
    ("hold", SpamAct::Hold),
    ("header", SpamAct::Header),
    ("reject", SpamAct::Reject),
];
