//! How fast held mail is found, told and decided: the questions of the README's table, asked of one store.
//!
//! `cargo bench --bench holds` holds 20,000 messages; `POSTWERK_BENCH_HOLDS=1000000` asks the real question, and
//! `POSTWERK_BENCH_DIR` names another disk. Messages are held by `Queue::accept`, a thousand at once, in a running
//! server whose endpoint answers on loopback. A tenth of them is held when digest and links are asked; then the rest
//! comes, lists and searches are asked, and a tenth is released. An fsync probe stands beside, because disks differ.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a bench may fail loudly, prints its table, and measures real time"
)]

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use postwerk::app::server::Server;
use postwerk::base::clock::Clock;
use postwerk::base::lang::Lang;
use postwerk::config::{Config, PublicUrl, Timing};
use postwerk::digest::Digests;
use postwerk::digest::key::Keys;
use postwerk::digest::record::{Digest, Scope, digest_key};
use postwerk::digest::token::Action;
use postwerk::mail::domain::Domain;
use postwerk::mail::envelope::{Envelope, MailFrom, RcptTo};
use postwerk::mail::hold::{Hold, HoldQueue, HoldReason};
use postwerk::mail::mailbox::{Host, Mailbox};
use postwerk::mail::path::ReversePath;
use postwerk::queue::bulk::Order;
use postwerk::queue::hold::Shelf;
use postwerk::queue::query::Query;
use postwerk::queue::record::encode;
use postwerk::queue::verbs::{Actor, Verb};
use postwerk::queue::{NewMail, Origin, Queue};
use postwerk::store::{Band, Batch, Op};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

/// Messages on their way into the store at once.
const WRITERS: u64 = 500;
/// Rows of a page.
const PAGE: usize = 50;
/// Links that are opened and pressed.
const LINKS: usize = 20_000;
/// Browsers at once.
const CLIENTS: usize = 32;
/// Pages asked of each shelf.
const ASKED: usize = 40;

fn main() {
    let holds = number("POSTWERK_BENCH_HOLDS").unwrap_or(20_000);
    let runtime = runtime();
    let parent = std::env::var_os("POSTWERK_BENCH_DIR");
    let parent = parent.unwrap_or_else(|| env!("CARGO_TARGET_TMPDIR").into());
    let folder = tempfile::tempdir_in(parent).expect("a folder can be made");
    println!("fsync of 4 KiB: {:.2} ms", fsync(folder.path()));
    println!("| question | measured | wanted |\n|---|---|---|");
    runtime.block_on(ask(folder.path(), holds));
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime starts")
}

fn row(question: &str, measured: &str, wanted: &str) {
    println!("| {question} | {measured} | {wanted} |");
}

/// Median of a small durable write, in milliseconds.
fn fsync(folder: &Path) -> f64 {
    let mut file = std::fs::File::create(folder.join("probe")).expect("a file is made");
    let spans = (0..100).map(|_| {
        let start = Instant::now();
        file.write_all(&[7; 4096]).expect("a page is written");
        file.sync_data().expect("a page is synced");
        start.elapsed()
    });
    millis(quantile(spans.collect(), 0.5))
}

fn millis(span: Duration) -> f64 {
    span.as_secs_f64() * 1_000.0
}

fn quantile(mut spans: Vec<Duration>, part: f64) -> Duration {
    spans.sort();
    #[expect(clippy::cast_possible_truncation, reason = "an index below the length")]
    let at = ((spans.len() - 1) as f64 * part).round() as usize;
    spans[at]
}

