//! How fast held mail is found, told and decided: the questions of the README's table, asked of one store.
//!
//! `cargo bench --bench holds` holds 20,000 messages; `POSTWERK_BENCH_HOLDS=1000000` asks the real question, and
//! `POSTWERK_BENCH_DIR` names another disk. Messages are held by `Queue::accept`, a thousand at once, in a running
//! server whose endpoint answers on loopback. A tenth of them is held when digest and links are asked; then the rest
//! comes, lists and searches are asked, and a tenth is released. An fsync probe stands beside, because disks differ.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a bench may fail loudly, and prints its table"
)]

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use postwerk::app::server::Server;
use postwerk::base::clock::Clock;
use postwerk::config::Config;
use postwerk::mail::domain::Domain;
use postwerk::mail::envelope::{Envelope, MailFrom, RcptTo};
use postwerk::mail::hold::{Hold, HoldQueue, HoldReason};
use postwerk::mail::mailbox::Mailbox;
use postwerk::mail::path::ReversePath;
use postwerk::queue::hold::Shelf;
use postwerk::queue::{NewMail, Origin, Queue};
use postwerk::store::Band;
use tokio::runtime::Runtime;

/// Messages on their way into the store at once.
const WRITERS: u64 = 500;
/// Rows of a page.
const PAGE: usize = 50;
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
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index below the length"
    )]
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
    // What is released leaves at once, and goes nowhere.
    config.hold.undo = Duration::ZERO;
    config.queue.paused = true;
    let server = Server::start(config, Clock::system())
        .await
        .expect("it starts");
    let queue = server.queue().clone();
    let some = holds / 10;
    fill(&queue, 0, some).await;
    let start = Instant::now();
    fill(&queue, some, holds).await;
    let rate = per_second(holds - some, start.elapsed());
    row(&format!("hold {holds} messages"), &rate, "minutes");
    lists(&queue, holds).await;
    memory("everything held");
    server.shutdown().await;
}

#[expect(clippy::cast_precision_loss, reason = "a rate")]
fn per_second(count: u64, span: Duration) -> String {
    format!("{:.0}/s", count as f64 / span.as_secs_f64())
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
        body: body.finish(),
        envelope: Envelope {
            from: MailFrom::new(ReversePath::parse(&from).expect("a path")),
            recipients: vec![RcptTo::new(Mailbox::parse(&to).expect("an address"))],
        },
        origin: Origin {
            account: Some(format!("app{}", n % 200)),
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

/// The first page of each kind of list, and pages behind it.
async fn lists(queue: &Queue, holds: u64) {
    let shelves: [(&str, fn(u64) -> Shelf); 7] = [
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
            Shelf::Account(format!("app{}", n * 7 % 200))
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
    assert_eq!(total, holds);
    row(
        "counts by queue and reason",
        &format!("{:.1} ms", millis(start.elapsed())),
        "-",
    );
}
