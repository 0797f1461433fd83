//! The parameters behind the paths of MAIL and RCPT (RFC 1870, 3461, 4954, 6152, 6531).
//!
//! Only what EHLO offered is taken, each once. smtp-proto reads the values; what it would let pass is refused before
//! (a name twice, a SIZE that does not fit) or read here from the raw text (ORCPT, of which it knows one type only).
//! Not here: the paths themselves (`command`).

use smtp_proto::request::receiver::RequestReceiver;
use smtp_proto::{
    MAIL_BODY_8BITMIME, MAIL_RET_FULL, MAIL_RET_HDRS, MAIL_SMTPUTF8, RCPT_NOTIFY_DELAY,
    RCPT_NOTIFY_FAILURE, RCPT_NOTIFY_NEVER, RCPT_NOTIFY_SUCCESS, Request,
};

use super::command::{Fault, Recipient, of_error};
use crate::base::limit::{ENVID_MAX, ORCPT_MAX};
use crate::base::text::clean;
use crate::mail::envelope::{BodyKind, MailFrom, Notify, Ret};
use crate::mail::path::{ForwardPath, ReversePath};
use crate::mail::unitext;

/// Names of MAIL.
const OF_MAIL: [&str; 6] = ["SIZE", "BODY", "SMTPUTF8", "RET", "ENVID", "AUTH"];

/// Names of RCPT.
const OF_RCPT: [&str; 2] = ["NOTIFY", "ORCPT"];

/// Reads `text`, what stands behind `MAIL FROM:<…> `.
pub fn of_mail(path: ReversePath, text: &str) -> Result<MailFrom, Fault> {
    let mut from = MailFrom::new(path);
    if text.is_empty() {
        return Ok(from);
    }
    let size = check(text, &OF_MAIL)?
        .iter()
        .find_map(|(name, value)| (*name == "SIZE").then_some(*value))
        .map(size)
        .transpose()?;
    let line = format!("MAIL FROM:<> {text}\r\n");
    let mut receiver = RequestReceiver::default();
    let read = match receiver.ingest(&mut line.as_bytes().iter()) {
        Ok(Request::Mail { from }) => from,
        Ok(_) => return Err(Fault::Unknown),
        Err(error) => return Err(of_error(error)),
    };
    if read.flags & smtp_proto::MAIL_BODY_BINARYMIME != 0 {
        // RFC 3030: we do not offer BINARYMIME, because no hop behind us may be able to take it.
        return Err(Fault::Parameter("BODY"));
    }
    from.size = size;
    if read.flags & MAIL_BODY_8BITMIME != 0 {
        from.body = BodyKind::EightBitMime;
    }
    from.smtputf8 = read.flags & MAIL_SMTPUTF8 != 0;
    from.ret = if read.flags & MAIL_RET_FULL != 0 {
        Some(Ret::Full)
    } else if read.flags & MAIL_RET_HDRS != 0 {
        Some(Ret::Headers)
    } else {
        None
    };
    from.envid = match read.env_id {
        Some(id) if id.len() <= ENVID_MAX && printable(&id) => Some(id.into_owned()),
        Some(_) => return Err(Fault::Parameter("ENVID")),
        None => None,
    };
    // AUTH= (RFC 4954 section 5) says who somebody else believes the author to be. It grants nothing here.
    Ok(from)
}

/// Reads `text`, what stands behind `RCPT TO:<…> `. `utf8` says that the transaction began with SMTPUTF8.
pub fn of_rcpt(path: ForwardPath, text: &str, utf8: bool) -> Result<Recipient, Fault> {
    let mut to = Recipient {
        path,
        notify: Notify::Default,
        orcpt: None,
    };
    if text.is_empty() {
        return Ok(to);
    }
    for (name, value) in check(text, &OF_RCPT)? {
        match name {
            "NOTIFY" => to.notify = notify(value)?,
            _ => to.orcpt = Some(original_recipient(value, utf8)?),
        }
    }
    Ok(to)
}

/// Splits into names and values, and refuses what was not offered and what comes twice.
fn check<'a>(text: &'a str, known: &[&'static str]) -> Result<Vec<(&'static str, &'a str)>, Fault> {
    let mut found: Vec<(&'static str, &'a str)> = Vec::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        let Some(name) = known.iter().find(|k| k.eq_ignore_ascii_case(name)) else {
            return Err(Fault::UnknownParameter(clean(name, 40)));
        };
        if found.iter().any(|(other, _)| other == name) {
            return Err(Fault::Parameter(name));
        }
        found.push((name, value));
    }
    Ok(found)
}

