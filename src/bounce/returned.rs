//! What of the message comes back with its DSN: all of it when it is small, else its header (RET, RFC 3461 section 4.3).
//!
//! What comes back is never larger than the bound, whatever the author asked for.
//! Not here: how it becomes a part of the report (`report`).

use crate::base::limit::DSN_FULL_MAX;
use crate::mail::envelope::Ret;
use crate::queue::{Message, Queue};
use crate::store::StoreError;

/// The part of the message that is returned, as it was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Returned {
    /// Header and body.
    Whole(Vec<u8>),
    /// The header section, at most `DSN_FULL_MAX` octets of it, without the empty line.
    Header(Vec<u8>),
}

impl Returned {
    /// What RET and the size allow.
    pub fn of(content: Vec<u8>, size: u64, ret: Option<Ret>) -> Self {
        if size <= DSN_FULL_MAX && ret != Some(Ret::Headers) {
            return Self::Whole(content);
        }
        let most = usize::try_from(DSN_FULL_MAX).unwrap_or(usize::MAX);
        let mut header = header_of(content);
        if header.len() > most {
            // Cut at a line, so that what is left is still fields.
            let end = header
                .get(..most)
                .and_then(|part| part.iter().rposition(|b| *b == b'\n'))
                .map_or(0, |at| at + 1);
            header.truncate(end);
        }
        Self::Header(header)
    }

    /// The octets.
    pub fn octets(&self) -> &[u8] {
        match self {
            Self::Whole(octets) | Self::Header(octets) => octets,
        }
    }
}

/// Reads no more of the body than can be returned. RET is for failures: good news brings only the header back.
pub(super) async fn read(
    queue: &Queue,
    message: &Message,
    all_relayed: bool,
) -> Result<Returned, StoreError> {
    let ret = if all_relayed {
        Some(Ret::Headers)
    } else {
        message.from.ret
    };
    let mut reader = queue.open_body(message);
    let mut content = Vec::new();
    while let Some(chunk) = reader.next().await? {
        content.extend_from_slice(&chunk);
        if content.len() as u64 >= DSN_FULL_MAX && message.size > DSN_FULL_MAX {
            break;
        }
    }
    Ok(Returned::of(content, message.size, ret))
}

fn header_of(mut content: Vec<u8>) -> Vec<u8> {
    let end = content
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .map_or(content.len(), |at| at + 2);
    content.truncate(end);
    content
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_message_comes_back_whole_and_a_large_one_as_its_header() {
        let mail = b"Subject: a\r\nX: b\r\n\r\nbody\r\n".to_vec();
        assert_eq!(
            Returned::of(mail.clone(), 28, None),
            Returned::Whole(mail.clone())
        );
        for (size, ret) in [
            (28, Some(Ret::Headers)),
            (DSN_FULL_MAX + 1, Some(Ret::Full)),
        ] {
            assert_eq!(
                Returned::of(mail.clone(), size, ret),
                Returned::Header(b"Subject: a\r\nX: b\r\n".to_vec())
            );
        }
    }

    #[test]
    fn an_endless_header_is_cut_at_a_line() {
        let mail = b"X: 0123456789\r\n".repeat(10_000);
        let size = mail.len() as u64;
        let header = Returned::of(mail, size, None);
        assert!(header.octets().len() as u64 <= DSN_FULL_MAX);
        assert!(header.octets().ends_with(b"9\r\n"));
    }
}
