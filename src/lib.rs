//! Postwerk.

#[doc(hidden)]
pub mod base;
#[doc(hidden)]
pub mod mail;
