//! What the answers of one transaction come to: an outcome for each recipient, and what they say of other mail.
//!
//! A refusal that concerns the host or the site is told once, with whether the parcel can go to another host as it is.
//! Not here: the rule for each trouble (`trouble`), and what is done with a refusal (`lane`).

use super::throttle::too_many;
use super::trouble::{Bears, Ruling, Trouble, rule};
use crate::mail::outcome::Outcome;
use crate::mail::reply::Reply;
use crate::queue::DueRecipient;
use crate::smtp::client::transaction::{Finished, Stage, Verdict};
use crate::store::StoreError;

/// What keeps more than this mail from going out over this connection.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// What it means.
    pub ruling: Ruling,
    /// Nobody of the parcel got another answer: it can go to another host as it is.
    pub whole: bool,
    /// The peer had been told enough to mean only this mail.
    pub late: bool,
}

/// What the verdicts come to, besides the outcomes.
pub(super) struct Judged {
    /// Somebody was not relayed.
    pub troubled: bool,
    /// See there.
    pub refusal: Option<Refusal>,
    /// So many recipients were taken, and more were too many.
    pub took_only: Option<usize>,
}

/// Adds an outcome for each recipient.
pub(super) fn judge(
    going: &[&DueRecipient],
    finished: &Finished,
    store: Option<&StoreError>,
    site: &str,
    outcomes: &mut Vec<(u32, Outcome)>,
) -> Judged {
    let mut judged = Judged {
        troubled: false,
        refusal: None,
        took_only: None,
    };
    let untried = |(_, outcome): &(u32, Outcome)| *outcome == Outcome::Untried;
    let (mut taken, mut enough, mut borne) = (0, false, outcomes.iter().all(untried));
    let some_taken = finished.verdicts.iter().any(was_taken);
    for (recipient, verdict) in going.iter().zip(&finished.verdicts) {
        let trouble = match said(verdict, store, some_taken) {
            Said::Taken(reply) => {
                (taken, borne) = (taken + 1, false);
                outcomes.push((recipient.index, Outcome::Relayed(reply)));
                continue;
            }
            Said::Enough => {
                (enough, borne, judged.troubled) = (true, false, true);
                outcomes.push((recipient.index, Outcome::Untried));
                continue;
            }
            Said::No(trouble) => trouble,
        };
        taken += usize::from(was_taken(verdict));
        judged.troubled = true;
        let ruling = rule(&trouble).at(site);
        let in_doubt = trouble.is_in_doubt();
        let outcome = match (ruling.outcome(), store) {
            (Outcome::Deferred(fault), None) if in_doubt => Outcome::InDoubt(fault),
            // What is missing on the disk is missing next time too.
            (Outcome::Deferred(fault), Some(StoreError::Damaged(_))) => Outcome::Broken(fault),
            (outcome, _) => outcome,
        };
        outcomes.push((recipient.index, outcome));
        if ruling.bears == Bears::Mail {
            borne = false;
        } else if judged.refusal.is_none() {
            let late = is_late(&trouble);
            judged.refusal = Some(Refusal {
                ruling,
                whole: false,
                late,
            });
        }
    }
    judged.took_only = Some(taken).filter(|taken| enough && *taken > 0);
    if let Some(refusal) = &mut judged.refusal {
        refusal.whole = borne;
    }
    judged
}

/// What the peer said of one recipient.
enum Said {
    Taken(Reply),
    /// Not in this transaction.
    Enough,
    No(Trouble),
}

/// Without progress too many recipients are a deferral (RFC 5321 section 4.5.3.1.10).
fn said(verdict: &Verdict, store: Option<&StoreError>, progress: bool) -> Said {
    match verdict {
        Verdict::Taken(reply) => Said::Taken(reply.clone()),
        Verdict::Refused {
            stage: Stage::Rcpt,
            reply,
        } if progress && too_many(reply) => Said::Enough,
        Verdict::Refused { stage, reply } => Said::No(Trouble::Refused {
            stage: *stage,
            reply: reply.clone(),
        }),
        Verdict::Cut { stage, cut } => Said::No(match store {
            Some(StoreError::Damaged(_)) => Trouble::Ours("the stored mail is damaged".to_owned()),
            Some(
                StoreError::Conflict(_)
                | StoreError::Unavailable(_)
                | StoreError::InDoubt(_)
                | StoreError::TooLarge,
            ) => Trouble::Ours("the stored mail cannot be read now".to_owned()),
            None => Trouble::Cut {
                stage: *stage,
                cut: cut.clone(),
            },
        }),
    }
}

/// Whether RCPT was answered with yes and the mail with yes or no: then the transaction has made progress.
fn was_taken(verdict: &Verdict) -> bool {
    match verdict {
        Verdict::Taken(_) => true,
        Verdict::Refused { stage, .. } => matches!(stage, Stage::Data | Stage::Dot),
        Verdict::Cut { .. } => false,
    }
}

/// Whether the peer knew a recipient, the content or the size when it said so: then it may mean only this mail.
fn is_late(trouble: &Trouble) -> bool {
    match trouble {
        // MAIL names the size (RFC 1870), and 452 says that there is no place for it.
        Trouble::Refused { reply, .. } if reply.code() == 452 => true,
        Trouble::Refused { stage, .. } | Trouble::Cut { stage, .. } => {
            matches!(stage, Stage::Rcpt | Stage::Data | Stage::Dot)
        }
        Trouble::Domain(_)
        | Trouble::Host(_)
        | Trouble::Forbidden(_)
        | Trouble::Loop(_)
        | Trouble::Unreachable(_)
        | Trouble::Broken { .. }
        | Trouble::Unwelcome { .. }
        | Trouble::NoTls(_)
        | Trouble::LoginRefused(_)
        | Trouble::LoginUnsafe(_)
        | Trouble::NeedsUtf8
        | Trouble::NeedsEightBit
        | Trouble::TooLarge(_)
        | Trouble::Ours(_) => false,
    }
}
