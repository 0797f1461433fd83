//! The header fields by which scanners tell the programs behind us what they found.
//!
//! X-Spam-* in the shape that rspamd and SpamAssassin share, and Authentication-Results (RFC 8601) with our name, which
//! says only what rspamd said. Values are built from checked parts: nothing of a mail can begin a field or a result.
//! Not here: which mail gets them (`config`), and taking foreign ones away (`receive`).

use super::Place;
use crate::mail::edit::Field;
use crate::mail::mailbox::Mailbox;
use crate::mail::results;
use crate::scan::{Score, Symbol};

/// Names of symbols in X-Spam-Status.
const TESTS_MAX: usize = 40;
/// DKIM signatures whose results are told.
const SIGNATURES_MAX: usize = 8;

/// For a mail that clamd looked at.
pub(super) fn virus(place: &Place<'_>) -> Field {
    Field::new("X-Virus-Scanned", format!("clamd at {}", place.hostname))
}

/// For a mail that rspamd scored. `limit`: the points that made or would have made it spam.
pub(super) fn spam(place: &Place<'_>, score: &Score, is_spam: bool, limit: f64) -> Vec<Field> {
    let mut fields = Vec::new();
    let own = score.add.iter().any(|field| {
        field.name.eq_ignore_ascii_case("Authentication-Results")
            && results::claims(field.value.as_bytes(), place.hostname)
    });
    if !own {
        fields.extend(authentication(place, score));
    }
    if is_spam {
        fields.push(Field::new("X-Spam-Flag", "YES"));
        fields.push(Field::new("X-Spam", "Yes"));
    }
    fields.push(Field::new("X-Spam-Score", format!("{:.2}", score.score)));
    let answer = if is_spam { "Yes" } else { "No" };
    let weighed = score.symbols.iter().filter(|one| one.score != 0.0);
    let tests: Vec<String> = weighed
        .take(TESTS_MAX)
        .map(|one| format!("{}={:.2}", atom(&one.name), one.score))
        .collect();
    let mut status = format!(
        "{answer}, score={:.2} required={limit:.2}\ntests=[",
        score.score
    );
    for (n, test) in tests.iter().enumerate() {
        let comma = if n == 0 { "" } else { "," };
        status.push_str(comma);
        // A test a line keeps every line short (RFC 5322 section 2.1.1).
        if n > 0 && n % 3 == 0 {
            status.push('\n');
        }
        status.push_str(test);
    }
    status.push(']');
    fields.push(Field::new("X-Spam-Status", status));
    // What rspamd writes itself it means.
    fields.retain(|field| {
        let mut theirs = score.add.iter();
        !field.name.starts_with("X-Spam")
            || !theirs.any(|other| other.name.eq_ignore_ascii_case(&field.name))
    });
    fields
}

/// What rspamd's symbols say of SPF, DKIM, ARC and DMARC; none if they say nothing.
fn authentication(place: &Place<'_>, score: &Score) -> Option<Field> {
    let mut told = Vec::new();
    told.extend(spf(place, score));
    dkim(score, &mut told);
    told.extend(of(score, ARC).map(|(_, result)| format!("arc={result}")));
    told.extend(of(score, DMARC).map(|(symbol, result)| {
        let domain = symbol.options.first().and_then(|one| one.split(' ').next());
        let from = property("header.from", domain.unwrap_or_default());
        let mut policy = symbol.options.get(1).map(|word| atom(word));
        policy = policy.filter(|word| ["none", "quarantine", "reject"].contains(&word.as_str()));
        let policy = policy.map(|word| format!(" (p={word})"));
        format!("dmarc={result}{}{from}", policy.unwrap_or_default())
    }));
    if told.is_empty() {
        return None;
    }
    let told = told.join(";\n");
    let value = format!("{};\n{told}", place.hostname);
    Some(Field::new("Authentication-Results", value))
}

fn spf(place: &Place<'_>, score: &Score) -> Option<String> {
    let (_, result) = of(score, SPF)?;
    let checked = match place.from.mailbox() {
        Some(mailbox) => address("smtp.mailfrom", mailbox),
        None => property("smtp.helo", place.helo),
    };
    Some(format!("spf={result}{checked}"))
}

fn dkim(score: &Score, told: &mut Vec<String>) {
    for (name, result) in DKIM {
        let found = score.symbols.iter().find(|one| one.name == *name);
        let Some(symbol) = found else { continue };
        if symbol.options.is_empty() {
            told.push(format!("dkim={result}"));
        }
        for option in symbol.options.iter().take(SIGNATURES_MAX) {
            // `example.org:s=selector`
            let (domain, selector) = option.split_once(":s=").unwrap_or((option, ""));
            let (d, s) = (property("header.d", domain), property("header.s", selector));
            told.push(format!("dkim={result}{d}{s}"));
        }
    }
}

/// The first of the symbols that was found, and its result.
fn of(score: &Score, known: Results) -> Option<(&Symbol, &'static str)> {
    known.iter().find_map(|(name, result)| {
        let found = score.symbols.iter().find(|one| one.name == *name);
        found.map(|symbol| (symbol, *result))
    })
}

/// ` header.d=example.org`; nothing if that is no plain name.
fn property(name: &str, value: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
    if value.is_empty() || value.len() > 255 || !value.bytes().all(plain) {
        return String::new();
    }
    format!(" {name}={value}")
}

