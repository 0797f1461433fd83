//! A command line becomes a `Command`, or a `Fault` with the reply that helps.
//!
//! smtp-proto reads verbs and parameters. It is friendlier than a server on the open net may be, so every line passes
//! our own checks first: paths are read by `mail::path` from the raw text between the angle brackets (smtp-proto
//! loses quotes, takes no address literals and cannot tell `<>` from `<postmaster>`), arguments stand only where they
//! belong, and other protocols are told apart from typing errors. Whoever is refused learns why.
//! Not here: whether a command may come now (`session`), and the parameters of MAIL and RCPT (`parameter`).

use smtp_proto::request::receiver::RequestReceiver;
use smtp_proto::{AUTH_LOGIN, AUTH_PLAIN, Error, Request};

use super::parameter;
use crate::base::limit::HELO_MAX;
use crate::base::text::clean;
use crate::mail::envelope::{MailFrom, Notify};
use crate::mail::mailbox::BadMailbox;
use crate::mail::path::{ForwardPath, ReversePath};
use crate::mail::reply::{EnhancedStatus, Reply};

/// A command that can be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// EHLO and the client's name.
    Ehlo(String),
    /// HELO and the client's name.
    Helo(String),
    /// MAIL
    Mail(MailFrom),
    /// RCPT
    Rcpt(Recipient),
    /// DATA
    Data,
    /// BDAT
    Bdat {
        /// Octets that follow the line.
        size: u64,
        /// The last chunk.
        last: bool,
    },
    /// STARTTLS
    StartTls,
    /// AUTH
    Login(Mechanism, Option<String>),
    /// RSET
    Rset,
    /// NOOP
    Noop,
    /// VRFY
    Vrfy,
    /// HELP
    Help,
    /// QUIT
    Quit,
}

/// What RCPT said; the path is not resolved yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// A mailbox, or the bare postmaster.
    pub path: ForwardPath,
    /// NOTIFY
    pub notify: Notify,
    /// ORCPT with its type, xtext decoded.
    pub orcpt: Option<String>,
}

/// How a client says who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// RFC 4616.
    Plain,
    /// Not a standard, and used by every second device.
    Login,
}

