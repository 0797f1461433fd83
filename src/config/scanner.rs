//! Reads `[checks]`, `[[scanner]]` and `[[exception]]`.
//!
//! Not here: what several of them say together (`cross_scan`).

use std::path::Path;

use super::file::{Fault, Section};
use super::kind::{choice, list, string, whole};
use super::rspamd::{headers, rspamd};
use super::section::{Placed, ROLES};
use super::value::{bytes, name, parsed, socket, span};
use super::{
    AddressPattern, ChecksConf, HeadersFor, MilterConf, Network, OnFailure, OnReject, Rate,
    RateAction, Role, ScanException, ScannerAddress, ScannerConf, ScannerKind, Stage,
};
use crate::base::limit;
use crate::base::size::ByteSize;

/// What is looked at, by whom.
pub(super) struct Looked<'n, 'i> {
    pub(super) checks: ChecksConf,
    pub(super) scanners: Vec<Placed<'n, 'i, ScannerConf>>,
    pub(super) exceptions: Vec<Placed<'n, 'i, ScanException>>,
}

/// All three.
pub(super) fn looked<'n, 'i>(root: &Section<'n, 'i>, folder: &Path) -> Looked<'n, 'i> {
    let scanners = root.sections("scanner").into_iter().zip(1..);
    let exceptions = root.sections("exception").into_iter();
    Looked {
        checks: checks(&root.section("checks")),
        scanners: scanners
            .filter_map(|(at, n)| scanner(at, n, folder))
            .collect(),
        exceptions: exceptions.filter_map(exception).collect(),
    }
}

/// `[checks]`
fn checks(at: &Section<'_, '_>) -> ChecksConf {
    let other = ChecksConf::default();
    let words = &[("accept", false), ("hold", true)];
    let hold_broken_mime = at.get("broken_mime", choice(words)).unwrap_or(false);
    let order = at.get("order", list(|value| choice(STAGES)(value)));
    if let Some(order) = &order {
        check_order(at, order);
    }
    let again = &[("requeue", true), ("keep", false)];
    let again = at.get("when_back", choice(again)).unwrap_or(true);
    let rate = at.get(
        "when_back_rate",
        parsed("rate", |text| Rate::parse(text, RateAction::Hold)),
    );
    let rate = rate.map(|rate| (rate.count, rate.span)).or(other.when_back);
    if !again && at.has("when_back_rate") {
        let fault = Fault::new("it is not used", "write when_back = \"requeue\" too");
        at.warn("when_back_rate", fault);
    }
    at.finish();
    ChecksConf {
        hold_broken_mime,
        order: order.unwrap_or(other.order),
        when_back: rate.filter(|_| again),
    }
}

fn check_order(at: &Section<'_, '_>, order: &[Stage]) {
    for (n, stage) in order.iter().enumerate() {
        if order.iter().take(n).any(|earlier| earlier == stage) {
            let text = format!("\"{}\" stands in it twice", stage.word());
            at.fault("order", Fault::new(text, "write each once"));
        }
    }
    let missing = Stage::ALL
        .into_iter()
        .filter(|stage| !order.contains(stage));
    let missing: Vec<_> = missing
        .map(|stage| format!("\"{}\"", stage.word()))
        .collect();
    if !missing.is_empty() {
        let text = format!("no mail is looked at for {}", missing.join(", "));
        at.warn(
            "order",
            Fault::new(text, "add what is missing, if that was not meant"),
        );
    }
}

/// `[[scanner]]`, the `n`th from 1.
fn scanner<'n, 'i>(
    at: Section<'n, 'i>,
    n: usize,
    folder: &Path,
) -> Option<Placed<'n, 'i, ScannerConf>> {
    let called = at.get("name", name);
    let kind = at.need("kind", "\"clamd\", \"rspamd\" or \"milter\"", choice(KINDS));
    let address = at.need(
        "address",
        "\"127.0.0.1:3310\"",
        parsed("scanner's address", ScannerAddress::parse),
    );
    let timeout = at.get("timeout", span).unwrap_or(limit::SCAN_TIMEOUT);
    if timeout.is_zero() || timeout > limit::SCAN_TIMEOUT_MAX {
        let text = "the client waits for its reply meanwhile; from 1s to 4m is possible";
        at.fault("timeout", Fault::new(text, "write a span such as \"30s\""));
    }
    let max_size = at.get("max_size", bytes).unwrap_or(ByteSize::mib(25));
    if max_size.0 == 0 {
        let text = "then no mail is ever sent to it";
        at.fault(
            "max_size",
            Fault::new(text, "write a size such as \"25 MiB\""),
        );
    }
    let connections = at
        .get("connections", whole(1..=1_000))
        .unwrap_or(limit::SCAN_CONNECTIONS);
    let on_failure = at.get("on_failure", choice(ON_FAILURE));
    let listeners = at.get("listeners", list(|value| choice(ROLES)(value)));
    if at.has("listeners") && listeners.as_ref().is_some_and(Vec::is_empty) {
        let fault = Fault::new("then it looks at no mail", "write [\"mx\", \"submission\"]");
        at.fault("listeners", fault);
    }
    strays(&at, kind);
    let kind = kind.map(|kind| match kind {
        Kind::Clamd => ScannerKind::Clamd,
        Kind::Rspamd => ScannerKind::Rspamd(Box::new(rspamd(&at, folder))),
        Kind::Milter => ScannerKind::Milter(milter(&at)),
    });
    let headers = match &kind {
        Some(ScannerKind::Milter(_)) => HeadersFor::None,
        Some(ScannerKind::Clamd | ScannerKind::Rspamd(_)) | None => {
            at.get("headers", headers).unwrap_or_default()
        }
    };
    at.finish();
    let conf = ScannerConf {
        name: called.unwrap_or_else(|| format!("scanner {n}")),
        kind: kind?,
        address: address?,
        timeout,
        max_size,
        connections,
        on_failure: on_failure.unwrap_or(OnFailure::Hold),
        listeners: listeners.unwrap_or_else(|| vec![Role::Mx, Role::Submission]),
        headers,
    };
    Some(Placed { conf, at })
}

