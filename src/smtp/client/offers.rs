//! What the peer's EHLO reply offers (RFC 5321 section 4.1.1.1), read by smtp-proto.
//!
//! Not here: what we make of it (`command`, `deliver::connect`).

use smtp_proto::{
    AUTH_CRAM_MD5, AUTH_LOGIN, AUTH_PLAIN, EXT_8BIT_MIME, EXT_DSN, EXT_PIPELINING, EXT_SIZE,
    EXT_SMTP_UTF8, EXT_START_TLS, EhloResponse,
};

/// The service extensions of a peer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offers {
    name: String,
    extensions: u32,
    mechanisms: u64,
    size: u64,
    /// RCPTMAX of LIMITS (RFC 9422), which smtp-proto does not know.
    recipients: Option<usize>,
}

use super::login::Mechanism;

/// What mail-send calls CRAM-MD5, for its `encode` and `authenticate`.
pub const CRAM_MD5: u64 = AUTH_CRAM_MD5;

impl Offers {
    /// From the whole reply to EHLO. A line that smtp-proto cannot read costs only itself.
    pub fn parse(octets: &[u8]) -> Self {
        let mut offers = match EhloResponse::parse(&mut octets.iter()) {
            Ok(all) => Self::from(all),
            Err(_) => Self::line_by_line(octets),
        };
        offers.recipients = octets.split(|b| *b == b'\n').find_map(rcptmax);
        for line in octets.split_inclusive(|b| *b == b'\n') {
            let rest = line.get(4..).unwrap_or_default();
            // Servers from before RFC 2554 write `AUTH=LOGIN`, some of today still do so for old clients.
            if let Some((word, mechanisms)) = rest.split_at_checked(5)
                && word.eq_ignore_ascii_case(b"AUTH=")
            {
                offers.join(&[b"250-x\r\n250 AUTH ", mechanisms].concat());
            }
        }
        offers
    }

    fn line_by_line(octets: &[u8]) -> Self {
        let mut lines = octets.split_inclusive(|b| *b == b'\n');
        let mut offers = Self::default();
        if let Some(first) = lines.next() {
            offers.join(&[b"250 ", first.get(4..).unwrap_or_default()].concat());
        }
        for line in lines {
            offers.join(&[b"250-x\r\n250 ", line.get(4..).unwrap_or_default()].concat());
        }
        offers
    }

    fn join(&mut self, octets: &[u8]) {
        if let Ok(one) = EhloResponse::parse(&mut octets.iter()).map(Self::from) {
            self.extensions |= one.extensions;
            self.mechanisms |= one.mechanisms;
            self.size = self.size.max(one.size);
            if self.name.is_empty() {
                self.name = one.name;
            }
        }
    }

    /// What the peer calls itself.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// RFC 2920.
    pub fn pipelining(&self) -> bool {
        self.has(EXT_PIPELINING)
    }

    /// RFC 6152.
    pub fn eight_bit(&self) -> bool {
        self.has(EXT_8BIT_MIME)
    }

    /// RFC 6531.
    pub fn smtputf8(&self) -> bool {
        self.has(EXT_SMTP_UTF8)
    }

    /// RFC 3461.
    pub fn dsn(&self) -> bool {
        self.has(EXT_DSN)
    }

    /// RFC 3207.
    pub fn starttls(&self) -> bool {
        self.has(EXT_START_TLS)
    }

    /// RFC 1870.
    pub fn size(&self) -> bool {
        self.has(EXT_SIZE)
    }

    /// The largest message it takes; none: it does not say (RFC 1870 section 4: 0 is no limit).
    pub fn size_max(&self) -> Option<u64> {
        (self.has(EXT_SIZE) && self.size > 0).then_some(self.size)
    }

    /// Recipients of one transaction that the peer takes (RFC 9422 section 3.2).
    pub fn recipients_max(&self) -> usize {
        self.recipients.unwrap_or(usize::MAX)
    }

    /// Ways to log in that it offers and we master, in our order.
    pub fn mechanisms(&self) -> impl Iterator<Item = Mechanism> + use<> {
        let offered = self.mechanisms;
        let known = [
            (AUTH_PLAIN, Mechanism::Plain),
            (AUTH_LOGIN, Mechanism::Login),
            (AUTH_CRAM_MD5, Mechanism::CramMd5),
        ];
        let offers = known.into_iter();
        offers
            .filter(move |(bit, _)| offered & bit != 0)
            .map(|(_, mechanism)| mechanism)
    }

