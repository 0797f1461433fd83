//! AUTH PLAIN and LOGIN, line by line (RFC 4954, RFC 4616).
//!
//! Name and password are only carried; whether they are right is asked. CRAM-MD5 is not here, because it needs the
//! password in clear text on the server.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::reply;
use crate::base::secret::Secret;
use crate::mail::reply::Reply;
use crate::smtp::command::Mechanism;

/// What a client claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// How it said so; `PLAIN` or `LOGIN`.
    pub mechanism: &'static str,
    /// The account.
    pub name: String,
    /// Its password.
    pub password: Secret,
}

/// What the next line of the exchange is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Dialog {
    Plain,
    LoginName,
    LoginPassword(String),
}

/// Where one line leads.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Say 334 with this challenge, and wait.
    More(Dialog, &'static str),
    /// Complete.
    Done(Login),
    /// Ended by the client, or not understood.
    Failed(Reply),
}

/// `Username:` and `Password:` in base64, as every client of LOGIN expects them.
const ASK_NAME: &str = "VXNlcm5hbWU6";
const ASK_PASSWORD: &str = "UGFzc3dvcmQ6";

/// The AUTH command itself.
pub(super) fn begin(mechanism: Mechanism, initial: Option<&str>) -> Turn {
    match (mechanism, initial) {
        (Mechanism::Plain, None) => Turn::More(Dialog::Plain, ""),
        (Mechanism::Login, None) => Turn::More(Dialog::LoginName, ASK_NAME),
        // RFC 4954 section 4: a lone `=` is an empty response.
        (Mechanism::Plain, Some(text)) => {
            answer(Dialog::Plain, text.trim_start_matches("=").as_bytes())
        }
        (Mechanism::Login, Some(text)) => answer(Dialog::LoginName, text.as_bytes()),
    }
}

/// A line of the client.
pub(super) fn answer(dialog: Dialog, line: &[u8]) -> Turn {
    if line == b"*" {
        return Turn::Failed(reply(501, (5, 7, 0), "AUTH was cancelled"));
    }
    let Some(bytes) = STANDARD.decode(line.trim_ascii()).ok() else {
        return unreadable("The response is not base64");
    };
    match dialog {
        Dialog::Plain => plain(&bytes),
        Dialog::LoginName => match text(&bytes) {
            Some(name) => Turn::More(Dialog::LoginPassword(name.to_owned()), ASK_PASSWORD),
            None => unreadable("The name is not UTF-8 or is empty"),
        },
        Dialog::LoginPassword(name) => match text(&bytes) {
            Some(password) => done("LOGIN", name, password),
            None => unreadable("The password is not UTF-8 or is empty"),
        },
    }
}

fn plain(bytes: &[u8]) -> Turn {
    const SHAPE: &str = "The response must be NUL, name, NUL, password (RFC 4616)";
    let parts: Vec<&[u8]> = bytes.split(|b| *b == 0).collect();
    let [authority, name, password] = parts.as_slice() else {
        return unreadable(SHAPE);
    };
    let (Some(name), Some(password)) = (text(name), text(password)) else {
        return unreadable(SHAPE);
    };
    // Acting for somebody else is not offered; a client that names itself twice is common.
    if !authority.is_empty() && *authority != name.as_bytes() {
        return Turn::Failed(reply(
            535,
            (5, 7, 8),
            "Acting for another account is not offered",
        ));
    }
    done("PLAIN", name.to_owned(), password)
}

fn done(mechanism: &'static str, name: String, password: &str) -> Turn {
    Turn::Done(Login {
        mechanism,
        name,
        password: Secret::new(password),
    })
}

fn unreadable(text: &'static str) -> Turn {
    Turn::Failed(reply(501, (5, 5, 2), text))
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok().filter(|t| !t.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(mechanism: &'static str) -> Turn {
        Turn::Done(Login {
            mechanism,
            name: "app1".to_owned(),
            password: Secret::new("geheim"),
        })
    }

    #[test]
    fn both_mechanisms_lead_to_the_same_claim() {
        let once = STANDARD.encode("\0app1\0geheim");
        assert_eq!(begin(Mechanism::Plain, Some(&once)), login("PLAIN"));
        assert_eq!(begin(Mechanism::Plain, None), Turn::More(Dialog::Plain, ""));
        assert_eq!(answer(Dialog::Plain, once.as_bytes()), login("PLAIN"));
        let Turn::More(dialog, ASK_PASSWORD) = begin(Mechanism::Login, Some("YXBwMQ==")) else {
            panic!("the name was not taken");
        };
        assert_eq!(answer(dialog, b"Z2VoZWlt"), login("LOGIN"));
    }

    #[test]
    fn what_cannot_be_read_is_an_error_of_syntax() {
        for (name, dialog, line, code) in [
            ("cancelled", Dialog::Plain, &b"*"[..], 501),
            ("no base64", Dialog::Plain, b"!!", 501),
            ("two parts", Dialog::Plain, b"YQBi", 501),
            ("empty password", Dialog::Plain, b"AGEA", 501),
            ("another authority", Dialog::Plain, b"YgBhAGM=", 535),
            ("empty name", Dialog::LoginName, b"", 501),
        ] {
            let Turn::Failed(reply) = answer(dialog, line) else {
                panic!("taken: {name}");
            };
            assert_eq!(reply.code(), code, "case: {name}");
        }
    }
}
