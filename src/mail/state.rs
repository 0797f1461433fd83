//! The life of a recipient: a closed enum, closed moves, and one pure function that joins them.
//!
//! ```text
//!   Due <-> Claimed -> Relayed | Failed | Due again | MaybeDelivered
//!    ^  \-> Held <-> Judging        Held -> Releasing{until} -> Due | Judging     Held -> Trashed{until} -> Deleted
//! ```
//! `Claimed` is never stored: `next` sees it when the batch carries the claim while the record says Due or Judging.
//! MaybeDelivered waits like Due and is never taken for Due again: a retry by a person leaves it what it is.
//! Times are store time in microseconds. Not here: when a retry is due (`queue::retry`), and who may move (`policy`).

/// Where one recipient of one message stands.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub enum State {
    /// Waits for its next try.
    #[n(0)]
    Due,
    /// Lent to one task; seen by `next` only.
    #[n(1)]
    Claimed,
    /// Waits to be judged again.
    #[n(2)]
    Judging,
    /// Kept for a person.
    #[n(3)]
    Held,
    /// Leaves its hold at `until`, unless that is undone.
    #[n(4)]
    Releasing {
        /// When.
        #[n(0)]
        until: u64,
        /// To where.
        #[n(1)]
        verb: Leave,
    },
    /// Deleted at `until`, unless that is undone.
    #[n(5)]
    Trashed {
        /// When.
        #[n(0)]
        until: u64,
        /// Whether it was held before, so that undo brings it back there.
        #[n(1)]
        held: bool,
        /// Whether it waited to be judged: undo must not let it pass unjudged.
        #[cbor(n(2), default)]
        judging: bool,
    },
    /// A final dot went out and no answer came back; it will be tried again (RFC 1047).
    #[n(6)]
    MaybeDelivered,
    /// End: the next hop took it.
    #[n(7)]
    Relayed,
    /// End: never.
    #[n(8)]
    Failed,
    /// End: its lifetime is over.
    #[n(9)]
    Expired,
    /// End: a person deleted it.
    #[n(10)]
    Deleted,
}

/// How a recipient leaves a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(index_only)]
pub enum Leave {
    /// Goes out unchecked.
    #[n(0)]
    Release,
    /// Is judged again.
    #[n(1)]
    Requeue,
}

/// Everything that can happen to a recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// A task takes it.
    Claim,
    /// The next hop took it.
    Relay,
    /// Not now.
    Defer,
    /// Never.
    Fail,
    /// The reply to a final dot was lost, in this try or in one before it, and it waits for its next try.
    Lose,
    /// Given back untried.
    Unclaim,
    /// Withheld: by policy, a fault, or a person.
    Hold,
    /// Judged and found good.
    Pass,
    /// Leaves its hold, at once or at `until`.
    Leave {
        /// To where.
        verb: Leave,
        /// Store time; `None` = at once.
        until: Option<u64>,
    },
    /// The wait of `Leave` is over.
    Left,
    /// To the trash until the given store time.
    Trash {
        /// Store time.
        until: u64,
    },
    /// Back from `Leave` or `Trash`.
    Undo,
    /// Gone for good.
    Delete,
    /// Given up by a person or an expiry, and its sender is told.
    Bounce,
    /// Its lifetime is over.
    Expire,
}

/// A move that its state does not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Illegal {
    /// It has reached an end.
    #[error("is already finished")]
    AlreadyFinal,
    /// It is lent to a task.
    #[error("is in delivery; try again")]
    InDelivery,
    /// It is not held.
    #[error("is not held")]
    NotHeld,
    /// It is held already.
    #[error("is already held")]
    AlreadyHeld,
    /// It is on its way out of a hold already.
    #[error("is already being released")]
    AlreadyLeaving,
    /// It lies in the trash.
    #[error("is deleted; `queue undo` takes that back")]
    InTrash,
    /// Only who claimed it may do this.
    #[error("is not claimed")]
    NotClaimed,
    /// There is nothing to take back.
    #[error("has nothing to undo")]
    NothingToUndo,
    /// The configuration lets nobody let it go.
    #[error("may be let go by nobody: [hold.release] says never")]
    Barred,
}

impl State {
    /// Whether nothing can happen to it any more.
    pub fn is_final(&self) -> bool {
        match self {
            Self::Relayed | Self::Failed | Self::Expired | Self::Deleted => true,
            Self::Due
            | Self::Claimed
            | Self::Judging
            | Self::Held
            | Self::Releasing { .. }
            | Self::Trashed { .. }
            | Self::MaybeDelivered => false,
        }
    }

    /// In snake_case, as queries, events and JSON spell it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Due => "due",
            Self::Claimed => "claimed",
            Self::Judging => "judging",
            Self::Held => "held",
            Self::Releasing { .. } => "releasing",
            Self::Trashed { .. } => "trashed",
            Self::MaybeDelivered => "maybe_delivered",
            Self::Relayed => "relayed",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Deleted => "deleted",
        }
    }

    /// Every word of `word`, for queries and their messages.
    pub const WORDS: [&'static str; 11] = [
        "due",
        "claimed",
        "judging",
        "held",
        "releasing",
        "trashed",
        "maybe_delivered",
        "relayed",
        "failed",
        "expired",
        "deleted",
    ];
}

