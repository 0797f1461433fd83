//! limiter: being built.
