//! What the system and the libraries call an error, in words that need no manual.
//!
//! Reasons in `queue show`, in DSNs, in digests and on pages are made of these: no text of a library, no number of an
//! error, no address of a documentation page. Short and without a subject where it can be: who and where stand before.
//! Not here: what a failure means for a mail (`deliver::trouble`), and faults of the configuration.

use std::borrow::Cow;
use std::error::Error;
use std::io;

use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use rustls::pki_types::{UnixTime, pem};
use rustls::{AlertDescription, CertificateError};

use crate::base::clock::Wall;
use crate::base::text::clean;
use crate::mail::date;

/// Words for an error of a connection, a socket or a file; what TLS says through it is unpacked.
pub fn io(error: &io::Error) -> Cow<'static, str> {
    if let Some(inner) = error.get_ref()
        && let Some(inner) = inner.downcast_ref::<rustls::Error>()
    {
        return tls(inner);
    }
    let known = KINDS.iter().find(|(kind, _)| *kind == error.kind());
    if let Some((_, words)) = known {
        return (*words).into();
    }
    let text = error.to_string();
    if error.raw_os_error().is_none() {
        // No kind and no number tells it from others.
        let words = if text.starts_with(UNKNOWN_NAME) {
            "its name is not found in DNS, or no name server answers"
        } else {
            "the connection broke"
        };
        return words.into();
    }
    // The system's own words, without their number: "No buffer space available (os error 105)".
    let words = text.split(" (os error").next().unwrap_or_default();
    clean(words, WORDS_MAX).into()
}

const KINDS: &[(io::ErrorKind, &str)] = &[
    (io::ErrorKind::ConnectionRefused, "connection refused"),
    (
        io::ErrorKind::ConnectionReset,
        "the other side reset the connection",
    ),
    (
        io::ErrorKind::ConnectionAborted,
        "the connection was aborted",
    ),
    (io::ErrorKind::NotConnected, "the connection was gone"),
    (
        io::ErrorKind::BrokenPipe,
        "the other side closed the connection",
    ),
    (
        io::ErrorKind::UnexpectedEof,
        "the other side closed the connection",
    ),
    (io::ErrorKind::TimedOut, "no answer in time"),
    (io::ErrorKind::HostUnreachable, "no route to the host"),
    (
        io::ErrorKind::NetworkUnreachable,
        "no route to its network from here",
    ),
    (io::ErrorKind::NetworkDown, "the network is down"),
    (
        io::ErrorKind::AddrNotAvailable,
        "no usable address or port on this machine",
    ),
    (io::ErrorKind::AddrInUse, "the port is in use"),
    (io::ErrorKind::PermissionDenied, "permission denied"),
    (io::ErrorKind::NotFound, "there is no such file"),
    (io::ErrorKind::OutOfMemory, "memory ran out"),
    (io::ErrorKind::StorageFull, "the disk is full"),
    (
        io::ErrorKind::InvalidData,
        "what the other side sent makes no sense",
    ),
];

/// Words for a failed handshake or a broken TLS connection.
pub fn tls(error: &rustls::Error) -> Cow<'static, str> {
    use rustls::Error as E;
    if let E::InvalidCertificate(why) = error {
        return certificate(why);
    }
    if let E::AlertReceived(alert) = error {
        return refused(*alert);
    }
    let words = [
        (
            matches!(error, E::PeerIncompatible(_)),
            "it and this server have no version or cipher of TLS in common",
        ),
        (
            matches!(
                error,
                E::InvalidMessage(_) | E::InappropriateMessage { .. } | E::PeerSentOversizedRecord
            ),
            "it answered something that is not TLS",
        ),
        (
            matches!(error, E::NoCertificatesPresented),
            "it showed no certificate",
        ),
        (
            matches!(error, E::UnsupportedNameType),
            "its name cannot be used in TLS",
        ),
        (
            matches!(error, E::DecryptError),
            "what it sent cannot be decrypted",
        ),
        (
            matches!(
                error,
                E::PeerMisbehaved(_) | E::InappropriateHandshakeMessage { .. }
            ),
            "it does not keep to the rules of TLS",
        ),
        (
            matches!(error, E::FailedToGetCurrentTime),
            "this machine's clock cannot be read",
        ),
    ];
    let found = words.iter().find(|(fits, _)| *fits);
    found
        .map_or("TLS does not work with it", |(_, words)| words)
        .into()
}

