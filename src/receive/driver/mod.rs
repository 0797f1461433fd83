//! One connection, from its greeting to its end: reads what the session machine wants, and finds its answers.
//!
//! Every wait has a deadline by the clock: the first octet of a command and its last, a whole transaction, a session
//! without a mail, a handshake, the last reply. Replies of a pipelined group go out in one write, before the next read
//! and before anything slow.
//! Not here: the order of the dialog (`smtp::server`), and what becomes of a text (`text`).

mod login;
mod read;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;

use super::Hall;
use super::text::{Refusal, Text, of_accept};
use super::wire::Wire;
use crate::base::clock::Mono;
use crate::base::limit::{CROWDED_LINGER, HANDSHAKE_TIMEOUT, LINGER, SESSION_IDLE};
use crate::config::{Config, ListenerConf, ListenerTls, Role, SaslRule};
use crate::journal::line;
use crate::judge::{Content, Reception, StoredText, rewrite};
use crate::mail::envelope::{Envelope, MailFrom, RcptTo};
use crate::mail::reply::{EnhancedStatus, Reply};
use crate::net::limiter::peer_key;
use crate::net::line::Found;
use crate::net::permits::{Permit, Work};
use crate::policy::Verdict;
use crate::queue::{NewMail, Origin, Source};
use crate::smtp::command::Recipient;
use crate::smtp::server::{Answer, Ask, End, Offer, SaslOffer, Session, Step, Then};
use crate::store::Band;

/// A connection and all that is known of it.
pub(super) struct Driver {
    hall: Arc<Hall>,
    wire: Wire,
    session: Session,
    reception: Reception,
    peer: SocketAddr,
    permit: Permit,
    /// Where it met us.
    local: Option<SocketAddr>,
    tls: Option<String>,
    failures: u32,
    mail: Option<Box<Mail>>,
    /// When it began, or its last mail was taken.
    served: Mono,
}

/// A transaction.
struct Mail {
    from: MailFrom,
    recipients: Vec<RcptTo>,
    /// The account was too fast, and its mails are held for that.
    too_fast: bool,
    deadline: Mono,
    text: Option<Text>,
    /// Nobody's newcomer ends it.
    work: Work,
}

/// How a wait for octets ended.
enum Waited {
    Filled,
    Gone,
    Over(End),
}

/// How reading a text ended.
enum Read {
    /// It is complete, or so many octets of a chunk are there.
    Whole,
    Gone,
    Over(End),
    /// So much more than is taken that its end is not waited for.
    Flood,
}

impl Driver {
    pub(super) fn new(
        hall: Arc<Hall>,
        conf: Arc<Config>,
        listener: Arc<ListenerConf>,
        stream: TcpStream,
        (peer, permit): (SocketAddr, Permit),
    ) -> Self {
        let offer = offer(&conf, &listener, peer);
        let implicit = listener.tls == ListenerTls::Implicit;
        Self {
            served: hall.clock.mono(),
            hall,
            local: stream.local_addr().ok(),
            wire: Wire::new(stream),
            session: Session::new(Arc::new(offer), implicit),
            reception: Reception::new(conf, listener, peer.ip()),
            peer,
            permit,
            tls: None,
            failures: 0,
            mail: None,
        }
    }

    /// Serves it to its end.
    pub(super) async fn run(mut self) {
        line::connect(self.peer);
        // Errors of the connection are the client's business: it sees them too.
        if let Err(error) = self.converse().await {
            tracing::debug!(peer = %self.peer, %error, "connection lost");
        }
        line::disconnect(self.peer, &self.session.summary());
    }

    async fn converse(&mut self) -> io::Result<()> {
        if self.reception.listener().tls == ListenerTls::Implicit {
            self.handshake().await?;
        }
        let early = !self.reception.trusted() && self.wire.is_early();
        let mut step = self.session.greet(Answer::Yes, early);
        loop {
            if let Some(reply) = &step.reply {
                self.wire.say(reply);
            }
            step = match step.then {
                Then::Line => match self.next_line().await? {
                    Some(step) => step,
                    None => return Ok(()),
                },
                Then::Ask(ask) => match self.find(ask).await? {
                    Some(step) => step,
                    None => return Ok(()),
                },
                Then::Tls => {
                    self.flush().await?;
                    self.handshake().await?;
                    self.session.tls_started();
                    self.reception.forget_login();
                    Step {
                        reply: None,
                        then: Then::Line,
                    }
                }
                Then::Close => {
                    // Only a client that may still be sending is waited for, and none whose place somebody has already.
                    let going = self.permit.is_leaving();
                    let linger = !going
                        && (step.reply.is_none_or(|reply| reply.code() >= 500)
                            || !self.wire.buffer.is_empty());
                    let span = if going { CROWDED_LINGER } else { LINGER };
                    let closed = self.hall.clock.timeout(span, self.wire.close(linger));
                    return closed.await.unwrap_or(Ok(()));
                }
            };
            if !self.session.in_transaction() {
                self.mail = None;
            }
        }
    }

