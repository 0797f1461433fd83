//! The dialogue about one mail, from the negotiation to the end.
//!
//! A step that the filter does not want is left out, one that it does not answer is not waited for. The first end that
//! it says ends the mail; a refused recipient alone does not. Nothing is believed before the line was closed in order.
//! Not here: what an answer looks like (`answer`), and what is changed (`change`).

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::Semaphore;

use super::answer::{Said, of_reply};
use super::change::{Changes, Wrong};
use super::macros::{Known, Stage, address};
use super::packet::{Line, SENT_MAX, command};
use super::terms::{Terms, step};
use crate::mail::envelope::{BodyKind, Ret};
use crate::mail::reply::Reply;
use crate::scan::section::Section;
use crate::scan::{End, Filtered, Octets, ScanMail, Trouble};

/// A dialogue.
pub(super) struct Dialog<'a> {
    line: Line,
    terms: Terms,
    mail: &'a ScanMail<'a>,
    hostname: &'a str,
    refused: Vec<(usize, Reply)>,
}

/// A step of it.
struct Step<'a> {
    words: &'static str,
    command: u8,
    parts: &'a [&'a [u8]],
    /// The bit by which a filter does not want it, and that by which it does not answer.
    no: u32,
    silent: u32,
}

impl<'a> Dialog<'a> {
    pub(super) fn new(line: Line, mail: &'a ScanMail<'a>, hostname: &'a str) -> Self {
        Self {
            line,
            terms: Terms::default(),
            mail,
            hostname,
            refused: Vec::new(),
        }
    }

    /// All of it. `body_max`: octets of a new body.
    pub(super) async fn play(
        &mut self,
        body_max: u64,
        room: &Arc<Semaphore>,
    ) -> Result<Filtered, Trouble> {
        self.terms = Terms::agree(&mut self.line).await?;
        let changes = Changes::new(self.terms.clone(), body_max, Arc::clone(room));
        let mut filtered = match self.session().await? {
            Some(end) => Filtered {
                end,
                ..Filtered::default()
            },
            None => self.text(changes).await?,
        };
        filtered.refused = std::mem::take(&mut self.refused);
        self.line.end().await?;
        Ok(filtered)
    }

    /// Everything before the text; an end of the mail, if there is one.
    async fn session(&mut self) -> Result<Option<End>, Trouble> {
        let peer = connected(self.client(), self.mail.peer);
        let connect = Step {
            words: "connect",
            command: command::CONNECT,
            parts: &[&peer],
            no: step::NO_CONNECT,
            silent: step::NR_CONNECT,
        };
        let helo = Step {
            words: "HELO",
            command: command::HELO,
            parts: &[self.mail.helo.as_bytes(), b"\0"],
            no: step::NO_HELO,
            silent: step::NR_HELO,
        };
        let from = arguments(self.mail);
        let mail = Step {
            words: "MAIL",
            command: command::MAIL,
            parts: &[&from],
            no: step::NO_MAIL,
            silent: step::NR_MAIL,
        };
        for (stage, step) in [
            (Stage::Connect, connect),
            (Stage::Helo, helo),
            (Stage::Mail, mail),
        ] {
            self.macros(stage, None).await?;
            if let Some(end) = self.ask(step).await?.end() {
                return self.ended(end).await;
            }
        }
        if let Some(end) = self.recipients().await? {
            return self.ended(end).await;
        }
        self.macros(Stage::Data, None).await?;
        // DATA came with version 4.
        if self.terms.version < 4 {
            return Ok(None);
        }
        let data = Step {
            words: "DATA",
            command: command::DATA,
            parts: &[],
            no: step::NO_DATA,
            silent: step::NR_DATA,
        };
        match self.ask(data).await?.end() {
            Some(end) => self.ended(end).await,
            None => Ok(None),
        }
    }

    /// An end before the end of the text.
    async fn ended(&mut self, end: End) -> Result<Option<End>, Trouble> {
        self.line.put(command::ABORT, &[]).await?;
        Ok(Some(end))
    }