fn certificate(why: &CertificateError) -> Cow<'static, str> {
    use CertificateError as E;
    // What depends on more than the kind first.
    if let E::ExpiredContext { not_after, .. } = why {
        return format!("its certificate expired on {}", day(*not_after)).into();
    }
    if let E::NotValidYetContext { not_before, .. } = why {
        return format!("its certificate is not valid before {}", day(*not_before)).into();
    }
    if let E::NotValidForNameContext { presented, .. } = why {
        return names(presented);
    }
    if let E::Other(other) = why
        && other.to_string().contains("CaUsedAsEndEntity")
    {
        return "its certificate is made for an authority, not for a server; put this very certificate \
                into the file of `ca` to trust it"
            .into();
    }
    let words = [
        (matches!(why, E::Expired), "its certificate expired"),
        (
            matches!(why, E::NotValidYet),
            "its certificate is not valid yet",
        ),
        (
            matches!(why, E::UnknownIssuer),
            "its certificate is signed by nobody whom this server trusts",
        ),
        (
            matches!(why, E::NotValidForName),
            "its certificate is for another name",
        ),
        (matches!(why, E::Revoked), "its certificate was revoked"),
        (
            matches!(why, E::BadEncoding | E::BadSignature),
            "its certificate is damaged",
        ),
        (
            matches!(why, E::InvalidPurpose | E::InvalidPurposeContext { .. }),
            "its certificate is not made for servers",
        ),
    ];
    let found = words.iter().find(|(fits, _)| *fits);
    found
        .map_or("its certificate cannot be used", |(_, words)| words)
        .into()
}

/// A certificate can name hundreds of hosts; the first tell whose it is. rustls gives them as `DnsName("a.example")`.
fn names(presented: &[String]) -> Cow<'static, str> {
    let bare = |name: &String| {
        let inside = name.split('"').nth(1).unwrap_or(name);
        clean(inside, NAME_MAX)
    };
    let shown: Vec<String> = presented.iter().take(NAMES_SHOWN).map(bare).collect();
    match (shown.is_empty(), presented.len() > NAMES_SHOWN) {
        (true, _) => "its certificate names no host (subjectAltName)".into(),
        (false, false) => format!("its certificate is only for {}", shown.join(", ")).into(),
        (false, true) => format!(
            "its certificate is only for {} and others",
            shown.join(", ")
        )
        .into(),
    }
}

fn day(at: UnixTime) -> String {
    let at = date::rfc3339(Wall(at.as_secs().saturating_mul(1_000_000)));
    at.split('T').next().unwrap_or_default().to_owned()
}

/// What the other side says against us (RFC 8446 section 6).
fn refused(alert: AlertDescription) -> Cow<'static, str> {
    let known = ALERTS.iter().find(|(known, _)| *known == alert);
    known
        .map_or("it broke the handshake off", |(_, words)| *words)
        .into()
}

const ALERTS: &[(AlertDescription, &str)] = &[
    (
        AlertDescription::HandshakeFailure,
        "it and this server have no version or cipher of TLS in common",
    ),
    (
        AlertDescription::ProtocolVersion,
        "it and this server have no version or cipher of TLS in common",
    ),
    (
        AlertDescription::InsufficientSecurity,
        "it and this server have no version or cipher of TLS in common",
    ),
    (
        AlertDescription::UnrecognisedName,
        "it does not know itself by this name",
    ),
    (
        AlertDescription::CertificateRequired,
        "it wants a certificate from this server",
    ),
    (
        AlertDescription::InternalError,
        "it reports an error of its own",
    ),
    (
        AlertDescription::CloseNotify,
        "the other side closed the connection",
    ),
];

