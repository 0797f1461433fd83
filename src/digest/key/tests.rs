//! What keys believe: every altered token is unknown, rotations keep or end links, and the ring survives anything.
//!
//! Time stands still unless a test moves it.

use std::time::Duration;

use super::*;
use crate::base::clock::Wall;
use crate::base::limit::{LINK_KEYS_MAX, LINK_REST_HOURS};
use crate::base::size::ByteSize;
use crate::digest::record::{Digest, digest_key};
use crate::queue::record::{MessageId, encode};
use crate::store::{Batch, Op, redb};

/// Hour 494,000.
const NOW: Wall = Wall(494_000 * 3_600 * 1_000_000);
const END: u32 = 494_168;
const HOLD: HoldId = HoldId(0x0006_1234_5678_9ABC);

fn put(key: Key, value: bytes::Bytes) -> Op {
    Op::Put {
        key,
        value,
        due: None,
        terms: Vec::new(),
    }
}

async fn commit(store: &Store, op: Op) {
    let batch = Batch {
        ops: vec![op],
        ..Batch::new()
    };
    store.commit(batch).await.unwrap();
}

async fn keys() -> (Keys, Store, Clock) {
    let clock = Clock::moved(NOW);
    let store = redb::memory(clock.clone());
    let keys = Keys::load(store.clone(), clock.clone()).await.unwrap();
    (keys, store, clock)
}

fn release(keys: &Keys) -> String {
    keys.signer().token(Action::Release, HOLD, 77, END)
}

#[tokio::test]
async fn a_stored_key_makes_the_tokens_codes_and_nonces_of_the_golden_values() {
    let clock = Clock::moved(NOW);
    let store = redb::memory(clock.clone());
    let mut secret = [0; 32];
    for (to, n) in secret.iter_mut().zip(0..) {
        *to = n;
    }
    let stored = Stored {
        secret,
        made: 1,
        until: None,
        revoked: None,
    };
    commit(&store, put(link_key(5), encode(&stored))).await;
    let keys = Keys::load(store, clock).await.unwrap();
    let text = keys.signer().token(Action::Release, HOLD, 77, 495_000);
    assert_eq!(text, "FQAGEjRWeJq8AAAATQAHjZg6_F8j5HsVSmgGbFe_AVoz");
    let token = keys.read(&text).unwrap();
    assert_eq!((token.key, token.hold, token.digest), (5, HOLD, 77));
    assert_eq!(keys.signer().code(77, HOLD), "9725");
    assert_eq!(keys.code(&token), "9725");
    assert_eq!(keys.nonce(&text, "cookie"), "xnizLKVS42pEbQqEGg-NSw");
}

#[tokio::test]
async fn every_altered_token_is_unknown() {
    let (keys, ..) = keys().await;
    let text = release(&keys);
    keys.read(&text).unwrap();
    let octets = URL_SAFE_NO_PAD.decode(&text).unwrap();
    for place in 0..octets.len() {
        for bit in 0..8 {
            let mut wrong = octets.clone();
            wrong[place] ^= 1 << bit;
            let wrong = URL_SAFE_NO_PAD.encode(wrong);
            assert_eq!(keys.read(&wrong), Err(BadToken::Unknown), "{place} {bit}");
        }
    }
    let mut others = vec![
        text.to_uppercase(),
        text.to_lowercase(),
        text.chars().rev().collect(),
        format!("{text}="),
        format!("{text}%3D"),
        format!("%2E{text}"),
        format!("/{text}"),
    ];
    others.extend((0..text.len()).map(|n| text.get(..n).unwrap().to_owned()));
    others.extend(["A", "AA", "AAAA", "?x=1", "."].map(|more| format!("{text}{more}")));
    for (place, c) in text.char_indices() {
        for other in ['A', '-', '=', '%', '.', ' ', '\0', '\u{e4}'] {
            if other != c {
                let mut wrong: Vec<char> = text.chars().collect();
                wrong[place] = other;
                others.push(wrong.into_iter().collect());
            }
        }
    }
    for wrong in others {
        assert_eq!(keys.read(&wrong), Err(BadToken::Unknown), "{wrong:?}");
    }
}

