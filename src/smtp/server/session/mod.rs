//! `Session`: the state of one dialog, and every move of it that a line makes.
//!
//! What an answer makes of it stands in `answers`.

mod answers;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::counts::{Counts, Verb};
use super::sasl::{self, Dialog, Turn};
use super::{Answer, Ask, End, Offer, Step, Then, reply};
use crate::base::limit::{COMMAND_MAX, IDLE_COMMANDS_MAX, RECIPIENTS_OVERSHOOT, SASL_LINE_MAX};
use crate::mail::reply::{Class, Reply};
use crate::smtp::command::{Command, Mechanism, parse};

/// One dialog.
#[derive(Debug)]
pub struct Session {
    offer: Arc<Offer>,
    state: State,
    hello: Option<Hello>,
    tls: bool,
    logged_in: bool,
    errors: u32,
    idle: u32,
    counts: Counts,
    verb: Verb,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Hello {
    name: String,
    extended: bool,
}

#[derive(Debug)]
enum State {
    /// Between transactions.
    Ready,
    /// MAIL was accepted.
    Open(Open),
    /// In the middle of AUTH.
    Sasl(Dialog),
    /// An answer is awaited, or a handshake.
    Asked(Asked),
    Closed,
}

/// A transaction.
#[derive(Clone, Copy, Debug, Default)]
struct Open {
    utf8: bool,
    accepted: usize,
    overshoot: u32,
    chunks: Chunks,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Chunks {
    #[default]
    None,
    Some,
    /// One was refused; RFC 3030 section 2: nothing but RSET helps.
    Refused,
}

#[derive(Debug)]
enum Asked {
    Hello(Hello),
    Mail {
        utf8: bool,
    },
    Rcpt(Open),
    Data(Open),
    Body,
    Chunk {
        open: Option<Open>,
        size: u64,
        last: bool,
    },
    Login,
    Tls,
}

impl Session {
    /// A dialog that has not begun. `tls` is on already where TLS is implicit.
    pub fn new(offer: Arc<Offer>, tls: bool) -> Self {
        Self {
            offer,
            state: State::Ready,
            hello: None,
            tls,
            logged_in: false,
            errors: 0,
            idle: 0,
            counts: Counts::default(),
            verb: Verb::Unknown,
        }
    }

    /// The first reply. `early`: the client spoke before it, as only programs do that do not listen.
    pub fn greet(&mut self, answer: Answer, early: bool) -> Step {
        match answer {
            Answer::No(reply) | Answer::Cut(reply) => self.end_with(reply),
            Answer::Yes | Answer::Queued(_) if early => self.end_with(reply(
                554,
                (5, 5, 0),
                "You spoke before the greeting; wait for it (RFC 5321 section 3.1)",
            )),
            Answer::Yes | Answer::Queued(_) => Step::say(self.offer.banner()),
        }
    }

    /// One line without its CRLF. `more`: the client sent something behind it already.
    pub fn line(&mut self, line: &[u8], more: bool) -> Step {
        match std::mem::replace(&mut self.state, State::Ready) {
            State::Sasl(dialog) => {
                let turn = sasl::answer(dialog, line);
                self.turn(turn)
            }
            state @ (State::Ready | State::Open(_)) => {
                let utf8 = matches!(&state, State::Open(open) if open.utf8);
                self.state = state;
                self.command(line, utf8, more)
            }
            State::Asked(_) | State::Closed => {
                debug_assert!(false, "a line came while an answer was awaited");
                self.end_with(reply(421, (4, 3, 0), "Internal error; closing"))
            }
        }
    }

    /// A line that did not end with CRLF.
    pub fn bare_newline(&mut self) -> Step {
        self.heard(Verb::Unknown);
        self.say(reply(
            500,
            (5, 5, 2),
            "The line does not end with CRLF (RFC 5321 section 2.3.8)",
        ))
    }

    /// A line longer than `line_max`; where it ends is not known, so the session does.
    pub fn line_too_long(&mut self) -> Step {
        self.heard(Verb::Unknown);
        self.end_with(reply(500, (5, 5, 2), "The line is too long; closing"))
    }

