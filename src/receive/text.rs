//! The text of one mail on its way from the decoder into the queue.
//!
//! The header section is gathered, looked at and edited; what follows streams into the body. After a refusal the rest
//! is read and dropped, so that the client gets its reply where it waits for it.
//! Not here: reading the socket (`driver`), and the verdict (`judge`).

use super::Hall;
use super::header::{Gather, Gathered, Header, HeaderFault, Ours};
use crate::config::{BareNewline, Role, ScannerKind};
use crate::judge::{HeaderFacts, Reception};
use crate::mail::reply::{EnhancedStatus, Reply};
use crate::queue::{AcceptError, BodyWriter, Full, Source, StoredBody};
use crate::smtp::data::{Bare, Decoder, TextFault};
use crate::store::StoreError;

/// A mail whose text is arriving.
#[derive(Debug)]
pub(super) struct Text {
    decoder: Decoder,
    place: Place,
    source: Source,
}

#[derive(Debug)]
enum Place {
    Header(Gather),
    Body(Box<Body>),
    Refused(Reply),
}

#[derive(Debug)]
struct Body {
    writer: BodyWriter,
    facts: HeaderFacts,
}

/// A mail whose text is there.
#[derive(Debug)]
pub(super) struct Complete {
    pub(super) body: StoredBody,
    pub(super) facts: HeaderFacts,
}

/// Why a complete text is not kept.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The session goes on.
    Usual(Reply),
    /// The session ends: who sends lone line ends may mean something else by them than we do.
    Smuggling(Reply),
}

impl Text {
    /// For DATA.
    pub(super) fn dotted(reception: &Reception, source: Source) -> Self {
        let max = reception.conf().queue.max_message_size.0;
        Self::new(Decoder::dotted(bare(reception), max), source)
    }

    /// For BDAT.
    pub(super) fn chunked(reception: &Reception, source: Source) -> Self {
        let max = reception.conf().queue.max_message_size.0;
        Self::new(Decoder::chunked(bare(reception), max), source)
    }

    fn new(decoder: Decoder, source: Source) -> Self {
        Self {
            decoder,
            place: Place::Header(Gather::default()),
            source,
        }
    }

    /// Takes all of `input`, or up to the end of data: octets used, and whether that was the end.
    pub(super) async fn take(
        &mut self,
        input: &[u8],
        hall: &Hall,
        reception: &Reception,
    ) -> (usize, bool) {
        let mut used = 0;
        while let Some(rest) = input.get(used..).filter(|rest| !rest.is_empty()) {
            let piece = self.decoder.next(rest);
            used += piece.used;
            if !piece.text.is_empty() {
                let place = self.place.take();
                self.place = keep(place, piece.text, hall, reception, &self.source).await;
            }
            if self.decoder.fault().is_some() {
                // It will be refused: what is staged of it goes now, not when the client has sent the rest.
                self.place = Place::Header(Gather::default());
            }
            if piece.end {
                return (used, true);
            }
        }
        (used, false)
    }

    /// Octets read so far.
    pub(super) fn seen(&self) -> u64 {
        self.decoder.seen()
    }

    /// Why the chunks so far are refused, if they are.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        match (self.decoder.fault(), &self.place) {
            (Some(fault), _) => Some(refused(fault)),
            (None, Place::Refused(reply)) => Some(Refusal::Usual(reply.clone())),
            (None, Place::Header(_) | Place::Body(_)) => None,
        }
    }

    /// All of the text was read.
    pub(super) async fn finish(
        mut self,
        hall: &Hall,
        reception: &Reception,
    ) -> Result<Complete, Refusal> {
        let owed = self.decoder.finish_chunks();
        if !owed.is_empty() {
            self.place = keep(self.place.take(), owed, hall, reception, &self.source).await;
        }
        if let Some(refusal) = self.refusal() {
            return Err(refusal);
        }
        let place = match self.place {
            Place::Header(gather) => begin(gather.finish(), hall, reception, self.source).await,
            place @ (Place::Body(_) | Place::Refused(_)) => place,
        };
        match place {
            Place::Body(body) => Ok(body.complete()),
            Place::Refused(reply) => Err(Refusal::Usual(reply)),
            Place::Header(_) => {
                let why = "the header section has no body".into();
                let error = AcceptError::Store(StoreError::Unavailable(why));
                Err(Refusal::Usual(of_accept(&error)))
            }
        }
    }
}

impl Place {
    fn take(&mut self) -> Self {
        std::mem::replace(self, Self::Header(Gather::default()))
    }
}

impl Body {
    fn complete(self) -> Complete {
        Complete {
            body: self.writer.finish(),
            facts: self.facts,
        }
    }

    async fn write(&mut self, text: &[u8]) -> Result<(), AcceptError> {
        self.writer.write(text).await
    }
}

