//! AUTH towards a next hop, done by mail-send over our own stream (RFC 4954).
//!
//! mail-send reads its replies itself, so our reader must be empty, and it must be offered only mechanisms that it
//! masters (`Offers::for_login`). A password goes out only under TLS or on loopback. Its `send()` is never called.

use std::time::Duration;

use mail_send::{Credentials, SmtpClient};

use super::trouble::Trouble;
use super::wire::Wire;
use crate::config::RelayLogin;
use crate::mail::reply::Reply;
use crate::smtp::client::offers::Offers;

/// Proves who we are; `safe`: nobody can listen.
pub async fn login(
    wire: &mut Wire,
    offers: &Offers,
    credentials: &RelayLogin,
    safe: bool,
    within: Duration,
) -> Result<(), Trouble> {
    if !safe {
        let text = "AUTH is configured, but there is no TLS; set tls = \"required\" for this route";
        return Err(Trouble::LoginUnsafe(text.to_owned()));
    }
    let Some(mechanisms) = offers.for_login() else {
        let text = "AUTH is configured, but the next hop offers none of PLAIN, LOGIN, CRAM-MD5";
        return Err(Trouble::LoginUnsafe(text.to_owned()));
    };
    if wire.has_more() {
        return Err(broken("the server spoke before it was asked"));
    }
    let secret = Credentials::new(credentials.user.as_str(), credentials.password.reveal());
    let mut client = SmtpClient {
        stream: wire.stream(),
        timeout: within,
    };
    match client.authenticate(&secret, &mechanisms).await {
        Ok(_) => Ok(()),
        Err(
            mail_send::Error::AuthenticationFailed(said) | mail_send::Error::UnexpectedReply(said),
        ) => {
            // A reply that is no failure here (334 without end) must not look like a success.
            let code = if (400..600).contains(&said.code) {
                said.code
            } else {
                454
            };
            let [class, subject, detail] = said.esc;
            let text = if class == 0 {
                said.message
            } else {
                format!("{class}.{subject}.{detail} {}", said.message)
            };
            let reply = Reply::of_peer(code, [text.as_bytes()]);
            Err(Trouble::LoginRefused(reply))
        }
        Err(error) => Err(broken(&error.to_string())),
    }
}

fn broken(why: &str) -> Trouble {
    Trouble::Broken {
        step: "AUTH",
        why: why.to_owned(),
    }
}