    /// The answer to what was asked.
    pub fn answer(&mut self, answer: Answer) -> Step {
        let State::Asked(asked) = std::mem::replace(&mut self.state, State::Ready) else {
            debug_assert!(false, "an answer came that nobody asked for");
            return self.end_with(reply(421, (4, 3, 0), "Internal error; closing"));
        };
        if let Answer::Cut(reply) = answer {
            return self.end_with(reply);
        }
        match asked {
            Asked::Hello(hello) => self.hello_answered(hello, answer),
            Asked::Mail { utf8 } => self.mail_answered(utf8, answer),
            Asked::Rcpt(open) => self.rcpt_answered(open, answer),
            Asked::Data(open) => self.data_answered(open, answer),
            Asked::Body => self.body_answered(answer),
            Asked::Chunk { open, size, last } => self.chunk_answered(open, size, last, answer),
            Asked::Login => self.login_answered(answer),
            Asked::Tls => self.end_with(reply(421, (4, 3, 0), "Internal error; closing")),
        }
    }

    /// The handshake is done: nothing from before it counts (RFC 3207 section 4.2).
    pub fn tls_started(&mut self) {
        debug_assert!(matches!(self.state, State::Asked(Asked::Tls)));
        self.state = State::Ready;
        self.tls = true;
        self.hello = None;
        self.logged_in = false;
    }

    /// The last reply of a session that is ended by us.
    pub fn end(&mut self, end: End) -> Step {
        let name = &self.offer.hostname;
        let reply = match end {
            End::Idle => reply(
                421,
                (4, 4, 2),
                format!("{name} Nothing came in time; closing"),
            ),
            End::Drip => reply(
                421,
                (4, 4, 2),
                format!("{name} The command took too long to come; closing"),
            ),
            End::Unused => reply(
                421,
                (4, 4, 2),
                format!("{name} No mail for a long time; closing"),
            ),
            End::Slow => reply(
                421,
                (4, 4, 2),
                format!("{name} The transaction took too long; closing"),
            ),
            End::Crowded => reply(
                421,
                (4, 7, 0),
                format!("{name} Too many connections, and this one is idle; closing"),
            ),
            End::Shutdown => reply(
                421,
                (4, 3, 2),
                format!("{name} Going down; try again later"),
            ),
        };
        self.end_with(reply)
    }

    /// Octets that the next line may have.
    pub fn line_max(&self) -> usize {
        match self.state {
            State::Sasl(_) => SASL_LINE_MAX,
            State::Ready if self.offer.sasl_now(self.tls) => SASL_LINE_MAX,
            State::Ready | State::Open(_) | State::Asked(_) | State::Closed => COMMAND_MAX,
        }
    }

    /// Whether MAIL was accepted and the mail is not finished.
    pub fn in_transaction(&self) -> bool {
        match &self.state {
            State::Open(_) => true,
            State::Asked(asked) => matches!(
                asked,
                Asked::Rcpt(_) | Asked::Data(_) | Asked::Body | Asked::Chunk { open: Some(_), .. }
            ),
            State::Ready | State::Sasl(_) | State::Closed => false,
        }
    }

    /// What the client calls itself; empty before EHLO.
    pub fn hello_name(&self) -> &str {
        self.hello.as_ref().map_or("", |hello| &hello.name)
    }

    /// How the mail came, as Received says it (RFC 3848; RFC 6531 section 4.3).
    pub fn protocol(&self, utf8: bool) -> String {
        if !self.hello.as_ref().is_some_and(|hello| hello.extended) {
            return "SMTP".to_owned();
        }
        let name = if utf8 { "UTF8SMTP" } else { "ESMTP" };
        let secret = if self.tls { "S" } else { "" };
        let known = if self.logged_in { "A" } else { "" };
        format!("{name}{secret}{known}")
    }

    /// Commands and how often, for the log.
    pub fn summary(&self) -> String {
        self.counts.summary()
    }

    fn command(&mut self, line: &[u8], utf8: bool, more: bool) -> Step {
        let login = line
            .get(..5)
            .is_some_and(|verb| verb.eq_ignore_ascii_case(b"AUTH "));
        if line.len() + 2 > COMMAND_MAX && !login {
            return self.line_too_long();
        }
        let command = match parse(line, utf8) {
            Ok(command) => command,
            Err(fault) => {
                self.heard(Verb::Unknown);
                return if fault.closes() {
                    self.end_with(fault.reply())
                } else {
                    self.say(fault.reply())
                };
            }
        };
        self.heard(Verb::of(&command));
        if more && ends_a_group(&command) {
            // What stands behind them was written by somebody who did not wait for the reply, or who is not the
            // client at all (CVE-2011-0411).
            return self.end_with(reply(
                554,
                (5, 5, 0),
                "Wait for the reply to this command before the next (RFC 2920 section 3.1)",
            ));
        }
        if self.idles(&command) {
            return self.end_with(reply(
                421,
                (4, 7, 0),
                "Too many commands without a mail; closing",
            ));
        }
        self.obey(command)
    }