/// Why a line is no command that we carry out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No such verb.
    Unknown,
    /// A verb that we know and do not serve.
    NotServed(&'static str),
    /// HTTP, PROXY, TLS: whoever speaks it does not listen to us.
    Foreign(&'static str),
    /// The shape is wrong; the text shows the right one.
    Syntax(&'static str),
    /// A control character, or octets that are no UTF-8.
    Character,
    /// The path is wrong.
    Path(BadMailbox),
    /// Not ASCII without SMTPUTF8 (RFC 6531 section 3.3).
    NotAscii,
    /// A parameter that was not offered.
    UnknownParameter(String),
    /// A parameter whose value is wrong, or that came twice.
    Parameter(&'static str),
    /// SIZE above every bound.
    TooLarge,
    /// An AUTH mechanism that was not offered.
    Mechanism,
}

/// Reads one line without its CRLF. `utf8` says that the transaction began with SMTPUTF8.
pub fn parse(line: &[u8], utf8: bool) -> Result<Command, Fault> {
    if let Some(protocol) = foreign(line) {
        return Err(Fault::Foreign(protocol));
    }
    let text = std::str::from_utf8(line).map_err(|_| Fault::Character)?;
    if text.bytes().any(|b| b.is_ascii_control() && b != b'\t') {
        return Err(Fault::Character);
    }
    let text = text.trim_end_matches([' ', '\t']);
    let (verb, rest) = text
        .split_once(' ')
        .map_or((text, None), |(verb, rest)| (verb, Some(rest)));
    let rest = rest.map(str::trim_start).filter(|rest| !rest.is_empty());
    let mut upper = [0u8; 8];
    let Some(known) = upper.get_mut(..verb.len()) else {
        return Err(Fault::Unknown);
    };
    known.copy_from_slice(verb.as_bytes());
    known.make_ascii_uppercase();
    match &*known {
        b"MAIL" => mail(rest),
        b"RCPT" => rcpt(rest, utf8),
        b"EHLO" => named(text, rest, "EHLO host.example"),
        b"HELO" => named(text, rest, "HELO host.example"),
        b"DATA" => bare(text, rest, "DATA"),
        b"RSET" => bare(text, rest, "RSET"),
        b"QUIT" => bare(text, rest, "QUIT"),
        b"STARTTLS" => bare(text, rest, "STARTTLS"),
        b"BDAT" => chunk(rest),
        b"AUTH" => login(text),
        // RFC 5321 section 4.1.1.9: the argument of NOOP is ignored, whatever it is.
        b"NOOP" => simple("NOOP"),
        b"HELP" => simple("HELP"),
        b"VRFY" if rest.is_none() => Err(Fault::Syntax("VRFY address")),
        b"VRFY" => simple("VRFY x"),
        b"EXPN" => Err(Fault::NotServed("EXPN")),
        b"ETRN" => Err(Fault::NotServed("ETRN")),
        b"ATRN" => Err(Fault::NotServed("ATRN")),
        b"TURN" => Err(Fault::NotServed("TURN")),
        b"BURL" => Err(Fault::NotServed("BURL")),
        b"LHLO" => Err(Fault::NotServed("LHLO")),
        // They would let a client choose its own address.
        b"XCLIENT" => Err(Fault::NotServed("XCLIENT")),
        b"XFORWARD" => Err(Fault::NotServed("XFORWARD")),
        _ => Err(Fault::Unknown),
    }
}

impl Fault {
    /// What the client is told.
    pub fn reply(&self) -> Reply {
        let (code, status, text) = match self {
            Self::Unknown => (
                500,
                EnhancedStatus(5, 5, 2),
                "Command not recognised; HELP lists what this server knows".to_owned(),
            ),
            Self::NotServed(verb) => (
                502,
                EnhancedStatus(5, 5, 1),
                format!("{verb} is not served here"),
            ),
            Self::Foreign(protocol) => (
                554,
                EnhancedStatus(5, 5, 0),
                format!("This is an SMTP server and does not speak {protocol}; closing"),
            ),
            Self::Syntax(shape) => (
                501,
                EnhancedStatus(5, 5, 4),
                format!("Wrong syntax; write {shape}"),
            ),
            Self::Character => (
                500,
                EnhancedStatus(5, 5, 2),
                "The line has a control character or is not UTF-8".to_owned(),
            ),
            Self::Path(bad) => (553, path_status(*bad), format!("Bad address: {bad}")),
            Self::NotAscii => (
                553,
                EnhancedStatus(5, 6, 7),
                "The address is not ASCII; say SMTPUTF8 in MAIL (RFC 6531)".to_owned(),
            ),
            Self::UnknownParameter(name) => (
                555,
                EnhancedStatus(5, 5, 4),
                format!("The parameter {name} was not offered"),
            ),
            Self::Parameter(name) => (
                501,
                EnhancedStatus(5, 5, 4),
                format!("The parameter {name} is wrong or stands there twice"),
            ),
            Self::TooLarge => (
                552,
                EnhancedStatus(5, 3, 4),
                "The mail is larger than this server takes".to_owned(),
            ),
            Self::Mechanism => (
                504,
                EnhancedStatus(5, 5, 4),
                "This AUTH mechanism was not offered; use PLAIN or LOGIN".to_owned(),
            ),
        };
        Reply::new(code, Some(status), text)
    }

    /// Whether the session ends with it.
    pub fn closes(&self) -> bool {
        matches!(self, Self::Foreign(_))
    }
}

fn path_status(bad: BadMailbox) -> EnhancedStatus {
    match bad {
        BadMailbox::NoDomain | BadMailbox::Local | BadMailbox::LongLocal => EnhancedStatus(5, 1, 3),
        BadMailbox::Literal | BadMailbox::Domain(_) => EnhancedStatus(5, 1, 2),
    }
}

fn mail(rest: Option<&str>) -> Result<Command, Fault> {
    const SHAPE: &str = "MAIL FROM:<address> or MAIL FROM:<>";
    let (path, parameters) = path_of(rest, "FROM:").ok_or(Fault::Syntax(SHAPE))?;
    let path = ReversePath::parse(path).map_err(Fault::Path)?;
    let from = parameter::of_mail(path, parameters)?;
    let plain = from.smtputf8 || from.path.mailbox().is_none_or(|m| !m.needs_smtputf8());
    if plain {
        Ok(Command::Mail(from))
    } else {
        Err(Fault::NotAscii)
    }
}

fn rcpt(rest: Option<&str>, utf8: bool) -> Result<Command, Fault> {
    const SHAPE: &str = "RCPT TO:<address>";
    let (path, parameters) = path_of(rest, "TO:").ok_or(Fault::Syntax(SHAPE))?;
    let path = ForwardPath::parse(path).map_err(Fault::Path)?;
    if let ForwardPath::Mailbox(mailbox) = &path
        && mailbox.needs_smtputf8()
        && !utf8
    {
        return Err(Fault::NotAscii);
    }
    parameter::of_rcpt(path, parameters, utf8).map(Command::Rcpt)
}

/// The text between the angle brackets, and what follows them. A space before `<` is let pass: devices write it,
/// and it hides nothing.
fn path_of<'a>(rest: Option<&'a str>, keyword: &str) -> Option<(&'a str, &'a str)> {
    let (head, tail) = rest?.split_at_checked(keyword.len())?;
    if !head.eq_ignore_ascii_case(keyword) {
        return None;
    }
    let inner = tail.trim_start_matches(' ').strip_prefix('<')?;
    let end = closing_bracket(inner)?;
    let (path, after) = inner.split_at_checked(end)?;
    let after = after.strip_prefix('>')?;
    if after.is_empty() || after.starts_with(' ') {
        Some((path, after.trim_start_matches(' ')))
    } else {
        None
    }
}

/// Where the path ends: the first `>` that is not inside quotes.
fn closing_bracket(inner: &str) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    inner.bytes().position(|b| {
        if escaped {
            escaped = false;
            return false;
        }
        match b {
            b'\\' => escaped = quoted,
            b'"' => quoted = !quoted,
            b'>' => return !quoted,
            _ => {}
        }
        false
    })
}

fn named(text: &str, rest: Option<&str>, shape: &'static str) -> Result<Command, Fault> {
    let name = rest.ok_or(Fault::Syntax(shape))?;
    // Underscores and the like are let pass: machines have such names, and nothing depends on them.
    let good = name.len() <= HELO_MAX && !name.contains([' ', '\t', '<', '>', '(', ')', '"', '\\']);
    if good {
        served(text)
    } else {
        Err(Fault::Syntax(shape))
    }
}

fn bare(text: &str, rest: Option<&str>, shape: &'static str) -> Result<Command, Fault> {
    match rest {
        None => served(text),
        Some(_) => Err(Fault::Syntax(shape)),
    }
}

fn simple(text: &str) -> Result<Command, Fault> {
    served(text)
}

fn chunk(rest: Option<&str>) -> Result<Command, Fault> {
    const SHAPE: Fault = Fault::Syntax("BDAT octets [LAST]");
    let rest = rest.ok_or(SHAPE)?;
    let (digits, last) = rest.split_once(' ').unwrap_or((rest, ""));
    // smtp-proto would take a size that does not fit; 18 digits are an exabyte.
    if digits.is_empty() || digits.len() > 18 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(SHAPE);
    }
    if !last.is_empty() && !last.trim().eq_ignore_ascii_case("LAST") {
        return Err(SHAPE);
    }
    served(&format!("BDAT {digits} {last}"))
}

