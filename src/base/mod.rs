//! Floor 0: what every other floor stands on, with no mail in it.
//!
//! Time, ids, named limits, bounded text, sizes and spans, secrets, jitter, urgency, repeated
//! lines, and the signal to stop.
//! Everything here is pure or depends on nothing but the runtime.

pub mod band;
pub mod clock;
pub mod id;
pub mod lang;
pub mod limit;
pub mod repeats;
pub mod secret;
pub mod shutdown;
pub mod size;
pub mod text;
