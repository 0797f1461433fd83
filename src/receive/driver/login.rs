//! AUTH: asks the accounts, and makes guessing slow within a session.
//!
//! A wrong name and a wrong password cost the same and are answered the same; so is a name that is not looked at because
//! too many of its passwords were wrong.
//! Not here: passwords, their hashes and who is held back (`accounts`), and the exchange itself (`smtp::server`).

use super::Driver;
use crate::accounts::{self, Bound, Caller, Throttled};
use crate::base::limit::{LOGIN_FAILURES_MAX, LOGIN_PAUSE};
use crate::journal::line;
use crate::mail::reply::{EnhancedStatus, Reply};
use crate::smtp::server::{Answer, Login};

impl Driver {
    pub(super) async fn login(&mut self, login: Login) -> Answer {
        let caller = Caller {
            ip: self.peer.ip(),
            trusted: self.reception.trusted(),
        };
        let (name, password) = (&login.name, login.password.reveal());
        match self.hall.accounts.log_in(caller, name, password).await {
            Ok(accounts::Login::Right(account)) => {
                self.permit.favour();
                self.reception.login(account, login.mechanism);
                Answer::Yes
            }
            Ok(accounts::Login::Wrong) => {
                let why = format!("wrong name or password: {name}");
                line::sasl_failed(self.peer, login.mechanism, &why);
                self.login_failed().await
            }
            Ok(accounts::Login::Throttled(throttled)) => self.throttled(&login, throttled),
            Err(error) => {
                tracing::error!(%error, "a login could not be checked");
                Answer::No(Reply::new(
                    454,
                    Some(EnhancedStatus(4, 7, 0)),
                    "Logins cannot be checked at the moment; try again later",
                ))
            }
        }
    }

    /// Temporary, so that no client asks for another password or forgets the right one. Only who guesses by many names
    /// is cut off: behind an address others may still be heard.
    fn throttled(&mut self, login: &Login, throttled: Throttled) -> Answer {
        let (word, seconds) = (throttled.bound.word(), throttled.wait.as_secs() + 1);
        let name = &login.name;
        let why =
            format!("too many failures of this {word}, not looked at for {seconds} s: {name}");
        line::sasl_failed(self.peer, login.mechanism, &why);
        self.failures += 1;
        let whose = match throttled.bound {
            Bound::Pair | Bound::Account => "for this account",
            Bound::Address => "from your address",
        };
        let minutes = seconds.div_ceil(60);
        let text = format!("Too many failed logins {whose}; try again in {minutes} min");
        match throttled.bound {
            Bound::Pair | Bound::Account if self.failures < LOGIN_FAILURES_MAX => {
                Answer::No(Reply::new(454, Some(EnhancedStatus(4, 7, 0)), text))
            }
            Bound::Pair | Bound::Account | Bound::Address => {
                Answer::Cut(Reply::new(421, Some(EnhancedStatus(4, 7, 0)), text))
            }
        }
    }

    async fn login_failed(&mut self) -> Answer {
        self.failures += 1;
        tokio::select! {
            biased;
            // Its place is somebody else's: it hears so at the next line.
            () = self.permit.leaving() => {}
            () = self.hall.clock.sleep(LOGIN_PAUSE * self.failures) => {}
        }
        if self.failures >= LOGIN_FAILURES_MAX {
            return Answer::Cut(Reply::new(
                421,
                Some(EnhancedStatus(4, 7, 0)),
                "Too many failed logins; closing",
            ));
        }
        Answer::No(Reply::new(
            535,
            Some(EnhancedStatus(5, 7, 8)),
            "Wrong name or password",
        ))
    }
}
