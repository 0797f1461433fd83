//! Sessions with scripted clamds: when they are spoken, what is believed of them, and what follows when they break.
//!
//! Not here: how an answer about a mail is read (`clamd`), and real clamds (`tests/peers`).

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::{Kept, scan};
use crate::base::clock::{Clock, Wall};
use crate::base::limit::{
    SCAN_PROBE_AGAIN, SCAN_PROBE_TIMEOUT, SCAN_SESSION_AFTER, SCAN_SESSION_IDLE, SCAN_SESSION_MAILS,
};
use crate::base::size::ByteSize;
use crate::config::{HeadersFor, OnFailure, Role, ScannerAddress, ScannerConf, ScannerKind};
use crate::mail::path::ReversePath;
use crate::scan::{Body, Next, Octets, Opinion, ScanMail, Trouble};

/// How a clamd speaks once it is asked for more than INSTREAM.
#[derive(Clone, Copy, Debug)]
enum Manner {
    /// As it should.
    Good,
    /// Whoever scans is slower than who answers PING.
    PongFirst,
    /// `UNKNOWN COMMAND`
    Plain,
    /// It waits for something that it knows.
    Silent,
    /// Only so many mails are answered in one session, and then it ends.
    Ends(u32),
    /// The next mail is read, and then it ends.
    Reads(u32),
    /// So many mails are answered well; then this is said, and it ends.
    Says(u32, &'static [u8]),
}

struct Stand {
    conf: ScannerConf,
    clock: Clock,
    kept: Kept,
    manner: Arc<Mutex<Manner>>,
    /// Commands of each connection.
    seen: Arc<Mutex<Vec<Vec<String>>>>,
    _tasks: JoinSet<()>,
}

struct Text(&'static [u8]);
struct Once(Option<Bytes>);

impl Body for Text {
    fn open(&self) -> Box<dyn Octets> {
        Box::new(Once(Some(Bytes::from_static(self.0))))
    }
}

impl Octets for Once {
    fn next(&mut self) -> Next<'_> {
        let next = self.0.take();
        Box::pin(async move { Ok(next) })
    }
}

impl Stand {
    async fn new(manner: Manner) -> Self {
        let door = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = door.local_addr().unwrap();
        let manner = Arc::new(Mutex::new(manner));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = JoinSet::new();
        tasks.spawn(listen(door, Arc::clone(&manner), Arc::clone(&seen)));
        Self {
            conf: ScannerConf {
                name: "clam".to_owned(),
                kind: ScannerKind::Clamd,
                address: ScannerAddress::Tcp(at.ip().to_string(), at.port()),
                timeout: Duration::from_secs(30),
                max_size: ByteSize::mib(25),
                connections: 4,
                on_failure: OnFailure::Hold,
                listeners: vec![Role::Mx],
                headers: HeadersFor::default(),
            },
            clock: Clock::moved(Wall(0)),
            kept: Kept::default(),
            manner,
            seen,
            _tasks: tasks,
        }
    }

    /// So often that sessions are spoken with who knows them.
    async fn busy(manner: Manner) -> Self {
        let stand = Self::new(manner).await;
        stand.warm().await;
        stand
    }

    async fn warm(&self) {
        for _ in 0..SCAN_SESSION_AFTER {
            assert_eq!(self.ask(b"good").await, Ok(Opinion::Clean));
        }
    }

    async fn ask(&self, text: &'static [u8]) -> Result<Opinion, Trouble> {
        let mail = ScanMail {
            id: "1",
            from: &ReversePath::Null,
            declared: None,
            recipients: &[],
            peer: None,
            helo: "",
            tls: None,
            account: None,
            sasl: None,
            role: Role::Mx,
            listener: "local",
            local: None,
            answered: true,
            size: text.len() as u64,
            body: &Text(text),
        };
        scan(&self.conf, &mail, &self.clock, &self.kept).await
    }

    fn connections(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    /// What the connections from this one on were asked for.
    fn asked_since(&self, first: usize) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        let each = seen.iter().skip(first);
        each.map(|commands| commands.join(" ")).collect()
    }

