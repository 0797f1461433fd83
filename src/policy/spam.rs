//! What rspamd's opinion means for a mail.
//!
//! Each of its actions means what the configuration says; the points from which a mail is held can be ours too. A hold
//! says which limit was passed and which findings weigh most, in words.
//! Not here: the fields that are written (`fields`), and the other scanners (`scanned`).

use super::{Place, Verdict, fields, reply};
use crate::base::limit::SCAN_WORDS_MAX;
use crate::base::text::clean;
use crate::config::{RspamdConf, ScannerConf, SpamAct};
use crate::mail::edit::{Edits, Field, FieldEdit};
use crate::mail::hold::{Hold, HoldQueue, HoldReason, SCANNER};
use crate::scan::{Action, Score, Symbol};

/// Findings that a cause names.
const NAMED_MAX: usize = 4;
/// Points of a phishing symbol from which on it names the reason: rspamd's heuristics give less for a doubtful link.
const PHISH_POINTS: f64 = 1.0;

/// What comes of it.
pub(super) struct Spam {
    pub(super) verdict: Verdict,
    pub(super) edits: Edits,
    /// A line for the timeline.
    pub(super) said: String,
    /// Whether it looked at the author's domain.
    pub(super) dmarc: bool,
}

/// Judges.
pub(super) fn spam(conf: &ScannerConf, own: &RspamdConf, score: &Score, place: &Place<'_>) -> Spam {
    let over = own.limit.filter(|limit| score.score >= *limit);
    let act = decided(own, score.action, over, place.answered);
    let limit = over.unwrap_or(score.required);
    let verdict = match act {
        SpamAct::Accept | SpamAct::Header | SpamAct::Subject => Verdict::Accept,
        SpamAct::Hold => Verdict::Hold(hold(&conf.name, score, limit)),
        SpamAct::Defer => Verdict::Defer(reply(451, (4, 7, 1), message(score, LATER))),
        SpamAct::Reject => Verdict::Reject(reply(554, (5, 7, 1), message(score, REFUSED))),
    };
    let mut edits = Edits::default();
    // Of a mail that it passed unseen there is nothing to tell.
    if conf.writes(place.role) && !score.skipped {
        let is_spam = !matches!(act, SpamAct::Accept | SpamAct::Defer);
        let limit = own.limit.map_or(score.required, |own| own.min(limit));
        edits.top = fields::spam(place, score, is_spam, limit);
    }
    edits.top.extend(score.add.iter().cloned());
    if act == SpamAct::Subject {
        edits.fields.extend(subject(score));
    }
    Spam {
        verdict,
        edits,
        said: said(score, act, limit),
        dmarc: looked_up(score),
    }
}

/// Whether the policy of the author's domain was asked for and answered.
fn looked_up(score: &Score) -> bool {
    let mut all = score.symbols.iter();
    all.any(|one| one.name.starts_with("DMARC_") && one.name != "DMARC_DNSFAIL")
}

fn decided(own: &RspamdConf, action: Action, over: Option<f64>, answered: bool) -> SpamAct {
    let act = match action {
        Action::None => SpamAct::Accept,
        Action::Greylist => own.greylist,
        Action::AddHeader => own.add_header,
        Action::RewriteSubject => own.rewrite_subject,
        Action::SoftReject => own.soft_reject,
        Action::Quarantine => own.quarantine,
        Action::Reject => own.reject,
        Action::Discard => own.discard,
    };
    let mild = !matches!(act, SpamAct::Hold | SpamAct::Reject);
    // Nobody is there who could be refused, or who would try again.
    if !answered && act == SpamAct::Reject || over.is_some() && mild {
        SpamAct::Hold
    } else if !answered && act == SpamAct::Defer && action == Action::Greylist {
        SpamAct::Accept
    } else {
        act
    }
}

fn hold(name: &str, score: &Score, limit: f64) -> Hold {
    let reason = reason(score, limit);
    let cause = cause(score);
    let hold = Hold::new(HoldQueue::Quarantine, reason, &cause).with(SCANNER, name);
    if reason == HoldReason::Phish {
        hold.with("name", named(score, is_phish))
    } else if score.score < limit || limit <= 0.0 {
        // An action without the points for it (GTUBE, a rule that forces one) would be told wrongly by points.
        hold
    } else {
        hold.with("score", format!("{:.1}", score.score))
            .with("limit", format!("{limit:.1}"))
    }
}

