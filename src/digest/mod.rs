//! Floor 10: tells people what is held and why, and lets one safe click decide.
//!
//! A digest is a due record of a recipient: the mail, its number and its next date land in one batch. Links are signed
//! over hold, digest and expiry; what they may do is decided when they are used.
//! Not here: the pages behind the links (`admin`), and how a hold ends (`queue`).

pub mod desk;
pub mod key;
pub mod record;
pub mod text;
pub mod token;
