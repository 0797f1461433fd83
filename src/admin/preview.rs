//! The first words of a held mail as plain text: what a person needs to know it again, and nothing that acts.
//!
//! The plain part counts; of a mail that has only HTML, its words. Nothing is loaded and nothing keeps its markup, and
//! whoever shows the text escapes it. Only the beginning of a mail is read. Not here: subject, names and attachments,
//! which the card of the hold has (`queue::hold`).

use mail_parser::MessageParser;

use crate::base::limit::{PREVIEW_CHARS_MAX, PREVIEW_READ_MAX};
use crate::mail::shown::is_hidden;
use crate::mail::unlinked::unlinked;
use crate::queue::Queue;
use crate::queue::record::{Message, MessageId, message_key};
use crate::store::StoreError;

/// What can be shown of a mail's text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preview {
    /// At most `PREVIEW_CHARS_MAX` characters, lines kept; empty: no readable text.
    pub text: String,
    /// There is more of it.
    pub cut: bool,
}

/// The beginning of a message's text; none: the message is not there any more.
///
/// # Errors
/// The store failed.
pub async fn of(queue: &Queue, id: MessageId) -> Result<Option<Preview>, StoreError> {
    let found = queue.store().get(vec![message_key(id)]).await?;
    let Some(record) = found.into_iter().flatten().next() else {
        return Ok(None);
    };
    let message = Message::read(&record.key, &record.value)?;
    let mut body = queue.open_body(&message);
    let mut octets = Vec::new();
    while octets.len() < PREVIEW_READ_MAX
        && let Some(chunk) = body.next().await?
    {
        octets.extend_from_slice(&chunk);
    }
    let more = octets.len() > PREVIEW_READ_MAX;
    octets.truncate(PREVIEW_READ_MAX);
    // The mail is a stranger's: should its parser panic, there is no text, and the page stands.
    let read = tokio::task::spawn_blocking(move || text_of(&octets)).await;
    Ok(Some(read.map_or_else(
        |_| Preview::default(),
        |preview| Preview {
            cut: preview.cut || more,
            ..preview
        },
    )))
}

fn text_of(octets: &[u8]) -> Preview {
    let parsed = MessageParser::new().parse(octets);
    let text = parsed.as_ref().and_then(|mail| mail.body_text(0));
    let tidied = tidied(&text.unwrap_or_default());
    Preview {
        text: unlinked(&tidied.text),
        ..tidied
    }
}

/// Lines kept, but never more than one empty line, no spaces at their ends, nothing that hides or turns text.
fn tidied(text: &str) -> Preview {
    let (mut out, mut count, mut breaks, mut blank) = (String::new(), 0, 0, false);
    // A bomb of blanks is not worth reading to its end.
    for c in text.chars().take(20 * PREVIEW_CHARS_MAX) {
        if matches!(c, '\n' | '\u{2028}' | '\u{2029}') {
            (breaks, blank) = ((breaks + 1).min(2), false);
        } else if c.is_whitespace() {
            blank = true;
        } else if !is_hidden(c) {
            let lead = match (out.is_empty(), breaks, blank) {
                (true, ..) | (false, 0, false) => "",
                (false, 0, true) => " ",
                (false, 1, _) => "\n",
                (false, ..) => "\n\n",
            };
            if count + lead.len() >= PREVIEW_CHARS_MAX {
                return Preview {
                    text: out,
                    cut: true,
                };
            }
            out.push_str(lead);
            out.push(c);
            count += lead.len() + 1;
            (breaks, blank) = (0, false);
        }
    }
    Preview {
        text: out,
        cut: text.chars().nth(20 * PREVIEW_CHARS_MAX).is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_shown_and_nothing_else() {
        for (name, mail, wanted) in [
            (
                "plain",
                "Subject: a\r\n\r\nHello\r\nyou  there\t!\r\n",
                "Hello\nyou there !",
            ),
            (
                "empty lines",
                "Subject: a\r\n\r\n\r\n\r\na\r\n\r\n\r\n\r\nb\r\n",
                "a\n\nb",
            ),
            (
                "HTML only",
                "Content-Type: text/html\r\n\r\n<head><title>t</title><script>alert(1)</script></head><p>Hello <b>you</b></p><img src=http://x.example/a>",
                "Hello you",
            ),
            (
                "both",
                "MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n\r\nplain\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>html\r\n--b--\r\n",
                "plain",
            ),
            (
                "what turns and hides",
                "Content-Type: text/plain; charset=utf-8\r\n\r\na\u{202E}b\u{200B}c\u{7}d\r\n",
                "abcd",
            ),
            (
                "another charset",
                "Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nGr=FC=DFe\r\n",
                "Grüße",
            ),
            (
                "no text",
                "Content-Type: application/pdf\r\n\r\n%PDF\r\n",
                "",
            ),
            ("nothing", "", ""),
        ] {
            assert_eq!(text_of(mail.as_bytes()).text, wanted, "case: {name}");
        }
    }

    #[test]
    fn a_thousand_characters_are_enough() {
        let long = tidied(&"ä ".repeat(10_000));
        assert!(long.cut && long.text.chars().count() <= PREVIEW_CHARS_MAX);
        assert!(tidied(&" ".repeat(1_000_000)).cut);
        assert!(!tidied("a").cut);
    }
}