    fn obey(&mut self, command: Command) -> Step {
        match command {
            Command::Ehlo(name) => self.greeted(name, true),
            Command::Helo(name) => self.greeted(name, false),
            Command::Mail(from) => self.mail(from),
            Command::Rcpt(to) => self.rcpt(to),
            Command::Data => self.data(),
            Command::Bdat { size, last } => self.chunk(size, last),
            Command::StartTls => self.starttls(),
            Command::Login(mechanism, initial) => self.login(mechanism, initial.as_deref()),
            Command::Rset => {
                self.state = State::Ready;
                self.say(reply(250, (2, 0, 0), "Ok"))
            }
            Command::Noop => self.say(reply(250, (2, 0, 0), "Ok")),
            Command::Vrfy => self.say(reply(
                252,
                (2, 0, 0),
                "Addresses are not verified; send the mail and see",
            )),
            Command::Help => self.say(reply(
                214,
                (2, 0, 0),
                "EHLO HELO MAIL RCPT DATA BDAT RSET NOOP QUIT VRFY HELP STARTTLS AUTH",
            )),
            Command::Quit => {
                self.counts.succeeded(Verb::Quit);
                self.end_with(reply(221, (2, 0, 0), "Bye"))
            }
        }
    }

    fn greeted(&mut self, name: String, extended: bool) -> Step {
        // RFC 5321 section 4.1.4: EHLO in the middle of a session is also a RSET.
        self.state = State::Asked(Asked::Hello(Hello {
            name: name.clone(),
            extended,
        }));
        Step::ask(Ask::Hello(name))
    }

    fn mail(&mut self, from: crate::mail::envelope::MailFrom) -> Step {
        if self.hello.is_none() {
            return self.out_of_order("Say EHLO first");
        }
        if matches!(self.state, State::Open(_)) {
            return self.out_of_order("A mail has begun already; RSET forgets it");
        }
        if from.size.is_some_and(|size| size > self.offer.size_max) {
            return self.say(too_large(self.offer.size_max));
        }
        self.state = State::Asked(Asked::Mail {
            utf8: from.smtputf8,
        });
        Step::ask(Ask::Mail(from))
    }

    fn rcpt(&mut self, to: crate::smtp::command::Recipient) -> Step {
        let State::Open(open) = &mut self.state else {
            return self.out_of_order("Say MAIL first");
        };
        if open.chunks != Chunks::None {
            return self.out_of_order("Recipients come before the first chunk");
        }
        if open.accepted < self.offer.recipients_max {
            self.state = State::Asked(Asked::Rcpt(*open));
            return Step::ask(Ask::Rcpt(to));
        }
        open.overshoot += 1;
        if open.overshoot > RECIPIENTS_OVERSHOOT {
            self.errors += 1;
        }
        self.say(reply(
            452,
            (4, 5, 3),
            "Too many recipients; send the mail to the others in another transaction",
        ))
    }

    fn data(&mut self) -> Step {
        let State::Open(open) = self.state else {
            return self.out_of_order("Say MAIL first");
        };
        if open.chunks != Chunks::None {
            // RFC 3030 section 2: DATA and BDAT cannot be mixed.
            return self.out_of_order("This mail comes in chunks; go on with BDAT, or RSET");
        }
        if open.accepted == 0 {
            return self.say(no_recipients());
        }
        self.state = State::Asked(Asked::Data(open));
        Step::ask(Ask::Data)
    }

    /// The octets of a chunk follow at once, so they are read whatever the answer will be.
    fn chunk(&mut self, size: u64, last: bool) -> Step {
        let open = match self.state {
            State::Open(open) => Some(open),
            State::Ready | State::Sasl(_) | State::Asked(_) | State::Closed => None,
        };
        if size > self.offer.size_max.saturating_mul(2) {
            // Not worth reading to its end.
            return self.end_with(too_large(self.offer.size_max));
        }
        let keep = open.is_some_and(|open| open.accepted > 0 && open.chunks != Chunks::Refused);
        self.state = State::Asked(Asked::Chunk { open, size, last });
        Step::ask(Ask::Chunk { size, last, keep })
    }

