//! How long one mail can keep a core busy: a look into its attachments, and the scan of its structure while it arrives.
//!
//! `cargo bench --bench look [-- MIB [WORDS]]` looks into mails of 50 MiB, or MIB, that are built to cost time, and into
//! ordinary ones; WORDS chooses by name. Target: no look and no scan above two seconds, and ordinary mails are seen to
//! their end. A line says what a unit of work cost: above 1.0 a price in `mail::archive::work` is too low. It fails if a
//! target is missed.

#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "a program for one bench"
)]

#[path = "../src/mail/archive/tests/worst/mod.rs"]
mod worst;

use std::hint::black_box;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use postwerk::config::AttachmentsConf;
use postwerk::mail::archive::{Findings, Inspector, Rules};
use postwerk::mail::structure::Scan;
use worst::Ends;

/// What a mail may cost.
const TARGET: Duration = Duration::from_secs(2);
/// As the store hands a mail out.
const CHUNK: usize = 64 << 10;

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
    let mib = words.next().map_or(50, |word| word.parse().unwrap());
    let wanted = words.next().unwrap_or_default();
    let mut good = true;
    for rules in [usual(), many()] {
        let count = rules.written().count();
        println!("{count} patterns, mails of {mib} MiB");
        for case in worst::cases()
            .iter()
            .filter(|case| case.name.contains(&wanted))
        {
            let text = (case.make)(mib << 20);
            let (found, worked, took) = look(&rules, &text);
            let scan = scan(&text);
            let unit = took.as_nanos() as f64 / worked as f64;
            let bound = found.stopped.map_or("", |stopped| stopped.bound.name());
            let late = took > TARGET || scan > TARGET;
            let lost = case.ends == Ends::Seen && !bound.is_empty();
            good &= !late && !lost;
            println!(
                "{:52} look {:6.3} s, scan {:6.3} s, {:5.0} M units of {unit:4.2} ns {bound}{}",
                case.name,
                took.as_secs_f64(),
                scan.as_secs_f64(),
                worked as f64 / 1e6,
                if late || lost { " TARGET MISSED" } else { "" }
            );
        }
    }
    if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// The configuration as it is delivered.
fn usual() -> Arc<Rules> {
    AttachmentsConf::default().rules
}

/// A thousand more, of which some are compared with every name.
fn many() -> Arc<Rules> {
    let usual = usual();
    let more: Vec<String> = (0..1_000)
        .map(|n| match n % 20 {
            0 => format!("*secret {n}*"),
            1 => format!("offer {n}*.zip"),
            _ => format!("*.x{n}"),
        })
        .collect();
    let all = usual.written().chain(more.iter().map(String::as_str));
    Arc::new(Rules::new(all, true))
}

fn look(rules: &Arc<Rules>, text: &[u8]) -> (Findings, u64, Duration) {
    let began = busy();
    let mut inspector = Inspector::new(Arc::clone(rules));
    for chunk in text.chunks(CHUNK) {
        inspector.feed(chunk);
        if inspector.is_done() {
            break;
        }
    }
    let (found, worked) = inspector.finish_counted();
    (found, worked, busy().saturating_sub(began))
}

fn scan(text: &[u8]) -> Duration {
    let began = busy();
    let mut scan = Scan::default();
    text.chunks(CHUNK).for_each(|chunk| scan.feed(chunk));
    black_box(scan.finish());
    busy().saturating_sub(began)
}

/// What this thread had of a core: others on the machine do not count.
fn busy() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    let nanos = text.split_whitespace().next().unwrap();
    Duration::from_nanos(nanos.parse().unwrap())
}
