//! The rows of `/checks`, in the words of one language.
//!
//! What a scanner said, and what stands in the configuration, is cleaned here and escaped by the template.
//! Not here: the page around them (`checks`).

use std::collections::BTreeMap;

use crate::admin::link::facts::Tongue;
use crate::admin::link::sheet::Row;
use crate::admin::web::Words;
use crate::base::limit::SCAN_WORDS_MAX;
use crate::base::size::show_span;
use crate::base::text::clean;
use crate::config::{Config, Role, ScanException, ScannerConf, Stage};
use crate::scan::ScannerStand;
use crate::scan::tally::{RESULTS, Tally};
use crate::words::{Arg, say};

/// One step of the order.
pub(super) struct Step {
    pub(super) word: &'static str,
    pub(super) text: String,
}

/// One scanner.
pub(super) struct Scanner {
    pub(super) name: String,
    pub(super) tone: &'static str,
    pub(super) state: String,
    /// The last failure, in the scanner's words.
    pub(super) failure: Option<String>,
    pub(super) rows: Vec<Row>,
}

/// One exception.
pub(super) struct Left {
    pub(super) reason: String,
    pub(super) rows: Vec<Row>,
}

/// The order, and what is not looked at.
pub(super) fn steps(words: Words, conf: &Config) -> (Vec<Step>, Option<String>) {
    let text = |stage: Stage| words.of(&format!("checks-stage-{}", stage.word()));
    let order = &conf.checks.order;
    let steps = order.iter().map(|stage| Step {
        word: stage.word(),
        text: text(*stage),
    });
    let missing: Vec<&str> = Stage::ALL
        .into_iter()
        .filter(|stage| !order.contains(stage))
        .map(Stage::word)
        .collect();
    let missing = missing.join(", ");
    let missing =
        (!missing.is_empty()).then(|| words.with("checks-not-looked", "stages", &missing));
    (steps.collect(), missing)
}

impl Scanner {
    pub(super) fn of(tongue: &Tongue, conf: &Config, stand: &ScannerStand, tally: &Tally) -> Self {
        let (own, health) = (&stand.conf, &stand.health);
        let words = Words(tongue.lang);
        let (tone, state) = match (&health.failure, health.answered) {
            (Some(_), _) if health.paused => ("bad", "checks-state-paused"),
            (Some(_), _) => ("warn", "checks-state-failed"),
            (None, Some(_)) => ("good", "checks-state-well"),
            (None, None) => ("soft", "checks-state-unknown"),
        };
        let mut rows = configured(words, conf, own);
        let mut row = |key: &str, value: String| rows.push(Row::new(tongue.lang, key, value));
        if let Some(since) = health.failing {
            row("checks-failing", tongue.when(since));
        }
        if let Some(answered) = health.answered {
            row("checks-answered", tongue.when(answered));
        }
        row("checks-counts", counts(words, &own.name, tally));
        let failure = health.failure.as_ref();
        Self {
            name: own.name.clone(),
            tone,
            state: words.of(state),
            failure: failure
                .map(|(why, at)| format!("{}: {}", tongue.when(*at), clean(why, SCAN_WORDS_MAX))),
            rows,
        }
    }
}

fn configured(words: Words, conf: &Config, own: &ScannerConf) -> Vec<Row> {
    let row = |key: &str, value: String| Row::new(words.0, key, value);
    let failure = format!("checks-on-{}", own.on_failure.word());
    vec![
        row("checks-kind", own.kind.word().to_owned()),
        row("checks-address", own.address.to_string()),
        row("checks-who", listeners(words, conf, &own.listeners)),
        row("checks-timeout", show_span(own.timeout)),
        row("checks-max-size", own.max_size.to_string()),
        row("checks-connections", own.connections.to_string()),
        row("checks-on-failure", words.of(&failure)),
    ]
}

/// `mx (192.0.2.1:25); submission`
fn listeners(words: Words, conf: &Config, roles: &[Role]) -> String {
    let mut each = Vec::new();
    for role in roles {
        let of_role = conf.listeners.iter().filter(|one| one.role == *role);
        let bound: Vec<String> = of_role.map(|one| one.bind.to_string()).collect();
        let key = match role {
            Role::Mx => "checks-role-mx",
            Role::Submission => "checks-role-submission",
        };
        each.push(if bound.is_empty() {
            words.of(key)
        } else {
            format!("{} ({})", words.of(key), bound.join(", "))
        });
    }
    each.join("; ")
}

/// What its answers were, the usual ones first.
fn counts(words: Words, name: &str, tally: &Tally) -> String {
    let mut by_word: BTreeMap<usize, (String, u64)> = BTreeMap::new();
    for (place, result) in RESULTS.iter().enumerate() {
        let count = tally.of(name, result);
        if count > 0 {
            by_word.insert(place, (words.of(&format!("checks-result-{result}")), count));
        }
    }
    if by_word.is_empty() {
        return words.of("checks-no-mail");
    }
    let each = by_word.into_values();
    let each = each.map(|(word, count)| {
        let args = [("result", Arg::Text(&word)), ("count", Arg::Count(count))];
        say(words.0, "checks-count", &args)
    });
    each.collect::<Vec<_>>().join(" · ")
}

/// What `[attachments]` holds; nothing when the order leaves it out.
pub(super) fn attachments(words: Words, conf: &Config) -> Vec<Row> {
    if !conf.checks.order.contains(&Stage::Attachments) {
        return Vec::new();
    }
    let own = &conf.attachments;
    let yes = |yes: bool| words.of(if yes { "checks-yes" } else { "checks-no" });
    let blocked: Vec<&str> = own.rules.written().collect();
    let row = |key: &str, value: String| Row::new(words.0, key, value);
    vec![
        row("checks-who", listeners(words, conf, &own.listeners)),
        row("checks-blocked", blocked.join(", ")),
        row("checks-archives", yes(own.rules.archives())),
        row("checks-encrypted", yes(own.hold_encrypted)),
        row("checks-damaged", yes(own.hold_damaged)),
    ]
}

/// What is not asked, and why.
pub(super) fn exceptions(words: Words, conf: &Config) -> Vec<Left> {
    let each = conf.exceptions.iter();
    each.map(|one| Left {
        reason: one.reason.clone(),
        rows: conditions(words, one),
    })
    .collect()
}

fn conditions(words: Words, one: &ScanException) -> Vec<Row> {
    let networks: Vec<String> = one.networks.iter().map(ToString::to_string).collect();
    let all = [
        ("checks-left", Some(one.scanners.join(", "))),
        ("checks-account", one.account.clone()),
        (
            "checks-sender",
            one.sender.as_ref().map(ToString::to_string),
        ),
        (
            "checks-networks",
            (!networks.is_empty()).then(|| networks.join(", ")),
        ),
        (
            "checks-listener",
            one.listener.as_ref().map(ToString::to_string),
        ),
    ];
    all.into_iter()
        .filter_map(|(key, value)| Some(Row::new(words.0, key, value?)))
        .collect()
}

/// What becomes of what a failing scanner held.
pub(super) fn when_back(words: Words, conf: &Config) -> String {
    let Some((count, span)) = conf.checks.when_back else {
        return words.of("checks-when-back-keep");
    };
    let span = show_span(span);
    let args = [
        ("count", Arg::Count(u64::from(count))),
        ("span", Arg::Text(&span)),
    ];
    say(words.0, "checks-when-back-requeue", &args)
}
