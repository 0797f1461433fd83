//! What an answer of policy, queue or accounts makes of a session.
//!
//! Each answer belongs to the question that is open; any other is our bug and ends the session.
//! Not here: which question a command asks (`session`).

use super::{Asked, Chunks, Hello, Open, Session, State, no_recipients};
use crate::mail::reply::Reply;
use crate::smtp::server::{Answer, Ask, Step, Then, reply};

impl Session {
    pub(super) fn hello_answered(&mut self, hello: Hello, answer: Answer) -> Step {
        match answer {
            Answer::No(reply) | Answer::Cut(reply) => self.say(reply),
            Answer::Yes | Answer::Queued(_) => {
                let reply = if hello.extended {
                    self.offer.ehlo(self.tls)
                } else {
                    self.offer.helo()
                };
                self.hello = Some(hello);
                self.say(reply)
            }
        }
    }

    pub(super) fn mail_answered(&mut self, utf8: bool, answer: Answer) -> Step {
        match answer {
            Answer::No(reply) | Answer::Cut(reply) => self.say(reply),
            Answer::Yes | Answer::Queued(_) => {
                self.state = State::Open(Open {
                    utf8,
                    ..Open::default()
                });
                self.say(reply(250, (2, 1, 0), "Ok"))
            }
        }
    }

    pub(super) fn rcpt_answered(&mut self, mut open: Open, answer: Answer) -> Step {
        let reply = match answer {
            Answer::No(reply) | Answer::Cut(reply) => reply,
            Answer::Yes | Answer::Queued(_) => {
                open.accepted += 1;
                reply(250, (2, 1, 5), "Ok")
            }
        };
        self.state = State::Open(open);
        self.say(reply)
    }

    pub(super) fn data_answered(&mut self, open: Open, answer: Answer) -> Step {
        match answer {
            Answer::No(reply) | Answer::Cut(reply) => {
                self.state = State::Open(open);
                self.say(reply)
            }
            Answer::Yes | Answer::Queued(_) => {
                self.state = State::Asked(Asked::Body);
                Step {
                    reply: Some(Reply::new(354, None, "End the mail with <CR><LF>.<CR><LF>")),
                    then: Then::Ask(Ask::Body),
                }
            }
        }
    }

    pub(super) fn body_answered(&mut self, answer: Answer) -> Step {
        match answer {
            Answer::No(reply) | Answer::Cut(reply) => self.say(reply),
            Answer::Queued(id) => self.queued(&id),
            Answer::Yes => self.say(reply(250, (2, 0, 0), "Ok")),
        }
    }

    pub(super) fn chunk_answered(
        &mut self,
        open: Option<Open>,
        size: u64,
        last: bool,
        answer: Answer,
    ) -> Step {
        let Some(mut open) = open else {
            return self.out_of_order("Say MAIL first");
        };
        let refusal = if open.accepted == 0 {
            Some(no_recipients())
        } else if open.chunks == Chunks::Refused {
            Some(reply(
                503,
                (5, 5, 1),
                "A chunk of this mail was refused; say RSET",
            ))
        } else {
            None
        };
        if let Some(refusal) = refusal {
            self.state = State::Open(open);
            return self.say(refusal);
        }
        match answer {
            Answer::No(reply) | Answer::Cut(reply) => {
                if !last {
                    open.chunks = Chunks::Refused;
                    self.state = State::Open(open);
                }
                self.say(reply)
            }
            Answer::Queued(id) => self.queued(&id),
            Answer::Yes => {
                open.chunks = Chunks::Some;
                self.state = State::Open(open);
                self.say(reply(250, (2, 0, 0), format!("{size} octets received")))
            }
        }
    }

    pub(super) fn login_answered(&mut self, answer: Answer) -> Step {
        match answer {
            Answer::No(reply) | Answer::Cut(reply) => self.say(reply),
            Answer::Yes | Answer::Queued(_) => {
                self.logged_in = true;
                self.say(reply(235, (2, 7, 0), "Authentication successful"))
            }
        }
    }

    pub(super) fn queued(&mut self, id: &str) -> Step {
        self.errors = 0;
        self.idle = 0;
        self.say(reply(250, (2, 0, 0), format!("Ok: queued as {id}")))
    }
}