/// RFC 1870 section 6.1: up to 20 digits.
fn size(value: &str) -> Result<u64, Fault> {
    if value.is_empty() || !value.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Fault::Parameter("SIZE"));
    }
    // smtp-proto reads a machine word; a number that is larger than i64 is larger than every mail.
    match value.parse::<u64>() {
        Ok(size) if i64::try_from(size).is_ok() => Ok(size),
        Ok(_) | Err(_) => Err(Fault::TooLarge),
    }
}

fn notify(value: &str) -> Result<Notify, Fault> {
    let line = format!("RCPT TO:<a@b.c> NOTIFY={value}\r\n");
    let mut receiver = RequestReceiver::default();
    let flags = match receiver.ingest(&mut line.as_bytes().iter()) {
        Ok(Request::Rcpt { to }) => to.flags,
        Ok(_) => return Err(Fault::Unknown),
        Err(error) => return Err(of_error(error)),
    };
    let (success, failure, delay) = (
        flags & RCPT_NOTIFY_SUCCESS != 0,
        flags & RCPT_NOTIFY_FAILURE != 0,
        flags & RCPT_NOTIFY_DELAY != 0,
    );
    if flags & RCPT_NOTIFY_NEVER != 0 {
        // RFC 3461 section 4.1: NEVER stands alone.
        return if success || failure || delay {
            Err(Fault::Parameter("NOTIFY"))
        } else {
            Ok(Notify::Never)
        };
    }
    Ok(if success || failure || delay {
        Notify::On {
            success,
            failure,
            delay,
        }
    } else {
        Notify::Default
    })
}

/// `rfc822;a+2Bb@c.example` becomes `rfc822;a+b@c.example`; any other type is taken as well (RFC 3461 section 4.2).
fn original_recipient(value: &str, utf8: bool) -> Result<String, Fault> {
    const BAD: Fault = Fault::Parameter("ORCPT");
    if value.len() > ORCPT_MAX {
        return Err(BAD);
    }
    let (kind, address) = value.split_once(';').ok_or(BAD)?;
    let good = !kind.is_empty() && kind.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if !good {
        return Err(BAD);
    }
    if !address.is_ascii() && !utf8 {
        return Err(Fault::NotAscii);
    }
    if kind.eq_ignore_ascii_case("utf-8") {
        let address = unitext::decode(address, utf8).ok_or(BAD)?;
        return Ok(format!("{kind};{address}"));
    }
    let address = decode_xtext(address).ok_or(BAD)?;
    if address.is_empty() || !printable(&address) {
        return Err(BAD);
    }
    // Characters beyond ASCII have a type of their own since RFC 6533; only with it can they be passed on.
    let kind = if address.is_ascii() { kind } else { "utf-8" };
    Ok(format!("{kind};{address}"))
}

/// RFC 3461 section 4.
fn decode_xtext(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(b) = bytes.next() {
        match b {
            b'+' => {
                let (high, low) = (bytes.next()?, bytes.next()?);
                let digit = |b: u8| char::from(b).to_digit(16);
                let value = digit(high)? * 16 + digit(low)?;
                out.push(u8::try_from(value).ok()?);
            }
            b'=' => return None,
            _ => out.push(b),
        }
    }
    String::from_utf8(out).ok()
}

