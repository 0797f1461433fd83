//! The log lines of the mail road: one function per line, one tracing event per fact.
//!
//! Each event has a `line` field that names its kind, and fields whose names stay; `app::log` writes them in the
//! shape of Postfix, as JSON or for people, and a program that embeds the server gets them as they are. Call a function
//! at the moment its fact is durable. What a peer said is cleaned here, so that no line of a log can be forged.
//! Not here: how a line looks (`app::log`), and events for the program itself (`event`).

use std::fmt::Display;
use std::net::SocketAddr;
use std::time::Duration;

use crate::base::limit::LOG_FIELD_MAX;
use crate::base::text::clean;
use crate::mail::mailbox::Mailbox;
use crate::mail::path::ReversePath;
use crate::mail::reply::{EnhancedStatus, Reply};

/// What one attempt meant for one recipient.
#[derive(Clone, Copy, Debug)]
pub struct Delivered<'a, I> {
    /// The queue id.
    pub id: I,
    /// The recipient.
    pub to: &'a Mailbox,
    /// `mx.example[192.0.2.1]:25`, or `none`.
    pub relay: &'a str,
    /// Since the message arrived.
    pub delay: Duration,
    /// Before the queue, in the queue, connection set-up, transmission.
    pub delays: [Duration; 4],
    /// `sent`, `deferred`, `bounced`, `expired`.
    pub status: &'static str,
    /// Enhanced status.
    pub dsn: EnhancedStatus,
    /// The reply, or what happened instead.
    pub text: &'a str,
    /// TLS version and cipher.
    pub tls: Option<&'a str>,
}

/// A client connected.
pub fn connect(peer: SocketAddr) {
    tracing::info!(target: "postwerk::smtpd", line = "connect", peer = %peer);
}

/// A client is gone; `summary` counts its commands as Postfix does: `ehlo=1 mail=1 commands=2`.
pub fn disconnect(peer: SocketAddr, summary: &str) {
    tracing::info!(target: "postwerk::smtpd", line = "disconnect", peer = %peer, summary);
}

/// A TLS handshake with a client is done; `tls` says version and cipher.
pub fn tls_from(peer: SocketAddr, tls: &str) {
    tracing::info!(target: "postwerk::smtpd", line = "tls_from", peer = %peer, tls);
}

/// Where an accepted message came from; `sasl` is the method and the account. Mail that we made, or that the program
/// around us handed in, has no client, and tools count these lines as mail from outside.
pub fn client(id: impl Display, peer: Option<SocketAddr>, sasl: Option<(&str, &str)>) {
    let Some(peer) = peer else {
        return;
    };
    let account = sasl.map(|(_, account)| cleaned(account));
    tracing::info!(
        target: "postwerk::smtpd", line = "client", id = %id, peer = %peer,
        sasl_method = sasl.map(|(method, _)| method), sasl_username = account.as_deref(),
    );
}

/// The Message-ID field of an accepted message, with its angle brackets.
pub fn message_id(id: impl Display, header_id: &str) {
    let header_id = cleaned(header_id);
    tracing::info!(target: "postwerk::cleanup", line = "message_id", id = %id, message_id = header_id.as_str());
}

/// A message is in the queue, durably.
pub fn queued(id: impl Display, from: &ReversePath, size: u64, nrcpt: usize) {
    tracing::info!(
        target: "postwerk::qmgr", line = "queued", id = %id, sender = %from, size,
        nrcpt = u64::try_from(nrcpt).unwrap_or(u64::MAX),
    );
}

/// An attempt was settled for a recipient.
pub fn delivery<I: Display>(d: &Delivered<'_, I>) {
    let text = cleaned(d.text);
    let delays = d.delays.map(short_delay).join("/");
    tracing::info!(
        target: "postwerk::smtp", line = "delivery", id = %d.id, recipient = %d.to, relay = d.relay,
        delay = d.delay.as_secs_f64(), delays = delays.as_str(), tls = d.tls, dsn = %d.dsn, status = d.status,
        text = text.as_str(),
    );
}

/// The lifetime of what waited of a message is over, without another try.
pub fn expired(id: impl Display, from: &ReversePath) {
    tracing::info!(target: "postwerk::qmgr", line = "expired", id = %id, sender = %from);
}

/// A TLS handshake with a next hop is done; `verified` if its certificate was proved.
pub fn tls_to(relay: &str, verified: bool, tls: &str) {
    tracing::info!(target: "postwerk::smtp", line = "tls_to", relay, verified, tls);
}

/// The message `dsn` tells the reverse-path of `id` about a failure.
pub fn notification(id: impl Display, dsn: impl Display) {
    tracing::info!(target: "postwerk::bounce", line = "notification", id = %id, notification = %dsn);
}

/// Nothing of a message is left to do.
pub fn removed(id: impl Display) {
    tracing::info!(target: "postwerk::qmgr", line = "removed", id = %id);
}

/// A command was refused; nothing was queued.
pub fn reject(
    stage: &str,
    peer: SocketAddr,
    reply: &Reply,
    from: Option<&ReversePath>,
    to: Option<&str>,
    proto: &str,
    helo: &str,
) {
    let (to, helo) = (to.map(cleaned), cleaned(helo));
    let text = reply.text().replace('\n', " ");
    tracing::info!(
        target: "postwerk::smtpd", line = "reject", stage, peer = %peer, code = u64::from(reply.code()),
        dsn = reply.status().map(tracing::field::display), text = cleaned(&text).as_str(),
        sender = from.map(tracing::field::display), recipient = to.as_deref(), proto, helo = helo.as_str(),
    );
}

/// A login failed.
pub fn sasl_failed(peer: SocketAddr, mechanism: &str, why: &str) {
    let (mechanism, why) = (cleaned(mechanism), cleaned(why));
    tracing::warn!(
        target: "postwerk::smtpd", line = "sasl_failed", peer = %peer, mechanism = mechanism.as_str(),
        text = why.as_str(),
    );
}

/// A person or a rule acted on a message: `placed on hold`, `released from hold`, `requeued`, `retried`, `removed`.
pub fn acted(id: impl Display, what: &'static str, by: &str) {
    let by = cleaned(by);
    tracing::info!(target: "postwerk::postsuper", line = "acted", id = %id, what, actor = by.as_str());
}

/// As Postfix prints a delay: two significant digits, no more than two decimals, no zeros at the end.
pub fn short_delay(span: Duration) -> String {
    let hundredths = (span.as_millis() + 5) / 10;
    let (whole, decimals, width) = if hundredths >= 995 {
        ((hundredths + 50) / 100, 0, 0)
    } else if hundredths >= 100 {
        ((hundredths + 5) / 100, (hundredths + 5) / 10 % 10, 1)
    } else {
        (0, hundredths, 2)
    };
    if decimals == 0 {
        return whole.to_string();
    }
    let text = format!("{whole}.{decimals:0width$}");
    text.trim_end_matches('0').to_owned()
}

fn cleaned(text: &str) -> String {
    clean(text, LOG_FIELD_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_have_two_significant_digits_as_in_postfix() {
        for (millis, text) in [
            (0, "0"),
            (4, "0"),
            (30, "0.03"),
            (200, "0.2"),
            (570, "0.57"),
            (999, "1"),
            (1_230, "1.2"),
            (9_940, "9.9"),
            (9_960, "10"),
            (12_300, "12"),
            (345_600, "346"),
        ] {
            assert_eq!(
                short_delay(Duration::from_millis(millis)),
                text,
                "case: {millis} ms"
            );
        }
    }
}