    fn now(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }
}

async fn listen(door: TcpListener, manner: Arc<Mutex<Manner>>, seen: Arc<Mutex<Vec<Vec<String>>>>) {
    let mut lines = JoinSet::new();
    while let Ok((wire, _)) = door.accept().await {
        let (manner, seen) = (Arc::clone(&manner), Arc::clone(&seen));
        let nth = {
            let mut seen = seen.lock().unwrap();
            seen.push(Vec::new());
            seen.len() - 1
        };
        lines.spawn(async move {
            let note = |command: &str| seen.lock().unwrap()[nth].push(command.to_owned());
            drop(speak(wire, &manner, note).await);
        });
    }
}

/// One connection, by the manner that it finds at each command.
async fn speak(
    wire: TcpStream,
    manner: &Mutex<Manner>,
    note: impl Fn(&str),
) -> std::io::Result<()> {
    let mut wire = BufReader::new(wire);
    let (mut session, mut number, mut mails) = (false, 0_u32, 0_u32);
    loop {
        let mut command = Vec::new();
        if wire.read_until(0, &mut command).await? == 0 {
            return Ok(());
        }
        let command = String::from_utf8(command).unwrap();
        note(command.trim_matches(['z', '\0']));
        let now = *manner.lock().unwrap();
        let said = match (command.as_str(), now) {
            ("zINSTREAM\0", _) => answer_to(&read_mail(&mut wire).await?),
            ("zPING\0", _) => "PONG".to_owned(),
            (_, Manner::Silent) => {
                wire.read_u8().await?;
                return Ok(());
            }
            (_, Manner::Plain) => "UNKNOWN COMMAND".to_owned(),
            ("zVERSIONCOMMANDS\0", _) => "ClamAV 1| COMMANDS: PING IDSESSION INSTREAM".to_owned(),
            ("zIDSESSION\0", _) => {
                session = true;
                continue;
            }
            (command, _) => panic!("nobody asks for {command}"),
        };
        if !session {
            return wire.write_all(format!("{said}\0").as_bytes()).await;
        }
        number += 1;
        mails += u32::from(said != "PONG");
        let answer = format!("{number}: {said}\0");
        match now {
            Manner::PongFirst if said != "PONG" => {
                let mut ping = [0; 6];
                wire.read_exact(&mut ping).await?;
                note("PING");
                number += 1;
                let pong = format!("{number}: PONG\0{answer}");
                wire.write_all(pong.as_bytes()).await?;
            }
            Manner::Reads(most) if mails > most => return Ok(()),
            Manner::Says(most, text) if mails > most => return wire.write_all(text).await,
            Manner::Ends(most) if mails >= most && said == "PONG" => {
                return wire.write_all(answer.as_bytes()).await;
            }
            Manner::Good
            | Manner::PongFirst
            | Manner::Plain
            | Manner::Silent
            | Manner::Ends(_)
            | Manner::Reads(_)
            | Manner::Says(..) => wire.write_all(answer.as_bytes()).await?,
        }
    }
}

async fn read_mail(wire: &mut BufReader<TcpStream>) -> std::io::Result<Vec<u8>> {
    let mut mail = Vec::new();
    loop {
        let length = wire.read_u32().await?;
        if length == 0 {
            return Ok(mail);
        }
        let mut chunk = vec![0; length as usize];
        wire.read_exact(&mut chunk).await?;
        mail.extend(chunk);
    }
}

fn answer_to(mail: &[u8]) -> String {
    match mail {
        b"evil" => "stream: Evil FOUND".to_owned(),
        b"hard" => "stream: Can't allocate memory ERROR".to_owned(),
        _ => "stream: OK".to_owned(),
    }
}

const FEW: usize = SCAN_SESSION_AFTER as usize;

#[tokio::test]
async fn who_is_asked_often_and_knows_sessions_gets_many_mails_over_one_connection() {
    for manner in [Manner::Good, Manner::PongFirst] {
        let stand = Stand::busy(manner).await;
        assert_eq!(
            stand.asked_since(0),
            ["INSTREAM"].repeat(FEW),
            "case: {manner:?}"
        );
        for _ in 0..3 {
            assert_eq!(stand.ask(b"good").await, Ok(Opinion::Clean));
        }
        let evil = Ok(Opinion::Infected("Evil".to_owned()));
        assert_eq!(stand.ask(b"evil").await, evil, "case: {manner:?}");
        let mut mails = stand.asked_since(FEW).into_iter();
        assert_eq!(mails.next().as_deref(), Some("VERSIONCOMMANDS"));
        let session = mails.next().unwrap();
        assert!(
            session.starts_with("IDSESSION INSTREAM PING INSTREAM PING INSTREAM PING INSTREAM"),
            "case: {manner:?}: {session}"
        );
        assert_eq!(mails.next(), None, "case: {manner:?}");
    }
}

#[tokio::test]
async fn each_mail_at_once_has_a_connection_of_its_own_and_they_are_kept() {
    let stand = Stand::busy(Manner::Good).await;
    for _ in 0..3 {
        let (one, two, three) =
            tokio::join!(stand.ask(b"good"), stand.ask(b"good"), stand.ask(b"good"));
        for said in [one, two, three] {
            assert_eq!(said, Ok(Opinion::Clean));
        }
    }
    let sessions = stand.asked_since(FEW);
    let sessions = sessions.iter().filter(|one| one.starts_with("IDSESSION"));
    assert!(sessions.count() <= 3);
    assert!((1..=3).contains(&stand.kept.waiting()));
}

#[tokio::test]
async fn a_clamd_without_sessions_is_asked_for_them_once_and_served_as_before() {
    let stand = Stand::busy(Manner::Plain).await;
    stand.warm().await;
    stand.warm().await;
    let probes = |stand: &Stand| {
        let all = stand.asked_since(0).into_iter();
        all.filter(|one| one == "VERSIONCOMMANDS").count()
    };
    assert_eq!(probes(&stand), 1);
    stand.clock.advance(SCAN_PROBE_AGAIN);
    stand.now(Manner::Good);
    stand.warm().await;
    assert_eq!(stand.ask(b"good").await, Ok(Opinion::Clean));
    assert_eq!(probes(&stand), 2);
    assert_eq!(stand.kept.waiting(), 1);
}

#[tokio::test]
async fn one_that_does_not_answer_the_question_costs_one_mail_a_moment() {
    let stand = Stand::busy(Manner::Silent).await;
    let hurry = async {
        while stand.asked_since(FEW) != ["VERSIONCOMMANDS"] {
            tokio::task::yield_now().await;
        }
        stand.clock.advance(SCAN_PROBE_TIMEOUT);
    };
    let (said, ()) = tokio::join!(stand.ask(b"good"), hurry);
    assert_eq!(said, Ok(Opinion::Clean));
    stand.warm().await;
    assert_eq!(stand.connections(), FEW + 2 + FEW);
}

#[tokio::test]
async fn a_kept_connection_that_ended_is_replaced_once_for_the_mail_that_finds_it() {
    for manner in [
        Manner::Ends(1),
        Manner::Ends(2),
        Manner::Reads(0),
        Manner::Reads(2),
    ] {
        let stand = Stand::busy(manner).await;
        for nth in 0..4 {
            let said = stand.ask(b"good").await;
            assert_eq!(said, Ok(Opinion::Clean), "case: {manner:?}, mail {nth}");
        }
        // One that died altogether is no riddle.
        let dead = Stand {
            conf: ScannerConf {
                address: ScannerAddress::Tcp("127.0.0.1".to_owned(), 1),
                ..stand.conf.clone()
            },
            ..stand
        };
        let said = dead.ask(b"good").await;
        let gone = matches!(
            said,
            Ok(Opinion::Clean) | Err(Trouble::Unreachable(..) | Trouble::Broken(_))
        );
        assert!(gone, "case: {manner:?}: {said:?}");
    }
}

#[tokio::test]
async fn what_does_not_answer_the_question_is_garbage_and_ends_the_sessions() {
    for (name, text) in [
        ("another number", &b"7: stream: OK\x002: PONG\0"[..]),
        ("the number of the ping", b"2: stream: OK\0"),
        ("the number of the mail", b"1: PONG\0"),
        ("no number", b"stream: OK\0"),
        ("of another mail", b"0: stream: OK\x001: PONG\0"),
        ("twice", b"1: stream: OK\x001: stream: OK\0"),
        ("two pongs", b"2: PONG\x002: PONG\0"),
        ("clean before it was read", b"1: stream: OK\0"),
        ("no line", b"hello\0"),
    ] {
        let stand = Stand::busy(Manner::Says(0, text)).await;
        let said = stand.ask(b"good").await;
        assert!(
            matches!(said, Err(Trouble::Garbage(_))),
            "case: {name}: {said:?}"
        );
        assert_eq!(stand.kept.waiting(), 0, "case: {name}");
        let before = stand.connections();
        assert_eq!(stand.ask(b"good").await, Ok(Opinion::Clean), "case: {name}");
        assert_eq!(stand.asked_since(before), ["INSTREAM"], "case: {name}");
    }
}

#[tokio::test]
async fn what_it_cannot_look_at_is_told_and_the_connection_is_not_used_again() {
    let stand = Stand::busy(Manner::Good).await;
    let said = stand.ask(b"hard").await;
    assert!(matches!(said, Err(Trouble::Unable(_))), "{said:?}");
    assert_eq!(stand.kept.waiting(), 0);
    assert_eq!(stand.ask(b"good").await, Ok(Opinion::Clean));
    assert_eq!(stand.kept.waiting(), 1);
}

#[tokio::test]
async fn a_connection_without_mails_is_closed_and_what_was_known_is_forgotten() {
    let stand = Stand::busy(Manner::Good).await;
    assert_eq!(stand.ask(b"good").await, Ok(Opinion::Clean));
    assert_eq!(stand.kept.waiting(), 1);
    stand
        .clock
        .advance(SCAN_SESSION_IDLE - Duration::from_micros(1));
    stand.kept.sweep(stand.clock.mono());
    assert_eq!(stand.kept.waiting(), 1);
    stand.clock.advance(Duration::from_micros(1));
    stand.kept.sweep(stand.clock.mono());
    assert_eq!(stand.kept.waiting(), 0);
    let before = stand.connections();
    assert_eq!(stand.ask(b"good").await, Ok(Opinion::Clean));
    assert_eq!(stand.asked_since(before), ["INSTREAM"]);
}

#[tokio::test]
async fn a_connection_is_renewed_after_many_mails() {
    let stand = Stand::busy(Manner::Good).await;
    for _ in 0..=SCAN_SESSION_MAILS {
        assert_eq!(stand.ask(b"good").await, Ok(Opinion::Clean));
    }
    let sessions = stand.asked_since(FEW + 1);
    assert_eq!(sessions.len(), 2);
    assert_eq!(sessions[1], "IDSESSION INSTREAM PING");
}
