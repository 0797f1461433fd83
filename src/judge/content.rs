//! A mail whose text is there: the checks of the whole, then the rules for each recipient.
//!
//! The same judgement at the reception, for mails of this program, and when a person requeues: the order of the checks
//! stands in `policy`, and a hold of the whole mail wins over rules.
//! Not here: what only a connection knows (`Reception`), and who claims requeued mail (`work`).

use mail_parser::parsers::MessageStream;
use memchr::memchr;

use crate::base::clock::Wall;
use crate::base::text::visible;
use crate::config::{Config, HoldRule, Role, SaslRule};
use crate::mail::hold::{Hold, HoldQueue, HoldReason};
use crate::mail::mailbox::Mailbox;
use crate::mail::path::ReversePath;
use crate::mail::reply::Reply;
use crate::mail::structure::Structure;
use crate::mail::trace::count_received;
use crate::policy::{self, Client, Moment, Permit, RuleFacts, TextFacts, Verdict};

/// What a header section says that policy asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderFacts {
    pub(super) received: usize,
    pub(super) received_own: usize,
    /// None: one of them cannot be read. Only looked up for accounts that may not write every address.
    pub(super) from: Option<Vec<Mailbox>>,
    /// The fields that rules name, as a reader sees them.
    pub(super) fields: Vec<(String, String)>,
}

/// A mail as it is stored.
#[derive(Clone, Copy, Debug)]
pub struct Content<'a> {
    /// The reverse-path.
    pub from: &'a ReversePath,
    /// Who logged in.
    pub account: Option<&'a str>,
    /// Its header.
    pub header: &'a HeaderFacts,
    /// Its parts.
    pub structure: &'a Structure,
    /// Octets.
    pub size: u64,
    /// When it is judged.
    pub now: Wall,
}

/// By recipient: its index in the message, and why it is held.
pub type Held = Vec<(u32, Hold)>;

impl HeaderFacts {
    /// Reads a mail up to its empty line.
    pub fn read(conf: &Config, mail: &[u8]) -> Self {
        let header = header_of(mail);
        let (received, received_own) = count_received(header, conf.server.hostname.as_str());
        Self {
            received,
            received_own,
            from: None,
            fields: asked(&conf.hold_rules, header),
        }
    }
}

/// Who of the recipients is held.
///
/// # Errors
/// The reply to a mail that is not taken at all.
pub(super) fn judge(
    conf: &Config,
    facts: &TextFacts<'_>,
    content: &Content<'_>,
    recipients: &[(u32, &Mailbox)],
) -> Result<Held, Reply> {
    match policy::text(facts) {
        Verdict::Accept => Ok(rules(conf, facts, content, recipients)),
        Verdict::Hold(hold) => Ok(all(recipients, &hold)),
        Verdict::Defer(reply) | Verdict::Reject(reply) => Err(reply),
    }
}

/// Who of the recipients is held when there is no connection: mail of this program, and requeued mail.
pub fn without_session(
    conf: &Config,
    content: &Content<'_>,
    recipients: &[(u32, &Mailbox)],
) -> Held {
    let mut accounts = conf.accounts.iter();
    let of_file = content
        .account
        .and_then(|name| accounts.find(|account| account.name == name));
    let facts = TextFacts {
        client: Client {
            role: Role::Submission,
            sasl: SaslRule::Optional,
            trusted: true,
            account: of_file.map(|account| Permit {
                name: &account.name,
                senders: &[],
                hold: account.hold,
            }),
        },
        received: content.header.received,
        received_own: content.header.received_own,
        hops_max: conf.queue.hops_max,
        from: None,
        too_fast: None,
        rate_asked: false,
        mime_asked: conf.checks.hold_broken_mime,
        broken_mime: broken(conf, content.structure),
    };
    judge(conf, &facts, content, recipients).unwrap_or_else(|reply| {
        // Nobody is there to be refused: it is kept for a person.
        let hold = Hold::new(HoldQueue::Defect, HoldReason::Loop, reply.to_string());
        all(recipients, &hold)
    })
}

