//! What a requeue takes back, as tables: by which check it was found, who looked, and what the configuration says.
//!
//! Not here: whether a check really looked (`policy`), and scanners on sockets (`tests/it/wall`).

use std::time::Duration;

use super::*;
use crate::base::size::ByteSize;
use crate::config::{
    HeadersFor, HoldRule, OnFailure, RuleMatch, ScannerAddress, ScannerConf, ScannerKind,
};
use crate::judge::content::Seen;
use crate::mail::domain::Domain;
use crate::mail::hold::{HoldQueue, SCANNER};

fn scanner(name: &str, listeners: &[Role]) -> ScannerConf {
    ScannerConf {
        name: name.to_owned(),
        kind: ScannerKind::Clamd,
        address: ScannerAddress::Tcp("127.0.0.1".to_owned(), 3310),
        timeout: Duration::from_secs(30),
        max_size: ByteSize::mib(25),
        connections: 1,
        on_failure: OnFailure::Hold,
        listeners: listeners.to_vec(),
        headers: HeadersFor::None,
    }
}

/// `clam` and `other` look at all mail, `inner` at that of others, and there is one rule.
fn conf() -> Config {
    let host = Domain::parse("mail.example.org").unwrap();
    let mut conf = Config::fallback(host, "/nonexistent".into());
    conf.scanners = ["clam", "other", "spam", "milter"]
        .map(|name| scanner(name, &[Role::Mx]))
        .to_vec();
    conf.scanners.push(scanner("inner", &[Role::Submission]));
    conf.hold_rules.push(HoldRule {
        name: "r".to_owned(),
        queue: HoldQueue::Quarantine,
        reason: "look".to_owned(),
        matching: RuleMatch::default(),
    });
    conf
}

fn hold(reason: HoldReason, params: &[(&str, &str)]) -> Hold {
    let queue = match reason.gravity() {
        1 => HoldQueue::Bad,
        _ => HoldQueue::Quarantine,
    };
    let hold = Hold::new(queue, reason, format!("the {reason}"));
    let each = params.iter();
    each.fold(hold, |hold, (name, value)| hold.with(name, value))
}

fn by(reason: HoldReason, name: &str) -> Hold {
    hold(reason, &[(SCANNER, name)])
}

fn unseen(by: &str, why: Why) -> Unseen {
    let (by, cause) = (by.to_owned(), "because".to_owned());
    Unseen { by, why, cause }
}

fn saw(looks: &[(&str, Check)]) -> Judged {
    let seen = looks.iter().map(|(by, check)| Seen {
        by: (*by).to_owned(),
        check: *check,
        of: vec![0],
    });
    Judged {
        seen: seen.collect(),
        ..Judged::default()
    }
}