async fn keep(
    place: Place,
    text: &[u8],
    hall: &Hall,
    reception: &Reception,
    source: &Source,
) -> Place {
    match place {
        Place::Header(gather) => match gather.push(text, &hall.budget, source) {
            Ok(Gathered::More(gather)) => Place::Header(gather),
            Ok(Gathered::Done(header, used)) => {
                let place = begin(header, hall, reception, source.clone()).await;
                let rest = text.get(used..).unwrap_or_default();
                if rest.is_empty() {
                    place
                } else {
                    stream(place, rest).await
                }
            }
            Err(fault) => Place::Refused(of_header(fault)),
        },
        other @ (Place::Body(_) | Place::Refused(_)) => stream(other, text).await,
    }
}

async fn stream(place: Place, text: &[u8]) -> Place {
    match place {
        Place::Body(mut body) => match body.write(text).await {
            Ok(()) => Place::Body(body),
            Err(error) => Place::Refused(of_accept(&error)),
        },
        other @ (Place::Header(_) | Place::Refused(_)) => other,
    }
}

/// The header section is complete: look at it, edit it, and begin the body with it.
async fn begin(mut header: Header, hall: &Hall, reception: &Reception, source: Source) -> Place {
    let conf = reception.conf();
    header.disown(&ours(reception), conf.server.hostname.as_str());
    let facts = reception.header_facts(header.fields());
    let writer = hall.queue.begin_body_of(source);
    if reception.completes() {
        header.complete(
            &writer.id().to_string(),
            conf.server.hostname.as_str(),
            hall.clock.wall(),
        );
    }
    let mut body = Box::new(Body { writer, facts });
    match body.write(&header.into_stored()).await {
        Ok(()) => Place::Body(body),
        Err(error) => Place::Refused(of_accept(&error)),
    }
}

/// What only we may say on what comes by this listener: the fields that our scanners write, and what we found out about
/// a sender. Programs and people of ours may pass on what we wrote before; strangers cannot have it, and on an mx listener
/// nobody does.
fn ours(reception: &Reception) -> Ours {
    let role = reception.listener().role;
    let is_known = reception.trusted() || reception.account().is_some();
    let mut ours = Ours {
        results: role == Role::Mx || !is_known,
        ..Ours::default()
    };
    let all = reception.conf().scanners.iter();
    for scanner in all.filter(|scanner| scanner.writes(role)) {
        match scanner.kind {
            ScannerKind::Clamd => ours.virus = true,
            ScannerKind::Rspamd(_) => (ours.spam, ours.results) = (true, true),
            ScannerKind::Milter(_) => {}
        }
    }
    ours
}

/// What a client is told when the queue does not take its mail; the reason goes into the log.
pub(super) fn of_accept(error: &AcceptError) -> Reply {
    let (code, status, text) = match error {
        AcceptError::Full(full) => {
            // The store has said so once; each mail has its line of refusal.
            tracing::debug!(reason = %full, "a mail was put off");
            let text = match full {
                Full::Disk => "No room for mail at the moment; try again later",
                Full::Unfinished => "Too much mail is coming in at the moment; try again later",
            };
            (452, EnhancedStatus(4, 3, 1), text)
        }
        AcceptError::Store(StoreError::TooLarge) => (
            452,
            EnhancedStatus(4, 5, 3),
            "Too many recipients for one mail; send it to fewer at once",
        ),
        AcceptError::Store(error) => {
            tracing::error!(%error, "a mail could not be stored");
            (
                451,
                EnhancedStatus(4, 3, 0),
                "The mail could not be stored; try again later",
            )
        }
    };
    Reply::new(code, Some(status), text)
}

fn of_header(fault: HeaderFault) -> Reply {
    match fault {
        HeaderFault::TooLong => Reply::new(
            552,
            Some(EnhancedStatus(5, 3, 4)),
            "The header section of the mail is too long",
        ),
        HeaderFault::NoMemory => Reply::new(
            452,
            Some(EnhancedStatus(4, 3, 1)),
            "Too many long header sections at the moment; try again later",
        ),
    }
}

fn refused(fault: TextFault) -> Refusal {
    match fault {
        TextFault::TooLarge => Refusal::Usual(Reply::new(
            552,
            Some(EnhancedStatus(5, 3, 4)),
            "The mail is too large",
        )),
        TextFault::BareCr(_) | TextFault::BareLf(_) | TextFault::Nul(_) => {
            Refusal::Smuggling(Reply::new(
                550,
                Some(EnhancedStatus(5, 5, 2)),
                format!("{fault} (RFC 5321 section 2.3.8)"),
            ))
        }
    }
}

fn bare(reception: &Reception) -> Bare {
    match reception.listener().bare_newline {
        BareNewline::Reject => Bare::Refuse,
        BareNewline::Normalise => Bare::Normalise,
    }
}
