//! Floor 7: gathers the facts of a reception and asks `policy`.
//!
//! A `Reception` lives as long as a connection: what is known of its listener and its client. Configuration is taken
//! anew at each MAIL, so that a reload reaches sessions that stay open.
//! Not here: the verdicts themselves (`policy`), and what is done with them (`receive`).

pub mod again;
pub mod body;
pub mod content;
mod keep;
pub mod rewrite;
pub mod work;

use std::net::IpAddr;
use std::sync::Arc;

use mail_parser::{Address, HeaderName, HeaderValue, MessageParser};

use crate::accounts::Account;
use crate::config::{Config, ListenerConf, RateAction, Role};
use crate::mail::mailbox::Mailbox;
use crate::mail::path::{ForwardPath, ReversePath};
use crate::mail::reply::{EnhancedStatus, Reply};
use crate::policy::{self, Client, Permit, RcptFacts, TextFacts, TooFast, Verdict};
use crate::scan::Scanners;

pub use body::StoredText;
pub use content::{Content, HeaderFacts, Held, Judged};

/// What is known of a connection.
#[derive(Debug)]
pub struct Reception {
    conf: Arc<Config>,
    listener: Arc<ListenerConf>,
    trusted: bool,
    account: Option<Account>,
    mechanism: Option<&'static str>,
}

impl Reception {
    /// Of a connection from `peer`.
    pub fn new(conf: Arc<Config>, listener: Arc<ListenerConf>, peer: IpAddr) -> Self {
        let trusted = policy::trusts(&listener.trust, peer);
        Self {
            conf,
            listener,
            trusted,
            account: None,
            mechanism: None,
        }
    }

    /// A login succeeded, by that mechanism.
    pub fn login(&mut self, account: Account, mechanism: &'static str) {
        self.account = Some(account);
        self.mechanism = Some(mechanism);
    }

    /// A handshake forgets the login (RFC 3207 section 4.2).
    pub fn forget_login(&mut self) {
        self.account = None;
        self.mechanism = None;
    }

    /// From now on this configuration counts.
    pub fn renew(&mut self, conf: Arc<Config>) {
        self.conf = conf;
    }

    /// May this mail begin?
    pub fn mail(&self, from: &ReversePath, too_fast: bool) -> Verdict {
        policy::mail(&self.client(), from, self.too_fast(too_fast))
    }

    /// The mailbox that a path means; the bare postmaster is whom `[server] postmaster` names.
    ///
    /// # Errors
    /// The reply when nobody is named.
    pub fn resolve(&self, path: ForwardPath) -> Result<Mailbox, Reply> {
        match path {
            ForwardPath::Mailbox(mailbox) => Ok(mailbox),
            ForwardPath::Postmaster => self.conf.server.postmaster.clone().ok_or_else(|| {
                Reply::new(
                    550,
                    Some(EnhancedStatus(5, 1, 1)),
                    "<postmaster>: nobody is named for it; write the address with its domain",
                )
            }),
        }
    }

    /// May it go there? The postmaster always may be written to (RFC 5321 section 4.5.1).
    pub fn rcpt(&self, mailbox: &Mailbox) -> Verdict {
        if self.conf.server.postmaster.as_ref() == Some(mailbox) {
            return Verdict::Accept;
        }
        policy::rcpt(&RcptFacts {
            client: self.client(),
            mailbox,
            domains: &self.conf.domains,
        })
    }

    /// What the fields say.
    pub fn header_facts(&self, fields: &[u8]) -> HeaderFacts {
        let bound = self
            .account
            .as_ref()
            .is_some_and(|account| !account.senders.is_empty());
        HeaderFacts {
            from: if bound { authors(fields) } else { None },
            ..HeaderFacts::read(&self.conf, fields)
        }
    }

