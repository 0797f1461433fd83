//! Floor 4: what happened, written once (facts), and how it is told to others (events, log lines).

pub mod event;
pub mod fact;
pub mod line;
