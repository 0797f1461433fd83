//! rspamd over HTTP: what it thinks of a mail (`/checkv2`), and whether it is there (`/ping`).
//!
//! The envelope goes over in header fields, the text as it lies in the store. Whatever rspamd answers ends as an opinion
//! or as a `Trouble`; nothing that it writes is trusted to be short, sane or safe to show.
//! Not here: what its actions mean for the mail (`policy`).

mod answer;
mod http;
pub mod learn;

use hyper::Method;

use super::{Opinion, ScanMail, Trouble};
use crate::base::limit::SCAN_WORDS_MAX;
use crate::base::text::{clean, clean_bytes};
use crate::config::{RspamdConf, ScannerConf};
use http::{Asked, ask};

/// Octets of one field of a request: rspamd takes 8 KiB for all of them together.
const FIELD_MAX: usize = 512;
/// Recipients that it is told; its rules look at their number and at the first ones.
const RECIPIENTS_MAX: usize = 50;

/// Asks about a mail.
pub(super) async fn scan(
    conf: &ScannerConf,
    _own: &RspamdConf,
    mail: &ScanMail<'_>,
    hostname: &str,
) -> Result<Opinion, Trouble> {
    let fields = envelope(mail, hostname);
    let asked = Asked {
        method: Method::POST,
        path: "/checkv2",
        fields: &fields,
        body: Some((mail.body, mail.size)),
    };
    let answer = ask(&conf.address, asked).await?;
    let score = answer::read(answer.status, &answer.body)?;
    Ok(Opinion::Scored(Box::new(score)))
}

/// Whether it answers.
pub(super) async fn ping(conf: &ScannerConf) -> Result<String, Trouble> {
    let asked = Asked {
        method: Method::GET,
        path: "/ping",
        fields: &[],
        body: None,
    };
    let answer = ask(&conf.address, asked).await?;
    let said = clean_bytes(answer.body.trim_ascii(), SCAN_WORDS_MAX);
    if answer.status.is_success() && said == "pong" {
        Ok(said)
    } else {
        let text = format!("it should say \"pong\" and says {} {said}", answer.status);
        Err(Trouble::Garbage(clean(&text, SCAN_WORDS_MAX)))
    }
}

/// What rspamd is told beside the text, in the fields of its protocol.
fn envelope(mail: &ScanMail<'_>, hostname: &str) -> Vec<(&'static str, Vec<u8>)> {
    let mut fields = Vec::new();
    let mut add = |name, value: &str| {
        if !value.is_empty() {
            fields.push((name, clean(value, FIELD_MAX).into_bytes()));
        }
    };
    add("Queue-Id", mail.id);
    add("MTA-Name", hostname);
    // An empty reverse-path is told as "<>"; a missing field would mean that it is not known.
    let from = mail.from.mailbox().map(ToString::to_string);
    add("From", from.as_deref().unwrap_or("<>"));
    for mailbox in mail.recipients.iter().take(RECIPIENTS_MAX) {
        add("Rcpt", &mailbox.to_string());
    }
    if let Some(peer) = mail.peer {
        add("IP", &peer.ip().to_canonical().to_string());
    }
    add("Helo", mail.helo);
    add("User", mail.account.unwrap_or_default());
    if let Some((version, cipher)) = mail.tls.and_then(|tls| tls.split_once(' ')) {
        add("TLS-Version", version);
        add("TLS-Cipher", cipher);
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Role;
    use crate::mail::mailbox::Mailbox;
    use crate::mail::path::ReversePath;
    use crate::scan::{Body, Next, Octets};

    struct Nothing;
    impl Body for Nothing {
        fn open(&self) -> Box<dyn Octets> {
            Box::new(Self)
        }
    }
    impl Octets for Nothing {
        fn next(&mut self) -> Next<'_> {
            Box::pin(async { Ok(None) })
        }
    }

    #[test]
    fn the_envelope_is_told_and_hostile_names_stay_in_their_field() {
        let to = Mailbox::parse("b@c.example").unwrap();
        let mail = ScanMail {
            id: "1",
            from: &ReversePath::Null,
            declared: None,
            recipients: &[&to, &to],
            peer: Some("[::ffff:192.0.2.1]:5".parse().unwrap()),
            helo: "a\r\nRcpt: x\u{202E}",
            tls: Some("TLSv1.3 TLS_AES"),
            account: None,
            sasl: None,
            role: Role::Mx,
            listener: "local",
            local: None,
            answered: true,
            size: 0,
            body: &Nothing,
        };
        let got = envelope(&mail, "mx.example.org");
        let got: Vec<_> = got
            .iter()
            .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value)))
            .collect();
        assert_eq!(
            got,
            [
                "Queue-Id: 1",
                "MTA-Name: mx.example.org",
                "From: <>",
                "Rcpt: b@c.example",
                "Rcpt: b@c.example",
                "IP: 192.0.2.1",
                "Helo: a??Rcpt: x?",
                "TLS-Version: TLSv1.3",
                "TLS-Cipher: TLS_AES",
            ]
        );
    }
}