fn login(text: &str) -> Result<Command, Fault> {
    if text.split_ascii_whitespace().count() > 3 {
        return Err(Fault::Syntax("AUTH mechanism [initial-response]"));
    }
    served(text)
}

/// Lets smtp-proto read a line that passed our checks.
fn served(text: &str) -> Result<Command, Fault> {
    let mut line = Vec::with_capacity(text.len() + 2);
    line.extend_from_slice(text.as_bytes());
    line.extend_from_slice(b"\r\n");
    let mut receiver = RequestReceiver::default();
    match receiver.ingest(&mut line.iter()) {
        Ok(request) => of_request(request),
        Err(error) => Err(of_error(error)),
    }
}

fn of_request(request: Request<std::borrow::Cow<'_, str>>) -> Result<Command, Fault> {
    match request {
        Request::Ehlo { host } => Ok(Command::Ehlo(clean(&host, HELO_MAX))),
        Request::Helo { host } => Ok(Command::Helo(clean(&host, HELO_MAX))),
        Request::Bdat {
            chunk_size,
            is_last,
        } => Ok(Command::Bdat {
            size: u64::try_from(chunk_size).unwrap_or(u64::MAX),
            last: is_last,
        }),
        Request::Auth {
            mechanism,
            initial_response,
        } => {
            let mechanism = match mechanism {
                AUTH_PLAIN => Mechanism::Plain,
                AUTH_LOGIN => Mechanism::Login,
                _ => return Err(Fault::Mechanism),
            };
            let initial = (!initial_response.is_empty()).then(|| initial_response.into_owned());
            Ok(Command::Login(mechanism, initial))
        }
        Request::StartTls => Ok(Command::StartTls),
        Request::Data => Ok(Command::Data),
        Request::Rset => Ok(Command::Rset),
        Request::Quit => Ok(Command::Quit),
        Request::Noop { .. } => Ok(Command::Noop),
        Request::Vrfy { .. } => Ok(Command::Vrfy),
        Request::Help { .. } => Ok(Command::Help),
        Request::Lhlo { .. }
        | Request::Expn { .. }
        | Request::Etrn { .. }
        | Request::Atrn { .. }
        | Request::Burl { .. }
        | Request::Mail { .. }
        | Request::Rcpt { .. } => Err(Fault::Unknown),
    }
}

