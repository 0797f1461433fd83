//! Lends the due records of a group, bands 8:3:1.
//!
//! Choose from a snapshot of the due index, mark in the claim table, then read the records in a snapshot opened after
//! marking and drop what is no longer due: a claim that was settled between the two snapshots is seen by the second.
//! A call looks at what it lends, at what is lent already, and at one entry more per band, however long the group is.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use ::redb::{Range, ReadTransaction};

use super::claims::Standing;
use super::frame::Slot;
use super::heads::Look;
use super::{Shared, index, reader};
use crate::base::limit::HEADS_PAGE;
use crate::store::{
    Band, CLAIM_MAX, ClaimGuard, ClaimId, Claimed, Group, Key, StoreError, StoreTime, Work,
};

/// Whose turn it is; the next claim of the group goes on where this one stopped.
const TURNS: [Band; 12] = {
    const U: Band = Band::Urgent;
    const N: Band = Band::Normal;
    [U, U, N, U, U, N, U, U, N, U, U, Band::Bulk]
};

struct Choice {
    picked: Vec<(Key, Slot)>,
    next: Option<StoreTime>,
    turn: u8,
}

pub(super) fn claim(
    shared: &Arc<Shared>,
    work: Work,
    group: &Group,
    room: usize,
    until: StoreTime,
) -> Result<Vec<Claimed>, StoreError> {
    let now = shared.time.now();
    let span = (now, until.max(now));
    let look = shared.heads.look(work, group, now);
    if look.snoozed {
        return Ok(Vec::new());
    }
    let room = room.min(CLAIM_MAX);
    let mut choice =
        shared.read(|txn| choose(shared, txn, (work, group), room, look.turn, span))?;
    let mut marked = Vec::with_capacity(choice.picked.len());
    for (key, slot) in choice.picked {
        match shared.claims.mark(&key, slot.clone(), now) {
            Some(token) => marked.push((ClaimId { key, token }, slot)),
            // Somebody was faster. The head may be early, so say that something is left.
            None => choice.next = Some(choice.next.map_or(slot.at, |next| next.min(slot.at))),
        }
    }
    let lent = shared.read(|txn| read_again(shared, txn, marked));
    let look = Look {
        turn: choice.turn,
        ..look
    };
    // Who got less than asked for takes the group as done and waits for a hint.
    let short = lent.as_ref().is_ok_and(|lent| lent.len() < room);
    let left = short && choice.next.is_some_and(|at| at <= now);
    if shared.heads.looked(work, group, look, choice.next, now) || left {
        shared.heads.wake(work);
    }
    lent
}

fn choose(
    shared: &Shared,
    txn: &ReadTransaction,
    (work, group): (Work, &Group),
    room: usize,
    turn: u8,
    span: (StoreTime, StoreTime),
) -> Result<Choice, StoreError> {
    let table = txn.open_table(index::DUES).map_err(reader::table_failed)?;
    let mut strips = Vec::with_capacity(3);
    for band in [Band::Urgent, Band::Normal, Band::Bulk] {
        let prefix = index::band(work, group, band);
        let end = index::behind(&prefix);
        let rows = table
            .range::<&[u8]>((
                std::ops::Bound::Included(prefix.as_slice()),
                index::borrow(&end),
            ))
            .map_err(reader::failed)?;
        let mut strip = Strip {
            band,
            rows,
            head: None,
            later: None,
        };
        strip.advance(shared, span)?;
        strips.push(strip);
    }
    let mut choice = Choice {
        picked: Vec::new(),
        next: None,
        turn,
    };
    while choice.picked.len() < room {
        let wanted = TURNS.get(usize::from(choice.turn)).copied();
        let mine = |strip: &&mut Strip| strip.head.is_some() && Some(strip.band) == wanted;
        let strip = match strips.iter_mut().find(mine) {
            Some(strip) => strip,
            // The band whose turn it is has nothing: the most urgent one goes.
            None => match strips.iter_mut().find(|strip| strip.head.is_some()) {
                Some(strip) => strip,
                None => break,
            },
        };
        if let Some((key, at)) = strip.head.take() {
            let slot = Slot {
                work,
                group: group.clone(),
                band: strip.band,
                at,
            };
            choice.picked.push((key, slot));
        }
        strip.advance(shared, span)?;
        choice.turn = (choice.turn + 1) % 12;
    }
    let times = strips
        .iter()
        .flat_map(|strip| [strip.head.as_ref().map(|(_, at)| *at), strip.later]);
    choice.next = times.flatten().min();
    Ok(choice)
}

