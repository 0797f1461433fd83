//! A reply of SMTP: code, enhanced status and text (RFC 5321 section 4.2, RFC 3463).
//!
//! One type for both directions: what we answer, and what a peer answered and we keep.

use std::fmt;
use std::str::FromStr;

use crate::base::limit::REPLY_TEXT_MAX;
use crate::base::text::clean;

/// `550 5.1.1 No such user`
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct Reply {
    #[n(0)]
    code: u16,
    #[n(1)]
    status: Option<EnhancedStatus>,
    /// Lines joined by `\n`; control characters of a peer are already replaced.
    #[n(2)]
    text: String,
}

/// `5.1.1` (RFC 3463): class, subject, detail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, minicbor::Encode, minicbor::Decode)]
pub struct EnhancedStatus(#[n(0)] pub u8, #[n(1)] pub u16, #[n(2)] pub u16);

/// What the first digit says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// 2yz: done.
    Done,
    /// 3yz: go on.
    GoOn,
    /// 4yz: not now.
    NotNow,
    /// 5yz: never, and what no server may answer.
    Never,
}

/// A text that is no reply or no status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no SMTP reply: three digits, a space and a text are expected")]
pub struct BadReply;

impl Reply {
    /// A reply of ours, or one whose parts are known.
    pub fn new(code: u16, status: Option<EnhancedStatus>, text: impl Into<String>) -> Self {
        debug_assert!(
            (200..600).contains(&code),
            "a reply's code has three digits and starts with 2 to 5"
        );
        Self {
            code,
            status,
            text: text.into(),
        }
    }

    /// From the lines of a peer without their codes; the status is read from the first line.
    pub fn of_peer<'a>(code: u16, lines: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut status = None;
        let mut text = String::new();
        for (n, line) in lines.into_iter().enumerate() {
            let line = String::from_utf8_lossy(line);
            let mut line = line.trim();
            if let Some((first, rest)) = line
                .split_once(' ')
                .or((!line.is_empty()).then_some((line, "")))
                && let Ok(found) = first.parse::<EnhancedStatus>()
                && u16::from(found.0) == code / 100
            {
                if n == 0 {
                    status = Some(found);
                }
                line = rest;
            }
            if text.len() < REPLY_TEXT_MAX {
                if n > 0 {
                    text.push('\n');
                }
                text.push_str(&clean(
                    line,
                    REPLY_TEXT_MAX - text.len().min(REPLY_TEXT_MAX),
                ));
            }
        }
        Self { code, status, text }
    }

    /// Three digits.
    pub fn code(&self) -> u16 {
        self.code
    }

    /// The enhanced status, if one was given.
    pub fn status(&self) -> Option<EnhancedStatus> {
        self.status
    }

    /// The enhanced status, or the general one of the code's class.
    pub fn status_or_class(&self) -> EnhancedStatus {
        self.status.unwrap_or(match self.class() {
            Class::Done | Class::GoOn => EnhancedStatus(2, 0, 0),
            Class::NotNow => EnhancedStatus(4, 0, 0),
            Class::Never => EnhancedStatus(5, 0, 0),
        })
    }

    /// The text; several lines are joined by `\n`.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What the first digit says. An unknown digit counts as 5.
    pub fn class(&self) -> Class {
        match self.code / 100 {
            2 => Class::Done,
            3 => Class::GoOn,
            4 => Class::NotNow,
            _ => Class::Never,
        }
    }

    /// The reply as it goes over the wire, with the multi-line form and CRLFs.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut lines = self.text.split('\n').peekable();
        while let Some(line) = lines.next() {
            let mark = if lines.peek().is_some() { '-' } else { ' ' };
            out.extend_from_slice(format!("{}{mark}", self.code).as_bytes());
            if let Some(status) = self.status {
                out.extend_from_slice(format!("{status} ").as_bytes());
            }
            out.extend_from_slice(line.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// On one line, as logs and DSNs show it.
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if let Some(status) = self.status {
            write!(f, " {status}")?;
        }
        for line in self.text.split('\n').filter(|line| !line.is_empty()) {
            write!(f, " {line}")?;
        }
        Ok(())
    }
}

impl FromStr for Reply {
    type Err = BadReply;
    fn from_str(text: &str) -> Result<Self, BadReply> {
        let code: u16 = text
            .get(..3)
            .and_then(|code| code.parse().ok())
            .ok_or(BadReply)?;
        if !(200..600).contains(&code) || !matches!(text.as_bytes().get(3), None | Some(b' ')) {
            return Err(BadReply);
        }
        Ok(Self::of_peer(
            code,
            [text.get(4..).unwrap_or_default().as_bytes()],
        ))
    }
}

impl fmt::Display for EnhancedStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

impl FromStr for EnhancedStatus {
    type Err = BadReply;
    fn from_str(text: &str) -> Result<Self, BadReply> {
        let mut parts = text.split('.');
        let mut next = |max: usize| {
            let part = parts.next().filter(|p| {
                !p.is_empty() && p.len() <= max && p.bytes().all(|b| b.is_ascii_digit())
            });
            part.and_then(|p| p.parse::<u16>().ok()).ok_or(BadReply)
        };
        let (class, subject, detail) = (next(1)?, next(3)?, next(3)?);
        match (class, parts.next()) {
            (2 | 4 | 5, None) => Ok(Self(
                if class == 2 {
                    2
                } else if class == 4 {
                    4
                } else {
                    5
                },
                subject,
                detail,
            )),
            _ => Err(BadReply),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_of_a_peer_is_read_and_shown_on_one_line() {
        let reply = Reply::of_peer(550, [&b"5.1.1 No such user"[..], b"5.1.1 here\r"]);
        assert_eq!(reply.to_string(), "550 5.1.1 No such user here");
        assert_eq!(reply.status(), Some(EnhancedStatus(5, 1, 1)));
        assert_eq!(reply.class(), Class::Never);
    }

    #[test]
    fn a_status_of_another_class_is_text() {
        let reply: Reply = "451 5.1.1 odd".parse().unwrap();
        assert_eq!((reply.status(), reply.text()), (None, "5.1.1 odd"));
        assert_eq!(reply.status_or_class(), EnhancedStatus(4, 0, 0));
    }

    #[test]
    fn several_lines_are_written_with_hyphens() {
        let mut out = Vec::new();
        Reply::new(250, Some(EnhancedStatus(2, 0, 0)), "a\nb").write(&mut out);
        assert_eq!(out, b"250-2.0.0 a\r\n250 2.0.0 b\r\n");
    }

    #[test]
    fn what_is_no_reply_is_refused() {
        for text in ["", "25", "999 x", "250x", "abc d"] {
            assert!(text.parse::<Reply>().is_err(), "case: {text}");
        }
    }
}
