//! A mail whose text is there: the checks of the whole, then the rules for each recipient.
//!
//! The same judgement at the reception, for mails of this program, and when a person requeues: the order of the checks
//! stands in `policy`, and a hold of the whole mail wins over rules.
//! Not here: what only a connection knows (`Reception`), and who claims requeued mail (`work`).

use mail_parser::parsers::MessageStream;
use memchr::memchr;

use crate::base::band::Band;
use crate::base::clock::Wall;
use crate::base::limit::SCAN_WORDS_MAX;
use crate::base::text::{clean, visible};
use crate::config::{Config, HoldRule, Role, SaslRule, Stage};
use crate::mail::edit::Edits;
use crate::mail::envelope::MailFrom;
use crate::mail::found::{ATTACHMENTS, Unseen};
use crate::mail::hold::{Check, Hold, HoldQueue, HoldReason, SCANNER};
use crate::mail::mailbox::Mailbox;
use crate::mail::precedence::is_bulk;
use crate::mail::reply::{EnhancedStatus, Reply};
use crate::mail::structure::Structure;
use crate::mail::trace::count_received;
use crate::policy::{self, Client, Moment, Permit, Place, RuleFacts, TextFacts, Verdict};
use crate::queue::Origin;
use crate::queue::record::{MessageId, Worked};
use crate::scan::{Body, Looked, ScanMail, Scanners, Trouble};

/// What a header section says that policy asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderFacts {
    pub(super) received: usize,
    pub(super) received_own: usize,
    /// None: one of them cannot be read. Only looked up for accounts that may not write every address.
    pub(super) from: Option<Vec<Mailbox>>,
    /// The fields that rules name, as a reader sees them.
    pub(super) fields: Vec<(String, String)>,
    /// It says of itself that it is one of many.
    pub(super) bulk: bool,
}

/// A mail as it is stored.
#[derive(Clone, Copy)]
pub struct Content<'a> {
    /// Its id.
    pub id: MessageId,
    /// The reverse-path.
    pub from: &'a MailFrom,
    /// Where it came from.
    pub origin: &'a Origin,
    /// What its listener is for.
    pub role: Role,
    /// Its header.
    pub header: &'a HeaderFacts,
    /// Its parts.
    pub structure: &'a Structure,
    /// Octets.
    pub size: u64,
    /// All of it.
    pub text: &'a dyn Body,
    /// Of requeued mail: filters that did their work on it. Its text and its envelope stay as they are.
    pub worked: Option<&'a [Worked]>,
    /// When it is judged.
    pub now: Wall,
}

/// By recipient: its index in the message, and why it is held.
pub type Held = Vec<(u32, Hold)>;

/// What became of a mail.
#[derive(Debug, Default)]
pub struct Judged {
    /// Who is held.
    pub held: Held,
    /// What filters change, one after another.
    pub edits: Vec<Edits>,
    /// Recipients that filters add, with the numbers behind those that there are.
    pub added: Vec<Mailbox>,
    /// Recipients that filters remove.
    pub removed: Vec<u32>,
    /// What each scanner said, a line each.
    pub said: Vec<String>,
    /// What it was really looked at for.
    pub checked: Vec<Check>,
    /// By whom, for what, and for which recipients.
    pub seen: Vec<Seen>,
    /// Who did not look, and why.
    pub unseen: Vec<Unseen>,
}

/// A look that was really made.
#[derive(Debug)]
pub struct Seen {
    /// The check's name.
    pub by: String,
    /// For what.
    pub check: Check,
    /// For whom it was made.
    pub of: Vec<u32>,
}

/// Where a judgement stands.
struct Course<'a> {
    /// Whether somebody is there who can be refused.
    answered: bool,
    conf: &'a Config,
    recipients: &'a [(u32, &'a Mailbox)],
    /// Whom this stage is about: what it finds it finds for all of them, in whatever order.
    stage: Vec<u32>,
    checked: Vec<Check>,
    judged: Judged,
}

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
            bulk: is_bulk(header),
        }
    }

    /// How urgent the mail is, if that of its sender is of `own`.
    pub fn band(&self, own: Band) -> Band {
        own.lowered(self.bulk)
    }
}

