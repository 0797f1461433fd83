//! Drives one transaction over an open connection: the pure machine decides, this reads and writes.
//!
//! The Received field is written here, when the mail goes out, from what was kept when it came in. The first chunk of
//! the body is read while the peer thinks about MAIL and RCPT; a small body goes out with its final dot in one write.
//! All until the final dot has a bound together, which grows with the mail; the reply to the dot has its own, and its
//! code counts however it goes on.
//! The octets that end the data wait until the transaction's intent is on disk: from then on a lost reply is known.
//! Not here: which connection (`lane`), and what the answers come to (`verdicts`, `trouble`).

use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::Notify;

use super::ahead::Ahead;
use super::connect::{Connection, said};
use super::trouble::{Trouble, rule};
use super::verdicts::{Refusal, judge};
use super::wire::{LastReply, WireFault, at_least_rate};
use crate::base::clock::{Clock, Mono, Wall};
use crate::base::limit::{DIALOGUE_MAX, TRANSACTION_RECIPIENT};
use crate::config::Timeouts;
use crate::mail::domain::Domain;
use crate::mail::mailbox::Mailbox;
use crate::mail::outcome::Outcome;
use crate::mail::reply::{Class, Reply};
use crate::mail::trace::Received;
use crate::queue::{DueRecipient, Lent, Message, MessageId, Pending, Queue};
use crate::smtp::client::command::{self, Needs};
use crate::smtp::client::dots::Dots;
use crate::smtp::client::transaction::{Next, Stage, Transaction};
use crate::store::StoreError;

/// What a transaction is done with.
pub struct Job<'a> {
    /// Where the body is.
    pub queue: &'a Queue,
    /// For durations.
    pub clock: &'a Clock,
    /// For each step.
    pub timeouts: Timeouts,
    /// Our name in Received.
    pub own: &'a Domain,
    /// Told when the reply to the final dot is awaited no longer: we stop.
    pub over: &'a Notify,
    /// Recipients that the site takes at once, as it has shown.
    pub recipients_max: usize,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Done {
    /// For each recipient.
    pub outcomes: Vec<(u32, Outcome)>,
    /// Both sides' lines; empty when all were relayed.
    pub dialogue: String,
    /// MAIL to the last reply.
    pub took: Duration,
    /// Whether the connection may be used again.
    pub usable: bool,
    /// The peer had closed the connection while it was idle: nothing was tried.
    pub stale: bool,
    /// The intent could not be written, so the mail was not handed over: nothing counts as tried.
    pub unwritten: Option<StoreError>,
    /// The site or its host did not take us, or broke before the dot.
    pub refusal: Option<Refusal>,
    /// It took so many recipients and said that these are enough for one transaction.
    pub took_only: Option<usize>,
}

/// Why a body was not sent whole.
enum Stopped {
    Wire(WireFault),
    Store(StoreError),
    Intent(StoreError),
}

/// Sends the mail to all recipients that the hop can serve.
pub async fn transact(connection: &mut Connection, lent: &Lent, job: &Job<'_>) -> Done {
    let start = job.clock.mono();
    let message = &lent.message;
    let received = received(lent, job.own) + lent.top();
    let mut body = Ahead::new(job.queue.open_body(message));
    // Only then the header must be looked at before MAIL.
    let look = message.from.smtputf8 && !connection.offers.smtputf8();
    let utf8_header = look && body.utf8_header().await;
    let mut outcomes = Vec::with_capacity(lent.recipients.len());
    let (mut going, mut troubled) = (Vec::new(), false);
    for recipient in &lent.recipients {
        match unfit(connection, message, recipient, utf8_header, received.len()) {
            Some(trouble) => {
                troubled = true;
                let ruling = rule(&trouble).at(&connection.site);
                outcomes.push((recipient.index, ruling.outcome()));
            }
            None => going.push(recipient),
        }
    }
    let at_once = connection.offers.recipients_max().min(job.recipients_max);
    for later in going.drain(at_once.max(1).min(going.len())..) {
        outcomes.push((later.index, Outcome::Untried));
    }
    if going.is_empty() {
        return nobody(connection, outcomes);
    }
    // Its commit overlaps with MAIL, RCPT and DATA.
    let named = going.iter().map(|recipient| recipient.index).collect();
    let intent = job.queue.intend(lent, named, &connection.site);
    let mut machine = machine(connection, message, &going, received.len());
    let size = message.size.saturating_add(received.len() as u64);
    let most = most(&job.timeouts, going.len(), size);
    let mut sending = Sending {
        id: message.id,
        body,
        received,
        job,
        most,
        end: start + most,
        lent,
        intent: Some(intent),
        unwritten: None,
        store: None,
        ended: false,
    };
    sending.run(connection, &mut machine).await;
    let finished = machine.finish();
    connection.messages += 1;
    connection.needs_reset = finished.needs_reset;
    let stale = machine.untouched() && !finished.usable && connection.messages > 1;
    let failed = sending.store.as_ref();
    let judged = judge(&going, &finished, failed, &connection.site, &mut outcomes);
    troubled |= judged.troubled;
    Done {
        refusal: judged.refusal,
        took_only: judged.took_only,
        outcomes,
        dialogue: if troubled {
            dialogue(connection, &machine)
        } else {
            String::new()
        },
        took: job.clock.mono() - start,
        usable: finished.usable && failed.is_none() && !sending.ended,
        stale,
        unwritten: sending.unwritten,
    }
}

