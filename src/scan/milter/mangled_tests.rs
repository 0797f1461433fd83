//! Answers of a filter, mangled by seeds: whatever comes, a mail gets an opinion or a `Trouble`, within bounds.
//!
//! What an opinion then does to a text keeps that text a mail: whole lines, a section, a body.
//! Not here: what valid answers mean (`change_tests`, `tests/it/milter`).

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::*;
use crate::base::limit::HEADER_MAX;
use crate::config::Role;
use crate::mail::mailbox::Mailbox;
use crate::mail::path::ReversePath;
use crate::scan::edited::Edited;
use crate::scan::{Body, End, Next, Octets};

const SEEDS: u64 = 5_000;
const BODY_MAX: u64 = 3_000;
const ROOM: usize = 8_000;
const LETTER: &[u8] =
    b"Received: x\r\nSubject: one\r\n two\r\nX-Spam: a\r\nX-Spam: b\r\n\r\n.line\r\nend\r\n";
/// Everything that a filter says, and a few letters that it does not.
const CODES: &[u8] = b"Ochsadrt4fypimbeq+2-zSQ\0";

struct Text(Bytes);
struct Once(Option<Bytes>);

impl Body for Text {
    fn open(&self) -> Box<dyn Octets> {
        Box::new(Once(Some(self.0.clone())))
    }
}

impl Octets for Once {
    fn next(&mut self) -> Next<'_> {
        let next = self.0.take();
        Box::pin(async move { Ok(next) })
    }
}

type Packets = Vec<(u8, Vec<u8>)>;

/// What a filter says that wants everything, to the letter above with two recipients.
fn valid() -> Packets {
    let terms = [6u32, 0x1ff, 0x400].map(u32::to_be_bytes).concat();
    let mut all = vec![(b'O', [&terms[..], b"\0\0\0\x02i {auth_type}\0"].concat())];
    all.extend((0..12).map(|_| (b'c', Vec::new())));
    for (code, text) in [
        (b'p', &b""[..]),
        (b'h', b"X-Added\0one\n two\0"),
        (b'i', b"\0\0\0\x02X-Between\0v\0"),
        (b'm', b"\0\0\0\x02X-Spam\0\0"),
        (b'm', b"\0\0\0\x01Subject\0new\0"),
        (b'b', b"new\nbody\r"),
        (b'b', b"\nend"),
        (b'e', b"<n@b.example>\0SIZE=1\0"),
        (b'+', b"<c@b.example>\0"),
        (b'2', b"<d@b.example>\0NOTIFY=NEVER\0"),
        (b'-', b"<a@b.example>\0"),
        (b'q', b"why\0"),
        (b'c', b""),
    ] {
        all.push((code, text.to_vec()));
    }
    all
}

/// A few faults in the packets, and in some rounds in the octets of one.
fn mangled(random: &mut fastrand::Rng) -> Vec<Vec<u8>> {
    let mut all = valid();
    for _ in 0..random.usize(0..4) {
        let (at, other) = (random.usize(..all.len()), random.usize(..all.len()));
        match random.u8(0..8) {
            0 => drop(all.remove(at)),
            1 => all.insert(at, all[other].clone()),
            2 => all.swap(at, other),
            3 => all[at].0 = CODES[random.usize(..CODES.len())],
            4 => all[at].1.truncate(other),
            5 => all[at].1.extend((0..other).map(|_| random.u8(..))),
            6 => all[at].1.extend(vec![b'x'; other * 300]),
            _ => {
                if let Some(octet) = random.choice(all[at].1.iter_mut()) {
                    *octet = random.u8(..);
                }
            }
        }
    }
    let mut octets: Vec<Vec<u8>> = all.into_iter().map(framed).collect();
    if random.u8(0..4) == 0 {
        for _ in 0..random.usize(1..4) {
            let at = random.usize(..octets.len());
            match random.choice(octets[at].iter_mut()) {
                Some(octet) if random.bool() => *octet = random.u8(..),
                Some(_) | None => octets[at].truncate(random.usize(..6)),
            }
        }
        octets.truncate(random.usize(..octets.len() * 2));
    }
    octets
}

