//! x
mod header;
