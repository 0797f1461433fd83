//! Finds the messages of a query: by id, by an index term, or by looking at all, one bounded page at a time.
//!
//! The order is that of ids, which is that of arrival, and a page that is cut says where the next one starts.
//! Not here: what a query means (`queue::query`).

use crate::base::clock::Wall;
use crate::base::limit::SCAN_MAX;
use crate::queue::hold::plain;
use crate::queue::ledger::Stored;
use crate::queue::list::Listed;
use crate::queue::query::{Facts, Query};
use crate::queue::record::{BY_DOMAIN, BY_HOLD, message_of, parcel_key};
use crate::queue::{Message, MessageId, Queue};
use crate::store::{IndexId, Span, StoreError, Term};

use std::time::Duration;

/// Parcels read with one scan of an index.
const PAGE: usize = 500;

/// Messages of which a recipient matches, oldest first, after `after`; and where the next page starts.
pub async fn find(
    queue: &Queue,
    query: &Query,
    after: Option<MessageId>,
    limit: usize,
) -> Result<(Vec<Listed>, Option<MessageId>), StoreError> {
    let wanted = |message: &Message, parcels: &[Stored]| matches(queue, query, message, parcels);
    if let Some(mut ids) = query.ids() {
        ids.sort_unstable();
        ids.dedup();
        return by_ids(queue, &ids, &wanted, after, limit).await;
    }
    let hold = query.hold().map(|hold| (BY_HOLD, hold.word().to_owned()));
    let domain = query
        .recipient_domain()
        .map(|domain| (BY_DOMAIN, domain.to_string()));
    match hold.or(domain) {
        Some((index, text)) => {
            let term = Term(text.bytes().take(crate::store::TERM_MAX).collect());
            by_term(queue, (index, term), &wanted, after, limit).await
        }
        None => queue.list(wanted, after, limit).await,
    }
}

/// Whether a recipient matches. A recipient that has ended is looked at only when the query asks for its state.
fn matches(queue: &Queue, query: &Query, message: &Message, parcels: &[Stored]) -> bool {
    let from = message.from.path.to_string();
    let subject = plain(message.subject.as_deref().unwrap_or_default());
    let author = plain(message.author.as_deref().unwrap_or_default());
    let now = queue.clock().wall();
    let age: Duration = now - Wall(message.wall);
    parcels.iter().any(|stored| {
        stored.parcel.slots.iter().any(|slot| {
            let to = slot.mailbox.to_string();
            let kept = stored.parcel.hold.as_ref();
            (query.wants_ended() || !slot.state.is_final())
                && query.matches(&Facts {
                    id: message.id.0,
                    from: &from,
                    to: &to,
                    hold: kept.map(|kept| &kept.hold),
                    subject: &subject,
                    author: &author,
                    account: message.origin.account.as_deref(),
                    state: &slot.state,
                    age,
                })
        })
    })
}

async fn by_ids(
    queue: &Queue,
    ids: &[u64],
    wanted: &impl Fn(&Message, &[Stored]) -> bool,
    after: Option<MessageId>,
    limit: usize,
) -> Result<(Vec<Listed>, Option<MessageId>), StoreError> {
    let mut found = Vec::new();
    for id in ids.iter().map(|id| MessageId(*id)) {
        if after.is_some_and(|after| id <= after) {
            continue;
        }
        if found.len() >= limit {
            return Ok((found, Some(MessageId(id.0 - 1))));
        }
        found.extend(load(queue, id, wanted).await?);
    }
    Ok((found, None))
}

async fn by_term(
    queue: &Queue,
    (index, term): (IndexId, Term),
    wanted: &impl Fn(&Message, &[Stored]) -> bool,
    after: Option<MessageId>,
    limit: usize,
) -> Result<(Vec<Listed>, Option<MessageId>), StoreError> {
    let (mut found, mut looked, mut last) = (Vec::new(), 0, after);
    let mut after = after.map(|id| parcel_key(id, u64::MAX));
    loop {
        let span = Span::Term(index, term.clone());
        let page = queue.store().scan(span, after, false, PAGE).await?;
        for id in page.records.iter().filter_map(|one| message_of(&one.key)) {
            looked += 1;
            if last == Some(id) {
                continue;
            }
            found.extend(load(queue, id, wanted).await?);
            last = Some(id);
            if found.len() >= limit || looked >= SCAN_MAX {
                return Ok((found, last));
            }
        }
        after = page.next;
        if after.is_none() {
            return Ok((found, None));
        }
    }
}

async fn load(
    queue: &Queue,
    id: MessageId,
    wanted: &impl Fn(&Message, &[Stored]) -> bool,
) -> Result<Option<Listed>, StoreError> {
    let Some((message, _)) = queue.message_by_id(id).await? else {
        return Ok(None);
    };
    let parcels = queue.parcels_of(id).await?;
    Ok(wanted(&message, &parcels).then_some(Listed { message, parcels }))
}