    /// May it be kept, and who of its recipients is held?
    ///
    /// # Errors
    /// The reply when it is not taken.
    pub async fn text(
        &self,
        scanners: &Scanners,
        content: &Content<'_>,
        too_fast: bool,
        recipients: &[(u32, &Mailbox)],
    ) -> Result<Judged, Reply> {
        let facts = TextFacts {
            client: self.client(),
            received: content.header.received,
            received_own: content.header.received_own,
            hops_max: self.conf.queue.hops_max,
            from: content.header.from.as_deref(),
            too_fast: self.too_fast(too_fast),
            rate_asked: true,
            mime_asked: self.conf.checks.hold_broken_mime,
            broken_mime: content::broken(&self.conf, content.structure),
        };
        content::judge(true, &self.conf, scanners, &facts, content, recipients).await
    }

    /// Who logged in.
    pub fn account(&self) -> Option<&Account> {
        self.account.as_ref()
    }

    /// How.
    pub fn mechanism(&self) -> Option<&'static str> {
        self.mechanism
    }

    /// Its listener.
    pub fn listener(&self) -> &ListenerConf {
        &self.listener
    }

    /// The configuration that counts now.
    pub fn conf(&self) -> &Arc<Config> {
        &self.conf
    }

    /// Whether the client may relay without a login.
    pub fn trusted(&self) -> bool {
        self.trusted
    }

    /// The domain of a reverse-path, if the account that logged in may use no other one than by a pattern that names it:
    /// without `senders`, or by `*@*`, a reverse-path is only what somebody wrote.
    pub fn proven(&self, from: &ReversePath) -> Option<String> {
        let ReversePath::Mailbox(mailbox) = from else {
            return None;
        };
        let senders = &self.account.as_ref()?.senders;
        let bound = senders.iter().any(|pattern| pattern.names(mailbox));
        bound.then(|| mailbox.host().to_string())
    }

    /// Whether mails are completed as a submission server does.
    pub fn completes(&self) -> bool {
        self.listener.role == Role::Submission
    }

    fn client(&self) -> Client<'_> {
        Client {
            role: self.listener.role,
            sasl: self.listener.auth,
            trusted: self.trusted,
            account: self.account.as_ref().map(|account| Permit {
                name: &account.name,
                senders: &account.senders,
                hold: account.hold,
            }),
        }
    }

    fn too_fast(&self, too_fast: bool) -> Option<TooFast> {
        let rate = self.account.as_ref()?.rate?;
        let action: RateAction = rate.action;
        too_fast.then_some(TooFast { action })
    }
}

/// All addresses of all From fields; none if one cannot be read.
fn authors(fields: &[u8]) -> Option<Vec<Mailbox>> {
    let message = MessageParser::new()
        .with_address_headers()
        .parse_headers(fields)?;
    let mut found = Vec::new();
    for header in message.headers() {
        if header.name != HeaderName::From {
            continue;
        }
        let HeaderValue::Address(address) = &header.value else {
            return None;
        };
        let addresses: Vec<_> = match address {
            Address::List(list) => list.iter().collect(),
            Address::Group(groups) => groups.iter().flat_map(|group| &group.addresses).collect(),
        };
        for address in addresses {
            found.push(Mailbox::parse(address.address.as_deref()?).ok()?);
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_from_address_counts() {
        for (name, fields, wanted) in [
            (
                "one",
                "From: A <a@b.example>\r\n",
                Some(vec!["a@b.example"]),
            ),
            (
                "two fields",
                "From: a@b.example\r\nfrom: c@d.example\r\n",
                Some(vec!["a@b.example", "c@d.example"]),
            ),
            (
                "a list",
                "From: a@b.example,\r\n C <c@d.example>\r\n",
                Some(vec!["a@b.example", "c@d.example"]),
            ),
            ("none", "To: a@b.example\r\n", Some(vec![])),
            ("no address", "From: somebody\r\n", None),
        ] {
            let got = authors(fields.as_bytes());
            let got = got.map(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>());
            let wanted = wanted.map(|all| all.iter().map(ToString::to_string).collect());
            assert_eq!(got, wanted, "case: {name}");
        }
    }
}