    async fn recipients(&mut self) -> Result<Option<End>, Trouble> {
        let mail = self.mail;
        for (place, recipient) in mail.recipients.iter().enumerate() {
            self.macros(Stage::Rcpt, Some(place)).await?;
            let path = format!("<{recipient}>\0");
            let step = Step {
                words: "RCPT",
                command: command::RCPT,
                parts: &[path.as_bytes()],
                no: step::NO_RCPT,
                silent: step::NR_RCPT,
            };
            match self.ask(step).await? {
                Said::Refuse(reply) => self.refused.push((place, reply)),
                said @ (Said::GoOn | Said::Skip | Said::Accept | Said::Discard) => {
                    if let Some(end) = said.end() {
                        return Ok(Some(end));
                    }
                }
            }
        }
        if self.refused.len() < mail.recipients.len() {
            return Ok(None);
        }
        // Nobody is left. One that may be tried again later counts for all.
        let mut replies = self.refused.iter().map(|(_, reply)| reply);
        let later = replies.clone().find(|reply| reply.code() < 500);
        Ok(later.or(replies.next()).cloned().map(of_reply))
    }

    async fn text(&mut self, mut changes: Changes) -> Result<Filtered, Trouble> {
        let mut octets = self.mail.body.open();
        let section = Section::read(&mut *octets).await;
        let section = section.map_err(|error| Trouble::Unread(error.to_string()))?;
        let (names, rest) = (section.names(), section.rest.clone());
        let mut end = self.fields(&section).await?;
        drop(section);
        if end.is_none() {
            self.macros(Stage::Eoh, None).await?;
            let eoh = Step {
                words: "the end of the header",
                command: command::EOH,
                parts: &[],
                no: step::NO_EOH,
                silent: step::NR_EOH,
            };
            end = self.ask(eoh).await?.end();
        }
        if end.is_none() {
            end = self.body(&rest, &mut *octets).await?;
        }
        if let Some(end) = end {
            self.line.put(command::ABORT, &[]).await?;
            return Ok(Filtered {
                end,
                ..Filtered::default()
            });
        }
        let end = self.end(&mut changes).await?;
        let end = match (end, changes.quarantine.take()) {
            (End::Accept, Some(why)) => End::Quarantine(why),
            (end, _) => end,
        };
        let edits = match end {
            // Whoever sends it again brings the same text.
            End::Reject(_) | End::Defer(_) => crate::mail::edit::Edits::default(),
            End::Accept | End::Discard | End::Quarantine(_) => changes.finish(names),
        };
        Ok(Filtered {
            end,
            edits,
            refused: Vec::new(),
        })
    }

    async fn fields(&mut self, section: &Section) -> Result<Option<End>, Trouble> {
        let leading = self.terms.has(step::LEADING_SPACE);
        for field in &section.fields {
            let colon = memchr::memchr(b':', field).unwrap_or(field.len());
            let (name, value) = field.split_at_checked(colon).unwrap_or((field, b""));
            let value = shown(value.get(1..).unwrap_or_default(), leading);
            let step = Step {
                words: "a field",
                command: command::HEADER,
                parts: &[name.trim_ascii_end(), b"\0", &value, b"\0"],
                no: step::NO_HEADERS,
                silent: step::NR_HEADERS,
            };
            let said = self.ask(step).await?;
            if said == Said::Skip {
                break;
            }
            if let Some(end) = said.end() {
                return Ok(Some(end));
            }
        }
        Ok(None)
    }

    async fn body(&mut self, rest: &[u8], octets: &mut dyn Octets) -> Result<Option<End>, Trouble> {
        if self.terms.has(step::NO_BODY) {
            return Ok(None);
        }
        let mut chunk = Some(bytes::Bytes::copy_from_slice(rest));
        while let Some(more) = chunk {
            for piece in more.chunks(SENT_MAX) {
                let step = Step {
                    words: "the body",
                    command: command::BODY,
                    parts: &[piece],
                    no: step::NO_BODY,
                    silent: step::NR_BODY,
                };
                let said = self.ask(step).await?;
                if said == Said::Skip {
                    return Ok(None);
                }
                if let Some(end) = said.end() {
                    return Ok(Some(end));
                }
            }
            chunk = octets
                .next()
                .await
                .map_err(|error| Trouble::Unread(error.to_string()))?;
        }
        Ok(None)
    }

