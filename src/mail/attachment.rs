//! What a mail carries besides its text: name, declared type, and what the first octets say.
//!
//! Names come from strangers: they are cleaned and bounded before they get here, and escaped wherever they are shown.
//! Not here: finding them in a stream (`structure`).

/// One attachment.
#[derive(Clone, Debug, Default, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct Attachment {
    /// Its file name, decoded, cleaned and bounded; none if it has none.
    #[n(0)]
    pub name: Option<String>,
    /// The declared media type in lower case: `application/pdf`.
    #[n(1)]
    pub declared: String,
    /// The media type that its first octets show, when they show one.
    #[n(2)]
    pub found: Option<String>,
    /// Octets as encoded in the mail.
    #[n(3)]
    pub size: u64,
}