#[tokio::test]
async fn a_guessed_token_is_unknown() {
    let (keys, ..) = keys().await;
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..5_000 {
        let mut octets = [0; 33];
        random.fill(&mut octets);
        if random.bool() {
            // The id in use.
            octets[0] &= 3;
        }
        let text = URL_SAFE_NO_PAD.encode(octets);
        assert_eq!(keys.read(&text), Err(BadToken::Unknown));
        let length = random.usize(..100);
        let text: String = (0..length).map(|_| random.char(..)).collect();
        assert_eq!(keys.read(&text), Err(BadToken::Unknown));
    }
}

#[tokio::test]
async fn a_token_of_another_server_is_unknown_whatever_its_key_id() {
    let ((own, ..), (other, ..)) = (keys().await, keys().await);
    for _ in 0..3 {
        assert_eq!(own.read(&release(&other)), Err(BadToken::Unknown));
        other.rotate(false).await.unwrap();
    }
}

#[tokio::test]
async fn a_token_says_the_same_each_time_and_its_end_is_not_judged_here() {
    let (keys, _, clock) = keys().await;
    let text = release(&keys);
    let token = keys.read(&text);
    assert!(!token.unwrap().has_ended(clock.wall()));
    clock.advance(Duration::from_secs(400 * 3_600));
    assert_eq!(keys.read(&text), token);
    assert!(token.unwrap().has_ended(clock.wall()));
}

#[tokio::test]
async fn the_ring_is_the_same_after_a_restart() {
    let (keys, store, clock) = keys().await;
    let text = release(&keys);
    let old = keys.read(&text).unwrap();
    keys.rotate(false).await.unwrap();
    let young = release(&keys);
    let again = Keys::load(store, clock).await.unwrap();
    assert_eq!(again.read(&text), Ok(old));
    assert_eq!(again.read(&young), keys.read(&young));
    assert_eq!(again.code(&old), keys.code(&old));
    assert_eq!(again.signer().id, 1);
    let nonce = keys.nonce(&text, "c");
    assert!(again.nonce_fits(&text, "c", &nonce));
}

#[tokio::test]
async fn a_rotation_keeps_old_links_their_codes_and_open_pages() {
    let (keys, ..) = keys().await;
    let text = release(&keys);
    let token = keys.read(&text).unwrap();
    let (code, nonce) = (keys.code(&token), keys.nonce(&text, "c"));
    let rotated = keys.rotate(false).await.unwrap();
    let told = (
        rotated.key,
        rotated.believed,
        rotated.revoked,
        rotated.until,
    );
    assert_eq!(told, (1, 1, 0, Some(END)));
    assert_eq!(keys.read(&text), Ok(token));
    assert_eq!(keys.code(&token), code);
    assert!(keys.code_fits(&token, &code) && keys.nonce_fits(&text, "c", &nonce));
    assert_ne!(release(&keys), text);
    assert_eq!(keys.read(&release(&keys)).unwrap().key, 1);
}

#[tokio::test]
async fn a_rotation_now_ends_every_old_link_and_says_so() {
    let (keys, store, clock) = keys().await;
    let first = release(&keys);
    keys.rotate(false).await.unwrap();
    let second = release(&keys);
    let rotated = keys.rotate(true).await.unwrap();
    let told = (
        rotated.key,
        rotated.believed,
        rotated.revoked,
        rotated.until,
    );
    assert_eq!(told, (2, 0, 2, None));
    let again = Keys::load(store, clock).await.unwrap();
    for keys in [&keys, &again] {
        for (text, key) in [(&first, 0), (&second, 1)] {
            let Err(BadToken::Revoked(token)) = keys.read(text) else {
                panic!("{:?}", keys.read(text));
            };
            assert_eq!((token.key, token.hold, token.digest), (key, HOLD, 77));
        }
        keys.read(&release(keys)).unwrap();
    }
    // Altered, it is no better than any other.
    let altered = format!("{}A", first.get(..43).unwrap());
    let altered = if altered == first {
        format!("{}B", first.get(..43).unwrap())
    } else {
        altered
    };
    assert_eq!(keys.read(&altered), Err(BadToken::Unknown));
}

