//! AUTH towards a next hop (RFC 4954): PLAIN and LOGIN by `smtp::client::login`, CRAM-MD5's answer by mail-send.
//!
//! A password goes out only under TLS or on loopback. It stands in no dialogue and in no log, also when a hop repeats
//! it in its refusal. Each exchange has the bound of a reply, all of them together twice that.
//! Not here: which mechanisms a hop offers (`Offers`), and what a refusal means (`trouble`).

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mail_send::Credentials;
use tokio::io::{AsyncRead, AsyncWrite};

use super::trouble::Trouble;
use super::wire::{Wire, WireFault};
use crate::base::clock::{Clock, Mono};
use crate::config::RelayLogin;
use crate::mail::reply::{Class, Reply};
use crate::smtp::client::login::{Exchange, Mechanism};
use crate::smtp::client::offers::{CRAM_MD5, Offers};

/// Whom we log in at, and as whom.
pub struct Login<'a> {
    /// `mx.example[192.0.2.1]:25`
    pub site: &'a str,
    /// Name and password.
    pub as_whom: &'a RelayLogin,
    /// Nobody can listen.
    pub safe: bool,
    /// One exchange.
    pub within: Duration,
    /// For all of them together.
    pub clock: &'a Clock,
}

impl Login<'_> {
    /// Proves who we are.
    pub async fn run<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        wire: &mut Wire<S>,
        offers: &Offers,
    ) -> Result<(), Trouble> {
        if !self.safe {
            let text =
                "AUTH is configured, but there is no TLS; set tls = \"required\" for this route";
            return Err(Trouble::LoginUnsafe(format!("{}: {text}", self.site)));
        }
        if wire.has_more() {
            return Err(self.broken(&"the server spoke before it was asked"));
        }
        let end = self.clock.mono() + self.within * 2;
        let mut last = None;
        for mechanism in offers.mechanisms() {
            let reply = self.one(wire, mechanism, end).await;
            let reply = reply.map_err(|fault| self.broken(&fault))?;
            if reply.code() == 235 {
                return Ok(());
            }
            let another = may_take_another(&reply);
            last = Some(reply);
            if !another {
                break;
            }
        }
        Err(match last {
            Some(reply) => Trouble::LoginRefused(self.fit(&reply)),
            None => {
                let text =
                    "AUTH is configured, but the next hop offers none of PLAIN, LOGIN, CRAM-MD5";
                Trouble::LoginUnsafe(format!("{}: {text}", self.site))
            }
        })
    }

    /// The last reply of one mechanism's exchange.
    async fn one<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        wire: &mut Wire<S>,
        mechanism: Mechanism,
        end: Mono,
    ) -> Result<Reply, WireFault> {
        let (user, password) = (self.as_whom.user.as_str(), self.as_whom.password.reveal());
        let mut exchange = match mechanism {
            Mechanism::Plain => Exchange::plain(user, password),
            Mechanism::Login => Exchange::login(user, password),
            Mechanism::CramMd5 => return self.cram_md5(wire, end).await,
        };
        let mut reply = self.ask(wire, exchange.first(), end).await?;
        while reply.class() == Class::GoOn {
            let Some(line) = exchange.answer() else {
                return self.ask(wire, CANCEL, end).await;
            };
            reply = self.ask(wire, &line, end).await?;
        }
        Ok(reply)
    }

    /// RFC 2195: one answer, and no more.
    async fn cram_md5<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        wire: &mut Wire<S>,
        end: Mono,
    ) -> Result<Reply, WireFault> {
        let asked = self.ask(wire, "AUTH CRAM-MD5\r\n", end).await?;
        if asked.class() != Class::GoOn {
            return Ok(asked);
        }
        let (user, password) = (self.as_whom.user.as_str(), self.as_whom.password.reveal());
        let answer = Credentials::new(user, password).encode(CRAM_MD5, asked.text().trim());
        let line = answer.map_or_else(|_| CANCEL.to_owned(), |answer| answer + "\r\n");
        let reply = self.ask(wire, &line, end).await?;
        if reply.class() == Class::GoOn {
            return self.ask(wire, CANCEL, end).await;
        }
        Ok(reply)
    }

    async fn ask<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        wire: &mut Wire<S>,
        line: &str,
        end: Mono,
    ) -> Result<Reply, WireFault> {
        let left = end - self.clock.mono();
        wire.ask(line.as_bytes(), self.within.min(left)).await
    }

    /// A refusal as it may be kept: it must not look like a success, and never holds what it refuses.
    fn fit(&self, reply: &Reply) -> Reply {
        let code = match reply.class() {
            Class::NotNow | Class::Never => reply.code(),
            // Neither yes nor no: 250, or 334 without end.
            Class::Done | Class::GoOn => 454,
        };
        let status = reply.status().filter(|_| code == reply.code());
        let password = self.as_whom.password.reveal();
        let text = reply.text();
        let said = [
            password.to_owned(),
            STANDARD.encode(password),
            STANDARD.encode(format!("\0{}\0{password}", self.as_whom.user)),
        ];
        if said
            .iter()
            .any(|secret| !secret.is_empty() && text.contains(secret))
        {
            return Reply::new(code, status, "(the server's text repeats the password)");
        }
        Reply::new(code, status, text)
    }

    fn broken(&self, why: &dyn std::fmt::Display) -> Trouble {
        Trouble::Broken {
            step: "AUTH",
            why: format!("{}: {why} (AUTH)", self.site),
        }
    }
}

/// Whether the refusal means this mechanism: no such one, too weak, wants TLS. A wrong password is wrong in all of them.
fn may_take_another(reply: &Reply) -> bool {
    reply.class() == Class::Never && reply.code() != 535
}

