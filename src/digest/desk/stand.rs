//! How things stand for a link, in the order in which pages answer: ended, closed, replaced, handled, open.
//!
//! Every unexpired link works, whichever digest it came from, unless `[links] newest_only` says that only the newest
//! digest that lists a hold counts. Not here: what is unknown (`desk`), and what an open one allows (`rights`).

use super::{Desk, DeskError, Found, LinkVerb, Opened, Right, Rights, closes};
use crate::base::limit::{LINK_REPLACED_PAGE, SCAN_MAX};
use crate::digest::record::Digest;
use crate::digest::token::Token;
use crate::queue::record::decode;
use crate::store::{Key, Span, StoreError, StoreTime};

/// How things stand for a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stand {
    /// Still held: the buttons work, as far as the rights go.
    Open,
    /// Done by this digest's recipient, and can still be taken back; or by the call that returned it.
    Done,
    /// Already handled; the card says by whom, when, and whether it is held again.
    Handled,
    /// A newer digest to the same address lists the same hold: its number.
    Replaced(u32),
    /// The link has ended, its key was revoked, or the mail is not its recipient's any more.
    Expired,
    /// Five wrong codes.
    Closed,
}

impl Desk {
    /// What a page needs to know.
    pub(super) async fn opened(
        &self,
        token: &Token,
        found: Found,
        login: Option<&str>,
    ) -> Result<Opened, DeskError> {
        let Found { card, mut digest } = found;
        let conf = self.queue.conf().load_full();
        // What was theirs when it was sent may be somebody else's now.
        digest.scopes = self.standing(&conf, &digest.to, &card).await?;
        let is_theirs = login.is_some() || !digest.scopes.is_empty();
        let mut opened = Opened {
            rights: Rights::of(&conf.hold, &digest, &card, login.is_some()),
            number: token.digest,
            stand: Stand::Open,
            undo: false,
            needs_code: digest.canary.is_some(),
            card,
            digest,
        };
        let mut wrong = opened.digest.wrong.iter();
        let closed = wrong.any(|row| row.hold == token.hold && closes(row.count));
        opened.stand = if self.is_over(token) || !is_theirs {
            Stand::Expired
        } else if closed {
            Stand::Closed
        } else if let Some(newer) = self.newer(token, &opened.digest).await? {
            Stand::Replaced(newer)
        } else {
            let (stand, undo) = opened.end(login.is_some(), self.queue.store().now());
            opened.undo = undo;
            stand
        };
        Ok(opened)
    }

    /// Whether its time is over, or its key's.
    pub(super) fn is_over(&self, token: &Token) -> bool {
        token.has_ended(self.queue.clock().wall()) || !self.keys.believes(token)
    }

    /// The newest digest to the same address that lists the same hold, if only that one counts. So many newer digests
    /// that they are not looked through replace nothing: it is an order among links and protects from nothing.
    async fn newer(&self, token: &Token, digest: &Digest) -> Result<Option<u32>, StoreError> {
        if !self.queue.conf().load().links.newest_only {
            return Ok(None);
        }
        let (mut seen, mut after) = (0, None);
        while seen < SCAN_MAX {
            let span = Span::Prefix(Key::of(b'g', &[&[0]]));
            let store = self.queue.store();
            let page = store.scan(span, after, true, LINK_REPLACED_PAGE).await?;
            for record in &page.records {
                seen += 1;
                // What else its owner keeps beside them is longer than `g/0/<number>`.
                let Some(number) = record.key.0.get(2..).and_then(|n| n.try_into().ok()) else {
                    continue;
                };
                let number = u32::from_be_bytes(number);
                if number <= token.digest {
                    return Ok(None);
                }
                let Ok(newer) = decode::<Digest>(&record.key, &record.value) else {
                    continue;
                };
                // One that was not delivered is in nobody's hands.
                let counts = newer.to == digest.to && newer.failed.is_none();
                if counts && newer.end != 0 && newer.listed.contains(&token.hold) {
                    return Ok(Some(number));
                }
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        Ok(None)
    }
}

impl Opened {
    /// Stand and undo of what still counts.
    fn end(&self, login: bool, now: StoreTime) -> (Stand, bool) {
        let Some(end) = &self.card.end else {
            return (Stand::Open, false);
        };
        let own = end.by == link_of(&self.digest);
        let waits = end.until.is_some_and(|until| until > now.0);
        let undo = waits && (own || login);
        let stand = if own && waits {
            Stand::Done
        } else {
            Stand::Handled
        };
        (stand, undo)
    }

    /// Whether there is anything for the button to do.
    pub(super) fn takes(&self, verb: LinkVerb) -> bool {
        match verb {
            LinkVerb::Undo => self.undo,
            LinkVerb::Release | LinkVerb::Requeue | LinkVerb::Delete | LinkVerb::Bounce => {
                self.stand == Stand::Open
            }
        }
    }

    pub(super) fn right(&self, verb: LinkVerb) -> Right {
        match verb {
            LinkVerb::Release => self.rights.release,
            LinkVerb::Requeue => self.rights.requeue,
            LinkVerb::Delete => self.rights.delete,
            LinkVerb::Bounce => self.rights.bounce,
            // Who did it may take it back.
            LinkVerb::Undo => Right::Yes,
        }
    }

    /// For whoever pressed a button that had nothing to do: that it is done was somebody else, or an earlier press.
    pub(super) fn late(mut self) -> Self {
        if self.stand == Stand::Done {
            self.stand = Stand::Handled;
        }
        self
    }

    /// After its button acted.
    pub(super) fn settle(&mut self, verb: LinkVerb, now: StoreTime) {
        let until = self.card.end.as_ref().and_then(|end| end.until);
        self.undo = until.is_some_and(|until| until > now.0);
        self.stand = match verb {
            LinkVerb::Undo => Stand::Open,
            LinkVerb::Release | LinkVerb::Requeue | LinkVerb::Delete | LinkVerb::Bounce => {
                Stand::Done
            }
        };
    }
}

/// Who acts by the links of a digest.
pub(super) fn link_of(digest: &Digest) -> String {
    format!("link:{}", digest.to)
}