/// What smtp-proto found wrong, in our words.
pub(super) fn of_error(error: Error) -> Fault {
    match error {
        Error::SyntaxError { syntax } => Fault::Syntax(syntax),
        Error::InvalidParameter { param } => Fault::Parameter(param),
        Error::UnsupportedParameter { param } => Fault::UnknownParameter(clean(&param, 40)),
        Error::InvalidSenderAddress | Error::InvalidRecipientAddress => {
            Fault::Path(BadMailbox::Local)
        }
        Error::UnknownCommand
        | Error::NeedsMoreData { .. }
        | Error::ResponseTooLong
        | Error::InvalidResponse { .. } => Fault::Unknown,
    }
}

/// Names the protocol of a client that is none of SMTP. A browser can be made to send our commands inside a request
/// (cross-protocol scripting), so the first such line ends the session.
fn foreign(line: &[u8]) -> Option<&'static str> {
    const HTTP: [&[u8]; 7] = [
        b"GET ",
        b"POST ",
        b"PUT ",
        b"HEAD ",
        b"OPTIONS ",
        b"CONNECT ",
        b"DELETE ",
    ];
    if line.starts_with(&[0x16, 0x03]) {
        return Some("TLS before STARTTLS");
    }
    if line.starts_with(b"PROXY ")
        || line.starts_with(b"\x00\r\nQUIT")
        || line.starts_with(b"QUIT\n!")
    {
        return Some("the PROXY protocol");
    }
    HTTP.iter()
        .any(|verb| line.starts_with(verb))
        .then_some("HTTP")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(line: &str) -> u16 {
        match parse(line.as_bytes(), false) {
            Ok(_) => 250,
            Err(fault) => fault.reply().code(),
        }
    }

    #[test]
    fn commands_are_read_in_any_case() {
        assert_eq!(
            parse(b"ehlo client.example", false),
            Ok(Command::Ehlo("client.example".to_owned()))
        );
        assert_eq!(
            parse(b"HELO [192.0.2.1]", false),
            Ok(Command::Helo("[192.0.2.1]".to_owned()))
        );
        assert_eq!(parse(b"DaTa ", false), Ok(Command::Data));
        assert_eq!(
            parse(b"bdat 5 last", false),
            Ok(Command::Bdat {
                size: 5,
                last: true
            })
        );
        assert_eq!(
            parse(b"AUTH PLAIN AGEAYg==", false),
            Ok(Command::Login(
                Mechanism::Plain,
                Some("AGEAYg==".to_owned())
            ))
        );
        assert_eq!(
            parse(b"auth login", false),
            Ok(Command::Login(Mechanism::Login, None))
        );
    }

    #[test]
    fn a_long_noop_is_fine() {
        assert_eq!(
            parse(format!("NOOP {}", "n".repeat(500)).as_bytes(), false),
            Ok(Command::Noop)
        );
    }

    #[test]
    fn what_is_wrong_gets_the_right_code() {
        for (line, wanted) in [
            ("", 500),
            ("WRONG1", 500),
            ("MAILFROM:<a@b.example>", 500),
            ("DATA now", 501),
            ("STARTTLS now", 501),
            ("QUIT now", 501),
            ("RSET x", 501),
            ("EHLO", 501),
            ("EHLO a b c", 501),
            ("VRFY", 501),
            ("BDAT", 501),
            ("BDAT -1", 501),
            ("BDAT 5 FIRST", 501),
            ("BDAT 99999999999999999999 LAST", 501),
            ("EXPN list", 502),
            ("XCLIENT ADDR=127.0.0.1", 502),
            ("XFORWARD ADDR=127.0.0.1", 502),
            ("PROXY TCP4 127.0.0.1 127.0.0.1 40000 25", 554),
            ("GET / HTTP/1.1", 554),
            ("AUTH CRAM-MD5", 504),
            ("AUTH", 501),
            ("NO\u{0}OP", 500),
            ("MAIL FROM:a@b.example", 501),
            ("MAIL FROM:<a@b.example", 501),
            ("MAIL FROM:<a@b.example>x", 501),
            ("MAIL FROM:<a@b.example>SIZE=3", 501),
            ("MAIL TO:<a@b.example>", 501),
            ("MAIL FROM:<nodomain>", 553),
            ("MAIL FROM:<jörg@b.example>", 553),
            ("MAIL FROM:<jörg@b.example> SMTPUTF8", 250),
            ("MAIL FROM: <a@b.example>", 250),
            ("RCPT TO:<>", 553),
            ("RCPT TO:<a@b.example>,<c@d.example>", 501),
            ("RCPT TO:<a@b.example> <c@d.example>", 555),
            ("RCPT TO:<a.@b.example>", 553),
            ("RCPT TO:<a@-b.example>", 553),
            ("RCPT TO:<a@b_c.example>", 250),
            ("RCPT TO:<jörg@b.example>", 553),
        ] {
            assert_eq!(code(line), wanted, "case: {line}");
        }
    }

    #[test]
    fn paths_keep_what_smtp_proto_loses() {
        for (line, path) in [
            ("RCPT TO:<postmaster>", "postmaster"),
            ("RCPT TO:<u@[192.0.2.1]>", "u@[192.0.2.1]"),
            ("RCPT TO:<u@[IPv6:2001:db8::1]>", "u@[IPv6:2001:db8::1]"),
            (
                "RCPT TO:<\"a> SIZE=9\"@x.example>",
                "\"a> SIZE=9\"@x.example",
            ),
            ("RCPT TO:<\"a@b\"@x.example>", "\"a@b\"@x.example"),
            ("RCPT TO:<@a.example:u@c.example>", "u@c.example"),
        ] {
            let Ok(Command::Rcpt(rcpt)) = parse(line.as_bytes(), false) else {
                panic!("refused: {line}");
            };
            assert_eq!(rcpt.path.to_string(), path, "case: {line}");
        }
    }

    #[test]
    fn a_recipient_beyond_ascii_needs_a_transaction_that_allows_it() {
        let line = "RCPT TO:<jörg@bücher.example>".as_bytes();
        assert!(parse(line, true).is_ok());
        assert_eq!(parse(line, false), Err(Fault::NotAscii));
    }

    #[test]
    fn every_fault_has_a_status_of_its_class() {
        for fault in [
            Fault::Unknown,
            Fault::NotServed("EXPN"),
            Fault::Foreign("HTTP"),
            Fault::Syntax("x"),
            Fault::Character,
            Fault::NotAscii,
            Fault::TooLarge,
            Fault::Mechanism,
        ] {
            let reply = fault.reply();
            assert_eq!(
                reply.status().map(|s| u16::from(s.0)),
                Some(reply.code() / 100),
                "case: {fault:?}"
            );
        }
    }
}
