//! Authentication-Results fields of others: whose they say they are (RFC 8601 section 2.2).
//!
//! Read as generously as any program behind us might: comments, folds, quotes, case, versions, encoded words and octets
//! that no name has do not hide a name. Each reading counts.
//! Not here: our own field (`policy`), and taking foreign ones away (`receive`).

use memchr::memmem;

use super::domain::Domain;
use super::encoded_word::decoded;

/// Whether the field's value, as it stands behind the colon, claims to come from `own`. One that cannot be read claims it
/// when the name stands anywhere in it.
pub fn claims(value: &[u8], own: &str) -> bool {
    if reads_as(value, own) {
        return true;
    }
    // Readers that decode every field before they look at it.
    memmem::find(value, b"=?").is_some()
        && reads_as(decoded(&String::from_utf8_lossy(value)).as_bytes(), own)
}

fn reads_as(value: &[u8], own: &str) -> bool {
    let Some(id) = authserv_id(value) else {
        let lower = value.to_ascii_lowercase();
        return memmem::find(&lower, own.to_ascii_lowercase().as_bytes()).is_some();
    };
    is_same(&id, own) || is_same(&bare(value), own)
}

fn is_same(id: &[u8], own: &str) -> bool {
    let id = String::from_utf8_lossy(id);
    let id = id.trim_matches(|c: char| !c.is_alphanumeric());
    // Where older fields have a version.
    let id = id.split_once('/').map_or(id, |(front, _)| front);
    // A name in another script is compared as the DNS has it.
    id.eq_ignore_ascii_case(own)
        || Domain::parse(id).is_ok_and(|domain| domain.as_str().eq_ignore_ascii_case(own))
}

/// Everything in front of the results without what a reader may leave out: comments, quotes, blanks, and a version.
fn bare(value: &[u8]) -> Vec<u8> {
    let (mut text, mut depth, mut escaped) = (Vec::new(), 0_usize, false);
    for octet in value {
        match octet {
            _ if escaped => {
                escaped = false;
                if depth == 0 {
                    text.push(*octet);
                }
            }
            b'\\' => escaped = true,
            b'(' => depth += 1,
            b')' if depth > 0 => depth -= 1,
            _ if depth > 0 => {}
            b';' => break,
            b'"' => {}
            other if other.is_ascii_control() => {}
            other => text.push(*other),
        }
    }
    let mut words = text
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty());
    let words: Vec<&[u8]> = words.by_ref().collect();
    match words.as_slice() {
        // A version stands behind a blank (RFC 8601 section 2.2).
        [front @ .., last] if !front.is_empty() && last.iter().all(u8::is_ascii_digit) => {
            front.concat()
        }
        all => all.concat(),
    }
}

/// The name; none if the value does not begin with one.
fn authserv_id(value: &[u8]) -> Option<Vec<u8>> {
    let rest = skip_cfws(value)?;
    let mut id = Vec::new();
    let mut octets = rest.iter();
    if rest.first() == Some(&b'"') {
        octets.next();
        while let Some(octet) = octets.next() {
            match octet {
                b'"' => return Some(id),
                b'\\' => id.push(*octets.next()?),
                b'\r' | b'\n' => {}
                other => id.push(*other),
            }
        }
        return None;
    }
    let token = |octet: &&u8| {
        !octet.is_ascii_whitespace() && !matches!(octet, b';' | b'(' | b')' | b'"' | b',')
    };
    id.extend(octets.take_while(token));
    (!id.is_empty()).then_some(id)
}

/// Without the blanks, folds and comments in front; none if a comment does not end.
fn skip_cfws(mut rest: &[u8]) -> Option<&[u8]> {
    loop {
        rest = rest.trim_ascii_start();
        if rest.first() != Some(&b'(') {
            return Some(rest);
        }
        let (mut depth, mut quoted, mut end) = (0_usize, false, None);
        for (at, octet) in rest.iter().enumerate() {
            match octet {
                _ if quoted => quoted = false,
                b'\\' => quoted = true,
                b'(' => depth += 1,
                b')' if depth == 1 => {
                    end = Some(at + 1);
                    break;
                }
                b')' => depth -= 1,
                _ => {}
            }
        }
        rest = rest.get(end?..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_name_is_found_however_it_is_written() {
        for value in [
            " mx.example.org; spf=pass",
            "mx.example.org",
            " MX.Example.ORG 1; none",
            "\r\n\tmx.example.org;\r\n\tspf=pass",
            " (a (nested \\) comment)) mx.example.org(b);none",
            " \"mx.example.org\"; none",
            " \"mx.exa\\mple.org\" ; none",
            " mx.example.org.; none",
            " (never ends mx.example.org; none",
            " \"never ends mx.example.org; none",
            "; mx.example.org; spf=pass",
            " mx.example.org/1; spf=pass",
            " mx(a).example(b).org; none",
            " mx.example\r\n\t.org 1; none",
            " \"mx\".example.org; none",
            " mx.example.org\0; none",
            " .mx.example.org; none",
            " =?utf-8?q?mx.example.org?=; spf=pass",
            " =?utf-8?b?bXguZXhhbXBsZS5vcmc7?= spf=pass",
            "\u{FEFF}mx.example.org; none",
            " mx.example.org\u{200B}; none",
        ] {
            assert!(claims(value.as_bytes(), "mx.example.org"), "case: {value}");
        }
    }

    #[test]
    fn the_fields_of_others_stay() {
        for value in [
            " mx.example.net; spf=pass smtp.mailfrom=mx.example.org",
            " smx.example.org; none",
            " mx.example.org.evil.example; none",
            " (mx.example.org) other.example; none",
            " \"mx.example.org x\"; none",
            " mx.example.organic; none",
            " mx.example.net (mx.example.org); none",
            " =?utf-8?q?mx.example.net?=; spf=pass",
            "",
        ] {
            assert!(!claims(value.as_bytes(), "mx.example.org"), "case: {value}");
        }
    }

    #[test]
    fn a_name_in_another_script_is_one_name() {
        for value in [
            " m\u{FC}ller.example; none",
            " xn--mller-kva.example; none",
            " M\u{DC}LLER.example; x",
        ] {
            assert!(
                claims(value.as_bytes(), "xn--mller-kva.example"),
                "case: {value}"
            );
        }
        assert!(!claims(
            " muller.example; none".as_bytes(),
            "xn--mller-kva.example"
        ));
    }

    #[test]
    fn no_octets_are_too_odd_to_look_at() {
        let mut random = fastrand::Rng::with_seed(7);
        let alphabet = b"mx.example.org()\\\"; \t\r\n\0\xff1";
        for _ in 0..20_000 {
            let length = random.usize(0..40);
            let value: Vec<u8> = (0..length)
                .map(|_| *random.choice(alphabet.iter()).unwrap_or(&b'a'))
                .collect();
            claims(&value, "mx.example.org");
        }
    }
}
