//! Writes MAIL and RCPT with the parameters that the peer's EHLO allows (RFC 1870, 3461, 6152, 6531).
//!
//! Addresses are written by `Mailbox`, which quotes again what needs quotes, and parameters as xtext: no text of
//! somebody else can end a command of ours. What a peer does not offer is left out here; whether the mail may go
//! there without it is decided before (`deliver::transact`). A domain goes on as it was written where MAIL says
//! SMTPUTF8, and in A-labels everywhere else (RFC 6531 section 3.2).

use super::offers::Offers;
use crate::base::limit::ORCPT_MAX;
use crate::mail::envelope::{BodyKind, MailFrom, Notify, Ret};
use crate::mail::mailbox::Mailbox;
use crate::mail::unitext;

/// What a transaction needs beyond its envelope.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Octets of header and body as they will be sent, dots not doubled (RFC 1870 section 5).
    pub size: u64,
    /// The body has octets above 127.
    pub eight_bit: bool,
    /// An address or a header has characters beyond ASCII.
    pub smtputf8: bool,
}

/// MAIL.
pub fn mail(from: &MailFrom, needs: Needs, offers: &Offers, out: &mut Vec<u8>) {
    let smtputf8 = offers.smtputf8() && needs.smtputf8;
    push(out, &["MAIL FROM:<"]);
    if let Some(mailbox) = from.path.mailbox() {
        address(mailbox, smtputf8, out);
    }
    push(out, &[">"]);
    if offers.size() {
        push(out, &[" SIZE=", &needs.size.to_string()]);
    }
    let declared = match from.body {
        BodyKind::SevenBit => false,
        BodyKind::EightBitMime => true,
    };
    if offers.eight_bit() && (needs.eight_bit || declared) {
        push(out, &[" BODY=8BITMIME"]);
    }
    if smtputf8 {
        push(out, &[" SMTPUTF8"]);
    }
    if offers.dsn() {
        match from.ret {
            Some(Ret::Full) => push(out, &[" RET=FULL"]),
            Some(Ret::Headers) => push(out, &[" RET=HDRS"]),
            None => {}
        }
        if let Some(envid) = &from.envid {
            push(out, &[" ENVID="]);
            xtext(envid, out);
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// RCPT. `smtputf8`: MAIL said it.
pub fn rcpt(
    mailbox: &Mailbox,
    notify: Notify,
    orcpt: Option<&str>,
    smtputf8: bool,
    offers: &Offers,
    out: &mut Vec<u8>,
) {
    push(out, &["RCPT TO:<"]);
    address(mailbox, smtputf8, out);
    push(out, &[">"]);
    if offers.dsn() {
        match notify {
            Notify::Default => {}
            Notify::Never => push(out, &[" NOTIFY=NEVER"]),
            Notify::On {
                success,
                failure,
                delay,
            } => {
                let words = [(success, "SUCCESS"), (failure, "FAILURE"), (delay, "DELAY")];
                let words: Vec<&str> = words.iter().filter(|w| w.0).map(|w| w.1).collect();
                if !words.is_empty() {
                    push(out, &[" NOTIFY=", &words.join(",")]);
                }
            }
        }
        if let Some((kind, address)) = orcpt.and_then(|orcpt| orcpt.split_once(';')) {
            original(kind, address, smtputf8, out);
        }
    }
    out.extend_from_slice(b"\r\n");
}

fn address(mailbox: &Mailbox, smtputf8: bool, out: &mut Vec<u8>) {
    if smtputf8 {
        push(out, &[&mailbox.as_written()]);
    } else {
        push(out, &[&mailbox.to_string()]);
    }
}

/// ORCPT: type as an atom, address as xtext; the type `utf-8` has a form of its own (RFC 6533 section 3).
fn original(kind: &str, address: &str, smtputf8: bool, out: &mut Vec<u8>) {
    let atom = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if kind.is_empty() || !kind.chars().all(atom) || address.chars().any(char::is_control) {
        return;
    }
    let mut text = Vec::new();
    if kind.eq_ignore_ascii_case("utf-8") {
        text.extend_from_slice(unitext::encode(address, smtputf8).as_bytes());
    } else if address.is_ascii() {
        xtext(address, &mut text);
    } else {
        // Any other type with such an address cannot be written, and RFC 3461 section 4.2 lets us leave it out.
        return;
    }
    // Read with SMTPUTF8 and written without it, an address grows; no hop has to take more.
    if kind.len() + 1 + text.len() <= ORCPT_MAX {
        push(out, &[" ORCPT=", kind, ";"]);
        out.append(&mut text);
    }
}

/// RFC 3461 section 4: printable ASCII but `+` and `=`; all else as `+` and two hex digits.
pub fn xtext(text: &str, out: &mut Vec<u8>) {
    for b in text.bytes() {
        if matches!(b, b'!'..=b'~') && b != b'+' && b != b'=' {
            out.push(b);
        } else {
            out.extend_from_slice(format!("+{b:02X}").as_bytes());
        }
    }
}

fn push(out: &mut Vec<u8>, parts: &[&str]) {
    for part in parts {
        out.extend_from_slice(part.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::path::ReversePath;

    fn offers(words: &str) -> Offers {
        let lines: String = words.split(' ').map(|w| format!("250-{w}\r\n")).collect();
        Offers::parse(format!("250-mx.example\r\n{lines}250 HELP\r\n").as_bytes())
    }

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn parameters_go_only_to_peers_that_offer_them() {
        let mut from = MailFrom::new(ReversePath::parse("a@b.example").unwrap());
        from.ret = Some(Ret::Headers);
        from.envid = Some("q+1=x y".to_owned());
        let needs = Needs {
            size: 99,
            eight_bit: true,
            smtputf8: false,
        };
        assert_eq!(
            text(|out| mail(&from, needs, &offers("SIZE 8BITMIME DSN SMTPUTF8"), out)),
            "MAIL FROM:<a@b.example> SIZE=99 BODY=8BITMIME RET=HDRS ENVID=q+2B1+3Dx+20y\r\n"
        );
        assert_eq!(
            text(|out| mail(&from, needs, &Offers::default(), out)),
            "MAIL FROM:<a@b.example>\r\n"
        );
        let null = MailFrom::new(ReversePath::Null);
        assert_eq!(
            text(|out| mail(&null, Needs::default(), &Offers::default(), out)),
            "MAIL FROM:<>\r\n"
        );
    }

    #[test]
    fn no_address_can_end_a_command() {
        let mailbox = Mailbox::parse("\"a> SIZE=9\"@x.example").unwrap();
        assert_eq!(
            text(|out| rcpt(&mailbox, Notify::Default, None, false, &offers("DSN"), out)),
            "RCPT TO:<\"a> SIZE=9\"@x.example>\r\n"
        );
        for orcpt in [
            "rfc822;a\r\nRCPT TO:<b@x>",
            "rf c;a@b",
            "none",
            "rfc822;jörg@x",
        ] {
            let line = text(|out| {
                rcpt(
                    &mailbox,
                    Notify::Default,
                    Some(orcpt),
                    false,
                    &offers("DSN"),
                    out,
                );
            });
            assert!(!line.contains("ORCPT"), "case: {orcpt:?} gave {line}");
        }
    }

    #[test]
    fn a_domain_goes_on_as_written_only_where_mail_says_smtputf8() {
        let path = ReversePath::parse("a@bücher.example").unwrap();
        let mut from = MailFrom::new(path);
        from.smtputf8 = true;
        let to = Mailbox::parse("b@bücher.example").unwrap();
        let needs = Needs {
            smtputf8: true,
            ..Needs::default()
        };
        for (words, smtputf8, lines) in [
            (
                "SMTPUTF8",
                true,
                "MAIL FROM:<a@bücher.example> SMTPUTF8\r\nRCPT TO:<b@bücher.example>\r\n",
            ),
            (
                "SIZE",
                false,
                "MAIL FROM:<a@xn--bcher-kva.example> SIZE=0\r\nRCPT TO:<b@xn--bcher-kva.example>\r\n",
            ),
        ] {
            let got = text(|out| {
                mail(&from, needs, &offers(words), out);
                rcpt(&to, Notify::Default, None, smtputf8, &offers(words), out);
            });
            assert_eq!(got, lines, "case: {words}");
        }
    }

    #[test]
    fn an_original_recipient_that_grew_too_long_is_left_out() {
        let mailbox = Mailbox::parse("a@b.example").unwrap();
        let long = format!("utf-8;{}@z", "ö".repeat(200));
        for (smtputf8, there) in [(true, true), (false, false)] {
            let line = text(|out| {
                rcpt(
                    &mailbox,
                    Notify::Default,
                    Some(&long),
                    smtputf8,
                    &offers("DSN"),
                    out,
                );
            });
            assert_eq!(line.contains("ORCPT"), there, "got {line}");
        }
    }

    #[test]
    fn notify_and_orcpt_are_passed_on() {
        let mailbox = Mailbox::parse("a@b.example").unwrap();
        let on = Notify::On {
            success: true,
            failure: true,
            delay: false,
        };
        for (notify, orcpt, smtputf8, tail) in [
            (
                on,
                Some("rfc822;x+y@z"),
                false,
                " NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;x+2By@z",
            ),
            (Notify::Never, None, false, " NOTIFY=NEVER"),
            (
                Notify::Default,
                Some("utf-8;jö@z"),
                false,
                " ORCPT=utf-8;j\\x{F6}@z",
            ),
            (
                Notify::Default,
                Some("utf-8;jö@z"),
                true,
                " ORCPT=utf-8;jö@z",
            ),
            (
                Notify::Default,
                Some("utf-8;a+b=c\\@z"),
                true,
                " ORCPT=utf-8;a\\x{2B}b\\x{3D}c\\x{5C}@z",
            ),
            (
                Notify::Default,
                Some("x400;/C=de/S=x"),
                false,
                " ORCPT=x400;/C+3Dde/S+3Dx",
            ),
        ] {
            assert_eq!(
                text(|out| rcpt(&mailbox, notify, orcpt, smtputf8, &offers("DSN"), out)),
                format!("RCPT TO:<a@b.example>{tail}\r\n")
            );
        }
    }
}
