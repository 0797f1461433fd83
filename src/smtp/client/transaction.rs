//! One mail transaction as a pure machine: MAIL, RCPT for each recipient, DATA, the body, the dot.
//!
//! The driver asks `wants` what to do and tells `answer` what the peer said. Every recipient gets one verdict, also
//! when the peer closes in the middle: what was answered until then stays. Commands are pipelined in groups
//! (RFC 2920), never more than `PIPELINE_MAX` unanswered, so that both sides' buffers cannot fill up against each other.
//! Not here: which reply means what for the queue (`deliver::trouble`).

use crate::base::limit::PIPELINE_MAX;
use crate::mail::reply::{Class, Reply};

/// The machine.
#[derive(Clone, Debug)]
pub struct Transaction {
    wire: Vec<u8>,
    /// Where each command ends in `wire`.
    ends: Vec<usize>,
    reset: bool,
    pipelining: bool,
    sent: usize,
    replies: Vec<Reply>,
    taken: usize,
    body: Body,
    end: Option<Reply>,
    cut: Option<Cut>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Body {
    Unsent,
    Sent,
    Empty,
}

/// Which answer is, or was, waited for; names its timeout (RFC 5321 section 4.5.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// RSET that clears the last transaction.
    Reset,
    /// MAIL
    Mail,
    /// RCPT
    Rcpt,
    /// DATA, up to the 354.
    Data,
    /// The final dot.
    Dot,
}

/// What the driver does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next<'a> {
    /// Write these commands.
    Send(&'a [u8]),
    /// Read one reply and give it to `answer`.
    Await(Stage),
    /// Write the body and its end, then call `body_sent`.
    Body,
    /// The peer wants a body though it took no recipient: write `.CRLF`, then call `body_sent` (RFC 2920 section 3.1).
    NoBody,
    /// Done; see `finish`.
    Over,
}

/// What became of one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The peer took responsibility.
    Taken(Reply),
    /// It answered this command with 4yz or 5yz.
    Refused {
        /// Which.
        stage: Stage,
        /// How.
        reply: Reply,
    },
    /// The connection ended before the answer came.
    Cut {
        /// The answer that was waited for.
        stage: Stage,
        /// Why: 421 of the peer, or what broke.
        cut: Cut,
    },
}

/// Why a connection ended in the middle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The peer said 421 and closes (RFC 5321 section 3.8).
    Closing(Reply),
    /// The connection, or the peer's sense, was lost.
    Lost(String),
}

/// The end of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// One for each recipient, in order.
    pub verdicts: Vec<Verdict>,
    /// Whether the connection may be used for another transaction.
    pub usable: bool,
    /// Whether that one must begin with RSET.
    pub needs_reset: bool,
}

