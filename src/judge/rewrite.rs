//! A mail as its filters leave it: the changed text is written down, the envelope follows, before the queue takes it.
//!
//! The text is streamed through the edits into chunks behind those of the first one; what only stands on top is kept
//! beside it. Each filter's work is recorded, so that a requeue does not do it twice: a second signature, a second footer.
//! Not here: how an edit changes a text (`scan::edited`), and what a filter may ask for (`scan::milter`).

use std::pin::Pin;

use super::body::StoredText;
use super::content::{Held, Judged};
use crate::mail::edit::{self, Edits};
use crate::mail::envelope::{Envelope, RcptTo};
use crate::mail::mailbox::Mailbox;
use crate::queue::record::Worked;
use crate::queue::{AcceptError, BodyWriter, Queue, StoredBody};
use crate::scan::Body;
use crate::scan::edited::Edited;
use crate::store::StoreError;

/// What the queue takes.
#[derive(Debug)]
pub struct Done {
    /// Its text.
    pub body: StoredBody,
    /// From whom, to whom.
    pub envelope: Envelope,
    /// Who of them is held.
    pub held: Held,
    /// Fields beside the text.
    pub top: String,
    /// Filters that did their work.
    pub worked: Vec<Worked>,
    /// What scanners said.
    pub said: Vec<String>,
}

/// Applies what filters change in a mail that arrives.
///
/// # Errors
/// The new text cannot be stored.
pub async fn finish(
    queue: &Queue,
    body: StoredBody,
    envelope: Envelope,
    judged: Judged,
) -> Result<Done, AcceptError> {
    let rewriting = judged.edits.iter().rposition(Edits::rewrites);
    let body = match rewriting {
        Some(last) => {
            let text = StoredText::new(queue.read_back(&body));
            let mut writer = queue.begin_again(&body);
            let edits = judged.edits.get(..=last).unwrap_or_default();
            Box::pin(write(&text, edits, &mut writer)).await?;
            writer.finish()
        }
        None => body,
    };
    let tops = tops(&judged.edits, rewriting.unwrap_or(0));
    let worked = worked(&judged.edits, rewriting.unwrap_or(0));
    let (envelope, held) = enveloped(envelope, &judged);
    Ok(Done {
        body,
        envelope,
        held,
        top: edit::to_text(tops),
        worked,
        said: judged.said,
    })
}

type Written<'a> = Pin<Box<dyn Future<Output = Result<(), AcceptError>> + Send + 'a>>;

/// Writes `text` after all of `edits`. Each stands on the text that the one before it made.
fn write<'a>(text: &'a dyn Body, edits: &'a [Edits], writer: &'a mut BodyWriter) -> Written<'a> {
    Box::pin(async move {
        if let Some((first, rest)) = edits.split_first() {
            let beside = rest.is_empty() || first.by.is_empty();
            let next = if beside {
                Edited::without_top(text, first)
            } else {
                Edited::whole(text, first)
            };
            return write(&next, rest, writer).await;
        }
        let mut octets = text.open();
        let unread = |error: std::io::Error| {
            AcceptError::Store(StoreError::Unavailable(error.to_string().into()))
        };
        while let Some(piece) = octets.next().await.map_err(unread)? {
            if !piece.is_empty() {
                writer.write(&piece).await?;
            }
        }
        Ok(())
    })
}

/// The fields beside a text that has those of filters before `last` in it; who came later stands above.
fn tops(edits: &[Edits], last: usize) -> impl Iterator<Item = &edit::Field> {
    let each = edits.iter().enumerate().rev();
    let beside = each.filter(move |(n, one)| *n >= last || one.by.is_empty());
    beside.flat_map(|(_, one)| &one.top)
}

fn worked(edits: &[Edits], last: usize) -> Vec<Worked> {
    let each = edits.iter().enumerate();
    let filters = each.filter(|(_, one)| !one.by.is_empty());
    filters
        .map(|(n, one)| Worked {
            name: one.by.clone(),
            top: if n >= last {
                edit::to_text(&one.top)
            } else {
                String::new()
            },
        })
        .collect()
}

fn enveloped(envelope: Envelope, judged: &Judged) -> (Envelope, Held) {
    let Envelope { mut from, .. } = envelope;
    for path in judged.edits.iter().filter_map(|edits| edits.from.as_ref()) {
        from.smtputf8 |= path.mailbox().is_some_and(Mailbox::needs_smtputf8);
        from.path = path.clone();
    }
    let added = judged.added.iter().cloned().map(RcptTo::new);
    let every = envelope.recipients.into_iter().chain(added);
    let (mut recipients, mut held) = (Vec::new(), Held::new());
    for (old, rcpt) in (0u32..).zip(every) {
        if judged.removed.contains(&old) {
            continue;
        }
        let new = u32::try_from(recipients.len()).unwrap_or(u32::MAX);
        let holds = judged.held.iter().filter(|(of, _)| *of == old);
        held.extend(holds.map(|(_, hold)| (new, hold.clone())));
        recipients.push(rcpt);
    }
    (Envelope { from, recipients }, held)
}

/// What stands on top after a requeue: of filters that did their work what it was, of the others what they say now.
pub(super) fn requeued(edits: &[Edits], before: &[Worked]) -> (String, Vec<Worked>) {
    let mut top = String::new();
    let was = |by: &str| before.iter().find(|one| one.name == by);
    for one in edits.iter().rev().filter(|one| was(&one.by).is_none()) {
        top.push_str(&edit::to_text(&one.top));
    }
    before.iter().rev().for_each(|one| top.push_str(&one.top));
    let new = edits
        .iter()
        .filter(|one| !one.by.is_empty() && was(&one.by).is_none());
    let new = new.map(|one| Worked {
        name: one.by.clone(),
        top: edit::to_text(&one.top),
    });
    let worked = before.iter().cloned().chain(new).collect();
    (top, worked)
}
