//! The form of tokens: one spelling for each, the golden ones, and nothing else.
//!
//! The golden file was made by another program (Python's hmac and base64) from the words of the specification.

use super::*;
use crate::base::clock::Wall;

fn key() -> hmac::Key {
    let secret: Vec<u8> = (0..32).collect();
    hmac::Key::new(hmac::HMAC_SHA256, &secret)
}

fn sample(action: Action) -> Token {
    let hold = if action.is_whole() {
        HoldId(0)
    } else {
        HoldId(0x0006_1234_5678_9ABC)
    };
    Token {
        key: 5,
        action,
        hold,
        digest: 77,
        end: 495_000,
    }
}

#[test]
fn the_format_is_the_one_of_the_golden_file() {
    let golden = include_str!("golden.txt");
    let lines: Vec<&str> = golden.lines().collect();
    assert_eq!(lines.len(), Action::ALL.len());
    for (line, action) in lines.iter().zip(Action::ALL) {
        let text = sample(action).sealed(&key());
        assert_eq!(text, *line, "{action:?}");
        let written = Written::parse(line).unwrap();
        assert!(written.is_by(&key()));
        assert_eq!(written.token(), Some(sample(action)));
    }
}

#[test]
fn any_token_reads_back_as_it_was_signed() {
    let mut random = fastrand::Rng::with_seed(3);
    for _ in 0..2_000 {
        let action = *random.choice(&Action::ALL).unwrap();
        let token = Token {
            key: random.u8(0..64),
            action,
            hold: HoldId(if action.is_whole() {
                0
            } else {
                random.u64(1..)
            }),
            digest: random.u32(..),
            end: random.u32(..),
        };
        let text = token.sealed(&key());
        assert_eq!(text.len(), TOKEN_CHARS);
        let alphabet = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        assert!(text.chars().all(alphabet), "{text}");
        let written = Written::parse(&text).unwrap();
        assert_eq!(written.key(), token.key);
        assert_eq!(
            (written.is_by(&key()), written.token()),
            (true, Some(token))
        );
    }
}

#[test]
fn every_spelling_is_another_token_so_that_none_has_two() {
    // 44 characters of 6 bits are 33 octets of 8: whatever the last character is, it decodes, and to other octets.
    let text = sample(Action::Release).sealed(&key());
    let (start, _) = text.split_at(TOKEN_CHARS - 1);
    let mut seen = std::collections::HashSet::new();
    for last in ('A'..='Z')
        .chain('a'..='z')
        .chain('0'..='9')
        .chain(['-', '_'])
    {
        let written = Written::parse(&format!("{start}{last}")).unwrap();
        assert!(seen.insert((written.head, written.tag)), "{last}");
        let same = text.ends_with(last);
        assert_eq!(written.is_by(&key()), same, "{last}");
    }
    assert_eq!(seen.len(), 64);
}

#[test]
fn what_is_not_44_characters_of_the_alphabet_is_no_token() {
    let text = sample(Action::Release).sealed(&key());
    let (start, _) = text.split_at(TOKEN_CHARS - 1);
    let (shorter, _) = text.split_at(TOKEN_CHARS - 3);
    for wrong in [
        String::new(),
        start.to_owned(),
        format!("{text}A"),
        format!("{text}="),
        format!("{start}="),
        format!("{shorter}%2E"),
        format!("{shorter}%3D"),
        format!("{start}+"),
        format!("{start}/"),
        format!("{start}."),
        format!("{start} "),
        format!(" {text}"),
        format!("{text}\n"),
        format!("{start}\n"),
        format!("{start}\0"),
        format!("{shorter}A\u{e4}"),
        "\u{1F600}".repeat(11),
        "A".repeat(10_000),
    ] {
        assert!(Written::parse(&wrong).is_none(), "{wrong:?}");
    }
}

#[test]
fn only_what_belongs_to_a_whole_digest_has_hold_zero() {
    for action in Action::ALL {
        for hold in [0, 1, u64::MAX] {
            let token = Token {
                hold: HoldId(hold),
                ..sample(action)
            };
            let read = Written::parse(&token.sealed(&key())).unwrap().token();
            let fits = action.is_whole() == (hold == 0);
            assert_eq!(read == Some(token), fits, "{action:?} {hold}");
        }
    }
}

#[test]
fn a_link_ends_with_the_hour_that_it_names() {
    let token = sample(Action::Release);
    let end = u64::from(token.end) * HOUR_SECS * 1_000_000;
    assert!(!token.has_ended(Wall(end - 1)));
    assert!(token.has_ended(Wall(end)) && token.has_ended(Wall(u64::MAX)));
    assert!(!token.has_ended(Wall(0)));
}