/// RFC 4954 section 4.
const CANCEL: &str = "*\r\n";

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream};

    use super::super::wire::Hurry;
    use super::*;
    use crate::base::clock::Wall;
    use crate::base::secret::Secret;

    /// Answers line after line from the script; what it was asked comes back.
    async fn hop(stream: DuplexStream, script: &[&str]) -> Vec<String> {
        let mut wire = BufReader::new(stream);
        let mut asked = Vec::new();
        for answer in script {
            let mut line = String::new();
            if wire.read_line(&mut line).await.unwrap() == 0 {
                break;
            }
            asked.push(line.trim_end().to_owned());
            wire.write_all(format!("{answer}\r\n").as_bytes())
                .await
                .unwrap();
        }
        asked
    }

    async fn try_it(offers: &str, script: &[&str]) -> (Result<(), Trouble>, Vec<String>) {
        let clock = Clock::moved(Wall(0));
        let (ours, theirs) = tokio::io::duplex(4_096);
        let mut wire = Wire::new(ours, clock.clone(), Hurry::default());
        let offers = Offers::parse(format!("250-mx.example\r\n250 AUTH {offers}\r\n").as_bytes());
        let as_whom = RelayLogin {
            user: "me".to_owned(),
            password: Secret::new("secret"),
        };
        let login = Login {
            site: "mx.example[192.0.2.1]:25",
            as_whom: &as_whom,
            safe: true,
            within: Duration::from_secs(60),
            clock: &clock,
        };
        let run = async {
            let done = login.run(&mut wire, &offers).await;
            drop(wire);
            done
        };
        tokio::join!(run, hop(theirs, script))
    }

    #[tokio::test]
    async fn login_gives_name_and_password_whatever_the_prompts_say() {
        for (name, first, second) in [
            ("usual", "334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6"),
            ("translated", "334 QmVudXR6ZXI6", "334 S2VubndvcnQ6"),
            ("empty", "334 ", "334"),
            ("no base64", "334 your name?", "334 !!"),
            (
                "the wrong way round",
                "334 UGFzc3dvcmQ6",
                "334 VXNlcm5hbWU6",
            ),
            (
                "of two lines",
                "334-hello\r\n334 VXNlcm5hbWU6",
                "334-x\r\n334 ",
            ),
        ] {
            let (done, asked) = try_it("LOGIN", &[first, second, "235 2.7.0 in"]).await;
            assert_eq!(done, Ok(()), "case: {name}");
            assert_eq!(asked, ["AUTH LOGIN", "bWU=", "c2VjcmV0"], "case: {name}");
        }
    }

    #[tokio::test]
    async fn a_wrong_password_is_tried_by_one_mechanism_a_missing_mechanism_by_the_next() {
        let plain = "AUTH PLAIN AG1lAHNlY3JldA==";
        for (name, script, refusal, asked) in [
            (
                "wrong",
                &["535 5.7.8 no"][..],
                Some("535 5.7.8 no"),
                &[plain][..],
            ),
            (
                "not now",
                &["454 4.7.0 later"],
                Some("454 4.7.0 later"),
                &[plain],
            ),
            (
                "no PLAIN after all",
                &["504 5.5.4 no such", "334 ", "334 ", "235 in"],
                None,
                &[plain, "AUTH LOGIN", "bWU=", "c2VjcmV0"],
            ),
            (
                "too weak, all of them",
                &["534 5.7.9 weak", "534 5.7.9 weak"],
                Some("534 5.7.9 weak"),
                &[plain, "AUTH LOGIN"],
            ),
            (
                "asks for ever",
                &["334 ", "334 ", "501 5.5.2 cancelled", "535 5.7.8 no"],
                Some("535 5.7.8 no"),
                &[plain, "AG1lAHNlY3JldA==", "*", "AUTH LOGIN"],
            ),
            (
                "neither yes nor no",
                &["250 2.0.0 hm"],
                Some("454 hm"),
                &[plain],
            ),
            (
                "repeats it",
                &["535 5.7.8 wrong: AG1lAHNlY3JldA=="],
                Some("535 5.7.8 (the server's text repeats the password)"),
                &[plain],
            ),
        ] {
            let (done, lines) = try_it("LOGIN PLAIN", script).await;
            let got = match done {
                Ok(()) => None,
                Err(Trouble::LoginRefused(reply)) => Some(reply.to_string()),
                Err(other) => panic!("case: {name}, got {other:?}"),
            };
            assert_eq!(got.as_deref(), refusal, "case: {name}");
            assert_eq!(lines, asked, "case: {name}");
        }
    }

    #[tokio::test]
    async fn cram_md5_answers_what_it_was_asked() {
        // The keyed hash of RFC 2195's own challenge.
        let challenge = "334 PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+";
        let (done, asked) = try_it("CRAM-MD5", &[challenge, "235 in"]).await;
        assert_eq!(done, Ok(()));
        let answer = String::from_utf8(STANDARD.decode(&asked[1]).unwrap()).unwrap();
        assert!(
            answer.starts_with("me ") && answer.len() == 3 + 32,
            "got {answer}"
        );
        let (done, asked) = try_it("CRAM-MD5", &["334 !!", "501 cancelled"]).await;
        assert!(
            matches!(done, Err(Trouble::LoginRefused(_))),
            "got {done:?}"
        );
        assert_eq!(asked, ["AUTH CRAM-MD5", "*"]);
    }

    #[tokio::test]
    async fn a_hop_that_closes_is_named() {
        let (done, _) = try_it("LOGIN", &[]).await;
        let Err(Trouble::Broken { why, .. }) = done else {
            panic!("got {done:?}");
        };
        assert_eq!(
            why,
            "mx.example[192.0.2.1]:25: the server closed the connection (AUTH)"
        );
    }
}
