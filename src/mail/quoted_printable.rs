//! Quoted-printable for what we write (RFC 2045 section 6.7): readable in the source, and ASCII for every hop.
//!
//! Lines end with CRLF; one of at most 76 columns that needs no escape goes through whole.
//! Not here: reading it (`structure::decode`).

/// Columns of a line, its soft break included.
const LINE_MAX: usize = 76;

/// Lines ended by CRLF or LF come out ended by CRLF, the last one too.
pub fn encode(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(octets.len() + octets.len() / 8);
    for line in octets.split_inclusive(|b| *b == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        encode_line(line.strip_suffix(b"\r").unwrap_or(line), &mut out);
        out.extend_from_slice(b"\r\n");
    }
    out
}

fn encode_line(line: &[u8], out: &mut Vec<u8>) {
    let mut column = 0;
    let mut octets = line.iter().copied().peekable();
    while let Some(octet) = octets.next() {
        let last = octets.peek().is_none();
        let blank = matches!(octet, b' ' | b'\t');
        // A dot that begins a line is doubled on the wire, and some hops forget to take it back.
        let plain = matches!(octet, b'!'..=b'<' | b'>'..=b'~') && !(octet == b'.' && column == 0);
        let escaped = format!("={octet:02X}");
        let piece = if plain || (blank && !last) {
            &[octet][..]
        } else {
            escaped.as_bytes()
        };
        let room = if last { LINE_MAX } else { LINE_MAX - 1 };
        if column + piece.len() > room {
            out.extend_from_slice(b"=\r\n");
            column = 0;
        }
        column += piece.len();
        out.extend_from_slice(piece);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_short_seven_bit_and_reversible() {
        let url = format!("https://mail.example.com:444/d/{}", "A".repeat(44));
        let text = format!("äöü = x \n{url}\n.\n{}\n", "ß ".repeat(100));
        let encoded = String::from_utf8(encode(text.as_bytes())).unwrap();
        assert!(encoded.is_ascii());
        assert!(encoded.lines().all(|line| line.len() <= 76), "{encoded}");
        assert!(encoded.lines().any(|line| line == url), "{encoded}");
        assert!(!encoded.contains("\r\n."), "{encoded}");
        let mail = format!(
            "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n{encoded}"
        );
        let parsed = mail_parser::MessageParser::default().parse(&mail).unwrap();
        let read = parsed.body_text(0).unwrap().replace("\r\n", "\n");
        assert_eq!(read, text);
    }

    #[test]
    fn octets_of_any_charset_and_lines_of_any_length_go_through() {
        assert_eq!(encode(b"Gr\xfc\r\n\0\t\n"), b"Gr=FC\r\n=00=09\r\n");
        assert_eq!(encode(b"a\rb"), b"a=0Db\r\n");
        assert_eq!(encode(b""), b"");
        let long = encode(&[b'x'; 5_000]);
        assert!(long.split(|b| *b == b'\n').all(|line| line.len() <= 77));
    }
}
