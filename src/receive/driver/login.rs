//! AUTH: asks the accounts, and makes guessing slow within a session and across those of one address.
//!
//! A wrong name and a wrong password cost the same and are answered the same.
//! Not here: passwords and their hashes (`accounts`), and the exchange itself (`smtp::server`).

use super::Driver;
use crate::base::limit::{LOGIN_FAILURES_MAX, LOGIN_PAUSE};
use crate::journal::line;
use crate::mail::reply::{EnhancedStatus, Reply};
use crate::net::limiter::peer_key;
use crate::smtp::server::{Answer, Login};

impl Driver {
    pub(super) async fn login(&mut self, login: Login) -> Answer {
        let key = peer_key(self.peer.ip()).to_string();
        if !self.hall.failures.has(&key, self.hall.clock.mono()) {
            line::sasl_failed(
                self.peer,
                login.mechanism,
                "too many failures of this address",
            );
            return Answer::Cut(Reply::new(
                421,
                Some(EnhancedStatus(4, 7, 0)),
                "Too many failed logins from your address; try again in some minutes",
            ));
        }
        let found = self
            .hall
            .accounts
            .try_check(&login.name, login.password.reveal())
            .await;
        match found {
            Ok(Some(account)) => {
                self.reception.login(account, login.mechanism);
                Answer::Yes
            }
            Ok(None) => {
                line::sasl_failed(
                    self.peer,
                    login.mechanism,
                    &format!("wrong name or password: {}", login.name),
                );
                self.login_failed(&key).await
            }
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

    /// Guessing is made slow, within a session and across those of one address.
    async fn login_failed(&mut self, key: &str) -> Answer {
        self.failures += 1;
        self.hall.failures.take(key, self.hall.clock.mono());
        self.hall.clock.sleep(LOGIN_PAUSE * self.failures).await;
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