fn framed((code, text): (u8, Vec<u8>)) -> Vec<u8> {
    let length = u32::try_from(text.len() + 1).unwrap().to_be_bytes();
    [&length, &[code][..], &text].concat()
}

/// A filter that says the next of `packets` to each step, and all that are left at the end of the mail.
async fn filter(mut its: DuplexStream, packets: Vec<Vec<u8>>) {
    let mut packets = packets.into_iter();
    while let Ok(length) = its.read_u32().await {
        let mut asked = vec![0; length as usize];
        if its.read_exact(&mut asked).await.is_err() {
            return;
        }
        let said: Vec<Vec<u8>> = match asked[0] {
            b'D' | b'A' => continue,
            b'Q' => return,
            b'E' => packets.by_ref().collect(),
            _ => {
                // One that is still at work says more.
                let mut said = Vec::new();
                for packet in packets.by_ref() {
                    let at_work = packet.get(4) == Some(&b'p');
                    said.push(packet);
                    if !at_work {
                        break;
                    }
                }
                said
            }
        };
        let said = said.concat();
        // It may be heard no more: so may a real one.
        its.write_all(&said).await.ok();
        // Nothing more comes, and of half a packet the rest never does.
        if packets.len() == 0 || said.is_empty() || !is_framed(&said) {
            its.shutdown().await.ok();
        }
    }
}

fn is_framed(mut octets: &[u8]) -> bool {
    while let Some((length, rest)) = octets.split_first_chunk::<4>() {
        let length = u32::from_be_bytes(*length) as usize;
        let Some(rest) = rest.get(length..) else {
            return false;
        };
        octets = rest;
    }
    octets.is_empty()
}

async fn told(packets: Vec<Vec<u8>>, room: &Arc<Semaphore>) -> Result<Filtered, Trouble> {
    let (ours, its) = tokio::io::duplex(1 << 16);
    let from = ReversePath::parse("s@sender.example").unwrap();
    let to = ["a@b.example", "b@b.example"].map(|to| Mailbox::parse(to).unwrap());
    let text = Text(Bytes::from_static(LETTER));
    let mail = ScanMail {
        id: "0123456789ABCDEF",
        from: &from,
        declared: None,
        recipients: &[&to[0], &to[1]],
        peer: Some(([192, 0, 2, 1], 4_711).into()),
        helo: "client.example",
        tls: None,
        account: None,
        sasl: None,
        role: Role::Mx,
        listener: "127.0.0.1:25",
        local: None,
        answered: true,
        size: LETTER.len() as u64,
        body: &text,
    };
    let asked = async {
        let mut dialog = Dialog::new(Line::new(Box::new(ours)), &mail, "mail.example.org");
        dialog.play(BODY_MAX, room).await
    };
    tokio::join!(asked, filter(its, packets)).0
}

/// A text that went through the edits.
async fn made(filtered: &Filtered) -> Vec<u8> {
    let text = Text(Bytes::from_static(LETTER));
    let edited = Edited::whole(&text, &filtered.edits);
    let (mut octets, mut out) = (edited.open(), Vec::new());
    while let Some(more) = octets.next().await.unwrap() {
        out.extend_from_slice(&more);
    }
    out
}

