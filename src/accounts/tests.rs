//! Who gets in, who does not, and what a change of an account does at once.
