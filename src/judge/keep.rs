//! What was found before a requeue and is not taken back by it.
//!
//! A finding ends when the check that made it, by its name, looked at the mail again and says something else, or when the
//! configuration has no longer the rule, pattern or mode that it broke. Nothing else ends it: a check that failed, was
//! not asked, was excepted or passed the mail unseen, another one of its kind, a judgement that ended before it. Then
//! the hold stays as it was, with all its rights, and says why nobody looked.
//! Not here: whether a check really looked (`content`, `policy`), and who may do what then (`config`).

use super::content::Judged;
use crate::config::{Config, Role, Stage};
use crate::mail::found::{ATTACHMENTS, Found, Unseen, Why};
use crate::mail::hold::{Check, Hold, HoldReason, union};
use crate::mail::mailbox::Mailbox;

/// What is known before a requeue's result counts.
pub(super) struct Keep<'a> {
    pub(super) conf: &'a Config,
    /// What the listener was for that took the mail.
    pub(super) role: Role,
    /// Whether everything of its account is held now.
    pub(super) account_held: bool,
    /// What was found and not taken back.
    pub(super) found: &'a [Found],
    /// What the mail was looked at for before.
    pub(super) checked: &'a [Check],
}

impl Keep<'_> {
    /// Holds everybody for whom something stays, whatever else came out.
    pub(super) fn of(&self, judged: &mut Judged, recipients: &[(u32, Mailbox)]) {
        for (index, _) in recipients {
            let all = self.found.iter();
            let kept = all.filter(|found| !self.is_over(found, judged, *index));
            let mut kept: Vec<Found> = kept.cloned().collect();
            let at = judged.held.iter().position(|(of, _)| of == index);
            // What its check found again needs nobody to keep it.
            let again = at.and_then(|at| judged.held.get(at));
            let again = again.map(|(_, hold)| hold.found()).unwrap_or_default();
            kept.retain(|found| !again.iter().any(|one| one.is_of(found)));
            if kept.is_empty() {
                continue;
            }
            let new = at.map(|at| judged.held.swap_remove(at).1);
            let hold = self.hold(kept, new, judged);
            judged.held.push((*index, hold));
        }
    }

    /// What stays and what is new in one hold; the graver tells, of equals the new.
    fn hold(&self, kept: Vec<Found>, new: Option<Hold>, judged: &Judged) -> Hold {
        let mut unseen: Vec<Unseen> = Vec::new();
        for found in &kept {
            let one = self.unseen(found, judged, new.as_ref());
            if !unseen.iter().any(|known| known.by == one.by) {
                unseen.push(one);
            }
        }
        // Whom the judgement waits for, also where that was another than who had found something.
        let failed = new.as_ref().and_then(Hold::failed_scanner);
        let failed = failed.filter(|name| !unseen.iter().any(|one| one.by == *name));
        unseen.extend(failed.map(|name| told(judged, name)));
        let gravest = kept.iter().map(|found| found.reason.gravity()).max();
        let hold = match new {
            Some(new) if Some(new.reason.gravity()) >= gravest => new.beside(kept),
            new => {
                let mut kept = kept;
                let at = kept
                    .iter()
                    .position(|found| Some(found.reason.gravity()) == gravest);
                let first = kept.remove(at.unwrap_or_default()).into_hold();
                let more = new.map(|new| new.found()).unwrap_or_default();
                first.beside(kept).beside(more)
            }
        };
        Hold {
            checked: union(self.checked, &judged.checked),
            unseen,
            ..hold
        }
    }

    fn is_over(&self, found: &Found, judged: &Judged, index: u32) -> bool {
        let Some(by) = found.by() else {
            return false;
        };
        let mut looks = judged.seen.iter();
        let looked = looks.any(|seen| {
            seen.by == by && looks_for(seen.check, found.reason) && seen.of.contains(&index)
        });
        looked || self.is_allowed_now(found, by)
    }

    /// Whether nothing of the configuration would find it any more: that is not true of scanners, who know things that no
    /// configuration says.
    fn is_allowed_now(&self, found: &Found, by: &str) -> bool {
        let param = |name: &str| found.params.get(name).map(String::as_str);
        let asked = |stage| self.conf.checks.order.contains(&stage);
        match found.reason {
            HoldReason::Rule => {
                let rule = param("rule");
                let mut rules = self.conf.hold_rules.iter();
                let there = rule.is_none_or(|name| rules.any(|rule| rule.name == name));
                !there || !asked(Stage::Rules)
            }
            HoldReason::Account => !self.account_held || !asked(Stage::Account),
            HoldReason::Loop => !asked(Stage::Loop),
            HoldReason::BrokenMime => !self.conf.checks.hold_broken_mime || !asked(Stage::Mime),
            HoldReason::Attachment if by == ATTACHMENTS => {
                let attachments = &self.conf.attachments;
                let encrypted = param("kind") == Some("encrypted");
                let mut patterns = attachments.rules.written();
                let there = param("rule").is_none_or(|rule| patterns.any(|own| own == rule));
                !asked(Stage::Attachments) || !there || encrypted && !attachments.hold_encrypted
            }
            HoldReason::Attachment
            | HoldReason::Virus
            | HoldReason::Phish
            | HoldReason::Spam
            | HoldReason::Dmarc
            | HoldReason::Filter
            | HoldReason::Operator
            | HoldReason::Undeliverable
            | HoldReason::Internal
            | HoldReason::RateLimit
            | HoldReason::Scanner
            | HoldReason::MaybeDelivered => false,
        }
    }

    /// Why its check did not look.
    fn unseen(&self, found: &Found, judged: &Judged, new: Option<&Hold>) -> Unseen {
        let Some(by) = found.by() else {
            return Unseen {
                by: String::new(),
                why: Why::Nameless,
                cause: String::new(),
            };
        };
        if let Some(told) = judged.unseen.iter().find(|one| one.by == by) {
            return told.clone();
        }
        let mut looks = judged.seen.iter();
        let looked = looks.any(|seen| seen.by == by && is_scanners(found.reason));
        let scanner = self.conf.scanners.iter().find(|one| one.name == by);
        let attachments = found.reason == HoldReason::Attachment && by == ATTACHMENTS;
        let built_in = attachments || !is_scanners(found.reason);
        let elsewhere = match scanner {
            Some(scanner) => !scanner.listeners.contains(&self.role),
            None => attachments && !self.conf.attachments.listeners.contains(&self.role),
        };
        let (why, cause) = if looked && found.reason == HoldReason::Dmarc {
            let cause = "it did not learn what the domain of the author wants".to_owned();
            (Why::Unfit, cause)
        } else if looked {
            let cause = "what has its name now looks for something else".to_owned();
            (Why::Gone, cause)
        } else if scanner.is_none() && !built_in || !self.asks_scanners(scanner.is_some()) {
            let cause = "the configuration does not have it any more".to_owned();
            (Why::Gone, cause)
        } else if elsewhere {
            let cause = "it does not look at mail of this listener".to_owned();
            (Why::Elsewhere, cause)
        } else {
            let ended = new.map(|new| format!(" ({}: {})", new.reason, new.cause));
            let cause = "the judgement ended before".to_owned() + &ended.unwrap_or_default();
            let fault = new.is_some_and(|new| new.reason == HoldReason::Internal);
            (if fault { Why::Fault } else { Why::NotReached }, cause)
        };
        Unseen {
            by: by.to_owned(),
            why,
            cause,
        }
    }

    fn asks_scanners(&self, is_scanner: bool) -> bool {
        !is_scanner || self.conf.checks.order.contains(&Stage::Scanners)
    }
}