/// Octets of this process, by its share of what it shares.
fn pss() -> u64 {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup").expect("memory is told");
    let line = text.lines().find(|line| line.starts_with("Pss:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1));
    kib.and_then(|kib| kib.parse::<u64>().ok())
        .expect("a number")
        * 1_024
}

fn memory(when: &str) {
    let mib = pss() >> 20;
    row(
        &format!("memory (PSS) {when}"),
        &format!("{mib} MiB"),
        "250 MiB",
    );
}

async fn ask(folder: &Path, holds: u64) {
    let mut config = Config::fallback(
        Domain::parse("mail.example.org").expect("a name"),
        folder.join("data"),
    );
    // Taken at once by the server; the links name it.
    let free = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let web = free.local_addr().expect("an address");
    drop(free);
    let person = Mailbox::parse("postmaster@example.org").expect("an address");
    config.admin.bind = Some(web);
    config.admin.public_url = Some(PublicUrl {
        https: false,
        host: Host::Literal(web.ip()),
        port: web.port(),
    });
    // Its digests are asked for here, not sent.
    config.digest.to = vec![person.clone()];
    config.digest.timing = Timing::Every(Duration::from_secs(86_400));
    // What is released leaves at once, and goes nowhere.
    config.hold.undo = Duration::ZERO;
    // By link, whatever the reason.
    config.hold.release.clear();
    config.queue.paused = true;
    let server = Server::start(config, Clock::system())
        .await
        .expect("it starts");
    let queue = server.queue().clone();
    let keys = Keys::load(queue.store().clone(), Clock::system())
        .await
        .expect("keys");
    let some = holds / 10;
    fill(&queue, 0, some).await;
    digest(&queue, &keys, &person, some).await;
    links(&queue, &keys, &person, web).await;
    let start = Instant::now();
    fill(&queue, some, holds).await;
    let rate = per_second(holds - some, start.elapsed());
    row(&format!("hold {holds} messages"), &rate, "minutes");
    lists(&queue, holds).await;
    memory("everything held");
    bulk(&queue).await;
    memory("after the release");
    server.shutdown().await;
}

fn per_second(count: u64, span: Duration) -> String {
    format!("{:.0}/s", count as f64 / span.as_secs_f64())
}

/// What would be sent now.
async fn digest(queue: &Queue, keys: &Keys, person: &Mailbox, held: u64) {
    let digests = Digests::new(queue.clone(), keys.clone());
    let mut spans = Vec::new();
    for _ in 0..20 {
        let start = Instant::now();
        let digest = digests.preview(person, None).await.expect("a digest");
        spans.push(start.elapsed());
        let text = digest.expect("something is held").text;
        assert!(text.contains("/d/"), "it has links");
    }
    row(
        &format!("digest of the newest 50 of {held} held (p95)"),
        &format!("{:.1} ms", millis(quantile(spans, 0.95))),
        "100 ms",
    );
}

/// Every link once: its page, then its button, by `CLIENTS` browsers that keep their connections.
async fn links(queue: &Queue, keys: &Keys, person: &Mailbox, web: SocketAddr) {
    let paths = Arc::new(write_digests(queue, keys, person).await);
    let next = Arc::new(AtomicUsize::new(0));
    let start = Instant::now();
    let browsers: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (paths, next) = (Arc::clone(&paths), Arc::clone(&next));
            tokio::spawn(async move {
                let mut browser = Browser::open(web).await;
                while let Some(path) = paths.get(next.fetch_add(1, Ordering::Relaxed)) {
                    browser.decide(path).await;
                }
            })
        })
        .collect();
    for browser in browsers {
        browser.await.expect("a browser ends");
    }
    let rate = per_second(paths.len() as u64, start.elapsed());
    row("links: GET and POST, each released", &rate, "2,000/s");
}

/// Records of digests that list what is held, and the links that they would have carried.
async fn write_digests(queue: &Queue, keys: &Keys, person: &Mailbox) -> Vec<String> {
    let signer = keys.signer();
    let hour = Clock::system().wall().0 / 3_600_000_000;
    let end = u32::try_from(hour).expect("an hour") + 24;
    let mut paths = Vec::new();
    let mut after = None;
    for number in 1_000_000.. {
        let page = queue
            .cards(&Shelf::All, after, false, PAGE)
            .await
            .expect("a page");
        let listed: Vec<_> = page.cards.iter().map(|card| card.id).collect();
        let links = listed
            .iter()
            .map(|&hold| format!("/d/{}", signer.token(Action::Release, hold, number, end)));
        paths.extend(links);
        let digest = Digest {
            to: person.clone(),
            scopes: HoldQueue::ALL.map(Scope::Queue).to_vec(),
            lang: Lang::De,
            at: Clock::system().wall().0,
            end,
            listed,
            message: page.cards[0].message,
            canary: None,
            wrong: Vec::new(),
            failed: None,
            fresh: None,
        };
        let put = Op::Put {
            key: digest_key(number),
            value: encode(&digest),
            due: None,
            terms: Vec::new(),
        };
        let batch = Batch {
            ops: vec![put],
            ..Batch::default()
        };
        queue.store().commit(batch).await.expect("a digest");
        after = page.next;
        if after.is_none() || paths.len() >= LINKS {
            break;
        }
    }
    paths
}

