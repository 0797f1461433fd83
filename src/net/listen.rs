//! listen: being built.