    async fn handshake(&mut self) -> io::Result<()> {
        let hall = Arc::clone(&self.hall);
        let secured = Box::pin(self.wire.secure(&hall.certs));
        let facts = tokio::select! {
            biased;
            done = hall.clock.timeout(HANDSHAKE_TIMEOUT, secured) => {
                done.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??
            }
            // Nothing can be said in the middle of a handshake.
            () = hall.shutdown.wait() => return Err(io::ErrorKind::ConnectionAborted.into()),
            () = self.permit.leaving() => return Err(io::ErrorKind::ConnectionAborted.into()),
        };
        line::tls_from(self.peer, &facts);
        self.tls = Some(facts);
        Ok(())
    }

    /// Sends what waits. Who reads no replies for so long is gone.
    async fn flush(&mut self) -> io::Result<()> {
        let hall = Arc::clone(&self.hall);
        let span = self.reception.conf().limits.command_timeout;
        tokio::select! {
            biased;
            sent = hall.clock.timeout(span, self.wire.flush()) => {
                sent.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
            }
            () = hall.shutdown.wait() => Err(io::ErrorKind::ConnectionAborted.into()),
            () = self.permit.leaving(), if self.mail.is_none() => {
                Err(io::ErrorKind::ConnectionAborted.into())
            }
        }
    }

    /// The session's answer to the next line; none when the client is gone.
    async fn next_line(&mut self) -> io::Result<Option<Step>> {
        let mut by = None;
        loop {
            // Here and not only while waiting: who floods is never waited for.
            let (left, end) = self.whole();
            if left.is_zero() {
                return Ok(Some(self.session.end(end)));
            }
            if self.mail.is_none() && self.permit.is_leaving() {
                return Ok(Some(self.session.end(End::Crowded)));
            }
            match self.wire.buffer.take_line(self.session.line_max()) {
                Found::Line { text, more } => return Ok(Some(self.session.line(text, more))),
                Found::BareNewline => return Ok(Some(self.session.bare_newline())),
                Found::TooLong => return Ok(Some(self.session.line_too_long())),
                Found::Nothing => {}
            }
            // From its first octet a line has as long as was waited for that: each further one gives no more time.
            if by.is_none() && !self.wire.buffer.is_empty() {
                by = Some(self.hall.clock.mono() + self.reception.conf().limits.command_timeout);
            }
            match self.wait(by).await? {
                Waited::Filled => {}
                Waited::Gone => return Ok(None),
                Waited::Over(end) => return Ok(Some(self.session.end(end))),
            }
        }
    }

    /// `by`: when the line that has begun must be whole.
    async fn wait(&mut self, by: Option<Mono>) -> io::Result<Waited> {
        let (span, end) = self.patience(by);
        let hall = Arc::clone(&self.hall);
        tokio::select! {
            biased;
            read = hall.clock.timeout(span, self.wire.fill(false)) => match read {
                Ok(read) => Ok(if read? == 0 { Waited::Gone } else { Waited::Filled }),
                Err(_) => Ok(Waited::Over(end)),
            },
            () = hall.shutdown.wait() => Ok(Waited::Over(End::Shutdown)),
            () = self.permit.leaving(), if self.mail.is_none() => Ok(Waited::Over(End::Crowded)),
        }
    }

    /// How long the next octet may take, and what is said when it does not come.
    fn patience(&self, by: Option<Mono>) -> (Duration, End) {
        let now = self.hall.clock.mono();
        let idle = (self.reception.conf().limits.command_timeout, End::Idle);
        let line = by.map(|by| (by - now, End::Drip));
        // Of two that end together the first one says why.
        let each = [line, Some(self.whole()), Some(idle)].into_iter().flatten();
        each.min_by_key(|(span, _)| *span).unwrap_or(idle)
    }

    /// How much longer the transaction may take; without one, how much longer the session may go on without a mail that is
    /// taken. So whoever begins one transaction after the other and finishes none ends too.
    fn whole(&self) -> (Duration, End) {
        let now = self.hall.clock.mono();
        match &self.mail {
            Some(mail) => (mail.deadline - now, End::Slow),
            None => ((self.served + SESSION_IDLE) - now, End::Unused),
        }
    }

