//! `tests/dialog/*.txt`: SMTP dialogs as data, against the pure session with the real judge and decoder.
//!
//! Lines: `#` why; `set:` the listener; `c:` a line of the client with CRLF; `raw:` octets with `\r \n \0 \xHH`;
//! `fill: [PREFIX] N` N octets; `repeat: N LINE`; `tls:` the handshake; `s:` a reply line begins so (`s: 250-...`:
//! all lines up to the last one of that reply); `closed:`; `mail:` text of the last mail; `mails:` how many;
//! `rcpt:` recipients so far. Client lines that follow each other are one segment; unless `set: whole`, every dialog is
//! also spoken octet by octet. Not here: sockets and deadlines (`receive`).

use std::collections::VecDeque;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Poll, Waker};

use arc_swap::ArcSwap;
use postwerk::accounts::Account;
use postwerk::base::band::Band;
use postwerk::base::clock::{Clock, Wall};
use postwerk::config::{
    AddressPattern, BareNewline, Config, DomainConf, ListenerConf, ListenerTls, Network, RelayTls,
    Role, SaslRule,
};
use postwerk::judge::{Content, Reception};
use postwerk::mail::envelope::MailFrom;
use postwerk::mail::mailbox::Mailbox;
use postwerk::mail::path::ReversePath;
use postwerk::mail::structure::Structure;
use postwerk::net::line::{Found, LineBuffer};
use postwerk::policy::Verdict;
use postwerk::queue::{MessageId, Origin};
use postwerk::scan::{Body, Octets, Scanners};
use postwerk::smtp::data::{Bare, Decoder, TextFault};
use postwerk::smtp::server::{Answer, Ask, Login, Offer, SaslOffer, Session, Step, Then};

/// What a dialog's `set:` lines say.
#[derive(Clone, Default)]
struct Setting(Vec<String>);

impl Setting {
    fn has(&self, word: &str) -> bool {
        self.0.iter().any(|known| known == word)
    }

    fn number(&self, name: &str, usual: usize) -> usize {
        let found = self.0.iter().find_map(|word| {
            let (known, value) = word.split_once('=')?;
            (known == name).then(|| value.parse().expect("a number"))
        });
        found.unwrap_or(usual)
    }
}

/// A text that nobody reads.
struct Unread;

impl Body for Unread {
    fn open(&self) -> Box<dyn Octets> {
        unreachable!("no scanner is configured")
    }
}

/// A pure driver: what `receive` is, without a socket.
struct Stage {
    session: Session,
    reception: Reception,
    bare: Bare,
    size_max: u64,
    buffer: LineBuffer,
    decoder: Option<Decoder>,
    text: Vec<u8>,
    reading: Option<Reading>,
    tls_wanted: bool,
    closed: bool,
    said: VecDeque<String>,
    recipients: Vec<String>,
    mails: Vec<Vec<u8>>,
}

enum Reading {
    Body,
    Chunk { left: u64, last: bool, keep: bool },
}

impl Stage {
    fn new(setting: &Setting) -> Self {
        let mut conf = Config::fallback("mail.example.org".parse().unwrap(), "unused".into());
        conf.server.postmaster = Some(Mailbox::parse("chef@example.org").unwrap());
        conf.domains = vec![DomainConf {
            name: "example.org".parse().unwrap(),
            relay: Vec::new(),
            owner: None,
            tls: RelayTls::Off,
            ca: None,
        }];
        let mx = setting.has("mx");
        let trust = if setting.has("trust") {
            vec![Network::parse("192.0.2.0/24").unwrap()]
        } else {
            Vec::new()
        };
        let listener = ListenerConf {
            bind: "127.0.0.1:0".parse().unwrap(),
            role: if mx { Role::Mx } else { Role::Submission },
            tls: ListenerTls::Starttls,
            auth: if mx {
                SaslRule::Off
            } else {
                SaslRule::Required
            },
            auth_clear: false,
            trust,
            bare_newline: BareNewline::Reject,
        };
        let offer = Offer {
            hostname: conf.server.hostname.clone(),
            size_max: 10_000,
            starttls: true,
            sasl: if mx {
                SaslOffer::No
            } else {
                SaslOffer::UnderTls
            },
            recipients_max: setting.number("recipients", 1_000),
            errors_max: u32::try_from(setting.number("errors", 20)).unwrap(),
        };
        let peer = "192.0.2.9".parse().unwrap();
        let mut stage = Self {
            session: Session::new(Arc::new(offer), setting.has("tls")),
            reception: Reception::new(Arc::new(conf), Arc::new(listener), peer),
            bare: if setting.has("normalise") {
                Bare::Normalise
            } else {
                Bare::Refuse
            },
            size_max: 10_000,
            buffer: LineBuffer::new(),
            decoder: None,
            text: Vec::new(),
            reading: None,
            tls_wanted: false,
            closed: false,
            said: VecDeque::new(),
            recipients: Vec::new(),
            mails: Vec::new(),
        };
        let step = stage.session.greet(Answer::Yes, setting.has("early"));
        stage.follow(step);
        stage
    }