#[tokio::test]
async fn an_old_key_is_believed_until_the_last_link_of_any_digest_ends_and_no_longer() {
    let (keys, store, clock) = keys().await;
    let signer = keys.signer();
    let digest = Digest {
        to: crate::mail::mailbox::Mailbox::parse("anna@example.org").unwrap(),
        scopes: Vec::new(),
        lang: crate::base::lang::Lang::En,
        at: NOW.0,
        end: END,
        listed: vec![HOLD],
        message: MessageId(1),
        canary: None,
        wrong: Vec::new(),
        failed: None,
        fresh: None,
    };
    commit(&store, put(digest_key(77), encode(&digest))).await;
    // After a restart memory does not know what was signed before; the digest does.
    let keys = Keys::load(store, clock).await.unwrap();
    assert_eq!(keys.rotate(false).await.unwrap().until, Some(END));
    let made_with_a_stolen_secret = signer.token(Action::Release, HOLD, 77, END + 1);
    let good = signer.token(Action::Release, HOLD, 77, END);
    assert!(matches!(
        keys.read(&made_with_a_stolen_secret),
        Err(BadToken::Revoked(_))
    ));
    keys.read(&good).unwrap();
}

#[tokio::test]
async fn a_digest_under_way_during_a_rotation_has_good_links() {
    let (keys, ..) = keys().await;
    let signer = keys.signer();
    keys.rotate(false).await.unwrap();
    keys.rotate(false).await.unwrap();
    let text = signer.token(Action::Delete, HOLD, 5, END + 500);
    let token = keys.read(&text).unwrap();
    assert_eq!(keys.code(&token), signer.code(5, HOLD));
}

#[tokio::test]
async fn rotations_at_once_happen_one_after_the_other() {
    let (one, store, clock) = keys().await;
    let two = Keys::load(store.clone(), clock.clone()).await.unwrap();
    let text = release(&one);
    let (a, b, c) = tokio::join!(one.rotate(false), two.rotate(false), one.rotate(false));
    let mut made = [a.unwrap().key, b.unwrap().key, c.unwrap().key];
    made.sort_unstable();
    assert_eq!(made, [1, 2, 3]);
    let after = Keys::load(store, clock).await.unwrap();
    assert_eq!(after.signer().id, 3);
    after.read(&text).unwrap();
}

#[tokio::test]
async fn two_first_starts_agree_on_one_key() {
    let clock = Clock::moved(NOW);
    let store = redb::memory(clock.clone());
    let load = || Keys::load(store.clone(), clock.clone());
    let (one, two) = tokio::join!(load(), load());
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!(one.read(&release(&two)), two.read(&release(&one)));
    one.read(&release(&two)).unwrap();
}

#[tokio::test]
async fn keys_are_forgotten_30_days_after_their_last_link() {
    let (keys, store, clock) = keys().await;
    let text = release(&keys);
    let token = keys.read(&text).unwrap();
    keys.rotate(false).await.unwrap();
    clock.jump(Wall(u64::from(END + LINK_REST_HOURS - 1) * 3_600_000_000));
    let before = Keys::load(store.clone(), clock.clone()).await.unwrap();
    assert_eq!(before.read(&text), Ok(token));
    clock.advance(Duration::from_secs(3_600));
    let after = Keys::load(store.clone(), clock.clone()).await.unwrap();
    assert_eq!(after.read(&text), Err(BadToken::Unknown));
    assert_eq!(store.get(vec![link_key(0)]).await.unwrap().len(), 1);
    assert!(store.get(vec![link_key(0)]).await.unwrap()[0].is_none());
    // And at a rotation.
    keys.rotate(false).await.unwrap();
    assert_eq!(keys.read(&text), Err(BadToken::Unknown));
}

#[tokio::test]
async fn an_id_is_not_used_again_while_its_links_may_come() {
    let (keys, _, clock) = keys().await;
    let first = release(&keys);
    for id in 1..64 {
        assert_eq!(keys.rotate(false).await.unwrap().key, id);
    }
    assert!(matches!(keys.rotate(true).await, Err(RotateError::Full)));
    // Nothing changed: not even revoked.
    keys.read(&first).unwrap();
    clock.jump(Wall(u64::from(END + LINK_REST_HOURS) * 3_600_000_000));
    assert_eq!(keys.rotate(false).await.unwrap().key, 0);
    assert_eq!(keys.read(&first), Err(BadToken::Unknown));
    assert_eq!(keys.0.ring.load().signer().id, 0);
    assert_eq!(LINK_KEYS_MAX, 64);
}