/// Where `step` leads from `state`. Pure; the ledger asks it before every change.
pub fn next(state: &State, step: Move) -> Result<State, Illegal> {
    match state {
        State::Relayed | State::Failed | State::Expired | State::Deleted => {
            Err(Illegal::AlreadyFinal)
        }
        State::Due => waiting(step),
        State::MaybeDelivered => doubtful(step),
        State::Claimed => claimed(step),
        State::Judging => judging(step),
        State::Held => held(step),
        State::Releasing { verb, .. } => releasing(*verb, step),
        State::Trashed { .. } => trashed(state, step),
    }
}

fn waiting(step: Move) -> Result<State, Illegal> {
    match step {
        Move::Claim => Ok(State::Claimed),
        Move::Hold => Ok(State::Held),
        Move::Trash { until } => Ok(trash(until, false, false)),
        Move::Delete => Ok(State::Deleted),
        Move::Bounce => Ok(State::Failed),
        Move::Expire => Ok(State::Expired),
        // `retry` and `requeue` by a person: due now, and judged again.
        Move::Unclaim => Ok(State::Due),
        Move::Leave {
            verb: Leave::Requeue,
            ..
        } => Ok(State::Judging),
        Move::Leave {
            verb: Leave::Release,
            ..
        }
        | Move::Left => Err(Illegal::NotHeld),
        Move::Relay | Move::Defer | Move::Fail | Move::Lose | Move::Pass => {
            Err(Illegal::NotClaimed)
        }
        Move::Undo => Err(Illegal::NothingToUndo),
    }
}

/// As who waits; but what was in doubt stays so while it waits.
fn doubtful(step: Move) -> Result<State, Illegal> {
    match waiting(step)? {
        State::Due => Ok(State::MaybeDelivered),
        other @ (State::Claimed
        | State::Judging
        | State::Held
        | State::Releasing { .. }
        | State::Trashed { .. }
        | State::MaybeDelivered
        | State::Relayed
        | State::Failed
        | State::Expired
        | State::Deleted) => Ok(other),
    }
}

fn claimed(step: Move) -> Result<State, Illegal> {
    match step {
        Move::Relay => Ok(State::Relayed),
        Move::Defer | Move::Unclaim | Move::Pass => Ok(State::Due),
        Move::Fail => Ok(State::Failed),
        Move::Lose => Ok(State::MaybeDelivered),
        Move::Hold => Ok(State::Held),
        Move::Expire => Ok(State::Expired),
        Move::Claim
        | Move::Leave { .. }
        | Move::Left
        | Move::Trash { .. }
        | Move::Undo
        | Move::Bounce
        | Move::Delete => Err(Illegal::InDelivery),
    }
}

fn judging(step: Move) -> Result<State, Illegal> {
    match step {
        Move::Claim => Ok(State::Claimed),
        Move::Pass => Ok(State::Due),
        Move::Hold => Ok(State::Held),
        Move::Trash { until } => Ok(trash(until, false, true)),
        Move::Delete => Ok(State::Deleted),
        Move::Bounce => Ok(State::Failed),
        Move::Leave { .. } | Move::Left => Err(Illegal::AlreadyLeaving),
        Move::Relay | Move::Defer | Move::Fail | Move::Lose | Move::Unclaim | Move::Expire => {
            Err(Illegal::NotClaimed)
        }
        Move::Undo => Err(Illegal::NothingToUndo),
    }
}

fn held(step: Move) -> Result<State, Illegal> {
    match step {
        Move::Leave {
            verb,
            until: Some(until),
        } => Ok(State::Releasing { until, verb }),
        Move::Leave {
            verb: Leave::Release,
            until: None,
        } => Ok(State::Due),
        Move::Leave {
            verb: Leave::Requeue,
            until: None,
        } => Ok(State::Judging),
        Move::Trash { until } => Ok(trash(until, true, false)),
        Move::Delete => Ok(State::Deleted),
        Move::Fail | Move::Bounce => Ok(State::Failed),
        Move::Hold => Err(Illegal::AlreadyHeld),
        Move::Left | Move::Undo => Err(Illegal::NothingToUndo),
        Move::Claim
        | Move::Relay
        | Move::Defer
        | Move::Lose
        | Move::Unclaim
        | Move::Pass
        | Move::Expire => Err(Illegal::AlreadyHeld),
    }
}

fn releasing(verb: Leave, step: Move) -> Result<State, Illegal> {
    match step {
        Move::Left | Move::Claim => Ok(match verb {
            Leave::Release => State::Due,
            Leave::Requeue => State::Judging,
        }),
        Move::Undo => Ok(State::Held),
        Move::Trash { until } => Ok(trash(until, true, false)),
        Move::Delete => Ok(State::Deleted),
        Move::Bounce => Ok(State::Failed),
        Move::Leave { .. } | Move::Hold => Err(Illegal::AlreadyLeaving),
        Move::Relay
        | Move::Defer
        | Move::Fail
        | Move::Lose
        | Move::Unclaim
        | Move::Pass
        | Move::Expire => Err(Illegal::NotClaimed),
    }
}