/// Looks at a mail in the order of `[checks]`. Its content is looked at for everybody but who is held for a loop;
/// the other checks pass over who is held already.
///
/// # Errors
/// The reply to a mail that is not taken at all.
pub(super) async fn judge(
    answered: bool,
    conf: &Config,
    scanners: &Scanners,
    facts: &TextFacts<'_>,
    content: &Content<'_>,
    recipients: &[(u32, &Mailbox)],
) -> Result<Judged, Reply> {
    if let Some(reply) = policy::refused(facts) {
        return Err(reply);
    }
    let mut course = Course {
        answered,
        conf,
        recipients,
        stage: Vec::new(),
        checked: Vec::new(),
        judged: Judged::default(),
    };
    for stage in &conf.checks.order {
        course.stage = course.begin(*stage);
        if course.stage.is_empty() {
            continue;
        }
        match stage {
            Stage::Loop => course.simple(Check::Loop, facts),
            Stage::Mime => course.simple(Check::Mime, facts),
            Stage::Account => course.simple(Check::Account, facts),
            Stage::Rate => course.simple(Check::Rate, facts),
            Stage::Attachments => course.attachments(scanners, content).await?,
            Stage::Scanners => course.scanners(scanners, content).await?,
            Stage::Rules => course.rules(content),
        }
    }
    Ok(Judged {
        checked: course.checked,
        ..course.judged
    })
}

impl<'a> Course<'a> {
    /// Whom a stage is about. What is in a mail is asked about everybody, or a part that nobody can read would keep the
    /// scanners from the virus beside it; a mail that goes in a circle was looked at each time.
    fn begin(&self, stage: Stage) -> Vec<u32> {
        let asked = |hold: &Hold| match stage {
            Stage::Attachments | Stage::Scanners => hold.reason != HoldReason::Loop,
            Stage::Loop | Stage::Mime | Stage::Account | Stage::Rate | Stage::Rules => false,
        };
        let all = self.there().into_iter().map(|(index, _)| index);
        all.filter(|index| self.hold_of(*index).is_none_or(asked))
            .collect()
    }

    fn hold_of(&self, index: u32) -> Option<&Hold> {
        let mut all = self.judged.held.iter();
        all.find(|(of, _)| *of == index).map(|(_, hold)| hold)
    }

    /// Whom this stage is about, with those whom it added.
    fn meant(&self) -> Vec<(u32, &Mailbox)> {
        let all = self.there().into_iter();
        all.filter(|(index, _)| self.stage.contains(index) || self.hold_of(*index).is_none())
            .collect()
    }

    /// Whom the mail goes to, as far as filters have said.
    fn there(&self) -> Vec<(u32, &Mailbox)> {
        let judged = &self.judged;
        let behind = u32::try_from(self.recipients.len()).unwrap_or(u32::MAX);
        let added = (behind..).zip(&judged.added);
        let each = self.recipients.iter().copied().chain(added);
        each.filter(|(index, _)| !judged.removed.contains(index))
            .collect()
    }

    /// Everybody whom this stage is about is held; who was held before is held for both.
    fn hold(&mut self, hold: &Hold) {
        let all = self.meant().into_iter().map(|(index, _)| index);
        for index in all.collect::<Vec<_>>() {
            self.hold_one(index, hold);
        }
    }

    fn hold_one(&mut self, index: u32, hold: &Hold) {
        let checked = self.checked.clone();
        let hold = Hold {
            checked,
            ..hold.clone()
        };
        match self.judged.held.iter_mut().find(|(of, _)| *of == index) {
            Some((_, before)) => *before = before.clone().and(hold),
            None => self.judged.held.push((index, hold)),
        }
    }

    /// A check looked at the mail for everybody of this stage.
    fn saw(&mut self, by: &str, check: Check) {
        if !self.checked.contains(&check) {
            self.checked.push(check);
        }
        for (index, hold) in &mut self.judged.held {
            if self.stage.contains(index) && !hold.checked.contains(&check) {
                hold.checked.push(check);
            }
        }
        self.judged.seen.push(Seen {
            by: by.to_owned(),
            check,
            of: self.stage.clone(),
        });
    }

