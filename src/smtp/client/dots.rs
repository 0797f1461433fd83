//! Makes a body safe for DATA (RFC 5321 section 4.5.2): a dot that starts a line is doubled, and nothing else changes.
//!
//! A line starts at the first octet and after CRLF, never after a bare CR or LF: doubling a dot there would change
//! the octets that a DKIM signature covers. The end is `.CRLF` when the body ends in CRLF, else `CRLF.CRLF`.
//! Not here: refusing bare CR and LF, which happens before a message is accepted.

/// Remembers over chunks where a line starts.
#[derive(Clone, Copy, Debug)]
pub struct Dots(Place);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    LineStart,
    AfterCr,
    Inside,
}

impl Default for Dots {
    fn default() -> Self {
        Self(Place::LineStart)
    }
}

impl Dots {
    /// Appends `chunk` to `out`, dots doubled.
    pub fn write(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        out.reserve(chunk.len() + 16);
        let mut kept = 0;
        let mut at = 0;
        let Some(last) = chunk.len().checked_sub(1) else {
            return;
        };
        // The first octets follow on what the last chunk ended with; the rest is searched for CRLF and a dot.
        match (self.0, chunk) {
            (Place::LineStart, [b'.', ..]) => out.push(b'.'),
            (Place::AfterCr, [b'\n', b'.', ..]) => {
                out.extend_from_slice(b"\n.");
                kept = 1;
                at = 1;
            }
            (Place::LineStart | Place::AfterCr | Place::Inside, _) => {}
        }
        while let Some(found) = find_crlf_dot(chunk.get(at..).unwrap_or_default()) {
            let dot = at + found + 2;
            out.extend_from_slice(chunk.get(kept..dot).unwrap_or_default());
            out.push(b'.');
            kept = dot;
            at = dot;
        }
        out.extend_from_slice(chunk.get(kept..).unwrap_or_default());
        let before = last.checked_sub(1).and_then(|n| chunk.get(n));
        self.0 = match (before, chunk.get(last)) {
            (Some(b'\r'), Some(b'\n')) => Place::LineStart,
            (None, Some(b'\n')) if self.0 == Place::AfterCr => Place::LineStart,
            (_, Some(b'\r')) => Place::AfterCr,
            _ => Place::Inside,
        };
    }

    /// Appends the end of the data.
    pub fn finish(self, out: &mut Vec<u8>) {
        if self.0 != Place::LineStart {
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b".\r\n");
    }
}

/// Looks at dots only, which are rare in mail, rather than at every line end.
fn find_crlf_dot(octets: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(found) = memchr_dot(octets.get(from..)?) {
        let dot = from + found;
        if let Some(line_end) = dot.checked_sub(2)
            && octets.get(line_end..dot) == Some(b"\r\n")
        {
            return Some(line_end);
        }
        from = dot + 1;
    }
    None
}

fn memchr_dot(octets: &[u8]) -> Option<usize> {
    octets.iter().position(|b| *b == b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(body: &[u8], size: usize) -> Vec<u8> {
        let (mut dots, mut out) = (Dots::default(), Vec::new());
        for chunk in body.chunks(size) {
            dots.write(chunk, &mut out);
        }
        dots.finish(&mut out);
        out
    }

    #[test]
    fn dots_are_doubled_at_line_starts_and_nowhere_else() {
        for (name, body, wire) in [
            ("empty", &b""[..], &b".\r\n"[..]),
            ("plain", b"a\r\n", b"a\r\n.\r\n"),
            ("no line end", b"a", b"a\r\n.\r\n"),
            ("first octet", b".a\r\n", b"..a\r\n.\r\n"),
            ("only a dot", b".\r\n", b"..\r\n.\r\n"),
            (
                "lines of dots",
                b"..\r\n.\r\n.x",
                b"...\r\n..\r\n..x\r\n.\r\n",
            ),
            ("bare LF", b"a\n.b\r\n", b"a\n.b\r\n.\r\n"),
            ("bare CR", b"a\r.b\r\n", b"a\r.b\r\n.\r\n"),
            ("CR CR LF", b"a\r\r\n.b\r\n", b"a\r\r\n..b\r\n.\r\n"),
            ("ends in CR", b"a\r", b"a\r\r\n.\r\n"),
            ("ends in a bare LF", b"a\n", b"a\n\r\n.\r\n"),
            ("dots inside", b"a.b.c\r\nd.\r\n", b"a.b.c\r\nd.\r\n.\r\n"),
        ] {
            for size in [1, 2, 3, 4, 5, 100] {
                assert_eq!(
                    whole(body, size).escape_ascii().to_string(),
                    wire.escape_ascii().to_string(),
                    "case: {name}, chunks of {size}"
                );
            }
        }
    }

    #[test]
    fn what_a_server_takes_out_again_is_the_body() {
        let letters = [b'.', b'\r', b'\n', b'a'];
        for seed in 0..4usize.pow(7) {
            let body: Vec<u8> = (0..7).map(|n| letters[seed / 4usize.pow(n) % 4]).collect();
            let wire = whole(&body, 3);
            let mut text = wire.strip_suffix(b".\r\n").unwrap().to_vec();
            // A line that starts with a dot loses it.
            let mut at = 0;
            while at < text.len() {
                if text[at] == b'.' && (at == 0 || text[..at].ends_with(b"\r\n")) {
                    text.remove(at);
                }
                at += 1;
            }
            if !body.is_empty() && !body.ends_with(b"\r\n") {
                text.truncate(text.len() - 2);
            }
            assert_eq!(text, body, "body {}", body.escape_ascii());
            assert!(!wire[..wire.len() - 3].windows(5).any(|w| w == b"\r\n.\r\n"));
        }
    }
}
