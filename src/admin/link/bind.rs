//! What binds a form to the browser that asked for it: a cookie.
//!
//! The cookie is random and means nothing by itself; the page's nonce is made of it, so a form that somebody else had
//! fetched fits no other browser. `__Host-` would need `Path=/`, and then every page of the server would get the cookie;
//! this one is for `/d/` alone, so its name begins with `__Secure-`.
//! Not here: the nonce itself (`digest::key`), and from where a POST may come (`web::session`).

use aws_lc_rs::rand;
use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::base::limit::LINK_COOKIE_AGE;

/// Octets of a cookie's value; as many as the token's signature.
const RANDOM: usize = 16;
/// Their length in base64url without padding.
const LETTERS: usize = 22;

/// The cookie of one browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cookie(String);

impl Cookie {
    /// A new one; none if the system gives no random octets.
    pub fn fresh() -> Option<Self> {
        let mut octets = [0; RANDOM];
        rand::fill(&mut octets).ok()?;
        Some(Self(URL_SAFE_NO_PAD.encode(octets)))
    }

    /// The one that the browser sent, if it looks like ours.
    pub fn sent(headers: &HeaderMap, https: bool) -> Option<Self> {
        let fields = headers.get_all(header::COOKIE).iter();
        fields
            .filter_map(|field| field.to_str().ok())
            .flat_map(|field| field.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(name, value)| *name == name_of(https) && is_ours(value))
            .map(|(_, value)| Self(value.to_owned()))
    }

    /// What the nonce is made of.
    pub fn value(&self) -> &str {
        &self.0
    }

    /// The Set-Cookie field. On plain HTTP, which is loopback only, browsers would drop `Secure`.
    pub fn field(&self, https: bool) -> String {
        let (name, age) = (name_of(https), LINK_COOKIE_AGE.as_secs());
        let secure = if https { "; Secure" } else { "" };
        format!(
            "{name}={}; Path=/d/; Max-Age={age}; SameSite=Strict; HttpOnly{secure}",
            self.0
        )
    }
}

fn name_of(https: bool) -> &'static str {
    if https {
        "__Secure-postwerk-link"
    } else {
        "postwerk-link"
    }
}

fn is_ours(value: &str) -> bool {
    value.len() == LETTERS
        && value
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_cookie_comes_back_as_it_was_set() {
        for https in [true, false] {
            let cookie = Cookie::fresh().unwrap();
            let field = cookie.field(https);
            let (pair, rest) = field.split_once(';').unwrap();
            assert_eq!(rest.contains("Secure"), https);
            assert_eq!(pair.starts_with("__Secure-"), https);
            for needed in ["Path=/d/", "Max-Age=900", "SameSite=Strict", "HttpOnly"] {
                assert!(rest.contains(needed), "{field}");
            }
            let sent = format!("theme=dark; {pair}; x=y");
            assert_eq!(
                Cookie::sent(&headers(&[("cookie", &sent)]), https),
                Some(cookie.clone())
            );
            let split = [("cookie", "theme=dark"), ("cookie", pair)];
            assert_eq!(Cookie::sent(&headers(&split), https), Some(cookie));
            assert_eq!(Cookie::sent(&headers(&[("cookie", pair)]), !https), None);
        }
    }

    #[test]
    fn two_cookies_are_never_the_same() {
        assert_ne!(Cookie::fresh(), Cookie::fresh());
    }

    #[test]
    fn what_is_not_one_of_ours_is_no_cookie() {
        let good = "A".repeat(LETTERS);
        for (name, value, wanted) in [
            ("ours", good.clone(), true),
            ("empty", String::new(), false),
            ("long", format!("{good}A"), false),
            ("short", "A".repeat(LETTERS - 1), false),
            ("other letters", "ä".repeat(11), false),
            ("quotes", format!("\"{}\"", "A".repeat(20)), false),
        ] {
            let mut fields = HeaderMap::new();
            let field = format!("postwerk-link={value}");
            fields.insert("cookie", field.as_bytes().try_into().unwrap());
            let found = Cookie::sent(&fields, false);
            assert_eq!(found.is_some(), wanted, "case: {name}");
        }
    }
}