    fn simple(&mut self, check: Check, facts: &TextFacts<'_>) {
        if !policy::asks(check, facts) {
            return;
        }
        self.saw(check.word(), check);
        if let Some(hold) = policy::fails(check, facts) {
            self.hold(&hold);
        }
    }

    async fn attachments(
        &mut self,
        scanners: &Scanners,
        content: &Content<'_>,
    ) -> Result<(), Reply> {
        let id = content.id.to_string();
        let mail = asked_about(content, &id, &[], self.answered);
        let bare = content.structure.is_bare();
        let Some(looked) = Box::pin(scanners.attachments(self.conf, &mail, bare)).await else {
            return Ok(());
        };
        if self.answered && matches!(looked, Looked::Failed(Trouble::Stopping)) {
            // The client still has it.
            return Err(stopping());
        }
        let found = policy::attachments(&self.conf.attachments, &looked);
        if found.checked {
            self.saw(ATTACHMENTS, Check::Attachments);
        }
        self.judged.unseen.extend(found.unseen);
        self.judged.said.extend(found.said);
        if let Some(hold) = found.hold {
            self.hold(&hold);
        }
        Ok(())
    }

    async fn scanners(&mut self, scanners: &Scanners, content: &Content<'_>) -> Result<(), Reply> {
        if self.conf.scanners.is_empty() {
            return Ok(());
        }
        let meant = self.meant().into_iter();
        let meant: Vec<(u32, Mailbox)> = meant.map(|(n, mailbox)| (n, mailbox.clone())).collect();
        let mailboxes: Vec<&Mailbox> = meant.iter().map(|(_, mailbox)| mailbox).collect();
        let id = content.id.to_string();
        let mail = asked_about(content, &id, &mailboxes, self.answered);
        let place = Place {
            hostname: self.conf.server.hostname.as_str(),
            role: content.role,
            from: &content.from.path,
            helo: &content.origin.helo,
            answered: self.answered,
        };
        let found = policy::scanned(Box::pin(scanners.scan(&mail)).await, &place);
        for (name, check) in &found.looked {
            self.saw(name, *check);
        }
        self.judged.unseen.extend(found.unseen);
        self.judged.said.extend(found.said);
        for (place, hold) in found.refused {
            if let Some((index, _)) = meant.get(place) {
                self.hold_one(*index, &hold);
            }
        }
        for edits in found.edits {
            self.change(edits, content.worked);
        }
        match found.verdict {
            Verdict::Accept => Ok(()),
            Verdict::Hold(hold) => {
                self.hold(&hold);
                Ok(())
            }
            // Only somebody who is there is answered (`policy::scanned`).
            Verdict::Defer(reply) | Verdict::Reject(reply) => Err(reply),
        }
    }

    /// What a filter changes. Of requeued mail only fields on top can be new: others may have its text already.
    fn change(&mut self, mut edits: Edits, worked: Option<&[Worked]>) {
        if let Some(worked) = worked {
            let done = worked.iter().any(|one| one.name == edits.by);
            let deep = edits.rewrites() || edits.changes_envelope();
            if deep && !done && !edits.by.is_empty() {
                let by = &edits.by;
                let why = format!(
                    "{by}: it changes the text or the envelope, and only of a mail that arrives they can be changed; \
                     release it as it is, or have it sent again"
                );
                let hold = Hold::new(HoldQueue::Quarantine, HoldReason::Filter, why);
                self.hold(&hold.with("name", by).with(SCANNER, by));
                return;
            }
            edits = Edits {
                by: edits.by,
                top: edits.top,
                ..Edits::default()
            };
        }
        let gone: Vec<u32> = self
            .meant()
            .into_iter()
            .filter_map(|(index, mailbox)| edits.remove.contains(mailbox).then_some(index))
            .collect();
        let new: Vec<Mailbox> = edits
            .add
            .iter()
            .filter(|one| {
                !self
                    .meant()
                    .iter()
                    .any(|(index, known)| known == one && !gone.contains(index))
            })
            .cloned()
            .collect();
        self.tell(&edits, &new, &gone);
        if !gone.is_empty() && new.is_empty() && self.meant().len() == gone.len() {
            let why = "it would have removed every recipient";
            let hold = Hold::new(HoldQueue::Quarantine, HoldReason::Filter, why);
            let hold = hold.with("name", &edits.by).with(SCANNER, &edits.by);
            self.hold(&hold);
        } else {
            self.judged.added.extend(new);
            self.judged.removed.extend(gone);
        }
        self.judged.edits.push(edits);
    }