/// The whole address when it needs no quotes, its domain otherwise.
fn address(name: &str, mailbox: &Mailbox) -> String {
    let whole = mailbox.to_string();
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._+=@".contains(&b);
    if whole.bytes().all(plain) {
        return format!(" {name}={whole}");
    }
    let domain = mailbox.domain().map(|domain| domain.as_str());
    property(name, domain.unwrap_or_default())
}

fn atom(text: &str) -> String {
    let plain = |c: &char| c.is_ascii_alphanumeric() || *c == '_' || *c == '-';
    text.chars().filter(plain).collect()
}

type Results = &'static [(&'static str, &'static str)];

const SPF: Results = &[
    ("R_SPF_ALLOW", "pass"),
    ("R_SPF_PLUSALL", "pass"),
    ("R_SPF_FAIL", "fail"),
    ("R_SPF_SOFTFAIL", "softfail"),
    ("R_SPF_NEUTRAL", "neutral"),
    ("R_SPF_DNSFAIL", "temperror"),
    ("R_SPF_PERMFAIL", "permerror"),
    ("R_SPF_NA", "none"),
];
const DKIM: Results = &[
    ("R_DKIM_ALLOW", "pass"),
    ("R_DKIM_REJECT", "fail"),
    ("R_DKIM_TEMPFAIL", "temperror"),
    ("R_DKIM_PERMFAIL", "permerror"),
    ("R_DKIM_NA", "none"),
];
const ARC: Results = &[
    ("ARC_ALLOW", "pass"),
    ("ARC_REJECT", "fail"),
    ("ARC_INVALID", "fail"),
    ("ARC_DNSFAIL", "temperror"),
];
const DMARC: Results = &[
    ("DMARC_POLICY_ALLOW", "pass"),
    ("DMARC_POLICY_ALLOW_WITH_FAILURES", "pass"),
    ("DMARC_POLICY_REJECT", "fail"),
    ("DMARC_POLICY_QUARANTINE", "fail"),
    ("DMARC_POLICY_SOFTFAIL", "fail"),
    ("DMARC_DNSFAIL", "temperror"),
    ("DMARC_BAD_POLICY", "permerror"),
    ("DMARC_NA", "none"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Role;
    use crate::mail::path::ReversePath;

    fn symbol(name: &str, score: f64, options: &[&str]) -> Symbol {
        Symbol {
            name: name.to_owned(),
            score,
            options: options.iter().map(ToString::to_string).collect(),
            ..Symbol::default()
        }
    }

    fn told(from: &str, score: &Score, is_spam: bool) -> String {
        let place = Place {
            hostname: "mx.example.org",
            role: Role::Mx,
            from: &ReversePath::parse(from).unwrap(),
            helo: "client.example",
            answered: true,
        };
        let fields = spam(&place, score, is_spam, 15.0);
        fields.iter().map(Field::to_line).collect()
    }

    #[test]
    fn a_scored_mail_says_what_rspamd_found() {
        let score = Score {
            score: 7.25,
            symbols: vec![
                symbol("BAYES_SPAM", 5.1, &[]),
                symbol("R_SPF_ALLOW", -0.2, &["+ip4:192.0.2.1"]),
                symbol(
                    "R_DKIM_ALLOW",
                    -0.2,
                    &["example.net:s=k1", "e\r\nvil:s=x;y"],
                ),
                symbol("DMARC_POLICY_ALLOW", 0.0, &["example.net", "reject"]),
            ],
            ..Score::default()
        };
        assert_eq!(
            told("a@example.net", &score, true),
            "Authentication-Results: mx.example.org;\r\n\
             \tspf=pass smtp.mailfrom=a@example.net;\r\n\
             \tdkim=pass header.d=example.net header.s=k1;\r\n\
             \tdkim=pass;\r\n\
             \tdmarc=pass (p=reject) header.from=example.net\r\n\
             X-Spam-Flag: YES\r\nX-Spam: Yes\r\nX-Spam-Score: 7.25\r\n\
             X-Spam-Status: Yes, score=7.25 required=15.00\r\n\
             \ttests=[BAYES_SPAM=5.10,R_SPF_ALLOW=-0.20,R_DKIM_ALLOW=-0.20]\r\n"
        );
    }

    #[test]
    fn what_it_did_not_say_is_not_told() {
        let none = told("", &Score::default(), false);
        assert_eq!(
            none,
            "X-Spam-Score: 0.00\r\nX-Spam-Status: No, score=0.00 required=15.00\r\n\ttests=[]\r\n"
        );
        let failed = Score {
            symbols: vec![
                symbol("R_SPF_SOFTFAIL", 0.0, &["~all"]),
                symbol(
                    "DMARC_POLICY_REJECT",
                    2.0,
                    &["example.net : No valid SPF", "reject"],
                ),
            ],
            ..Score::default()
        };
        let failed = told("\"a b;c\"@example.net", &failed, false);
        assert!(
            failed.contains("spf=softfail smtp.mailfrom=example.net;"),
            "got {failed}"
        );
        assert!(failed.contains("dmarc=fail (p=reject) header.from=example.net\r\n"));
    }

    #[test]
    fn what_rspamd_writes_itself_is_not_written_twice() {
        let score = Score {
            symbols: vec![symbol("R_SPF_ALLOW", 0.0, &[])],
            add: vec![
                Field::new("X-Spam-Status", "No"),
                Field::new("Authentication-Results", "mx.example.org; spf=pass"),
            ],
            ..Score::default()
        };
        assert_eq!(told("", &score, false), "X-Spam-Score: 0.00\r\n");
    }
}