/// The hop can serve none of the recipients.
fn nobody(connection: &Connection, outcomes: Vec<(u32, Outcome)>) -> Done {
    let mut dialogue = connection.dialogue.clone();
    said(&mut dialogue, "--", "the next hop cannot take this mail");
    Done {
        outcomes,
        dialogue,
        took: Duration::ZERO,
        usable: true,
        stale: false,
        refusal: None,
        took_only: None,
        unwritten: None,
    }
}

struct Sending<'a> {
    id: MessageId,
    body: Ahead,
    received: String,
    job: &'a Job<'a>,
    /// What all until the final dot may take.
    most: Duration,
    end: Mono,
    lent: &'a Lent,
    /// On its way to the disk, until the dot is due.
    intent: Option<Pending<'a>>,
    unwritten: Option<StoreError>,
    store: Option<StoreError>,
    /// The peer closes, though it answered.
    ended: bool,
}

impl Sending<'_> {
    async fn run(&mut self, connection: &mut Connection, machine: &mut Transaction) {
        let timeouts = &self.job.timeouts;
        loop {
            match machine.wants() {
                Next::Send(commands) => {
                    if let Err(fault) = self.say(connection, commands, timeouts.mail).await {
                        machine.lose(fault.to_string());
                    }
                    self.body.warm().await;
                }
                Next::Await(Stage::Dot) => self.last(connection, machine).await,
                Next::Await(stage) => match self.reply(connection, within(timeouts, stage)).await {
                    Ok(reply) => machine.answer(reply),
                    Err(fault) => machine.lose(format!("{fault} ({stage})")),
                },
                Next::NoBody => match self.say(connection, b".\r\n", timeouts.block).await {
                    Ok(()) => machine.body_sent(),
                    Err(fault) => machine.lose(fault.to_string()),
                },
                // Taken for the reply to the dot it would be a yes to a mail that the peer has not seen.
                Next::Body if connection.wire.has_more() => {
                    self.interrupted(connection, machine, &WireFault::Early)
                        .await;
                }
                Next::Body => match self.send(connection).await {
                    Ok(()) => machine.body_sent(),
                    Err(Stopped::Wire(fault)) => {
                        self.interrupted(connection, machine, &fault).await
                    }
                    Err(Stopped::Store(error)) => {
                        tracing::error!(id = %self.id, %error, "a mail could not be read while it was sent");
                        machine.lose("the mail could not be read");
                        self.store = Some(error);
                    }
                    Err(Stopped::Intent(error)) => {
                        machine.lose("what is about to be sent could not be written down");
                        self.unwritten = Some(error);
                    }
                },
                Next::Over => break,
            }
        }
        // The next transaction would take what follows here for its first reply.
        self.ended |= connection.wire.has_more();
    }

    /// A reply before the final dot, by its own bound and by that of the whole.
    async fn reply(
        &mut self,
        connection: &mut Connection,
        within: Duration,
    ) -> Result<Reply, WireFault> {
        let left = self.left();
        let reply = connection.wire.reply(within.min(left)).await;
        reply.map_err(|fault| self.of_whole(fault, left < within))
    }

    /// The same for what is written.
    async fn say(
        &mut self,
        connection: &mut Connection,
        octets: &[u8],
        within: Duration,
    ) -> Result<(), WireFault> {
        let left = self.left();
        let said = connection.wire.send(octets, within.min(left)).await;
        said.map_err(|fault| self.of_whole(fault, left < within))
    }

    fn left(&self) -> Duration {
        self.end - self.job.clock.mono()
    }

    fn of_whole(&self, fault: WireFault, short: bool) -> WireFault {
        if short && matches!(fault, WireFault::Slow(_) | WireFault::Stuck(_)) {
            WireFault::Long(self.most)
        } else {
            fault
        }
    }

    /// The reply to the final dot.
    async fn last(&mut self, connection: &mut Connection, machine: &mut Transaction) {
        let answered = tokio::select! {
            biased;
            answered = connection.wire.last_reply(self.job.timeouts.dot) => answered,
            () = self.job.over.notified() => {
                let Some(head) = connection.wire.head() else {
                    machine.lose("the server stopped before the reply to the final dot came");
                    return;
                };
                Ok(head)
            }
        };
        match answered {
            Ok(last) => {
                self.ended |= !last.whole;
                machine.answer(last.reply);
            }
            Err(fault) => machine.lose(format!("{fault} ({})", Stage::Dot)),
        }
    }

    async fn send(&mut self, connection: &mut Connection) -> Result<(), Stopped> {
        let within = self.job.timeouts.block;
        let mut dots = Dots::default();
        // Out of the connection while it is written to.
        let mut out = std::mem::take(&mut connection.out);
        out.clear();
        dots.write(self.received.as_bytes(), &mut out);
        let mut chunk = self.body.next().await?;
        while let Some(octets) = chunk {
            dots.write(&octets, &mut out);
            chunk = self.body.next().await?;
            if chunk.is_some() {
                self.say(connection, &out, within).await?;
                out.clear();
            }
        }
        dots.finish(&mut out);
        self.noted(within).await.map_err(Stopped::Intent)?;
        let over = self.job.over;
        tokio::select! {
            biased;
            sent = self.say(connection, &out, within) => sent?,
            // Waiting for the reply ends at once, too.
            () = over.notified() => over.notify_one(),
        }
        out.shrink_to(OUT_KEPT);
        connection.out = out;
        Ok(())
    }

    /// Waits until the intent is on disk. The peer waits for our data meanwhile, so not for longer than for a block.
    async fn noted(&mut self, within: Duration) -> Result<(), StoreError> {
        let Some(intent) = self.intent.take() else {
            return Ok(());
        };
        let late = || StoreError::Unavailable("it took too long".into());
        let noted = self.job.clock.timeout(within, intent.durable()).await;
        noted.unwrap_or_else(|_| Err(late()))
    }

    /// A peer that refuses in the middle of the data says so before it closes; that reply is worth more than EPIPE.
    async fn interrupted(
        &mut self,
        connection: &mut Connection,
        machine: &mut Transaction,
        fault: &WireFault,
    ) {
        let last_words = connection.wire.last_reply(LAST_WORDS).await;
        let dotted = self.lent.is_dotted();
        if dotted {
            machine.body_sent();
        }
        match last_words {
            Ok(LastReply { reply, .. }) if decides(&reply, dotted) => {
                machine.body_sent();
                machine.answer(reply);
                self.ended = true;
            }
            Ok(_) | Err(_) => machine.lose(format!("{fault} (sending the message)")),
        }
    }
}