    /// Changes of the envelope stand in the history of the mail.
    fn tell(&mut self, edits: &Edits, new: &[Mailbox], gone: &[u32]) {
        let list = |all: Vec<String>| all.join(", ");
        let removed = self
            .meant()
            .into_iter()
            .filter(|(index, _)| gone.contains(index));
        let removed: Vec<String> = removed.map(|(_, mailbox)| mailbox.to_string()).collect();
        let added: Vec<String> = new.iter().map(ToString::to_string).collect();
        let mut told = Vec::new();
        if !removed.is_empty() {
            told.push(format!("{}: removed {}", edits.by, list(removed)));
        }
        if !added.is_empty() {
            told.push(format!("{}: added {}", edits.by, list(added)));
        }
        if let Some(from) = &edits.from {
            told.push(format!("{}: the sender is <{from}> now", edits.by));
        }
        let told = told.into_iter().map(|line| clean(&line, SCAN_WORDS_MAX));
        self.judged.said.extend(told);
    }

    fn rules(&mut self, content: &Content<'_>) {
        if !self.conf.hold_rules.is_empty() {
            let facts = RuleFacts {
                account: content.origin.account.as_deref(),
                from: &content.from.path,
                fields: &content.header.fields,
                size: content.size,
                structure: content.structure,
                now: Moment::of(content.now, &self.conf.digest.zone),
            };
            let meant = self.meant().into_iter();
            let held = policy::rules(&self.conf.hold_rules, &facts, &self.checked, meant);
            for (index, hold) in held {
                self.hold_one(index, &hold);
            }
        }
        self.saw(Check::Rules.word(), Check::Rules);
    }
}

fn stopping() -> Reply {
    let text = "The server is stopping; try again later";
    Reply::new(451, Some(EnhancedStatus(4, 3, 2)), text)
}

/// As scanners are asked about it.
fn asked_about<'c>(
    content: &Content<'c>,
    id: &'c str,
    recipients: &'c [&'c Mailbox],
    answered: bool,
) -> ScanMail<'c> {
    let origin = content.origin;
    ScanMail {
        id,
        from: &content.from.path,
        declared: Some(content.from),
        recipients,
        peer: origin.peer,
        helo: &origin.helo,
        tls: origin.tls.as_deref(),
        account: origin.account.as_deref(),
        sasl: origin.sasl.as_deref(),
        role: content.role,
        listener: &origin.listener,
        local: origin.local,
        answered,
        size: content.size,
        body: content.text,
    }
}

/// Who of the recipients is held when there is no connection: mail of this program, and requeued mail. `account_held`:
/// whether everything of its account is held.
pub async fn without_session(
    conf: &Config,
    scanners: &Scanners,
    content: &Content<'_>,
    account_held: bool,
    recipients: &[(u32, &Mailbox)],
) -> Judged {
    let account = content.origin.account.as_deref();
    let facts = TextFacts {
        client: Client {
            role: content.role,
            sasl: SaslRule::Optional,
            trusted: true,
            account: account.map(|name| Permit {
                name,
                senders: &[],
                hold: account_held,
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
    let judged = judge(false, conf, scanners, &facts, content, recipients).await;
    judged.unwrap_or_else(|reply| {
        // Nobody is there to be refused: it is kept for a person.
        let hold = Hold::new(HoldQueue::Defect, HoldReason::Loop, reply.to_string());
        Judged {
            held: all(recipients, &hold),
            ..Judged::default()
        }
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