/// A band of the group, read as far as needed.
struct Strip {
    band: Band,
    rows: Range<'static, index::Bytes, ()>,
    /// The first that may be lent.
    head: Option<(Key, StoreTime)>,
    /// The earliest of what was passed over and will be due without a commit.
    later: Option<StoreTime>,
}

impl Strip {
    fn advance(
        &mut self,
        shared: &Shared,
        (now, until): (StoreTime, StoreTime),
    ) -> Result<(), StoreError> {
        for row in self.rows.by_ref() {
            let (entry, _) = row.map_err(reader::failed)?;
            shared.steps.fetch_add(1, Ordering::Relaxed);
            let Some(entry) = index::parse(entry.value()) else {
                return Err(StoreError::Damaged("an entry of the due index".into()));
            };
            let key = Key(entry.key.into());
            if entry.at > until {
                self.later = Some(self.later.map_or(entry.at, |at| at.min(entry.at)));
                return Ok(());
            }
            let later = match shared.claims.standing(&key, entry.work, now) {
                Standing::Free => {
                    self.head = Some((key, entry.at));
                    return Ok(());
                }
                Standing::Taken => continue,
                Standing::Locked => entry.at,
                Standing::Resting(until) => until,
            };
            self.later = Some(self.later.map_or(later, |at| at.min(later)));
        }
        Ok(())
    }
}

fn read_again(
    shared: &Arc<Shared>,
    txn: &ReadTransaction,
    marked: Vec<(ClaimId, Slot)>,
) -> Result<Vec<Claimed>, StoreError> {
    // The guards exist before the first read can fail, so that nothing stays marked.
    let guards: Vec<(ClaimGuard, Slot)> = marked
        .into_iter()
        .map(|(id, slot)| (guard(shared, id), slot))
        .collect();
    let mut lent = Vec::with_capacity(guards.len());
    for (guard, slot) in guards {
        let id = guard.id();
        shared.steps.fetch_add(1, Ordering::Relaxed);
        let found = match reader::find(txn, &id.key) {
            Ok(found) => found,
            // The others of its group are not to suffer. Given back it would come again at once, for ever; kept it
            // waits for the restart that a repair needs. `store::check` names it too.
            Err(error @ StoreError::Damaged(_)) => {
                tracing::error!(%error, "a due record cannot be read; its work waits for a restart");
                guard.keep();
                continue;
            }
            Err(error) => return Err(error),
        };
        match found {
            Some(found) if found.slot.as_ref() == Some(&slot) => lent.push(Claimed {
                record: found.record,
                band: slot.band,
                panics: shared.claims.panics(&id.key),
                guard,
            }),
            Some(_) | None => shared.claims.unmark(&id.key, id.token),
        }
    }
    Ok(lent)
}

fn guard(shared: &Arc<Shared>, id: ClaimId) -> ClaimGuard {
    let shared = Arc::clone(shared);
    ClaimGuard::new(id, move |id, how| {
        let now = shared.time.now();
        if let Some(slot) = shared.claims.give_back(id, how, now)
            && shared.heads.lower(&slot)
        {
            shared.heads.wake(slot.work);
        }
    })
}

/// Groups and when each is due first; and where to go on, unless that was all.
pub(super) type Groups = (Vec<(Group, StoreTime)>, Option<Vec<u8>>);

/// Groups from `start` on.
pub(super) fn groups(
    shared: &Shared,
    txn: &ReadTransaction,
    work: Work,
    start: Vec<u8>,
) -> Result<Groups, StoreError> {
    let table = txn.open_table(index::DUES).map_err(reader::table_failed)?;
    let end = index::behind(&[work as u8]);
    let mut out: Vec<(Group, StoreTime)> = Vec::new();
    let mut start = start;
    loop {
        shared.steps.fetch_add(1, Ordering::Relaxed);
        let mut rows = table
            .range::<&[u8]>((
                std::ops::Bound::Included(start.as_slice()),
                index::borrow(&end),
            ))
            .map_err(reader::failed)?;
        let Some(row) = rows.next() else {
            return Ok((out, None));
        };
        let (entry, _) = row.map_err(reader::failed)?;
        let Some(entry) = index::parse(entry.value()) else {
            return Err(StoreError::Damaged("an entry of the due index".into()));
        };
        let full = out.len() >= HEADS_PAGE;
        match out.last_mut() {
            Some((group, at)) if group.0.as_ref() == entry.group => *at = entry.at.min(*at),
            Some(_) if full => return Ok((out, Some(start))),
            Some(_) | None => out.push((Group(entry.group.into()), entry.at)),
        }
        // The first entry of the next band, or else of the next group.
        start = index::group(work, entry.group);
        start.push(entry.band as u8 + 1);
    }
}