#[tokio::test]
async fn a_damaged_key_costs_its_links_and_not_the_start() {
    let (keys, store, clock) = keys().await;
    let text = release(&keys);
    commit(
        &store,
        put(link_key(0), bytes::Bytes::from_static(b"\xff\xff")),
    )
    .await;
    let again = Keys::load(store.clone(), clock).await.unwrap();
    assert_eq!(again.read(&text), Err(BadToken::Unknown));
    assert_eq!(again.signer().id, 1);
    again.rotate(false).await.unwrap();
    assert_eq!(again.signer().id, 2);
}

#[tokio::test]
async fn codes_are_four_digits_of_key_digest_and_hold() {
    let (keys, ..) = keys().await;
    let signer = keys.signer();
    let mut seen = std::collections::HashSet::new();
    for n in 0..2_000 {
        let code = signer.code(n, HoldId(u64::from(n) + 1));
        assert!(
            code.len() == 4 && code.bytes().all(|c| c.is_ascii_digit()),
            "{code}"
        );
        seen.insert(code);
    }
    // 2,000 of 10,000 without a pattern: about 1,800 different ones.
    assert!(seen.len() > 1_700, "{}", seen.len());
    assert_ne!(signer.code(1, HOLD), signer.code(2, HOLD));
    let token = keys.read(&release(&keys)).unwrap();
    let code = keys.code(&token);
    for good in [
        code.clone(),
        format!(" {code}"),
        format!("{code}\r\n"),
        format!("\t{code}  "),
    ] {
        assert!(keys.code_fits(&token, &good), "{good:?}");
    }
    let wrong = format!("{:04}", (code.parse::<u32>().unwrap() + 1) % 10_000);
    for bad in [
        "",
        " ",
        code.get(..3).unwrap(),
        &format!("{code}0"),
        &wrong,
        &format!("+{}", code.get(1..).unwrap()),
    ] {
        assert!(!keys.code_fits(&token, bad), "{bad:?}");
    }
}

#[tokio::test]
async fn a_nonce_fits_its_link_cookie_and_hour_only() {
    let (keys, _, clock) = keys().await;
    let text = release(&keys);
    let other = keys.signer().token(Action::Delete, HOLD, 77, END);
    let nonce = keys.nonce(&text, "cookie");
    assert_eq!(nonce.len(), 22);
    assert!(keys.nonce_fits(&text, "cookie", &nonce));
    assert!(!keys.nonce_fits(&other, "cookie", &nonce));
    assert!(!keys.nonce_fits(&text, "cooki", &nonce));
    assert!(!keys.nonce_fits(&format!("{text}c"), "ookie", &nonce));
    assert!(!keys.nonce_fits(&text, "cookie", nonce.get(..21).unwrap()));
    assert!(!keys.nonce_fits(&text, "cookie", ""));
    clock.advance(Duration::from_secs(3_600));
    assert!(keys.nonce_fits(&text, "cookie", &nonce));
    clock.advance(Duration::from_secs(3_600));
    assert!(!keys.nonce_fits(&text, "cookie", &nonce));
    clock.jump(Wall(NOW.0 - 3_600_000_000));
    assert!(!keys.nonce_fits(&text, "cookie", &nonce));
}

#[tokio::test]
async fn what_is_printed_of_keys_has_no_secret() {
    let (keys, ..) = keys().await;
    assert_eq!(format!("{keys:?} {:?}", keys.signer()), "Keys Signer(0)");
}

#[tokio::test]
async fn a_disk_without_room_costs_the_digests_and_not_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::system();
    // No disk of ours has an exbibyte to spare.
    let (file, reserve) = (folder.path().join("store.redb"), Some(ByteSize(1 << 60)));
    let store = redb::open(&file, ByteSize::mib(1), reserve, clock.clone()).unwrap();
    let full = async {
        let fill = || Batch {
            ops: vec![put(Key::of(b'z', &[b"fill"]), bytes::Bytes::new())],
            ..Batch::new()
        };
        while store.commit(fill()).await.is_ok() {}
    };
    clock.timeout(Duration::from_secs(60), full).await.unwrap();
    let keys = Keys::load(store, clock).await.unwrap();
    assert!(matches!(
        keys.ready().await,
        Err(StoreError::Unavailable(_))
    ));
}