    /// The end of the mail: changes until the last answer.
    async fn end(&mut self, changes: &mut Changes) -> Result<End, Trouble> {
        self.macros(Stage::End, None).await?;
        self.line.begin("the end of the mail").await?;
        self.line.put(command::END, &[]).await?;
        loop {
            let packet = self.line.next().await?;
            match changes.take(&packet) {
                Ok(()) => continue,
                Err(Wrong::Garbage(words)) => return Err(self.line.garbage(&words)),
                Err(Wrong::NoRoom) => {
                    let words = "no memory for the new bodies of so many mails at once";
                    return Err(Trouble::Unable(words.to_owned()));
                }
                Err(Wrong::Other) => {}
            }
            if packet.code == b'p' {
                continue;
            }
            return match Said::read(&self.line, &self.terms, &packet)? {
                Said::Skip => Err(self.line.unexpected(&packet)),
                said @ (Said::GoOn | Said::Accept | Said::Discard | Said::Refuse(_)) => {
                    Ok(said.end().unwrap_or_default())
                }
            };
        }
    }

    /// Plays a step.
    async fn ask(&mut self, step: Step<'_>) -> Result<Said, Trouble> {
        if self.terms.has(step.no) {
            return Ok(Said::GoOn);
        }
        self.line.begin(step.words).await?;
        self.line.put(step.command, step.parts).await?;
        if self.terms.has(step.silent) {
            return Ok(Said::GoOn);
        }
        Said::next(&mut self.line, &self.terms).await
    }

    /// They go out whether or not the step itself does: a filter may look at them later.
    async fn macros(&mut self, stage: Stage, recipient: Option<usize>) -> Result<(), Trouble> {
        let recipient = recipient.and_then(|place| self.mail.recipients.get(place));
        let known = Known {
            mail: self.mail,
            hostname: self.hostname,
            recipient: recipient.copied(),
        };
        let mut text = vec![stage.command()];
        let mut put = |name: &str| {
            if let Some(value) = known.value(name) {
                for part in [name, "\0", &value.replace('\0', ""), "\0"] {
                    text.extend_from_slice(part.as_bytes());
                }
            }
        };
        match self.terms.macros(stage) {
            Some(names) => names.iter().for_each(|name| put(name)),
            None => stage.usual().iter().for_each(|name| put(name)),
        }
        self.line.step = "macros";
        self.line.put(command::MACRO, &[&text]).await
    }

    fn client(&self) -> String {
        let known = Known {
            mail: self.mail,
            hostname: self.hostname,
            recipient: None,
        };
        known.client()
    }
}

/// Host, family, port and address of a client.
fn connected(host: String, peer: Option<SocketAddr>) -> Vec<u8> {
    let mut text = host.into_bytes();
    text.push(0);
    let Some(peer) = peer else {
        text.push(b'U');
        return text;
    };
    let ip = peer.ip().to_canonical();
    text.push(if ip.is_ipv4() { b'4' } else { b'6' });
    text.extend_from_slice(&peer.port().to_be_bytes());
    text.extend_from_slice(address(ip).as_bytes());
    text.push(0);
    text
}

/// The reverse-path and what MAIL said with it.
fn arguments(mail: &ScanMail<'_>) -> Vec<u8> {
    let mut text = format!("<{}>\0SIZE={}\0", mail.from, mail.size);
    if let Some(said) = mail.declared {
        if said.body == BodyKind::EightBitMime {
            text.push_str("BODY=8BITMIME\0");
        }
        if said.smtputf8 {
            text.push_str("SMTPUTF8\0");
        }
        match said.ret {
            Some(Ret::Full) => text.push_str("RET=FULL\0"),
            Some(Ret::Headers) => text.push_str("RET=HDRS\0"),
            None => {}
        }
    }
    text.into_bytes()
}

/// A field's value as filters read it: LF between its lines, and the blank behind the colon only where it was agreed.
fn shown(value: &[u8], leading: bool) -> Vec<u8> {
    let value = value.strip_suffix(b"\r\n").unwrap_or(value);
    let bare = value.strip_prefix(b" ").filter(|_| !leading);
    let mut text = bare.unwrap_or(value).to_vec();
    // A NUL would end it.
    text.retain(|octet| *octet != b'\r' && *octet != 0);
    text
}