    /// Finds the answer to what the session asks; none when the client is gone meanwhile.
    async fn find(&mut self, ask: Ask) -> io::Result<Option<Step>> {
        let answer = match ask {
            Ask::Hello(_) => {
                self.permit.greeted();
                Answer::Yes
            }
            Ask::Mail(from) => self.mail(from),
            Ask::Rcpt(to) => self.rcpt(to),
            Ask::Data => self.data(),
            Ask::Login(login) => {
                self.flush().await?;
                Box::pin(self.login(login)).await
            }
            Ask::Body => match Box::pin(self.read_dotted()).await? {
                Read::Whole => Box::pin(self.keep()).await,
                read @ (Read::Gone | Read::Over(_) | Read::Flood) => {
                    return Ok(self.broken_off(&read));
                }
            },
            Ask::Chunk { size, last, keep } => match Box::pin(self.read_chunk(size, keep)).await? {
                Read::Whole if last && keep => Box::pin(self.keep()).await,
                Read::Whole => self.chunk_refused(),
                read @ (Read::Gone | Read::Over(_) | Read::Flood) => {
                    return Ok(self.broken_off(&read));
                }
            },
        };
        if let Answer::Queued(_) = answer {
            self.served = self.hall.clock.mono();
            self.permit.served();
        }
        Ok(Some(self.session.answer(answer)))
    }

    fn broken_off(&mut self, read: &Read) -> Option<Step> {
        match read {
            Read::Gone => None,
            Read::Over(end) => Some(self.session.end(*end)),
            Read::Whole | Read::Flood => Some(self.session.answer(Answer::Cut(Reply::new(
                552,
                Some(EnhancedStatus(5, 3, 4)),
                "The mail is too large; closing",
            )))),
        }
    }

    fn mail(&mut self, from: MailFrom) -> Answer {
        self.reception.renew(self.hall.conf.load_full());
        if let Err(full) = self.hall.queue.pressure() {
            return Answer::No(of_accept(&full.into()));
        }
        let now = self.hall.clock.mono();
        let too_fast = self.reception.account().is_some_and(|account| {
            account.rate.is_some_and(|rate| {
                !self
                    .hall
                    .rates
                    .take_of(&account.name, rate.count, rate.span, now)
            })
        });
        let verdict = self.reception.mail(&from.path, too_fast);
        if let Some(reply) = refusal(verdict) {
            self.log_reject("MAIL", &reply, Some(&from), None);
            return Answer::No(reply);
        }
        self.mail = Some(Box::new(Mail {
            from,
            recipients: Vec::new(),
            too_fast,
            deadline: now + self.reception.conf().limits.transaction_timeout,
            text: None,
            work: self.permit.begin(),
        }));
        Answer::Yes
    }

    fn rcpt(&mut self, to: Recipient) -> Answer {
        let shown = to.path.to_string();
        let found = self.reception.resolve(to.path);
        let refused = match &found {
            Ok(mailbox) => refusal(self.reception.rcpt(mailbox)),
            Err(reply) => Some(reply.clone()),
        };
        match (found, refused, &mut self.mail) {
            (Ok(mailbox), None, Some(mail)) => {
                mail.recipients.push(RcptTo {
                    mailbox,
                    notify: to.notify,
                    orcpt: to.orcpt,
                });
                Answer::Yes
            }
            (_, Some(reply), mail) => {
                let from = mail.as_ref().map(|mail| mail.from.clone());
                self.log_reject("RCPT", &reply, from.as_ref(), Some(&shown));
                Answer::No(reply)
            }
            (_, None, _) => Answer::No(internal()),
        }
    }

    fn data(&mut self) -> Answer {
        let source = self.source();
        match (self.hall.queue.pressure(), &mut self.mail) {
            (Ok(()), Some(mail)) => {
                mail.text = Some(Text::dotted(&self.reception, source));
                Answer::Yes
            }
            (Err(full), _) => Answer::No(of_accept(&full.into())),
            (Ok(()), None) => Answer::No(internal()),
        }
    }

    /// Whether the chunks so far are good.
    fn chunk_refused(&mut self) -> Answer {
        let text = self.mail.as_ref().and_then(|mail| mail.text.as_ref());
        match text.and_then(Text::refusal) {
            None => Answer::Yes,
            Some(Refusal::Usual(reply)) => {
                self.log_reject("BDAT", &reply, None, None);
                Answer::No(reply)
            }
            Some(Refusal::Smuggling(reply)) => {
                self.log_reject("BDAT", &reply, None, None);
                Answer::Cut(reply)
            }
        }
    }