/// Words for a name server that gave no answer.
pub fn dns(error: &NetError) -> Cow<'static, str> {
    if let NetError::Io(inner) = error {
        return io(inner);
    }
    let code = if let NetError::Dns(DnsError::ResponseCode(code)) = error {
        Some(*code)
    } else if let NetError::Dns(DnsError::NoRecordsFound(none)) = error {
        Some(none.response_code)
    } else {
        None
    };
    if let Some(code) = code {
        let known = CODES.iter().find(|(known, _)| *known == code);
        return known
            .map_or("the name server answers with an error", |(_, words)| *words)
            .into();
    }
    let words = [
        (matches!(error, NetError::Timeout), "no answer in time"),
        (
            matches!(error, NetError::Busy),
            "too many questions are under way",
        ),
        (
            matches!(error, NetError::NoConnections),
            "no name server can be reached",
        ),
        (
            matches!(
                error,
                NetError::Proto(_)
                    | NetError::QueryCaseMismatch
                    | NetError::ForeignClassRecord { .. }
                    | NetError::Truncated
            ),
            "the answer makes no sense",
        ),
    ];
    let found = words.iter().find(|(fits, _)| *fits);
    found
        .map_or("the question could not be asked", |(_, words)| words)
        .into()
}

const CODES: &[(ResponseCode, &str)] = &[
    (
        ResponseCode::ServFail,
        "the name server reports a failure (SERVFAIL)",
    ),
    (
        ResponseCode::Refused,
        "the name server refuses the question (REFUSED)",
    ),
    (
        ResponseCode::NotImp,
        "the name server does not know this kind of question (NOTIMP)",
    ),
    (
        ResponseCode::FormErr,
        "the name server does not understand the question (FORMERR)",
    ),
];