/// As little of a browser as the server notices.
struct Browser {
    stream: BufReader<TcpStream>,
}

impl Browser {
    async fn open(web: SocketAddr) -> Self {
        let stream = TcpStream::connect(web).await.expect("it answers");
        stream.set_nodelay(true).expect("a socket");
        Self {
            stream: BufReader::new(stream),
        }
    }

    /// Opens the page of a link and presses its button.
    async fn decide(&mut self, path: &str) {
        let host = self.stream.get_ref().peer_addr().expect("a peer");
        let get = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept-Language: de\r\n\r\n");
        let (head, page) = self.ask(&get).await;
        assert!(head.starts_with("HTTP/1.1 200"), "{head}\n{page}");
        let cookie = between(&head.to_ascii_lowercase(), "set-cookie: ", ";").len();
        let at = head
            .to_ascii_lowercase()
            .find("set-cookie: ")
            .expect("a cookie")
            + 12;
        let cookie = head[at..at + cookie].to_owned();
        let nonce = between(&page, "name=\"nonce\" value=\"", "\"");
        let body = format!("nonce={nonce}&confirm=release");
        let post = format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nCookie: {cookie}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let (head, page) = self.ask(&post).await;
        assert!(head.starts_with("HTTP/1.1 200"), "{head}\n{page}");
    }

    async fn ask(&mut self, request: &str) -> (String, String) {
        let stream = self.stream.get_mut();
        stream
            .write_all(request.as_bytes())
            .await
            .expect("it is sent");
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            let read = self.stream.read_line(&mut head).await.expect("a line");
            assert!(read > 0, "the server hung up after:\n{head}");
        }
        let length = between(&head.to_ascii_lowercase(), "content-length: ", "\r\n").parse();
        let mut body = vec![0; length.expect("a length")];
        self.stream.read_exact(&mut body).await.expect("a body");
        (head, String::from_utf8(body).expect("text"))
    }
}

fn between(text: &str, before: &str, behind: &str) -> String {
    let at = text
        .find(before)
        .unwrap_or_else(|| panic!("no {before} in {text}"));
    let rest = &text[at + before.len()..];
    rest[..rest.find(behind).expect("an end")].to_owned()
}