/// Whether a check of ours found it, or a scanner: a scanner may have the name of any check.
fn is_scanners(reason: HoldReason) -> bool {
    match reason {
        HoldReason::Rule | HoldReason::Account | HoldReason::Loop | HoldReason::BrokenMime => false,
        HoldReason::Attachment
        | HoldReason::Virus
        | HoldReason::Phish
        | HoldReason::Spam
        | HoldReason::Dmarc
        | HoldReason::Filter
        | HoldReason::Operator
        | HoldReason::Undeliverable
        | HoldReason::Internal
        | HoldReason::RateLimit
        | HoldReason::Scanner
        | HoldReason::MaybeDelivered => true,
    }
}

/// Whether a look of this kind can say that it is not so: the name of a scanner may be that of another kind now. Who
/// scores a mail does not always learn what the author's domain wants.
fn looks_for(check: Check, reason: HoldReason) -> bool {
    match reason {
        HoldReason::Virus => check == Check::Virus,
        HoldReason::Phish => matches!(check, Check::Virus | Check::Spam),
        HoldReason::Spam => check == Check::Spam,
        HoldReason::Dmarc => check == Check::Dmarc,
        HoldReason::Attachment => matches!(check, Check::Virus | Check::Attachments),
        HoldReason::Filter => check == Check::Filter,
        HoldReason::Rule => check == Check::Rules,
        HoldReason::Account => check == Check::Account,
        HoldReason::Loop => check == Check::Loop,
        HoldReason::BrokenMime => check == Check::Mime,
        HoldReason::Operator
        | HoldReason::Undeliverable
        | HoldReason::Internal
        | HoldReason::RateLimit
        | HoldReason::Scanner
        | HoldReason::MaybeDelivered => false,
    }
}

/// What a scanner said of why it did not look.
fn told(judged: &Judged, name: &str) -> Unseen {
    let said = judged.unseen.iter().find(|one| one.by == name).cloned();
    said.unwrap_or_else(|| Unseen {
        by: name.to_owned(),
        why: Why::Failed,
        cause: "it failed".to_owned(),
    })
}

#[cfg(test)]
mod tests;
