//! A body that is read ahead of the dialogue: the first chunk while the peer thinks, the whole header section where it
//! decides whether the hop can take the mail.
//!
//! At most `HEADER_MAX` octets and a chunk are held. An error met while reading ahead is told where that chunk is due.
//! Not here: where chunks come from (`queue::body`).

use std::collections::VecDeque;

use bytes::Bytes;

use crate::base::limit::HEADER_MAX;
use crate::queue::BodyReader;
use crate::store::StoreError;

/// See above.
pub struct Ahead {
    body: BodyReader,
    read: VecDeque<Result<Option<Bytes>, StoreError>>,
}

impl Ahead {
    /// Nothing is read yet.
    pub fn new(body: BodyReader) -> Self {
        Self {
            body,
            read: VecDeque::new(),
        }
    }

    /// Reads the next chunk, unless one waits.
    pub async fn warm(&mut self) {
        if self.read.is_empty() {
            self.more().await;
        }
    }

    /// The next chunk; none at the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        match self.read.pop_front() {
            Some(read) => read,
            None => self.body.next().await,
        }
    }

    /// Whether the header section has an octet above 127. Asked before anything else is read.
    pub async fn utf8_header(&mut self) -> bool {
        let (mut header, mut size) = (Header::default(), 0);
        while size <= HEADER_MAX {
            self.more().await;
            let Some(Ok(Some(chunk))) = self.read.back() else {
                break;
            };
            size += chunk.len();
            if header.ended_in(chunk) {
                break;
            }
        }
        header.utf8
    }

    async fn more(&mut self) {
        self.read.push_back(self.body.next().await);
    }
}

/// What was seen of a header section.
#[derive(Default)]
struct Header {
    utf8: bool,
    /// Octets of the line that is being read, its end not counted.
    line: usize,
}

impl Header {
    /// Looks on; whether it came to its end, which is the first empty line.
    fn ended_in(&mut self, octets: &[u8]) -> bool {
        for octet in octets {
            match octet {
                b'\n' if self.line == 0 => return true,
                b'\n' => self.line = 0,
                b'\r' => {}
                other => {
                    self.line += 1;
                    self.utf8 |= !other.is_ascii();
                }
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_ends_at_its_empty_line_wherever_the_chunks_end() {
        for (name, text, utf8) in [
            ("in the header", "Subject: ä\r\n\r\nx\r\n", true),
            ("in the text only", "Subject: a\r\n\r\nä\r\n", false),
            ("in a later field", "A: a\r\nB: ä\r\n\r\nx\r\n", true),
            ("no header", "\r\nä\r\n", false),
            ("no text", "Subject: a\r\nB: ä\r\n", true),
            ("nothing", "", false),
        ] {
            for size in [1, 2, 3, 100] {
                let mut header = Header::default();
                let _ended = text
                    .as_bytes()
                    .chunks(size)
                    .any(|part| header.ended_in(part));
                assert_eq!(header.utf8, utf8, "case: {name}, chunks of {size}");
            }
        }
    }
}
