//! accounts: being built.
