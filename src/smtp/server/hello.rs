//! What a session offers, and how EHLO says so (RFC 5321 section 4.1.1.1).
//!
//! What is offered is what works: AUTH only where it may be used, STARTTLS only before TLS.
//! Not here: what the offers do (`session`).

use crate::mail::domain::Domain;
use crate::mail::reply::Reply;

/// What a listener offers to every session.
#[derive(Clone, Debug)]
pub struct Offer {
    /// Our name.
    pub hostname: Domain,
    /// Octets of a mail.
    pub size_max: u64,
    /// STARTTLS, until TLS is on.
    pub starttls: bool,
    /// AUTH.
    pub sasl: SaslOffer,
    /// Recipients of a transaction.
    pub recipients_max: usize,
    /// Errors of a session.
    pub errors_max: u32,
}

/// When AUTH is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaslOffer {
    /// Never.
    No,
    /// When TLS is on.
    UnderTls,
    /// Also in the clear.
    InClear,
}

impl Offer {
    /// Whether AUTH may be used now.
    pub fn sasl_now(&self, tls: bool) -> bool {
        match self.sasl {
            SaslOffer::No => false,
            SaslOffer::UnderTls => tls,
            SaslOffer::InClear => true,
        }
    }

    /// `220`
    pub(super) fn banner(&self) -> Reply {
        Reply::new(220, None, format!("{} ESMTP Postwerk", self.hostname))
    }

    /// The reply to HELO.
    pub(super) fn helo(&self) -> Reply {
        Reply::new(250, None, self.hostname.to_string())
    }

    /// The reply to EHLO.
    pub(super) fn ehlo(&self, tls: bool) -> Reply {
        let mut text = format!("{}\nPIPELINING\nSIZE {}", self.hostname, self.size_max);
        if self.starttls && !tls {
            text.push_str("\nSTARTTLS");
        }
        if self.sasl_now(tls) {
            text.push_str("\nAUTH PLAIN LOGIN");
        }
        text.push_str("\nENHANCEDSTATUSCODES\n8BITMIME\nDSN\nSMTPUTF8\nCHUNKING");
        Reply::new(250, None, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer() -> Offer {
        Offer {
            hostname: Domain::parse("mail.example.org").unwrap(),
            size_max: 1_000,
            starttls: true,
            sasl: SaslOffer::UnderTls,
            recipients_max: 100,
            errors_max: 20,
        }
    }

    #[test]
    fn starttls_and_auth_are_never_offered_together() {
        let clear = offer().ehlo(false).text().to_owned();
        assert!(clear.contains("STARTTLS") && !clear.contains("AUTH"));
        let secret = offer().ehlo(true).text().to_owned();
        assert!(!secret.contains("STARTTLS") && secret.contains("AUTH PLAIN LOGIN"));
    }

    #[test]
    fn the_last_line_has_no_hyphen() {
        let mut out = Vec::new();
        offer().ehlo(false).write(&mut out);
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("250-mail.example.org\r\n250-PIPELINING\r\n250-SIZE 1000\r\n"));
        assert!(text.ends_with("250 CHUNKING\r\n"));
    }
}