/// Keys that scanners of other kinds have.
fn strays(at: &Section<'_, '_>, kind: Option<Kind>) {
    for (key, owners) in OF_KINDS {
        match kind {
            // Its slip was told; which keys it has nobody knows.
            None => drop(at.has(key)),
            Some(kind) if !owners.contains(&kind) => {
                let words = KINDS.iter().filter(|(_, kind)| owners.contains(kind));
                let words: Vec<_> = words
                    .map(|(word, _)| format!("kind = \"{word}\""))
                    .collect();
                let text = format!("only {} has it", words.join(" or "));
                at.stray(
                    key,
                    Fault::new(text, "remove it, or move it to such a scanner"),
                );
            }
            Some(_) => {}
        }
    }
}

/// Keys of `kind = "milter"`.
fn milter(at: &Section<'_, '_>) -> MilterConf {
    let words = &[("reject", OnReject::Reject), ("hold", OnReject::Hold)];
    MilterConf {
        on_reject: at.get("on_reject", choice(words)).unwrap_or_default(),
    }
}

/// `[[exception]]`
fn exception<'n, 'i>(at: Section<'n, 'i>) -> Option<Placed<'n, 'i, ScanException>> {
    let scanners = at.need("scanners", "[\"clam\"]", list(name));
    let reason = at.need("reason", "\"our own newsletter\"", |value| {
        let text = string(value)?.trim();
        let long = text.chars().count() > limit::RULE_REASON_MAX;
        if text.is_empty() || long || text.contains(char::is_control) {
            let remedy = "write in one line why these mails are not looked at";
            return Err(Fault::new("this is no reason", remedy));
        }
        Ok(text.to_owned())
    });
    let account = at.get("account", name);
    let sender = at.get("sender", parsed("address pattern", AddressPattern::parse));
    let networks = at.get("networks", list(parsed("network", Network::parse)));
    let listener = at.get("listener", socket);
    at.finish();
    let conf = ScanException {
        scanners: scanners?,
        reason: reason?,
        account,
        sender,
        networks: networks.unwrap_or_default(),
        listener,
    };
    if conf.account.is_none() && conf.networks.is_empty() && conf.listener.is_none() {
        let text = if conf.sender.is_some() {
            "anybody can write any sender, so everybody could pass the scanners"
        } else {
            "without a condition no mail would be looked at"
        };
        let remedy = "write account, networks or listener too";
        at.fault("", Fault::new(text, remedy));
    }
    Some(Placed { conf, at })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Clamd,
    Rspamd,
    Milter,
}

const KINDS: &[(&str, Kind)] = &[
    ("clamd", Kind::Clamd),
    ("rspamd", Kind::Rspamd),
    ("milter", Kind::Milter),
];

/// Keys that not every kind has, for those who write them to another one.
const OF_KINDS: &[(&str, &[Kind])] = &[
    ("reject", &[Kind::Rspamd]),
    ("add_header", &[Kind::Rspamd]),
    ("rewrite_subject", &[Kind::Rspamd]),
    ("greylist", &[Kind::Rspamd]),
    ("soft_reject", &[Kind::Rspamd]),
    ("quarantine", &[Kind::Rspamd]),
    ("discard", &[Kind::Rspamd]),
    ("limit", &[Kind::Rspamd]),
    ("learn", &[Kind::Rspamd]),
    ("password", &[Kind::Rspamd]),
    ("on_reject", &[Kind::Milter]),
    ("headers", &[Kind::Clamd, Kind::Rspamd]),
];

const ON_FAILURE: &[(&str, OnFailure)] = &[
    ("hold", OnFailure::Hold),
    ("defer", OnFailure::Defer),
    ("accept", OnFailure::Accept),
];

const STAGES: &[(&str, Stage)] = &[
    ("loop", Stage::Loop),
    ("mime", Stage::Mime),
    ("attachments", Stage::Attachments),
    ("scanners", Stage::Scanners),
    ("account", Stage::Account),
    ("rate", Stage::Rate),
    ("rules", Stage::Rules),
];
