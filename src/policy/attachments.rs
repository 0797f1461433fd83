//! What was found in a mail's attachments means for the mail.
//!
//! Pure: findings in, a hold out. What is blocked is judged (`quarantine`); what could not be seen to its end is not
//! (`bad`). A password is an answer: whoever knows the sender decides, so that goes to `quarantine` too.
//! Not here: looking into them (`mail::archive`).

use crate::base::limit::ENCODING_SHOWN_MAX;
use crate::base::text::clean;
use crate::config::AttachmentsConf;
use crate::mail::archive::{Blocked, Bound, Findings, Lost, Packed, Stopped, Unread};
use crate::mail::found::{ATTACHMENTS, Unseen, Why};
use crate::mail::hold::{Hold, HoldQueue, HoldReason, SCANNER};
use crate::scan::{Looked, Trouble};

/// What it means.
#[derive(Debug)]
pub struct Attachments {
    /// For the whole mail.
    pub hold: Option<Hold>,
    /// Whether they were looked at, to their end or to what holds the mail.
    pub checked: bool,
    /// Why not, if not.
    pub unseen: Option<Unseen>,
    /// For the timeline and the log, if there is something to tell.
    pub said: Option<String>,
}

/// Judges what was found.
pub fn attachments(conf: &AttachmentsConf, looked: &Looked) -> Attachments {
    match looked {
        Looked::Excepted(why) => Attachments {
            hold: None,
            checked: false,
            unseen: unseen(Why::Excepted, why),
            said: Some(format!("attachments: not looked at: {why}")),
        },
        Looked::Failed(trouble) => of_trouble(trouble),
        Looked::Found(findings) => {
            let hold = hold(conf, findings);
            let said = hold.as_ref().map(|hold| hold.cause.clone());
            // A text and nothing else is not worth a line.
            let said = said.or_else(|| {
                let count = findings.looked;
                (count > 1).then(|| format!("{count} parts and entries, none of them blocked"))
            });
            let partly = is_partly(findings);
            Attachments {
                hold,
                checked: partly.is_none(),
                unseen: partly.and_then(|what| unseen(Why::Unfit, what)),
                said: said.map(|said| format!("attachments: {said}")),
            }
        }
    }
}

fn of_trouble(trouble: &Trouble) -> Attachments {
    let cause = format!("{ATTACHMENTS}: {trouble}");
    let mut hold = Hold::new(HoldQueue::Bad, HoldReason::Scanner, &cause);
    // What only the moment is to blame for is looked at again by itself; any other fault comes again.
    let busy = matches!(trouble, Trouble::Crowded(_) | Trouble::Stopping);
    if busy {
        hold = hold.with(SCANNER, ATTACHMENTS).with("kind", "busy");
    }
    let why = if busy { Why::Failed } else { Why::Unfit };
    Attachments {
        hold: Some(hold),
        checked: false,
        unseen: unseen(why, &trouble.to_string()),
        said: Some(cause),
    }
}

fn unseen(why: Why, cause: &str) -> Option<Unseen> {
    Some(Unseen {
        by: ATTACHMENTS.to_owned(),
        why,
        cause: cause.to_owned(),
    })
}

/// What kept a look from coming to an end: behind it may be what was found before.
fn is_partly(findings: &Findings) -> Option<&'static str> {
    if findings.blocked.is_some() {
        None
    } else if findings.stopped.is_some() {
        Some("it could not look at all of the mail")
    } else if findings.lost.is_some() {
        Some("a part cannot be read")
    } else if findings.packed.is_some() {
        Some("an entry is packed by a method that is not unpacked")
    } else {
        let damaged = findings.damaged.as_ref();
        damaged.map(|_| "a damaged archive cannot be looked into")
    }
}

fn hold(conf: &AttachmentsConf, findings: &Findings) -> Option<Hold> {
    if let Some(blocked) = &findings.blocked {
        return Some(of_blocked(blocked));
    }
    // A find outranks what could not be seen.
    if let Some(path) = findings.encrypted.as_ref().filter(|_| conf.hold_encrypted) {
        let cause = format!("{path}: only a password opens it");
        let hold = Hold::new(HoldQueue::Quarantine, HoldReason::Attachment, cause);
        let hold = hold.with(SCANNER, ATTACHMENTS);
        return Some(hold.with("name", path).with("kind", "encrypted"));
    }
    if let Some(stopped) = &findings.stopped {
        return Some(of_stopped(stopped));
    }
    if let Some(lost) = &findings.lost {
        return Some(of_lost(lost));
    }
    if let Some(packed) = findings.packed.as_ref().filter(|_| conf.hold_damaged) {
        let Packed { path, method } = packed;
        let cause = format!("{path}: packed by a method that is not unpacked: {method}");
        let hold = Hold::new(HoldQueue::Bad, HoldReason::Scanner, cause);
        let hold = hold.with("name", path).with("method", method);
        return Some(hold.with("kind", "packed"));
    }
    let path = findings.damaged.as_ref().filter(|_| conf.hold_damaged)?;
    let cause = format!("{path}: the archive is damaged and cannot be looked into");
    let hold = Hold::new(HoldQueue::Bad, HoldReason::Scanner, cause);
    Some(hold.with("name", path).with("kind", "damaged"))
}

fn of_blocked(blocked: &Blocked) -> Hold {
    let Blocked { path, media, rule } = blocked;
    let cause = match media {
        Some(media) => format!("{path}: {media}, blocked by \"{rule}\""),
        None => format!("{path}: blocked by \"{rule}\""),
    };
    let hold = Hold::new(HoldQueue::Quarantine, HoldReason::Attachment, cause);
    let hold = hold.with(SCANNER, ATTACHMENTS);
    let hold = hold.with("name", path).with("rule", rule);
    match media {
        Some(media) => hold.with("type", media),
        None => hold,
    }
}

