//! AUTH as a client, without I/O: PLAIN (RFC 4616) and LOGIN (draft-murchison-sasl-login).
//!
//! Prompts are never read: what LOGIN asks for first is the name and then the password, whatever language it asks in;
//! PLAIN has one answer. A server that asks for more is told `*` (RFC 4954 section 4).
//! Not here: CRAM-MD5, which answers what it was asked (`deliver::login`), and whether a password may be said at all.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A way to log in that we master, in the order in which it is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// One answer; nothing is parsed by either side.
    Plain,
    /// Two answers.
    Login,
    /// A keyed hash of what the server asks; old.
    CramMd5,
}

/// What goes out for one mechanism.
pub struct Exchange {
    first: String,
    answers: std::vec::IntoIter<String>,
}

impl Exchange {
    /// RFC 4616.
    pub fn plain(user: &str, password: &str) -> Self {
        let answer = STANDARD.encode(format!("\0{user}\0{password}"));
        let whole = format!("AUTH PLAIN {answer}\r\n");
        let fits = whole.len() <= LINE_MAX;
        Self {
            first: if fits { whole } else { bare("PLAIN") },
            // Old servers do not know the initial response, and ask for it again.
            answers: vec![answer].into_iter(),
        }
    }

    /// Name, then password.
    pub fn login(user: &str, password: &str) -> Self {
        let answers = vec![STANDARD.encode(user), STANDARD.encode(password)];
        Self {
            first: bare("LOGIN"),
            answers: answers.into_iter(),
        }
    }

    /// The command, with its line end.
    pub fn first(&self) -> &str {
        &self.first
    }

    /// The line that answers the next 334; none: it asks for more than there is.
    pub fn answer(&mut self) -> Option<String> {
        self.answers.next().map(|answer| answer + "\r\n")
    }
}

fn bare(mechanism: &str) -> String {
    format!("AUTH {mechanism}\r\n")
}

/// A command line; longer initial responses wait to be asked for (RFC 4954 section 4, RFC 5321 section 4.5.3.1.4).
const LINE_MAX: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_comes_first_and_then_the_password_whatever_is_asked() {
        let mut exchange = Exchange::login("me", "secret");
        assert_eq!(exchange.first(), "AUTH LOGIN\r\n");
        assert_eq!(exchange.answer().as_deref(), Some("bWU=\r\n"));
        assert_eq!(exchange.answer().as_deref(), Some("c2VjcmV0\r\n"));
        assert_eq!(exchange.answer(), None);
    }

    #[test]
    fn plain_says_all_at_once_and_again_to_who_asks_for_it() {
        let mut exchange = Exchange::plain("u", "hunter2");
        assert_eq!(exchange.first(), "AUTH PLAIN AHUAaHVudGVyMg==\r\n");
        assert_eq!(exchange.answer().as_deref(), Some("AHUAaHVudGVyMg==\r\n"));
        assert_eq!(exchange.answer(), None);
    }

    #[test]
    fn what_is_too_long_for_a_command_waits_to_be_asked_for() {
        let mut exchange = Exchange::plain("u", &"x".repeat(500));
        assert_eq!(exchange.first(), "AUTH PLAIN\r\n");
        assert!(exchange.answer().is_some_and(|line| line.len() > 512));
    }
}