fn trash(until: u64, held: bool, judging: bool) -> State {
    State::Trashed {
        until,
        held,
        judging,
    }
}

fn trashed(state: &State, step: Move) -> Result<State, Illegal> {
    match step {
        Move::Undo => Ok(match state {
            State::Trashed { held: true, .. } => State::Held,
            State::Trashed { judging: true, .. } => State::Judging,
            State::Trashed { .. }
            | State::Due
            | State::Claimed
            | State::Judging
            | State::Held
            | State::Releasing { .. }
            | State::MaybeDelivered
            | State::Relayed
            | State::Failed
            | State::Expired
            | State::Deleted => State::Due,
        }),
        Move::Delete => Ok(State::Deleted),
        Move::Trash { .. } => Ok(state.clone()),
        Move::Claim
        | Move::Relay
        | Move::Defer
        | Move::Fail
        | Move::Lose
        | Move::Unclaim
        | Move::Hold
        | Move::Pass
        | Move::Leave { .. }
        | Move::Left
        | Move::Bounce
        | Move::Expire => Err(Illegal::InTrash),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOVES: [Move; 17] = [
        Move::Claim,
        Move::Relay,
        Move::Defer,
        Move::Fail,
        Move::Lose,
        Move::Unclaim,
        Move::Hold,
        Move::Pass,
        Move::Leave {
            verb: Leave::Release,
            until: None,
        },
        Move::Leave {
            verb: Leave::Requeue,
            until: Some(9),
        },
        Move::Left,
        Move::Trash { until: 7 },
        Move::Undo,
        Move::Delete,
        Move::Bounce,
        Move::Expire,
        Move::Leave {
            verb: Leave::Requeue,
            until: None,
        },
    ];

    #[test]
    fn an_end_is_an_end() {
        for state in [
            State::Relayed,
            State::Failed,
            State::Expired,
            State::Deleted,
        ] {
            assert!(state.is_final());
            for step in MOVES {
                assert_eq!(
                    next(&state, step),
                    Err(Illegal::AlreadyFinal),
                    "case: {state:?} {step:?}"
                );
            }
        }
    }

    #[test]
    fn only_a_claimed_recipient_is_relayed_or_deferred() {
        for state in [
            State::Due,
            State::Judging,
            State::Held,
            trash(1, true, false),
        ] {
            for step in [Move::Relay, Move::Defer, Move::Lose] {
                assert!(next(&state, step).is_err(), "case: {state:?} {step:?}");
            }
        }
        assert_eq!(next(&State::Claimed, Move::Relay), Ok(State::Relayed));
    }

    #[test]
    fn a_lost_reply_is_in_doubt_until_an_end() {
        let lost = next(&State::Claimed, Move::Lose).unwrap();
        assert_eq!(lost, State::MaybeDelivered);
        for (step, to) in [
            (Move::Claim, State::Claimed),
            (Move::Unclaim, State::MaybeDelivered),
            (Move::Hold, State::Held),
            (Move::Expire, State::Expired),
            (Move::Bounce, State::Failed),
            (Move::Delete, State::Deleted),
        ] {
            assert_eq!(next(&lost, step), Ok(to), "case: {step:?}");
        }
        for step in [Move::Relay, Move::Defer, Move::Lose, Move::Undo] {
            assert!(next(&lost, step).is_err(), "case: {step:?}");
        }
    }

    #[test]
    fn a_person_waits_while_it_is_in_delivery() {
        for step in [
            Move::Delete,
            Move::Trash { until: 1 },
            Move::Leave {
                verb: Leave::Release,
                until: None,
            },
        ] {
            assert_eq!(
                next(&State::Claimed, step),
                Err(Illegal::InDelivery),
                "case: {step:?}"
            );
        }
    }

    #[test]
    fn undo_brings_back_where_it_was() {
        let gone = next(&State::Held, Move::Trash { until: 7 }).unwrap();
        assert_eq!(next(&gone, Move::Undo), Ok(State::Held));
        let gone = next(&State::Due, Move::Trash { until: 7 }).unwrap();
        assert_eq!(next(&gone, Move::Undo), Ok(State::Due));
        let gone = next(&State::Judging, Move::Trash { until: 7 }).unwrap();
        assert_eq!(next(&gone, Move::Undo), Ok(State::Judging));
        let leaving = next(
            &State::Held,
            Move::Leave {
                verb: Leave::Requeue,
                until: Some(9),
            },
        )
        .unwrap();
        assert_eq!(next(&leaving, Move::Undo), Ok(State::Held));
        assert_eq!(next(&leaving, Move::Left), Ok(State::Judging));
    }

    #[test]
    fn a_held_recipient_is_never_claimed_nor_expired_as_if_it_waited() {
        assert!(next(&State::Held, Move::Claim).is_err());
        assert!(next(&State::Held, Move::Expire).is_err());
    }
}