/// Words for an exchange over HTTP; what broke the connection stands somewhere behind the library's own error.
pub fn http(error: &(dyn Error + 'static)) -> Cow<'static, str> {
    let mut next = Some(error);
    let mut words: Cow<'static, str> = "the exchange broke off".into();
    while let Some(error) = next {
        if let Some(inner) = error.downcast_ref::<io::Error>() {
            return io(inner);
        }
        if let Some(inner) = error.downcast_ref::<hyper::Error>() {
            if inner.is_incomplete_message() {
                words = "the other side closed the connection".into();
            } else if inner.is_parse() {
                words = "what it answers is no HTTP".into();
            }
        }
        next = error.source();
    }
    words
}

/// Words for a file that ought to hold certificates.
pub fn pem(error: &pem::Error) -> Cow<'static, str> {
    if let pem::Error::Io(inner) = error {
        io(inner)
    } else if matches!(error, pem::Error::NoItemsFound) {
        "there is no certificate in it".into()
    } else {
        "it is no PEM file, or a damaged one".into()
    }
}

/// How the standard library begins what it says of a name that the system's resolver gives no address for.
const UNKNOWN_NAME: &str = "failed to lookup address information";
/// Characters of the system's own words.
const WORDS_MAX: usize = 200;
/// Names of a certificate that are told, and characters of each.
const NAMES_SHOWN: usize = 3;
/// See `NAMES_SHOWN`.
const NAME_MAX: usize = 100;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustix::io::Errno;

    use super::*;

    fn wrapped(error: rustls::Error) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, error)
    }

    fn bad(why: CertificateError) -> io::Error {
        wrapped(rustls::Error::InvalidCertificate(why))
    }

    fn at(secs: u64) -> UnixTime {
        UnixTime::since_unix_epoch(std::time::Duration::from_secs(secs))
    }

    fn connections() -> Vec<(io::Error, &'static str)> {
        vec![
            (Errno::CONNREFUSED.into(), "connection refused"),
            (
                Errno::CONNRESET.into(),
                "the other side reset the connection",
            ),
            (Errno::PIPE.into(), "the other side closed the connection"),
            (Errno::TIMEDOUT.into(), "no answer in time"),
            (Errno::HOSTUNREACH.into(), "no route to the host"),
            (
                Errno::NETUNREACH.into(),
                "no route to its network from here",
            ),
            (Errno::ACCESS.into(), "permission denied"),
            (Errno::MFILE.into(), "Too many open files"),
            (
                io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "peer closed connection without sending TLS close_notify: https://docs.rs/rustls/",
                ),
                "the other side closed the connection",
            ),
            (
                io::Error::other("invalid state in https://docs.rs/tokio"),
                "the connection broke",
            ),
        ]
    }

    #[expect(clippy::too_many_lines, reason = "a table")]
    fn handshakes() -> Vec<(io::Error, &'static str)> {
        use CertificateError as E;
        let alert = |alert| wrapped(rustls::Error::AlertReceived(alert));
        let other = |text: &str| {
            E::Other(rustls::OtherError(Arc::new(io::Error::other(
                text.to_owned(),
            ))))
        };
        let name = |presented: &[&str]| E::NotValidForNameContext {
            expected: "mx.example".try_into().unwrap(),
            presented: presented
                .iter()
                .map(|n| format!("DnsName({n:?})"))
                .collect(),
        };
        vec![
            (
                bad(E::UnknownIssuer),
                "its certificate is signed by nobody whom this server trusts",
            ),
            (
                bad(E::ExpiredContext {
                    time: at(1_795_291_200),
                    not_after: at(1_793_491_200),
                }),
                "its certificate expired on 2026-11-01",
            ),
            (
                bad(E::NotValidYetContext {
                    time: at(0),
                    not_before: at(1_793_491_200),
                }),
                "its certificate is not valid before 2026-11-01",
            ),
            (
                bad(name(&["a.example", "b.example"])),
                "its certificate is only for a.example, b.example",
            ),
            (
                bad(name(&["a.x", "b.x", "c.x", "d.x"])),
                "its certificate is only for a.x, b.x, c.x and others",
            ),
            (
                bad(name(&[])),
                "its certificate names no host (subjectAltName)",
            ),
            (
                bad(other("CaUsedAsEndEntity")),
                "its certificate is made for an authority, not for a server; put this very certificate \
                 into the file of `ca` to trust it",
            ),
            (
                bad(other("see https://docs.rs/")),
                "its certificate cannot be used",
            ),
            (
                wrapped(rustls::Error::PeerIncompatible(
                    rustls::PeerIncompatible::NoCipherSuitesInCommon,
                )),
                "it and this server have no version or cipher of TLS in common",
            ),
            (
                alert(AlertDescription::ProtocolVersion),
                "it and this server have no version or cipher of TLS in common",
            ),
            (
                alert(AlertDescription::UnrecognisedName),
                "it does not know itself by this name",
            ),
            (
                alert(AlertDescription::BadRecordMac),
                "it broke the handshake off",
            ),
            (
                wrapped(rustls::Error::InvalidMessage(
                    rustls::InvalidMessage::InvalidContentType,
                )),
                "it answered something that is not TLS",
            ),
            (
                wrapped(rustls::Error::General("CertificateStore: 0x80".to_owned())),
                "TLS does not work with it",
            ),
        ]
    }

    #[test]
    fn errors_of_connections_and_handshakes_are_told_in_plain_words() {
        for (error, words) in connections().into_iter().chain(handshakes()) {
            let got = io(&error);
            assert_eq!(got, words, "case: {error:?}");
            for foreign in ["os error", "://", "rustls", "Alert", "Context"] {
                assert!(!got.contains(foreign), "case: {error:?}, got {got}");
            }
        }
    }

    #[test]
    fn a_name_that_is_not_found_is_no_connection_that_broke() {
        use std::net::ToSocketAddrs;
        // No question is asked for it: DNS has no empty labels.
        let error = ("no..name", 25).to_socket_addrs().unwrap_err();
        assert_eq!(
            io(&error),
            "its name is not found in DNS, or no name server answers",
            "got {error:?}"
        );
    }

    #[test]
    fn name_servers_are_told_in_plain_words() {
        let code = |code| NetError::Dns(DnsError::ResponseCode(code));
        for (error, words) in [
            (NetError::Timeout, "no answer in time"),
            (NetError::NoConnections, "no name server can be reached"),
            (
                NetError::Io(Arc::new(Errno::CONNREFUSED.into())),
                "connection refused",
            ),
            (
                code(ResponseCode::ServFail),
                "the name server reports a failure (SERVFAIL)",
            ),
            (
                code(ResponseCode::YXDomain),
                "the name server answers with an error",
            ),
            (
                NetError::Msg("h2::client::ResponseFuture".to_owned()),
                "the question could not be asked",
            ),
        ] {
            assert_eq!(dns(&error), words, "case: {error:?}");
        }
    }
}
