//! What the sink took, newest last: at most `KEPT_MAX` mails and `OCTETS_MAX` octets, in memory only.
//!
//! Numbers count from 1 and never come again, so that a page that stays open shows the mail it showed before, or says
//! that it is gone. Not here: the pages (`pages`), and the SMTP server that fills it (`sink`).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use mail_parser::MessageParser;

use crate::base::clock::Wall;
use crate::base::text::clean;

/// Mails kept: more than anybody looks at in a demo.
const KEPT_MAX: usize = 200;
/// Octets of all mails together.
const OCTETS_MAX: usize = 64 << 20;
/// Octets kept of one mail; the rest of a larger one is not shown.
pub const MAIL_MAX: usize = 4 << 20;
/// Characters of a subject that are shown.
const SUBJECT_MAX: usize = 120;

/// The mails that arrived; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Inbox(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    mails: VecDeque<Arc<Mail>>,
    octets: usize,
    last: u64,
}

/// One mail.
#[derive(Debug)]
pub struct Mail {
    /// From 1.
    pub number: u64,
    /// When it arrived.
    pub at: Wall,
    /// The reverse-path; empty: null.
    pub from: String,
    /// The forward-paths.
    pub to: String,
    /// Decoded, cleaned and bounded.
    pub subject: String,
    /// As it came over the wire.
    pub raw: Vec<u8>,
}

impl Inbox {
    /// Keeps a mail, and forgets the oldest ones for it; its subject as it is shown.
    pub fn keep(&self, at: Wall, from: &str, to: &str, raw: Vec<u8>) -> String {
        let subject = MessageParser::default()
            .parse_headers(&raw)
            .and_then(|mail| mail.subject().map(|text| clean(text, SUBJECT_MAX)))
            .unwrap_or_default();
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.last += 1;
        kept.octets += raw.len();
        let mail = Mail {
            number: kept.last,
            at,
            from: from.to_owned(),
            to: to.to_owned(),
            subject: subject.clone(),
            raw,
        };
        kept.mails.push_back(Arc::new(mail));
        while kept.mails.len() > KEPT_MAX || kept.octets > OCTETS_MAX {
            let Some(oldest) = kept.mails.pop_front() else {
                break;
            };
            kept.octets = kept.octets.saturating_sub(oldest.raw.len());
        }
        subject
    }

    /// All, newest first.
    pub fn newest(&self) -> Vec<Arc<Mail>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.mails.iter().rev().map(Arc::clone).collect()
    }

    /// One; none: it never was, or is forgotten.
    pub fn mail(&self, number: u64) -> Option<Arc<Mail>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.mails
            .iter()
            .find(|mail| mail.number == number)
            .map(Arc::clone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_mails_go_when_there_are_too_many_or_they_are_too_large() {
        let inbox = Inbox::default();
        for n in 0..KEPT_MAX + 5 {
            let raw = format!("Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= {n}\r\n\r\n").into_bytes();
            inbox.keep(Wall(0), "", "a@example.org", raw);
        }
        let all = inbox.newest();
        assert_eq!(all.len(), KEPT_MAX);
        assert_eq!((all[0].number, all[0].subject.as_str()), (205, "Grüße 204"));
        assert!(inbox.mail(5).is_none() && inbox.mail(6).is_some());
        for _ in 0..20 {
            inbox.keep(Wall(0), "", "a@example.org", vec![b'x'; MAIL_MAX]);
        }
        assert_eq!(inbox.newest().len(), OCTETS_MAX / MAIL_MAX);
    }
}