fn keep(conf: &Config, before: &Hold, mut judged: Judged) -> Option<Hold> {
    let keep = Keep {
        conf,
        role: Role::Mx,
        account_held: true,
        found: &before.found(),
        checked: &before.checked,
    };
    keep.of(&mut judged, &[(0, "b@b.example".parse().unwrap())]);
    assert!(judged.held.len() < 2, "{:?}", judged.held);
    judged.held.pop().map(|(_, hold)| hold)
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn only_the_check_that_found_it_takes_it_back() {
    use Check::{Attachments, Dmarc, Filter, Rules, Spam, Virus};
    use HoldReason as R;
    let (found, conf) = (by, conf());
    let rule = hold(R::Rule, &[("rule", "r")]);
    let file = hold(R::Attachment, &[("rule", "*.exe"), ("name", "a.exe")]);
    for (name, before, looks, why) in [
        (
            "itself",
            found(R::Virus, "clam"),
            vec![("clam", Virus)],
            None,
        ),
        (
            "nobody",
            found(R::Virus, "clam"),
            vec![],
            Some(Why::NotReached),
        ),
        (
            "another",
            found(R::Virus, "clam"),
            vec![("other", Virus)],
            Some(Why::NotReached),
        ),
        (
            "gone",
            found(R::Virus, "old"),
            vec![("clam", Virus)],
            Some(Why::Gone),
        ),
        (
            "elsewhere",
            found(R::Virus, "inner"),
            vec![("clam", Virus)],
            Some(Why::Elsewhere),
        ),
        (
            "nameless",
            hold(R::Virus, &[]),
            vec![("clam", Virus)],
            Some(Why::Nameless),
        ),
        (
            "phish of a virus scanner",
            found(R::Phish, "clam"),
            vec![("clam", Virus)],
            None,
        ),
        ("spam", found(R::Spam, "spam"), vec![("spam", Spam)], None),
        (
            "phish",
            found(R::Phish, "spam"),
            vec![("clam", Virus)],
            Some(Why::NotReached),
        ),
        (
            "no word of the domain",
            found(R::Dmarc, "spam"),
            vec![("spam", Spam)],
            Some(Why::Unfit),
        ),
        (
            "a word of the domain",
            found(R::Dmarc, "spam"),
            vec![("spam", Dmarc)],
            None,
        ),
        (
            "filter",
            found(R::Filter, "milter"),
            vec![("milter", Filter)],
            None,
        ),
        (
            "an old filter",
            hold(R::Filter, &[("name", "milter")]),
            vec![("milter", Filter)],
            None,
        ),
        (
            "filter unasked",
            found(R::Filter, "milter"),
            vec![],
            Some(Why::NotReached),
        ),
        (
            "file",
            file.clone(),
            vec![("attachments", Attachments)],
            None,
        ),
        (
            "file unseen",
            file,
            vec![("clam", Virus)],
            Some(Why::NotReached),
        ),
        ("rule", rule.clone(), vec![("rules", Rules)], None),
        (
            "rule unasked",
            rule,
            vec![("clam", Virus)],
            Some(Why::NotReached),
        ),
    ] {
        let kept = keep(&conf, &before, saw(&looks));
        let told = kept.as_ref().and_then(|hold| hold.unseen.first());
        assert_eq!(told.map(|one| one.why), why, "case: {name}");
        let Some(kept) = kept else { continue };
        let same = Hold {
            unseen: kept.unseen.clone(),
            ..before
        };
        assert_eq!(kept, same, "case: {name}");
    }
    // Another kind of scanner has its name now.
    let kept = keep(&conf, &found(R::Virus, "clam"), saw(&[("clam", Spam)]));
    assert_eq!(kept.unwrap().unseen[0].why, Why::Gone);
    // A scanner may be called like a check of ours.
    let mut named = conf.clone();
    named.scanners.push(scanner("rules", &[Role::Mx]));
    let rule = hold(R::Rule, &[("rule", "r")]);
    let kept = keep(&named, &rule, saw(&[("rules", Virus)]));
    assert!(kept.is_some(), "it only has the name");
    let another = Judged {
        seen: vec![Seen {
            by: "clam".to_owned(),
            check: Virus,
            of: vec![1],
        }],
        ..Judged::default()
    };
    let kept = keep(&conf, &found(R::Virus, "clam"), another);
    assert!(kept.is_some(), "a look for somebody else");
}

#[test]
fn what_could_not_be_judged_takes_the_place_of_nothing_that_was_found() {
    use HoldReason as R;
    let conf = conf();
    for (name, before, new, told) in [
        (
            "failed",
            by(R::Virus, "clam"),
            by(R::Scanner, "clam"),
            R::Virus,
        ),
        (
            "panic",
            by(R::Phish, "spam"),
            hold(R::Internal, &[]),
            R::Phish,
        ),
        ("looped", by(R::Virus, "clam"), hold(R::Loop, &[]), R::Virus),
        (
            "ruled",
            by(R::Spam, "spam"),
            hold(R::Rule, &[("rule", "r")]),
            R::Spam,
        ),
        (
            "rule",
            hold(R::Rule, &[("rule", "r")]),
            by(R::Scanner, "clam"),
            R::Rule,
        ),
        ("worse", by(R::Spam, "spam"), by(R::Virus, "clam"), R::Virus),
        (
            "as bad",
            by(R::Virus, "clam"),
            by(R::Virus, "other"),
            R::Virus,
        ),
    ] {
        let judged = Judged {
            held: vec![(0, new.clone())],
            ..Judged::default()
        };
        let hold = keep(&conf, &before, judged).unwrap();
        assert_eq!(hold.reason, told, "case: {name}");
        let found = hold.found();
        let old = &before.found()[0];
        assert!(
            found.iter().any(|one| one.is_of(old)),
            "case: {name}: {hold:?}"
        );
        let lost = |one: &Found| !found.iter().any(|known| known.is_of(one));
        assert!(!new.found().iter().any(lost), "case: {name}: {hold:?}");
        assert!(!hold.unseen.is_empty(), "case: {name}: it says why");
    }
}

#[test]
fn of_several_findings_each_waits_for_its_own_check() {
    let conf = conf();
    let both = by(HoldReason::Virus, "clam").and(by(HoldReason::Spam, "spam"));
    let left = keep(&conf, &both, saw(&[("clam", Check::Virus)])).unwrap();
    assert_eq!(left.reason, HoldReason::Spam);
    assert!(left.others.is_empty(), "{left:?}");
    let left = keep(&conf, &both, saw(&[("spam", Check::Spam)])).unwrap();
    assert_eq!((left.reason, left.others.len()), (HoldReason::Virus, 0));
    let looks = [("spam", Check::Spam), ("clam", Check::Virus)];
    assert_eq!(keep(&conf, &both, saw(&looks)), None);
}

#[test]
fn who_found_the_same_again_is_not_said_not_to_have_looked() {
    let phish = by(HoldReason::Phish, "clam");
    let flagged = || Judged {
        held: vec![(0, by(HoldReason::Phish, "clam"))],
        unseen: vec![unseen("clam", Why::Unfit)],
        ..Judged::default()
    };
    let hold = keep(&conf(), &phish, flagged()).unwrap();
    assert_eq!((hold.reason, hold.unseen.len()), (HoldReason::Phish, 0));
    // Another find of the same scanner is not taken back by it: it may have ended before.
    let virus = by(HoldReason::Virus, "clam");
    let hold = keep(&conf(), &virus, flagged()).unwrap();
    assert_eq!((hold.reason, hold.others.len()), (HoldReason::Virus, 1));
    assert_eq!(hold.unseen.len(), 1, "{hold:?}");
}

#[test]
fn it_is_judged_again_when_the_scanner_is_back_that_kept_its_check_from_looking() {
    let virus = || by(HoldReason::Virus, "clam");
    let failed = |scanner: &str| Judged {
        held: vec![(0, by(HoldReason::Scanner, scanner))],
        unseen: vec![unseen(scanner, Why::Failed)],
        ..Judged::default()
    };
    let excepted = Judged {
        unseen: vec![unseen("clam", Why::Excepted), unseen("spam", Why::Failed)],
        held: vec![(0, by(HoldReason::Scanner, "spam"))],
        ..Judged::default()
    };
    let found_again = Judged {
        held: vec![(0, virus())],
        ..saw(&[("clam", Check::Virus)])
    };
    for (name, judged, wanted) in [
        ("its own", failed("clam"), Some("clam")),
        ("one before it", failed("other"), Some("other")),
        ("it was excepted", excepted, None),
        ("it found it again", found_again, None),
        ("nobody failed", Judged::default(), None),
    ] {
        let before = virus();
        let hold = keep(&conf(), &before, judged).unwrap_or_else(virus);
        assert_eq!(hold.failed_scanner(), wanted, "case: {name}");
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn what_the_configuration_has_no_more_is_taken_back_and_a_scanner_never_is() {
    use HoldReason as R;
    type Change = fn(&mut Config);
    let file = |kind| hold(R::Attachment, &[("rule", "*.exe"), ("kind", kind)]);
    let locked = hold(R::Attachment, &[("kind", "encrypted")]);
    let cases: [(&str, Hold, Change, bool); 11] = [
        ("account", hold(R::Account, &[]), |_| (), true),
        (
            "accounts are not asked for",
            hold(R::Account, &[]),
            |conf| conf.checks.order.retain(|stage| *stage != Stage::Account),
            false,
        ),
        (
            "rule",
            hold(R::Rule, &[("rule", "r")]),
            |conf| conf.hold_rules.clear(),
            false,
        ),
        (
            "another rule",
            hold(R::Rule, &[("rule", "s")]),
            |_| (),
            false,
        ),
        (
            "the same rule",
            hold(R::Rule, &[("rule", "r")]),
            |_| (),
            true,
        ),
        (
            "pattern",
            file(""),
            |conf| {
                let rules = crate::mail::archive::Rules::new(["*.com"], true);
                conf.attachments.rules = std::sync::Arc::new(rules);
            },
            false,
        ),
        (
            "another listener",
            file(""),
            |conf| conf.attachments.listeners.clear(),
            true,
        ),
        (
            "no attachments",
            file(""),
            |conf| {
                conf.checks
                    .order
                    .retain(|stage| *stage != Stage::Attachments);
            },
            false,
        ),
        (
            "passwords",
            locked,
            |conf| conf.attachments.hold_encrypted = false,
            false,
        ),
        (
            "no scanner",
            by(R::Virus, "clam"),
            |conf| conf.scanners.clear(),
            true,
        ),
        (
            "no scanners at all",
            by(R::Spam, "spam"),
            |conf| {
                conf.checks.order.retain(|stage| *stage != Stage::Scanners);
            },
            true,
        ),
    ];
    for (name, before, change, stays) in cases {
        let mut conf = conf();
        change(&mut conf);
        let kept = keep(&conf, &before, Judged::default());
        assert_eq!(kept.is_some(), stays, "case: {name}: {kept:?}");
    }
}
