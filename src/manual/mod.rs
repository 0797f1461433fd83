//! manual: being built.