/// A decoded CR or LF would start a line of ours in the next dialog (CVE-2020-28026).
fn printable(text: &str) -> bool {
    !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(text: &str) -> Result<MailFrom, Fault> {
        of_mail(ReversePath::Null, text)
    }

    fn rcpt(text: &str) -> Result<Recipient, Fault> {
        of_rcpt(ForwardPath::Postmaster, text, false)
    }

    fn orcpt(text: &str, utf8: bool) -> Result<Option<String>, Fault> {
        of_rcpt(ForwardPath::Postmaster, text, utf8).map(|rcpt| rcpt.orcpt)
    }

    #[test]
    fn an_original_recipient_of_any_type_is_taken() {
        for (text, wanted) in [
            ("utf-8;\\x{3B4}\\x{3BF}@x.test", "utf-8;δο@x.test"),
            ("UTF-8;b@sink.test", "UTF-8;b@sink.test"),
            ("utf-8;a\\x{2B}b@x.test", "utf-8;a+b@x.test"),
            ("x400;/C+3Dde/S+3Dx", "x400;/C=de/S=x"),
            ("rfc822;b@sink.test", "rfc822;b@sink.test"),
            ("rfc822;j+C3+B6rg@x.test", "utf-8;jörg@x.test"),
            ("NOTIFY=NEVER", ""),
        ] {
            let line = match wanted {
                "" => text.to_owned(),
                _ => format!("NOTIFY=FAILURE ORCPT={text}"),
            };
            let wanted = (!wanted.is_empty()).then(|| wanted.to_owned());
            for utf8 in [false, true] {
                assert_eq!(orcpt(&line, utf8), Ok(wanted.clone()), "case: {text}");
            }
        }
        assert_eq!(
            orcpt("ORCPT=utf-8;δο@x.test", true),
            Ok(Some("utf-8;δο@x.test".to_owned()))
        );
        assert_eq!(orcpt("ORCPT=utf-8;δο@x.test", false), Err(Fault::NotAscii));
    }

    #[test]
    fn all_that_was_offered_is_read() {
        let from =
            mail("SIZE=1000 body=8bitmime SMTPUTF8 RET=HDRS ENVID=QQ+2B314 AUTH=<>").unwrap();
        assert_eq!(
            (from.size, from.body, from.smtputf8, from.ret),
            (Some(1000), BodyKind::EightBitMime, true, Some(Ret::Headers))
        );
        assert_eq!(from.envid.as_deref(), Some("QQ+314"));
        let to = rcpt("NOTIFY=SUCCESS,DELAY ORCPT=rfc822;a+2Bb@c.example").unwrap();
        assert_eq!(
            to.notify,
            Notify::On {
                success: true,
                failure: false,
                delay: true
            }
        );
        assert_eq!(to.orcpt.as_deref(), Some("rfc822;a+b@c.example"));
        assert_eq!(rcpt("NOTIFY=NEVER").unwrap().notify, Notify::Never);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, fault) in [
            ("SIZE=1 SIZE=2", Fault::Parameter("SIZE")),
            ("SIZE=-1", Fault::Parameter("SIZE")),
            ("SIZE=", Fault::Parameter("SIZE")),
            ("SIZE", Fault::Parameter("SIZE")),
            ("SIZE=99999999999999999999", Fault::TooLarge),
            ("BODY=BINARYMIME", Fault::Parameter("BODY")),
            ("BODY=9BIT", Fault::Parameter("BODY")),
            ("ENVID=a+0D+0Ab", Fault::Parameter("ENVID")),
            ("RET=HALF", Fault::Parameter("RET")),
            (
                "REQUIRETLS",
                Fault::UnknownParameter("REQUIRETLS".to_owned()),
            ),
            ("HOLDFOR=5", Fault::UnknownParameter("HOLDFOR".to_owned())),
        ] {
            assert_eq!(mail(text), Err(fault), "case: {text}");
        }
        let long = format!("ORCPT=utf-8;{}@b", "\\x{F6}".repeat(100));
        for (text, fault) in [
            ("NOTIFY=NEVER,SUCCESS", Fault::Parameter("NOTIFY")),
            ("NOTIFY=SOMETIMES", Fault::Parameter("NOTIFY")),
            ("ORCPT=a@b.example", Fault::Parameter("ORCPT")),
            ("ORCPT=rfc822;a+0D+0Ab", Fault::Parameter("ORCPT")),
            ("ORCPT=rfc822;a+2", Fault::Parameter("ORCPT")),
            ("ORCPT", Fault::Parameter("ORCPT")),
            ("ORCPT=rfc822;", Fault::Parameter("ORCPT")),
            ("ORCPT=;a@b.example", Fault::Parameter("ORCPT")),
            ("ORCPT=utf_8;a@b.example", Fault::Parameter("ORCPT")),
            ("ORCPT=utf-8;", Fault::Parameter("ORCPT")),
            ("ORCPT=utf-8;a\\x{D800}@b", Fault::Parameter("ORCPT")),
            ("ORCPT=utf-8;a\\x{0D}\\x{0A}@b", Fault::Parameter("ORCPT")),
            ("ORCPT=utf-8;a+0D+0A@b", Fault::Parameter("ORCPT")),
            (&long, Fault::Parameter("ORCPT")),
            ("NOTIFY", Fault::Parameter("NOTIFY")),
            ("NOTIFY=", Fault::Parameter("NOTIFY")),
            ("NOTIFY=SUCCESS,NEVER", Fault::Parameter("NOTIFY")),
            ("SIZE=5", Fault::UnknownParameter("SIZE".to_owned())),
        ] {
            assert_eq!(rcpt(text), Err(fault), "case: {text}");
        }
    }
}
