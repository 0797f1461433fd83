//! Floor 1: the nouns of the RFCs, pure. They are parsed at the door; inside there are only valid values.
//!
//! Nothing here reads a socket, a clock or a file.

pub mod archive;
pub mod attachment;
pub mod date;
pub mod domain;
pub mod edit;
pub mod encoded_word;
pub mod envelope;
pub mod found;
pub mod hold;
pub mod mailbox;
pub mod outcome;
pub mod path;
pub mod precedence;
pub mod quoted_printable;
pub mod reply;
pub mod results;
pub mod shown;
pub mod state;
pub mod structure;
pub mod trace;
pub mod unitext;
pub mod unlinked;