    fn feed(&mut self, bytes: &[u8]) {
        if self.closed {
            return;
        }
        self.buffer.push(bytes);
        while !self.closed && !self.tls_wanted {
            if self.reading.is_some() {
                if !self.read() {
                    return;
                }
                continue;
            }
            let step = match self.buffer.take_line(self.session.line_max()) {
                Found::Line { text, more } => self.session.line(text, more),
                Found::BareNewline => self.session.bare_newline(),
                Found::TooLong => self.session.line_too_long(),
                Found::Nothing => return,
            };
            self.follow(step);
        }
    }

    fn follow(&mut self, mut step: Step) {
        loop {
            if let Some(reply) = &step.reply {
                let mut out = Vec::new();
                reply.write(&mut out);
                let out = String::from_utf8(out).unwrap();
                self.said.extend(out.lines().map(ToOwned::to_owned));
            }
            step = match step.then {
                Then::Line => return,
                Then::Close => {
                    self.closed = true;
                    return;
                }
                Then::Tls => {
                    self.tls_wanted = true;
                    return;
                }
                Then::Ask(ask) => match self.find(ask) {
                    Some(answer) => self.session.answer(answer),
                    None => return,
                },
            };
        }
    }

    /// None: octets are read first.
    fn find(&mut self, ask: Ask) -> Option<Answer> {
        Some(match ask {
            Ask::Hello(_) => Answer::Yes,
            Ask::Mail(from) => {
                self.recipients.clear();
                of(self.reception.mail(&from.path, false))
            }
            Ask::Rcpt(to) => match self.reception.resolve(to.path) {
                Ok(mailbox) => {
                    let answer = of(self.reception.rcpt(&mailbox));
                    if answer == Answer::Yes {
                        self.recipients.push(mailbox.to_string());
                    }
                    answer
                }
                Err(reply) => Answer::No(reply),
            },
            Ask::Data => Answer::Yes,
            Ask::Login(login) => self.login(&login),
            Ask::Body => {
                self.decoder = Some(Decoder::dotted(self.bare, self.size_max));
                self.text.clear();
                self.reading = Some(Reading::Body);
                return None;
            }
            Ask::Chunk { size, last, keep } => {
                self.reading = Some(Reading::Chunk {
                    left: size,
                    last,
                    keep,
                });
                return None;
            }
        })
    }

    fn login(&mut self, login: &Login) -> Answer {
        if (login.name.as_str(), login.password.reveal()) != ("app1", "geheim") {
            return Answer::No("535 5.7.8 Wrong name or password".parse().unwrap());
        }
        self.reception.login(
            Account {
                name: "app1".to_owned(),
                tenant: "standard".to_owned(),
                senders: vec![AddressPattern::parse("*@example.org").unwrap()],
                owner: None,
                hold: false,
                rate: None,
                band: Band::Normal,
            },
            "PLAIN",
        );
        Answer::Yes
    }