impl Transaction {
    /// `mail` and `rcpts` are whole command lines. `reset`: RSET goes first, in the same group.
    pub fn new<'a>(
        reset: bool,
        mail: &[u8],
        rcpts: impl IntoIterator<Item = &'a [u8]>,
        pipelining: bool,
    ) -> Self {
        let mut machine = Self {
            wire: Vec::with_capacity(256),
            ends: Vec::with_capacity(4),
            reset,
            pipelining,
            sent: 0,
            replies: Vec::with_capacity(4),
            taken: 0,
            body: Body::Unsent,
            end: None,
            cut: None,
        };
        if reset {
            machine.push(b"RSET\r\n");
        }
        machine.push(mail);
        for rcpt in rcpts {
            machine.push(rcpt);
        }
        machine.push(b"DATA\r\n");
        machine
    }

    fn push(&mut self, command: &[u8]) {
        debug_assert!(command.ends_with(b"\r\n"), "a command is a whole line");
        self.wire.extend_from_slice(command);
        self.ends.push(self.wire.len());
    }

    /// What to do now.
    pub fn wants(&mut self) -> Next<'_> {
        if self.cut.is_some() || self.end.is_some() {
            return Next::Over;
        }
        if self.replies.len() < self.sent {
            return Next::Await(self.stage(self.replies.len()));
        }
        match self.body {
            Body::Sent | Body::Empty => return Next::Await(Stage::Dot),
            Body::Unsent => {}
        }
        if self.sent == self.ends.len() {
            return match self.replies.last().map(Reply::class) {
                Some(Class::GoOn) if self.taken > 0 => Next::Body,
                Some(Class::GoOn) => Next::NoBody,
                Some(Class::Done | Class::NotNow | Class::Never) | None => Next::Over,
            };
        }
        if self.hopeless() {
            return Next::Over;
        }
        let from = self.sent;
        self.sent = self.group_end();
        Next::Send(self.slice(from, self.sent))
    }

    /// The peer's next reply.
    pub fn answer(&mut self, reply: Reply) {
        let waited = self.waited();
        if reply.code() == 421 {
            self.cut = Some(Cut::Closing(reply));
            return;
        }
        let fits = match (waited, reply.class()) {
            (_, Class::NotNow | Class::Never) => waited != Stage::Reset,
            (Stage::Data, Class::GoOn) => true,
            (Stage::Reset | Stage::Mail | Stage::Rcpt | Stage::Dot, Class::Done) => true,
            (Stage::Data, Class::Done) => false,
            (Stage::Reset | Stage::Mail | Stage::Rcpt | Stage::Dot, Class::GoOn) => false,
        };
        if !fits {
            self.lose(format!("the server answered {waited} with {reply}"));
            return;
        }
        if waited == Stage::Dot {
            self.end = Some(reply);
        } else {
            // Who refuses the sender and takes a recipient has still no mail to give the body to.
            let taken = waited == Stage::Rcpt && reply.class() == Class::Done && self.mail_taken();
            self.taken += usize::from(taken);
            self.replies.push(reply);
        }
    }

    /// The body and its end are written.
    pub fn body_sent(&mut self) {
        self.body = if self.taken > 0 {
            Body::Sent
        } else {
            Body::Empty
        };
    }

    /// The connection is gone; what was answered stays.
    pub fn lose(&mut self, why: impl Into<String>) {
        if self.end.is_none() && self.cut.is_none() {
            self.cut = Some(Cut::Lost(why.into()));
        }
    }

    /// Whether nothing was answered yet: on a connection that was kept open, the peer had closed it before.
    pub fn untouched(&self) -> bool {
        self.replies.is_empty() && self.body == Body::Unsent
    }

    /// The verdicts.
    pub fn finish(&self) -> Finished {
        let first = usize::from(self.reset) + 1;
        let last = self.ends.len().saturating_sub(1);
        Finished {
            verdicts: (first..last).map(|n| self.verdict(n)).collect(),
            usable: self.cut.is_none(),
            needs_reset: self.mail_taken() && self.end.is_none(),
        }
    }

    /// The dialogue so far, for people: `C:` and `S:` lines.
    pub fn dialogue(&self, out: &mut String) {
        let mut from = 0;
        for (n, end) in self.ends.iter().take(self.sent).enumerate() {
            let line = self.wire.get(from..*end).unwrap_or_default();
            out.push_str("C: ");
            out.push_str(String::from_utf8_lossy(line).trim_end());
            out.push('\n');
            from = *end;
            if let Some(reply) = self.replies.get(n) {
                said(reply, out);
            }
        }
        match self.body {
            Body::Unsent => {}
            Body::Sent => out.push_str("C: (message and final dot)\n"),
            Body::Empty => out.push_str("C: .\n"),
        }
        if let Some(reply) = &self.end {
            said(reply, out);
        }
        match &self.cut {
            Some(Cut::Closing(reply)) => said(reply, out),
            Some(Cut::Lost(why)) => {
                out.push_str("--: ");
                out.push_str(why);
                out.push('\n');
            }
            None => {}
        }
    }

    fn verdict(&self, command: usize) -> Verdict {
        if let Some(reply) = self.mail()
            && reply.class() != Class::Done
        {
            return Verdict::Refused {
                stage: Stage::Mail,
                reply: reply.clone(),
            };
        }
        if let Some(reply) = self.replies.get(command)
            && reply.class() != Class::Done
        {
            return Verdict::Refused {
                stage: Stage::Rcpt,
                reply: reply.clone(),
            };
        }
        let data = self.replies.get(self.ends.len().saturating_sub(1));
        match (&self.end, &self.cut, data) {
            (Some(reply), _, _) if reply.class() == Class::Done => Verdict::Taken(reply.clone()),
            (Some(reply), _, _) => Verdict::Refused {
                stage: Stage::Dot,
                reply: reply.clone(),
            },
            (None, Some(cut), _) => Verdict::Cut {
                stage: self.waited(),
                cut: cut.clone(),
            },
            (None, None, Some(reply)) => Verdict::Refused {
                stage: Stage::Data,
                reply: reply.clone(),
            },
            (None, None, None) => Verdict::Cut {
                stage: self.waited(),
                cut: Cut::Lost("the transaction was given up".to_owned()),
            },
        }
    }

    /// What the peer said to MAIL.
    fn mail(&self) -> Option<&Reply> {
        self.replies.get(usize::from(self.reset))
    }

    fn mail_taken(&self) -> bool {
        self.mail()
            .is_some_and(|reply| reply.class() == Class::Done)
    }

    fn waited(&self) -> Stage {
        match self.body {
            Body::Sent | Body::Empty => Stage::Dot,
            Body::Unsent => self.stage(self.replies.len()),
        }
    }

    fn stage(&self, command: usize) -> Stage {
        match command.checked_sub(usize::from(self.reset)) {
            None => Stage::Reset,
            Some(0) => Stage::Mail,
            Some(_) if command + 1 >= self.ends.len() => Stage::Data,
            Some(_) => Stage::Rcpt,
        }
    }

    /// Everything sent is answered, and nothing more can come of it.
    fn hopeless(&self) -> bool {
        self.mail().is_some()
            && (!self.mail_taken() || (self.sent + 1 == self.ends.len() && self.taken == 0))
    }

    fn group_end(&self) -> usize {
        let most = if self.pipelining { PIPELINE_MAX } else { 1 };
        (self.sent + most).min(self.ends.len())
    }

    fn slice(&self, from: usize, to: usize) -> &[u8] {
        let at = |n: usize| n.checked_sub(1).and_then(|n| self.ends.get(n)).copied();
        let (from, to) = (at(from).unwrap_or(0), at(to).unwrap_or(0));
        self.wire.get(from..to).unwrap_or_default()
    }
}

impl std::fmt::Display for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Reset => "RSET",
            Self::Mail => "MAIL FROM",
            Self::Rcpt => "RCPT TO",
            Self::Data => "DATA",
            Self::Dot => "end of DATA",
        })
    }
}

fn said(reply: &Reply, out: &mut String) {
    out.push_str("S: ");
    out.push_str(&reply.to_string());
    out.push('\n');
}

#[cfg(test)]
mod tests;