    /// The text is there: judge it, and let the queue take it.
    async fn keep(&mut self) -> Answer {
        let Some(mail) = self.mail.take() else {
            return Answer::No(internal());
        };
        let Mail {
            from,
            recipients,
            too_fast,
            text,
            // Until the mail is taken or refused.
            work: _work,
            ..
        } = *mail;
        let text = text.unwrap_or_else(|| Text::chunked(&self.reception, self.source()));
        let complete = match text.finish(&self.hall, &self.reception).await {
            Ok(complete) => complete,
            Err(Refusal::Usual(reply)) => return self.refused(reply, &from, Answer::No),
            Err(Refusal::Smuggling(reply)) => return self.refused(reply, &from, Answer::Cut),
        };
        let envelope = Envelope { from, recipients };
        let account = self.reception.account();
        let band = account.map_or(Band::Normal, |account| account.band);
        let band = complete.facts.band(band);
        let origin = self.origin(&envelope);
        let content = Content {
            id: complete.body.id,
            from: &envelope.from,
            origin: &origin,
            role: self.reception.listener().role,
            header: &complete.facts,
            structure: &complete.body.structure,
            size: complete.body.size,
            text: &StoredText::new(self.hall.queue.read_back(&complete.body)),
            worked: None,
            now: self.hall.clock.wall(),
        };
        let recipients = envelope.numbered();
        let judging = self
            .reception
            .text(&self.hall.scanners, &content, too_fast, &recipients);
        let judged = match judging.await {
            Ok(judged) => judged,
            Err(reply) => return self.refused(reply, &envelope.from, Answer::No),
        };
        let finishing = rewrite::finish(&self.hall.queue, complete.body, envelope, judged);
        let done = match Box::pin(finishing).await {
            Ok(done) => done,
            Err(error) => return Answer::No(of_accept(&error)),
        };
        let new = NewMail {
            top: done.top,
            worked: done.worked,
            held: done.held,
            said: done.said,
            body: done.body,
            envelope: done.envelope,
            origin,
            band,
            digest: None,
        };
        match self.hall.queue.accept(new, None).await {
            Ok(id) => Answer::Queued(id.to_string()),
            Err(error) => Answer::No(of_accept(&error)),
        }
    }

    /// Whose unfinished mail it is. Of a trusted network nobody is counted alone: behind a gateway's address are many.
    fn source(&self) -> Source {
        match (self.reception.trusted(), self.reception.account()) {
            (true, _) => Source::Trusted,
            (false, Some(account)) => Source::Peer(format!("account {}", account.name).into()),
            (false, None) => Source::Peer(peer_key(self.peer.ip()).to_string().into()),
        }
    }

    fn origin(&self, envelope: &Envelope) -> Origin {
        let account = self.reception.account();
        let conf = self.reception.conf();
        let tenant = account
            .map(|account| account.tenant.clone())
            .or_else(|| conf.tenants.first().map(|tenant| tenant.id.clone()))
            .unwrap_or_default();
        Origin {
            listener: self.reception.listener().bind.to_string(),
            mx: Some(self.reception.listener().role == Role::Mx),
            peer: Some(self.peer),
            local: self.local,
            helo: self.session.hello_name().to_owned(),
            with: self.session.protocol(envelope.from.smtputf8),
            tls: self.tls.clone(),
            account: account.map(|account| account.name.clone()),
            sasl: self.reception.mechanism().map(str::to_owned),
            tenant,
            trusted: Some(self.reception.trusted()),
            proven: self.reception.proven(&envelope.from.path),
        }
    }

    fn refused(&self, reply: Reply, from: &MailFrom, answer: fn(Reply) -> Answer) -> Answer {
        self.log_reject("END-OF-MESSAGE", &reply, Some(from), None);
        answer(reply)
    }

    fn log_reject(&self, stage: &str, reply: &Reply, from: Option<&MailFrom>, to: Option<&str>) {
        let proto = self.session.protocol(false);
        let helo = self.session.hello_name();
        let from = from.map(|from| &from.path);
        line::reject(stage, self.peer, reply, from, to, &proto, helo);
    }
}

fn offer(conf: &Config, listener: &ListenerConf, peer: SocketAddr) -> Offer {
    let clear = listener.auth_clear && peer.ip().is_loopback();
    let sasl = match (listener.auth, listener.tls) {
        (SaslRule::Off, _) => SaslOffer::No,
        (SaslRule::Required | SaslRule::Optional, _) if clear => SaslOffer::InClear,
        (SaslRule::Required | SaslRule::Optional, ListenerTls::Off) => SaslOffer::No,
        (
            SaslRule::Required | SaslRule::Optional,
            ListenerTls::Starttls | ListenerTls::Implicit,
        ) => SaslOffer::UnderTls,
    };
    Offer {
        hostname: conf.server.hostname.clone(),
        size_max: conf.queue.max_message_size.0,
        starttls: listener.tls == ListenerTls::Starttls,
        sasl,
        recipients_max: conf.limits.recipients,
        errors_max: conf.limits.errors,
    }
}

fn refusal(verdict: Verdict) -> Option<Reply> {
    match verdict {
        Verdict::Accept | Verdict::Hold(_) => None,
        Verdict::Defer(reply) | Verdict::Reject(reply) => Some(reply),
    }
}

fn internal() -> Reply {
    Reply::new(
        451,
        Some(EnhancedStatus(4, 3, 0)),
        "Internal error; try again later",
    )
}