    /// Whether the text came to its end, and the dialog goes on.
    fn read(&mut self) -> bool {
        match self.reading {
            Some(Reading::Body) => {
                let decoder = self.decoder.as_mut().unwrap();
                while !self.buffer.is_empty() {
                    let piece = decoder.next(self.buffer.unread());
                    self.text.extend_from_slice(piece.text);
                    let (used, end) = (piece.used, piece.end);
                    self.buffer.consume(used);
                    if end {
                        self.ended(true);
                        return true;
                    }
                }
                false
            }
            Some(Reading::Chunk {
                mut left,
                last,
                keep,
            }) => {
                let bare = self.bare;
                if self.decoder.is_none() {
                    self.text.clear();
                }
                let decoder = self
                    .decoder
                    .get_or_insert_with(|| Decoder::chunked(bare, 10_000));
                while left > 0 && !self.buffer.is_empty() {
                    let unread = self.buffer.unread();
                    let most = usize::try_from(left).unwrap().min(unread.len());
                    let piece = decoder.next(&unread[..most]);
                    if keep {
                        self.text.extend_from_slice(piece.text);
                    }
                    left -= u64::try_from(piece.used).unwrap();
                    let used = piece.used;
                    self.buffer.consume(used);
                }
                self.reading = Some(Reading::Chunk { left, last, keep });
                if left == 0 {
                    self.ended(last && keep);
                }
                left == 0
            }
            None => false,
        }
    }

    fn ended(&mut self, whole: bool) {
        self.reading = None;
        let mut decoder = self.decoder.take().unwrap();
        if whole {
            self.text.extend_from_slice(decoder.finish_chunks());
        }
        let answer = match decoder.fault() {
            Some(TextFault::TooLarge) => Answer::No("552 5.3.4 Too large".parse().unwrap()),
            Some(fault) => Answer::Cut(format!("550 5.5.2 {fault}").parse().unwrap()),
            None if whole => self.keep(),
            None => {
                self.decoder = Some(decoder);
                Answer::Yes
            }
        };
        let step = self.session.answer(answer);
        self.follow(step);
        if !self.session.in_transaction() {
            self.decoder = None;
        }
    }

    fn keep(&mut self) -> Answer {
        let facts = self.reception.header_facts(&self.text);
        let content = Content {
            id: MessageId(1),
            from: &MailFrom::new(ReversePath::Null),
            origin: &Origin::default(),
            role: Role::Mx,
            text: &Unread,
            header: &facts,
            structure: &Structure::default(),
            size: 0,
            worked: None,
            now: Wall(0),
        };
        let scanners = Scanners::new(
            Arc::new(ArcSwap::from(Arc::clone(self.reception.conf()))),
            Clock::system(),
        );
        let judging = self.reception.text(&scanners, &content, false, &[]);
        let mut context = std::task::Context::from_waker(Waker::noop());
        // Nothing of it waits: there is no scanner.
        let Poll::Ready(judged) = pin!(judging).poll(&mut context) else {
            panic!("a judgement without scanners waits");
        };
        match judged {
            Ok(_) => {
                self.mails.push(self.text.clone());
                Answer::Queued(format!("{:016X}", self.mails.len()))
            }
            Err(reply) => Answer::No(reply),
        }
    }
}

fn of(verdict: Verdict) -> Answer {
    match verdict {
        Verdict::Accept | Verdict::Hold(_) => Answer::Yes,
        Verdict::Defer(reply) | Verdict::Reject(reply) => Answer::No(reply),
    }
}

fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, c == '\\') {
            (_, true) => match chars.next() {
                Some('r') => out.push(b'\r'),
                Some('n') => out.push(b'\n'),
                Some('0') => out.push(0),
                Some('x') => {
                    let hex: String = chars.by_ref().take(2).collect();
                    out.push(u8::from_str_radix(&hex, 16).expect("two hex digits"));
                }
                other => panic!("no escape: {other:?}"),
            },
            (c, false) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out
}

/// What a line of the client sends; none for other lines.
fn sent(word: &str, rest: &str) -> Option<Vec<u8>> {
    match word {
        "c" => Some([rest.as_bytes(), b"\r\n"].concat()),
        "raw" => Some(unescape(rest)),
        "fill" => {
            let (prefix, number) = rest.rsplit_once(' ').unwrap_or(("", rest));
            let number: usize = number.parse().expect("a number");
            let gap = if prefix.is_empty() { "" } else { " " };
            let filled = number - prefix.len() - gap.len();
            Some([prefix, gap, &"x".repeat(filled)].concat().into_bytes())
        }
        "repeat" => {
            let (number, line) = rest.split_once(' ').expect("a number and a line");
            Some(
                format!("{line}\r\n")
                    .repeat(number.parse().unwrap())
                    .into_bytes(),
            )
        }
        _ => None,
    }
}