/// Holds messages `from` to `until`.
async fn fill(queue: &Queue, from: u64, until: u64) {
    let tasks: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let queue = queue.clone();
            tokio::spawn(async move {
                let mut n = from + writer;
                while n < until {
                    hold(&queue, n).await;
                    if n.is_multiple_of(50_000) {
                        eprintln!("{n} held");
                    }
                    n += WRITERS;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("a writer ends");
    }
}

/// A thousand recipients' domains, five thousand senders', two hundred accounts, fourteen reasons.
async fn hold(queue: &Queue, n: u64) {
    let from = format!("user{}@sender-{}.example", n % 9_973, n % 5_000);
    let to = format!("user{}@site-{}.example", n % 997, n % 1_000);
    let mut body = queue.begin_body();
    let text = format!(
        "From: User {n} <{from}>\r\nTo: <{to}>\r\nSubject: invoice {} for word{}\r\n\r\n{}\r\n",
        n % 10_007,
        n % 2_003,
        "All work and no play makes a dull text. ".repeat(8)
    );
    body.write(text.as_bytes()).await.expect("a body");
    let reason = HoldReason::ALL[usize::try_from(n % 14).expect("small")];
    let shelf = HoldQueue::ALL[usize::try_from(n % 3).expect("small")];
    let mail = NewMail {
        top: String::new(),
        worked: Vec::new(),
        said: Vec::new(),
        body: body.finish(),
        envelope: Envelope {
            from: MailFrom::new(ReversePath::parse(&from).expect("a path")),
            recipients: vec![RcptTo::new(Mailbox::parse(&to).expect("an address"))],
        },
        origin: Origin {
            // A tenth is one account's, for the bulk release.
            account: Some(if n.is_multiple_of(10) {
                "bulk".to_owned()
            } else {
                format!("app{}", n % 200)
            }),
            ..Origin::default()
        },
        held: vec![(
            0,
            Hold::new(shelf, reason, "a cause of some length, as they are"),
        )],
        digest: None,
        band: Band::Normal,
    };
    queue.accept(mail, None).await.expect("it is held");
}

/// A shelf, another one for each number.
type Choose = fn(u64) -> Shelf;

/// The first page of each kind of list, and pages behind it.
async fn lists(queue: &Queue, holds: u64) {
    let shelves: [(&str, Choose); 7] = [
        ("all", |_| Shelf::All),
        ("one queue", |n| {
            Shelf::Queue(HoldQueue::ALL[usize::try_from(n % 3).expect("small")])
        }),
        ("one reason", |n| {
            Shelf::Reason(HoldReason::ALL[usize::try_from(n % 14).expect("small")])
        }),
        ("a recipient's domain", |n| {
            Shelf::Domain(format!("site-{}.example", n * 37 % 1_000))
        }),
        ("a sender's domain", |n| {
            Shelf::From(format!("sender-{}.example", n * 37 % 5_000))
        }),
        ("an account", |n| {
            Shelf::Account(format!("app{}", (n * 10 + 1) % 200))
        }),
        ("a word of the subject", |n| {
            Shelf::Word(format!("word{}", n * 7 % 2_003))
        }),
    ];
    for (name, shelf) in shelves {
        let (mut first, mut deeper) = (Vec::new(), Vec::new());
        for n in 0..ASKED {
            let shelf = shelf(n as u64);
            let start = Instant::now();
            let page = queue.cards(&shelf, None, true, PAGE).await.expect("a page");
            first.push(start.elapsed());
            assert!(!page.cards.is_empty(), "{name} has something");
            if let Some(next) = page.next {
                let start = Instant::now();
                queue
                    .cards(&shelf, Some(next), true, PAGE)
                    .await
                    .expect("a page");
                deeper.push(start.elapsed());
            }
        }
        let second = if deeper.is_empty() {
            String::new()
        } else {
            format!(", second {:.1} ms", millis(quantile(deeper, 0.95)))
        };
        let first = millis(quantile(first, 0.95));
        row(
            &format!("newest {PAGE} of {holds} held: {name} (p95)"),
            &format!("{first:.1} ms{second}"),
            "50 ms",
        );
    }
    let start = Instant::now();
    let counts = queue.held_counts().await.expect("counts");
    let total: u64 = counts.iter().map(|(_, _, count)| count).sum();
    assert!(
        total > holds / 2 && total <= holds,
        "what links released is not counted"
    );
    row(
        "counts by queue and reason",
        &format!("{:.1} ms", millis(start.elapsed())),
        "-",
    );
}

/// Releases what one account sent, as a job.
async fn bulk(queue: &Queue) {
    let actor = Actor::of("bench");
    let start = Instant::now();
    let verb = Verb::Release { undo: false };
    let query = "status:held account:bulk";
    let meant = Query::parse(query).expect("a query");
    let survey = queue.survey(&meant, Some(verb)).await.expect("a survey");
    let order = Order {
        verb,
        query,
        number: Some(survey.count),
    };
    let job = queue.begin_job(order, &actor).await.expect("a job");
    let begun = start.elapsed();
    let job = loop {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let job = queue.job(job.id).await.expect("a job");
        let job = job.expect("it is remembered");
        if job.ended.is_some() {
            break job;
        }
    };
    let span = start.elapsed();
    row(
        &format!(
            "bulk release of {} (begun in {:.0} ms)",
            job.done,
            millis(begun)
        ),
        &format!(
            "{:.1} s, {}",
            span.as_secs_f64(),
            per_second(job.done, span)
        ),
        "60 s",
    );
    assert_eq!(job.refused, 0, "nobody else acted");
}