fn of_stopped(stopped: &Stopped) -> Hold {
    let Stopped { path, bound } = stopped;
    let what = match bound {
        Bound::Ratio | Bound::Total | Bound::Depth | Bound::Entries => "archive bomb",
        Bound::Held
        | Bound::Names
        | Bound::Work
        | Bound::Parts
        | Bound::Levels
        | Bound::Header
        | Bound::Boundary
        | Bound::Said
        | Bound::Readings => "not looked into",
    };
    let place = if path.is_empty() { "the mail" } else { path };
    let cause = format!("{what}: {place}: {bound}");
    let hold = Hold::new(HoldQueue::Bad, HoldReason::Scanner, cause);
    let number = format!("{} = {}", bound.name(), bound.limit());
    let hold = hold.with("bound", number);
    if path.is_empty() {
        hold
    } else {
        hold.with("name", path)
    }
}

/// A part that is there and that nobody here can read: a person looks at it.
fn of_lost(lost: &Lost) -> Hold {
    let Lost { path, why } = lost;
    let cause = format!("not looked into: {path}: {why}");
    let hold = Hold::new(HoldQueue::Bad, HoldReason::Scanner, cause).with("name", path);
    match why {
        Unread::Encoding(word) => hold
            .with("kind", "encoding")
            .with("encoding", clean(word, ENCODING_SHOWN_MAX)),
        Unread::Piece => hold.with("kind", "piece"),
        Unread::BinHex => hold.with("kind", "binhex"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path() -> String {
        "a.zip > b.exe".to_owned()
    }

    /// What is encrypted and damaged, and worse.
    fn soft() -> Findings {
        Findings {
            encrypted: Some(path()),
            damaged: Some(path()),
            ..Findings::default()
        }
    }

    fn lost() -> Findings {
        let why = Unread::Encoding("x-\u{202E}foo".to_owned());
        let path = "a.pdf".to_owned();
        Findings {
            lost: Some(Lost { path, why }),
            ..soft()
        }
    }

    fn hard() -> Findings {
        let bound = Bound::Ratio;
        Findings {
            stopped: Some(Stopped {
                path: path(),
                bound,
            }),
            ..lost()
        }
    }

    fn all() -> Findings {
        let blocked = Blocked {
            path: path(),
            media: None,
            rule: "*.exe".to_owned(),
        };
        Findings {
            blocked: Some(blocked),
            ..hard()
        }
    }

    fn packed() -> Findings {
        let method = "lzma";
        Findings {
            packed: Some(Packed {
                path: path(),
                method,
            }),
            ..soft()
        }
    }

    fn spent() -> Findings {
        let stopped = Stopped {
            path: String::new(),
            bound: Bound::Work,
        };
        Findings {
            stopped: Some(stopped),
            ..Findings::default()
        }
    }

    fn told(strict: bool, findings: Findings) -> Option<String> {
        let conf = AttachmentsConf {
            hold_encrypted: strict,
            ..AttachmentsConf::default()
        };
        let hold = attachments(&conf, &Looked::Found(findings)).hold?;
        Some(format!("{} {}: {}", hold.queue, hold.reason, hold.cause))
    }

    #[test]
    fn the_worst_that_was_found_holds() {
        for (strict, findings, wanted) in [
            (
                true,
                all(),
                "quarantine attachment: a.zip > b.exe: blocked by \"*.exe\"",
            ),
            (
                false,
                hard(),
                "bad scanner: archive bomb: a.zip > b.exe: unpacks to far more than it is (bound ARCHIVE_RATIO_MAX = 200)",
            ),
            (
                false,
                lost(),
                "bad scanner: not looked into: a.pdf: the transfer encoding \"x-?foo\" is unknown",
            ),
            (
                true,
                hard(),
                "quarantine attachment: a.zip > b.exe: only a password opens it",
            ),
            (
                true,
                lost(),
                "quarantine attachment: a.zip > b.exe: only a password opens it",
            ),
            (
                true,
                soft(),
                "quarantine attachment: a.zip > b.exe: only a password opens it",
            ),
            (
                false,
                soft(),
                "bad scanner: a.zip > b.exe: the archive is damaged and cannot be looked into",
            ),
            (
                false,
                packed(),
                "bad scanner: a.zip > b.exe: packed by a method that is not unpacked: lzma",
            ),
            (
                true,
                spent(),
                "bad scanner: not looked into: the mail: too much work to look into (bound ARCHIVE_WORK_MAX = 2000000000)",
            ),
        ] {
            assert_eq!(told(strict, findings).as_deref(), Some(wanted));
        }
        assert_eq!(told(true, Findings::default()), None);
    }

    #[test]
    fn only_what_the_moment_is_to_blame_for_is_looked_at_again_by_itself() {
        let minute = std::time::Duration::from_secs(60);
        for (trouble, again) in [
            (Trouble::Crowded(minute), true),
            (Trouble::Stopping, true),
            (Trouble::Unread("disk".to_owned()), false),
            (Trouble::Unable("a fault".to_owned()), false),
        ] {
            let judged = attachments(
                &AttachmentsConf::default(),
                &Looked::Failed(trouble.clone()),
            );
            let hold = judged.hold.expect("held");
            assert!(!judged.checked && hold.queue == HoldQueue::Bad);
            let wanted = again.then_some(ATTACHMENTS);
            assert_eq!(hold.failed_scanner(), wanted, "case: {trouble}");
        }
    }
}