fn expect(stage: &mut Stage, word: &str, rest: &str) -> Result<(), String> {
    let failed = |wanted: &str, got: &str| Err(format!("wanted `{wanted}`, got `{got}`"));
    match word {
        "s" => {
            if let Some(code) = rest.strip_suffix("-...") {
                let more = format!("{code}-");
                while stage
                    .said
                    .front()
                    .is_some_and(|line| line.starts_with(&more))
                {
                    stage.said.pop_front();
                }
                return expect(stage, "s", &format!("{code} "));
            }
            match stage.said.pop_front() {
                Some(line) if line.starts_with(rest) => Ok(()),
                Some(line) => failed(rest, &line),
                None => failed(rest, "nothing"),
            }
        }
        "closed" if stage.closed => Ok(()),
        "closed" => failed("closed", "open"),
        "tls" if stage.tls_wanted => {
            stage.tls_wanted = false;
            stage.buffer.clear();
            stage.session.tls_started();
            Ok(())
        }
        "tls" => failed("tls", "no handshake"),
        "mail" => match stage.mails.last() {
            Some(text) if *text == unescape(rest) => Ok(()),
            Some(text) => failed(rest, &text.escape_ascii().to_string()),
            None => failed(rest, "no mail"),
        },
        "mails" if stage.mails.len().to_string() == rest => Ok(()),
        "mails" => failed(rest, &stage.mails.len().to_string()),
        "rcpt" if stage.recipients.join(" ") == rest => Ok(()),
        "rcpt" => failed(rest, &stage.recipients.join(" ")),
        other => Err(format!("`{other}:` is no line of a dialog")),
    }
}

fn speak(text: &str, bytewise: bool) -> Result<(), String> {
    let lines: Vec<(usize, &str, &str)> = (1..)
        .zip(text.lines())
        .filter(|(_, line)| !line.starts_with('#') && !line.is_empty())
        .map(|(n, line)| {
            let (word, rest) = line.split_once(':').expect("every line has a word");
            (n, word, rest.strip_prefix(' ').unwrap_or(rest))
        })
        .collect();
    let words = lines.iter().filter(|(_, word, _)| *word == "set");
    let words = words.flat_map(|(_, _, rest)| rest.split(' ').map(ToOwned::to_owned));
    let setting = Setting(words.collect());
    if bytewise && setting.has("whole") {
        return Ok(());
    }
    let mut stage = Stage::new(&setting);
    let mut segment = Vec::new();
    for (n, word, rest) in lines {
        if word == "set" {
            continue;
        }
        if let Some(bytes) = sent(word, rest) {
            if let Some(line) = stage.said.front() {
                return Err(format!("line {n}: nobody expected `{line}`"));
            }
            segment.extend_from_slice(&bytes);
            continue;
        }
        if bytewise {
            for byte in segment.drain(..) {
                stage.feed(&[byte]);
            }
        } else {
            stage.feed(&segment);
            segment.clear();
        }
        expect(&mut stage, word, rest).map_err(|what| format!("line {n}: {what}"))?;
    }
    match stage.said.front() {
        Some(line) => Err(format!("at the end nobody expected `{line}`")),
        None => Ok(()),
    }
}

#[test]
fn every_dialog_is_spoken_as_it_is_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dialog");
    let mut wrong = Vec::new();
    let mut count = 0;
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("# "), "{path:?} does not say why");
        count += 1;
        for (way, bytewise) in [("in segments", false), ("octet by octet", true)] {
            if let Err(what) = speak(&text, bytewise) {
                wrong.push(format!("{} {way}: {what}", path.display()));
            }
        }
    }
    assert!(count >= 30, "only {count} dialogs were found");
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn a_wrong_dialog_fails() {
    for (name, text) in [
        ("another code", "s: 221"),
        ("nothing more comes", "s: 220\ns: 250"),
        ("a reply nobody expects", "s: 220\nc: NOOP\nclosed:"),
        ("no such line", "s: 220\nx: y"),
    ] {
        assert!(speak(text, false).is_err(), "case: {name}");
    }
}