    /// For mail-send's `authenticate`, which loses its place in DIGEST-MD5: nothing but CRAM-MD5.
    pub fn only_cram_md5(&self) -> EhloResponse<String> {
        let mut response = EhloResponse::new(self.name.clone());
        response.auth_mechanisms = self.mechanisms & AUTH_CRAM_MD5;
        response
    }

    fn has(&self, bit: u32) -> bool {
        self.extensions & bit != 0
    }
}

impl From<EhloResponse<String>> for Offers {
    fn from(response: EhloResponse<String>) -> Self {
        Self {
            name: response.hostname,
            extensions: response.capabilities,
            mechanisms: response.auth_mechanisms,
            size: u64::try_from(response.size).unwrap_or(u64::MAX),
            recipients: None,
        }
    }
}

/// RCPTMAX of a line with LIMITS; zero would be no limit that mail could live with (RFC 9422 section 2 says 1..=999999).
fn rcptmax(line: &[u8]) -> Option<usize> {
    let words = std::str::from_utf8(line.get(4..)?).ok()?;
    let mut words = words.split_ascii_whitespace();
    if !words.next()?.eq_ignore_ascii_case("LIMITS") {
        return None;
    }
    let value = words.find_map(|word| {
        let (name, value) = word.split_once('=')?;
        name.eq_ignore_ascii_case("RCPTMAX").then_some(value)
    })?;
    value.parse().ok().filter(|most| *most > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ehlo_reply_tells_what_may_be_used() {
        let offers = Offers::parse(
            b"250-mx.example hi\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-AUTH PLAIN DIGEST-MD5\r\n250 8BITMIME\r\n",
        );
        assert_eq!(offers.name(), "mx.example");
        assert!(offers.pipelining() && offers.eight_bit() && !offers.smtputf8() && !offers.dsn());
        assert_eq!(offers.size_max(), Some(1000));
        assert!(offers.mechanisms().eq([Mechanism::Plain]));
    }

    #[test]
    fn mechanisms_come_in_our_order_however_they_are_offered() {
        use Mechanism::{CramMd5, Login, Plain};
        for (lines, wanted) in [
            (
                "250 AUTH CRAM-MD5 LOGIN PLAIN\r\n",
                &[Plain, Login, CramMd5][..],
            ),
            ("250 AUTH=LOGIN PLAIN\r\n", &[Plain, Login]),
            ("250-auth=login\r\n250 AUTH XOAUTH2\r\n", &[Login]),
            ("250 AUTH DIGEST-MD5 GSSAPI\r\n", &[]),
            ("250 AUTHX=PLAIN\r\n", &[]),
        ] {
            let offers = Offers::parse(format!("250-mx.example\r\n{lines}").as_bytes());
            let got: Vec<_> = offers.mechanisms().collect();
            assert_eq!(got, wanted, "case: {lines}");
        }
    }

    #[test]
    fn limits_say_how_many_recipients_fit() {
        for (line, most) in [
            ("LIMITS RCPTMAX=20", 20),
            ("limits MAILMAX=5 rcptmax=7 RCPTDOMAINMAX=1", 7),
            ("LIMITS RCPTMAX=0", usize::MAX),
            ("LIMITS RCPTMAX=many", usize::MAX),
            ("LIMITS", usize::MAX),
            ("XLIMITS RCPTMAX=3", usize::MAX),
        ] {
            let text = format!("250-mx.example\r\n250-{line}\r\n250 PIPELINING\r\n");
            let offers = Offers::parse(text.as_bytes());
            assert_eq!(offers.recipients_max(), most, "case: {line}");
            assert!(offers.pipelining(), "case: {line}");
        }
    }

    #[test]
    fn a_line_that_cannot_be_read_costs_only_itself() {
        let offers =
            Offers::parse(b"250-mx.example\r\n250-SIZE many\r\n250-DSN\r\n250 PIPELINING\r\n");
        assert!(offers.pipelining() && offers.dsn(), "got {offers:?}");
        assert_eq!(offers.size_max(), None);
    }
}