/// What is malformed, if `[checks]` asks for it.
pub(super) fn broken(conf: &Config, structure: &Structure) -> Option<&'static str> {
    structure.broken.filter(|_| conf.checks.hold_broken_mime)
}

/// Every recipient held for one reason.
pub(super) fn all(recipients: &[(u32, &Mailbox)], hold: &Hold) -> Held {
    let each = recipients.iter();
    each.map(|(index, _)| (*index, hold.clone())).collect()
}

fn rules(
    conf: &Config,
    facts: &TextFacts<'_>,
    content: &Content<'_>,
    recipients: &[(u32, &Mailbox)],
) -> Held {
    if conf.hold_rules.is_empty() {
        return Vec::new();
    }
    let of_rules = RuleFacts {
        account: content.account,
        from: content.from,
        fields: &content.header.fields,
        size: content.size,
        structure: content.structure,
        now: Moment::of(content.now, &conf.digest.zone),
    };
    let checked = policy::checks(facts);
    policy::rules(
        &conf.hold_rules,
        &of_rules,
        &checked,
        recipients.iter().copied(),
    )
}

fn header_of(mail: &[u8]) -> &[u8] {
    if mail.starts_with(b"\r\n") {
        return &[];
    }
    let end = memchr::memmem::find(mail, b"\r\n\r\n").map_or(mail.len(), |at| at + 2);
    mail.get(..end).unwrap_or(mail)
}

/// Names and decoded texts of the fields that rules name; of a field that stands twice, both.
pub(super) fn asked(rules: &[HoldRule], header: &[u8]) -> Vec<(String, String)> {
    let named = rules
        .iter()
        .filter_map(|rule| rule.matching.header.as_ref());
    let names: Vec<&str> = named.map(|(name, _)| name.as_str()).collect();
    let mut found = Vec::new();
    if names.is_empty() {
        return found;
    }
    let mut lines = header.split(|b| *b == b'\n').peekable();
    while let Some(line) = lines.next() {
        let Some(colon) = memchr(b':', line) else {
            continue;
        };
        let (name, value) = line.split_at(colon);
        let name = name.trim_ascii_end();
        let Some(name) = names
            .iter()
            .find(|own| own.as_bytes().eq_ignore_ascii_case(name))
        else {
            continue;
        };
        let mut text = value.get(1..).unwrap_or_default().to_vec();
        while let Some(fold) = lines.next_if(|next| matches!(next.first(), Some(b' ' | b'\t'))) {
            text.extend_from_slice(fold);
        }
        found.push(((*name).to_owned(), read(text)));
    }
    found
}

/// A field's text as a reader sees it: encoded words decoded (RFC 2047), nothing hidden.
fn read(mut text: Vec<u8>) -> String {
    for byte in &mut text {
        if matches!(byte, b'\r' | b'\t') {
            *byte = b' ';
        }
    }
    text.push(b'\n');
    let value = MessageStream::new(&text).parse_unstructured();
    visible(value.as_text().unwrap_or_default())
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Glob, RuleMatch};

    #[test]
    fn fields_that_rules_name_are_read_as_people_see_them() {
        let rule = |name: &str| HoldRule {
            name: "r".to_owned(),
            queue: HoldQueue::Quarantine,
            reason: "r".to_owned(),
            matching: RuleMatch {
                header: Some((name.to_owned(), Glob("*".to_owned()))),
                ..RuleMatch::default()
            },
        };
        let header = b"Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=\r\n =?utf-8?B?IQ==?=\r\nX-Other: a\r\nsubject : folded\r\n\ttwice\xE2\x80\x8B\r\nSubject:\r\n";
        let got = asked(&[rule("Subject")], header);
        let texts: Vec<_> = got.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(texts, ["Grüße!", "folded  twice", ""]);
        assert!(asked(&[], header).is_empty());
    }
}
