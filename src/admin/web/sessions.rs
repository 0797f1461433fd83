//! Which sessions there are, and their end: one, or all of them with the login links that nobody has opened yet.
//!
//! A session is named by the start of its key, which is a hash: it lets nobody in. All end in the order in which one
//! becomes the other, links first, so that a link that is opened meanwhile leaves no session behind.
//! Not here: how a session begins and ends by itself (`session`).

use super::session::{LINK, SESSION, Stored};
use crate::base::limit::SESSIONS_MAX;
use crate::queue::record::decode;
use crate::store::{Batch, Key, Op, Span, Store, StoreError};

/// A session that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// Names it.
    pub id: String,
    /// Who made its login link: `cli:root`.
    pub by: String,
    /// From which address somebody logged in; none: an older server wrote it.
    pub place: Option<String>,
    /// Store time of the login.
    pub since: u64,
    /// Store time of its last use, to a minute.
    pub seen: u64,
    /// Store time of its end, if it is used until then.
    pub until: u64,
}

/// What was ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// Sessions.
    pub sessions: usize,
    /// Login links that nobody had opened.
    pub links: usize,
}

/// Sessions that count, and how many login links can still be opened.
///
/// # Errors
/// The store failed.
pub async fn list(store: &Store) -> Result<(Vec<Open>, usize), StoreError> {
    let now = store.now().0;
    let counts = |kind| move |(_, stored): &(Key, Stored)| stored.counts(kind, now);
    let links = records(store, LINK).await?;
    let links = links.iter().filter(|one| counts(LINK)(one)).count();
    let sessions = records(store, SESSION).await?;
    let open = sessions.into_iter().filter(counts(SESSION));
    let mut open: Vec<Open> = open
        .map(|(key, stored)| Open {
            id: id_of(&key),
            since: stored.began(),
            seen: stored.last_seen(),
            until: stored.until,
            by: stored.by,
            place: stored.place,
        })
        .collect();
    open.sort_by_key(|one| one.since);
    Ok((open, links))
}

/// Ends one session; false: there is none of this name.
///
/// # Errors
/// The store failed.
pub async fn end(store: &Store, id: &str) -> Result<bool, StoreError> {
    let now = store.now().0;
    let sessions = records(store, SESSION).await?;
    let mut found = sessions
        .into_iter()
        .filter(|(_, one)| one.counts(SESSION, now));
    let Some((key, _)) = found.find(|(key, _)| id_of(key) == id) else {
        return Ok(false);
    };
    remove(store, vec![key]).await?;
    Ok(true)
}

/// Ends all sessions and all login links.
///
/// # Errors
/// The store failed; some may have ended.
pub async fn end_all(store: &Store) -> Result<Ended, StoreError> {
    let mut ended = Ended::default();
    for (kind, count) in [(LINK, &mut ended.links), (SESSION, &mut ended.sessions)] {
        let now = store.now().0;
        let all = records(store, kind).await?;
        *count = all.iter().filter(|(_, one)| one.counts(kind, now)).count();
        remove(store, all.into_iter().map(|(key, _)| key).collect()).await?;
    }
    Ok(ended)
}

/// All records of a kind; one that cannot be read lets nobody in and is left to the store's check.
async fn records(store: &Store, kind: u8) -> Result<Vec<(Key, Stored)>, StoreError> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let span = Span::Prefix(Key::of(b'k', &[&[kind]]));
        let page = store.scan(span, after, false, SESSIONS_MAX).await?;
        for record in page.records {
            match decode::<Stored>(&record.key, &record.value) {
                Ok(stored) => all.push((record.key, stored)),
                Err(error) => tracing::error!(%error, "a session cannot be read"),
            }
        }
        after = page.next;
        if after.is_none() {
            return Ok(all);
        }
    }
}

async fn remove(store: &Store, keys: Vec<Key>) -> Result<(), StoreError> {
    for some in keys.chunks(SESSIONS_MAX) {
        let mut batch = Batch::freeing();
        batch.ops.extend(some.iter().cloned().map(Op::Delete));
        store.commit(batch).await?;
    }
    Ok(())
}

/// The first octets of the hash, as they are typed.
fn id_of(key: &Key) -> String {
    let hash = key.0.get(2..2 + ID).unwrap_or_default();
    hash.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// Octets of a session's name: two of a thousand sessions share them once in ten thousand years of logins.
const ID: usize = 6;
