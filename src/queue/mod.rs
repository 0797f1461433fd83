//! Floor 5: the queue.

pub mod query;
