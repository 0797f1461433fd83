//! certs: being built.
