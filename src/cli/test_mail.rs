//! test_mail: being built.
