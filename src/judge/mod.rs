//! judge: being built.
