//! Decisions, and why they were made. Each is a page; the code says what, these say why.

pub mod bounds;
pub mod configuration;
pub mod delivery;
pub mod filters;
pub mod findings;
pub mod links;
pub mod modules;
pub mod queries;
pub mod records;
pub mod reports;
pub mod room;
pub mod rules;
pub mod speed;