/// Whether a reply that came while the message was written is the one to it: a yes only if its end was under way.
fn decides(reply: &Reply, dotted: bool) -> bool {
    match reply.class() {
        Class::NotNow | Class::Never => true,
        Class::Done => dotted,
        Class::GoOn => false,
    }
}

/// Why this hop cannot take the mail for this recipient, known before anything is said.
fn unfit(
    connection: &Connection,
    message: &Message,
    recipient: &DueRecipient,
    utf8_header: bool,
    received: usize,
) -> Option<Trouble> {
    let offers = &connection.offers;
    let from = message.from.path.mailbox();
    let utf8 = utf8_header
        || recipient.mailbox.needs_smtputf8()
        || from.is_some_and(|mailbox| mailbox.needs_smtputf8());
    if utf8 && !offers.smtputf8() {
        return Some(Trouble::NeedsUtf8);
    }
    if message.eight_bit && !offers.eight_bit() {
        return Some(Trouble::NeedsEightBit);
    }
    let size = message.size.saturating_add(received as u64);
    offers
        .size_max()
        .filter(|most| size > *most)
        .map(Trouble::TooLarge)
}

fn machine(
    connection: &Connection,
    message: &Message,
    going: &[&DueRecipient],
    received: usize,
) -> Transaction {
    let offers = &connection.offers;
    let from = &message.from;
    // A domain in Unicode can go in A-labels; said where it may, it goes on as it was written (RFC 6531 section 3.2).
    let beyond = |mailbox: &Mailbox| mailbox.needs_smtputf8() || mailbox.has_unicode_domain();
    let needs = Needs {
        size: message.size.saturating_add(received as u64),
        eight_bit: message.eight_bit,
        smtputf8: from.smtputf8
            || from.path.mailbox().is_some_and(beyond)
            || going.iter().any(|rcpt| beyond(&rcpt.mailbox)),
    };
    let smtputf8 = needs.smtputf8 && offers.smtputf8();
    let mut mail = Vec::with_capacity(128);
    command::mail(from, needs, offers, &mut mail);
    let rcpts: Vec<Vec<u8>> = going
        .iter()
        .map(|rcpt| {
            let mut out = Vec::with_capacity(64);
            let orcpt = rcpt.orcpt.as_deref();
            command::rcpt(
                &rcpt.mailbox,
                rcpt.notify,
                orcpt,
                smtputf8,
                offers,
                &mut out,
            );
            out
        })
        .collect();
    let lines = rcpts.iter().map(Vec::as_slice);
    Transaction::new(connection.needs_reset, &mail, lines, offers.pipelining())
}