    fn starttls(&mut self) -> Step {
        if self.tls {
            return self.out_of_order("TLS is on already");
        }
        if !self.offer.starttls {
            return self.say(reply(502, (5, 5, 1), "STARTTLS is not offered here"));
        }
        if self.hello.is_none() {
            return self.out_of_order("Say EHLO first");
        }
        self.counts.succeeded(Verb::StartTls);
        self.state = State::Asked(Asked::Tls);
        Step {
            reply: Some(reply(220, (2, 0, 0), "Ready to start TLS")),
            then: Then::Tls,
        }
    }

    fn login(&mut self, mechanism: Mechanism, initial: Option<&str>) -> Step {
        if !self.offer.sasl_now(self.tls) {
            return if self.offer.starttls && self.offer.sasl_now(true) {
                self.say(reply(
                    538,
                    (5, 7, 11),
                    "Say STARTTLS first; passwords are not taken in the clear",
                ))
            } else {
                self.say(reply(502, (5, 5, 1), "AUTH is not offered here"))
            };
        }
        if self.hello.is_none() {
            return self.out_of_order("Say EHLO first");
        }
        if self.logged_in {
            return self.out_of_order("You are logged in already");
        }
        if matches!(self.state, State::Open(_)) {
            return self.out_of_order("AUTH comes before MAIL");
        }
        self.turn(sasl::begin(mechanism, initial))
    }

    fn turn(&mut self, turn: Turn) -> Step {
        match turn {
            Turn::More(dialog, challenge) => {
                self.state = State::Sasl(dialog);
                Step::say(Reply::new(334, None, challenge))
            }
            Turn::Done(login) => {
                self.state = State::Asked(Asked::Login);
                Step::ask(Ask::Login(login))
            }
            Turn::Failed(reply) => self.say(reply),
        }
    }

    fn out_of_order(&mut self, text: &'static str) -> Step {
        self.say(reply(503, (5, 5, 1), text))
    }

    /// Counts, and lets errors end the session.
    fn say(&mut self, reply: Reply) -> Step {
        match reply.class() {
            Class::Done | Class::GoOn => self.counts.succeeded(self.verb),
            Class::NotNow => {}
            Class::Never => self.errors += 1,
        }
        if reply.code() == 421 {
            return self.end_with(reply);
        }
        if self.errors >= self.offer.errors_max {
            return self.end_with(Reply::new(
                421,
                Some(crate::mail::reply::EnhancedStatus(4, 7, 0)),
                format!("{} Too many errors; closing", self.offer.hostname),
            ));
        }
        Step::say(reply)
    }

    fn end_with(&mut self, reply: Reply) -> Step {
        self.state = State::Closed;
        Step::close(reply)
    }

    fn heard(&mut self, verb: Verb) {
        self.verb = verb;
        self.counts.said(verb);
    }

    /// Whether this was one command too many that does nothing.
    fn idles(&mut self, command: &Command) -> bool {
        let idle = match command {
            Command::Ehlo(_)
            | Command::Helo(_)
            | Command::Login(..)
            | Command::Rset
            | Command::Noop
            | Command::Vrfy
            | Command::Help
            | Command::Bdat {
                size: 0,
                last: false,
            } => true,
            Command::Mail(_)
            | Command::Rcpt(_)
            | Command::Data
            | Command::Bdat { .. }
            | Command::StartTls
            | Command::Quit => false,
        };
        self.idle += u32::from(idle);
        idle && self.idle > IDLE_COMMANDS_MAX
    }
}

/// RFC 2920 section 3.1: their replies change what may come next. NOOP, VRFY and QUIT do not, and are let pass.
fn ends_a_group(command: &Command) -> bool {
    match command {
        Command::Ehlo(_)
        | Command::Helo(_)
        | Command::Data
        | Command::StartTls
        | Command::Login(..) => true,
        Command::Mail(_)
        | Command::Rcpt(_)
        | Command::Bdat { .. }
        | Command::Rset
        | Command::Noop
        | Command::Vrfy
        | Command::Help
        | Command::Quit => false,
    }
}

fn too_large(max: u64) -> Reply {
    reply(
        552,
        (5, 3, 4),
        format!("The mail is too large; this server takes {max} octets"),
    )
}

fn no_recipients() -> Reply {
    reply(554, (5, 5, 1), "No valid recipients")
}
