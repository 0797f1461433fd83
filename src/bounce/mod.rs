//! bounce: being built.