/// The field that says where we have the mail from (RFC 5321 section 4.4).
fn received(lent: &Lent, own: &Domain) -> String {
    let message = &lent.message;
    // Only with a single recipient: nobody may see a blind copy.
    let only_for = match lent.recipients.as_slice() {
        [only] if message.recipients == 1 => Some(only.mailbox.to_string()),
        _ => None,
    };
    let origin = &message.origin;
    let (helo, with) = (origin.helo.as_str(), origin.with.as_str());
    Received {
        helo: if helo.is_empty() { own.as_str() } else { helo },
        peer: origin.peer.as_ref().map(SocketAddr::ip),
        by: own.as_str(),
        with: if with.is_empty() { "ESMTP" } else { with },
        tls: origin.tls.as_deref(),
        id: &message.id.to_string(),
        only_for: only_for.as_deref(),
        at: Wall(message.wall),
    }
    .to_field()
}

fn dialogue(connection: &Connection, machine: &Transaction) -> String {
    let mut text = connection.dialogue.clone();
    machine.dialogue(&mut text);
    if text.len() <= DIALOGUE_MAX {
        return text;
    }
    text.chars().take(DIALOGUE_MAX).collect()
}

/// What all until the final dot may take: each step once, something for each recipient, and the mail at the least rate
/// (RFC 5321 section 4.5.3.2 bounds the steps only, and a hop that uses each of them up would hold a connection for days).
fn most(timeouts: &Timeouts, recipients: usize, size: u64) -> Duration {
    let steps = timeouts.reset + timeouts.mail + timeouts.rcpt + timeouts.data + timeouts.block;
    let each = timeouts.rcpt.min(TRANSACTION_RECIPIENT);
    let recipients = u32::try_from(recipients).unwrap_or(u32::MAX);
    steps + each.saturating_mul(recipients) + at_least_rate(size)
}

fn within(timeouts: &Timeouts, stage: Stage) -> Duration {
    match stage {
        Stage::Reset => timeouts.reset,
        Stage::Mail => timeouts.mail,
        Stage::Rcpt => timeouts.rcpt,
        Stage::Data => timeouts.data,
        Stage::Dot => timeouts.dot,
    }
}

/// What a connection keeps of its buffer between two mails.
const OUT_KEPT: usize = 32 << 10;
/// What a peer that closes in the middle may take to say why.
const LAST_WORDS: Duration = Duration::from_secs(1);

impl From<WireFault> for Stopped {
    fn from(fault: WireFault) -> Self {
        Self::Wire(fault)
    }
}

impl From<StoreError> for Stopped {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
