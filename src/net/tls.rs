//! tls: being built.