fn reason(score: &Score, limit: f64) -> HoldReason {
    let points = |wanted: fn(&Symbol) -> bool| {
        let found = score.symbols.iter().filter(|one| wanted(one));
        found.map(|one| one.score).fold(0.0, f64::max)
    };
    if points(is_phish) >= PHISH_POINTS {
        return HoldReason::Phish;
    }
    let disowned = score.symbols.iter().any(is_disowned);
    // Without it the mail would not have been held, or it alone forced the action.
    if disowned && score.score - points(is_disowned) < limit {
        return HoldReason::Dmarc;
    }
    HoldReason::Spam
}

fn is_phish(symbol: &Symbol) -> bool {
    symbol.name.contains("PHISH") || symbol.name.starts_with("PH_SURBL")
}

fn is_disowned(symbol: &Symbol) -> bool {
    ["DMARC_POLICY_REJECT", "DMARC_POLICY_QUARANTINE"].contains(&symbol.name.as_str())
}

fn named(score: &Score, wanted: fn(&Symbol) -> bool) -> String {
    let found = score.symbols.iter().find(|one| wanted(one));
    found.map(told).unwrap_or_default()
}

/// The weightiest findings against it.
fn cause(score: &Score) -> String {
    let against = score.symbols.iter().filter(|one| one.score > 0.0);
    let mut named: Vec<String> = against.take(NAMED_MAX).map(told).collect();
    if named.is_empty() {
        // What forced an action without points.
        let first = score.symbols.iter().filter(|one| one.name == "GTUBE");
        named.extend(first.map(told));
        named.extend(score.message.clone().filter(|_| named.is_empty()));
    }
    clean(&named.join(", "), SCAN_WORDS_MAX)
}

/// `BAYES_SPAM (Message probably spam)`
fn told(symbol: &Symbol) -> String {
    if symbol.text.is_empty() {
        symbol.name.clone()
    } else {
        format!("{} ({})", symbol.name, symbol.text)
    }
}

fn said(score: &Score, act: SpamAct, limit: f64) -> String {
    if score.skipped && score.action == Action::None {
        return "passed unseen by its own settings".to_owned();
    }
    let points = format!("{:.1} of {limit:.1} points", score.score);
    let action = match score.action {
        Action::None => return points,
        Action::Greylist => "greylist",
        Action::AddHeader => "add header",
        Action::RewriteSubject => "rewrite subject",
        Action::SoftReject => "soft reject",
        Action::Quarantine => "quarantine",
        Action::Reject => "reject",
        Action::Discard => "discard",
    };
    format!("{points}, {action} -> {}", act.word())
}

/// The subject that rspamd would write, in the place of the one that is there.
fn subject(score: &Score) -> Option<FieldEdit> {
    let subject = score.subject.as_ref()?;
    let field = Field::new("Subject", encoded(subject));
    Some(FieldEdit::Change { nth: 1, field })
}

/// As encoded words where it needs them (RFC 2047): 45 octets fill one.
fn encoded(text: &str) -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    if text.is_ascii() && !text.contains("=?") {
        return text.to_owned();
    }
    let mut words: Vec<String> = Vec::new();
    let mut part = String::new();
    for c in text.chars() {
        if part.len() + c.len_utf8() > 45 {
            words.push(std::mem::take(&mut part));
        }
        part.push(c);
    }
    words.push(part);
    let words: Vec<_> = words
        .iter()
        .map(|word| format!("=?utf-8?B?{}?=", STANDARD.encode(word)))
        .collect();
    words.join("\n")
}

/// What rspamd would say to the client; a reply is US-ASCII.
fn message(score: &Score, other: &str) -> String {
    let text = score.message.as_deref().unwrap_or_default().trim();
    if text.is_empty() {
        return other.to_owned();
    }
    let plain = |c: char| if c.is_ascii() { c } else { '?' };
    text.chars().map(plain).collect()
}

const LATER: &str = "The mail is put off; try again later";
const REFUSED: &str = "The mail was found to be spam; write to the postmaster if it is none";
