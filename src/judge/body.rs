//! A stored text as scanners read it: from the store, chunk by chunk, each time from its beginning.
//!
//! No scanner sees more of a mail in memory than the chunk that goes over at the moment.
//! Not here: asking them (`scan`), and storing it (`queue`).

use std::io;

use crate::queue::BodyReader;
use crate::scan::{Body, Next, Octets};

/// The text of one mail.
#[derive(Clone, Debug)]
pub struct StoredText(BodyReader);

struct Reading(BodyReader);

impl StoredText {
    /// What `reader` reads from its first chunk on.
    pub fn new(reader: BodyReader) -> Self {
        Self(reader)
    }
}

impl Body for StoredText {
    fn open(&self) -> Box<dyn Octets> {
        Box::new(Reading(self.0.clone()))
    }
}

impl Octets for Reading {
    fn next(&mut self) -> Next<'_> {
        Box::pin(async {
            let chunk = self.0.next().await;
            chunk.map_err(|error| io::Error::other(error.to_string()))
        })
    }
}