async fn check(filtered: &Filtered) {
    assert!(filtered.refused.iter().all(|(place, _)| *place < 2));
    match &filtered.end {
        End::Reject(reply) => assert!((500..600).contains(&reply.code())),
        End::Defer(reply) => assert!((400..500).contains(&reply.code())),
        End::Accept | End::Discard | End::Quarantine(_) => {}
    }
    let body = filtered.edits.body.iter().flat_map(|body| &body.pieces);
    assert!(body.map(Bytes::len).sum::<usize>() as u64 <= BODY_MAX);
    let out = made(filtered).await;
    assert!(out.len() <= LETTER.len() + HEADER_MAX + ROOM);
    let head = out
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .expect("an empty line");
    for line in out[..head].split(|octet| *octet == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let field = line.contains(&b':') || line.starts_with(b" ") || line.starts_with(b"\t");
        assert!(
            field && !line.contains(&b'\r'),
            "{:?}",
            String::from_utf8_lossy(line)
        );
    }
    for (at, octet) in out.iter().enumerate() {
        let (before, after) = (at.checked_sub(1).map(|at| out[at]), out.get(at + 1));
        match octet {
            b'\n' => assert_eq!(before, Some(b'\r')),
            b'\r' => assert_eq!(after, Some(&b'\n')),
            _ => {}
        }
    }
}

#[tokio::test]
async fn an_unmangled_answer_does_all_that_it_says() {
    let room = Arc::new(Semaphore::new(ROOM));
    let packets = valid().into_iter().map(framed).collect();
    let filtered = told(packets, &room).await.unwrap();
    assert_eq!(filtered.end, End::Quarantine("why".to_owned()));
    assert_eq!(filtered.edits.add.len(), 2);
    let out = String::from_utf8(made(&filtered).await).unwrap();
    let wanted = "Received: x\r\nX-Between: v\r\nSubject: new\r\nX-Spam: a\r\nX-Added: one\r\n two\r\n\r\nnew\r\nbody\r\nend\r\n";
    assert_eq!(out, wanted);
    check(&filtered).await;
}

#[tokio::test]
async fn no_mangled_answer_leads_beyond_an_opinion_or_a_trouble() {
    let room = Arc::new(Semaphore::new(ROOM));
    let (mut opinions, mut troubles) = (0, 0);
    for seed in 0..SEEDS {
        let mut random = fastrand::Rng::with_seed(seed);
        let packets = mangled(&mut random);
        match told(packets, &room).await {
            Ok(filtered) => {
                opinions += 1;
                check(&filtered).await;
            }
            Err(Trouble::Garbage(_) | Trouble::Broken(_) | Trouble::Unable(_)) => troubles += 1,
            Err(other) => panic!("seed {seed}: {other:?}"),
        }
        assert_eq!(room.available_permits(), ROOM, "seed {seed}");
    }
    // Both ends are met, or the faults are too weak or too strong.
    assert!(
        opinions > SEEDS / 20 && troubles > SEEDS / 20,
        "{opinions}, {troubles}"
    );
}

#[tokio::test]
async fn an_answer_too_many_or_too_few_is_never_an_opinion() {
    let room = Arc::new(Semaphore::new(ROOM));
    let go_on = || framed((b'c', Vec::new()));
    let terms = |steps: u32| {
        let terms = [6, 0x1ff, steps].map(u32::to_be_bytes).concat();
        framed((b'O', terms))
    };
    // Connect, HELO, MAIL, twice RCPT, DATA, four fields, the end of the header, the body, the end.
    let steps = 13;
    for at in 0..=steps {
        let mut packets: Vec<_> = (0..steps).map(|_| go_on()).collect();
        packets.insert(0, terms(0));
        let good = told(packets.clone(), &room).await;
        assert!(good.is_ok(), "{good:?}");
        // Two answers in one go: also a refusal that is shifted behind one that goes on.
        for code in [b'c', b'a', b'p', b'r'] {
            let mut more = packets.clone();
            more[at].extend(framed((code, Vec::new())));
            let said = told(more, &room).await;
            assert!(
                matches!(said, Err(Trouble::Garbage(_))),
                "step {at}, {}: {said:?}",
                char::from(code)
            );
        }
    }
    // Fields are agreed not to be answered, and one is.
    let mut packets: Vec<_> = (0..steps - 4).map(|_| go_on()).collect();
    packets.insert(0, terms(0x80));
    let late = told(packets, &room).await;
    assert!(matches!(late, Err(Trouble::Garbage(_))), "{late:?}");
}
