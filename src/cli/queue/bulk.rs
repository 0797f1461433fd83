//! `postwerk queue VERB --where QUERY`: a look first with `--dry-run`, then a job with its progress.
//!
//! The job belongs to the server and goes on when this program is stopped; what is shown is how far it is.
//! Not here: single ids (`mod`), and what the query language can say (`queue::query`).

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use super::super::control::{Client, encoded};
use super::QueueError;
use crate::admin::jobs::{BulkOrder, Meant, Progress};
use crate::base::clock::Clock;
use crate::base::text::clean;

/// Between two looks at a job.
const LOOK: Duration = Duration::from_millis(250);
/// Characters of the bar.
const BAR: u64 = 30;

/// Shows what the query means now; nothing is changed.
pub(super) async fn survey(
    client: &Client,
    verb: &str,
    query: &str,
) -> Result<ExitCode, QueueError> {
    let answer = client
        .get(&format!("/api/v1/survey?q={}", encoded(query)))
        .await?;
    let meant: Meant = serde_json::from_str(&answer.body)?;
    let mut out = io::stdout().lock();
    let more = if meant.more { "more than " } else { "" };
    writeln!(out, "{verb} would act on {more}{} recipients", meant.count)?;
    for one in &meant.sample {
        writeln!(
            out,
            "  {}  {} ({})  {} -> {}  {}",
            one.id,
            one.hold_queue,
            one.reason,
            clean(&one.from, 60),
            clean(&one.to, 60),
            clean(&one.subject, 60)
        )?;
    }
    if !meant.sample.is_empty() && meant.count > meant.sample.len() as u64 {
        writeln!(out, "  ...")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Begins the job and shows its progress until it ends.
pub(super) async fn run(client: &Client, order: &BulkOrder) -> Result<ExitCode, QueueError> {
    let answer = client.post("/api/v1/jobs", order).await?;
    let mut job: Progress = serde_json::from_str(&answer.body)?;
    let path = format!("/api/v1/jobs/{}", job.id);
    let shown = io::stderr().is_terminal();
    while !job.ended {
        if shown {
            bar(&job)?;
        }
        Clock::system().sleep(LOOK).await;
        let answer = client.get(&path).await.inspect_err(|_| {
            let id = &job.id;
            eprintln!(
                "postwerk: job {id} was begun; it goes on by itself as soon as the server runs"
            );
        })?;
        job = serde_json::from_str(&answer.body)?;
    }
    if shown {
        bar(&job)?;
        writeln!(io::stderr())?;
    }
    writeln!(
        io::stdout(),
        "job {}: {}: {} recipients",
        job.id,
        job.verb,
        job.done
    )?;
    if job.refused == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!(
        "postwerk: {} recipients that matched were left out: in delivery, or somebody else was faster",
        job.refused
    );
    Ok(ExitCode::FAILURE)
}

fn bar(job: &Progress) -> io::Result<()> {
    let total = job.total.max(job.done).max(1);
    let full = usize::try_from(job.done * BAR / total).unwrap_or_default();
    let rest = usize::try_from(BAR).unwrap_or_default() - full;
    let more = if job.more { "+" } else { "" };
    let mut out = io::stderr().lock();
    write!(
        out,
        "\r[{}{}] {} of {}{more}",
        "#".repeat(full),
        ".".repeat(rest),
        job.done,
        job.total
    )?;
    out.flush()
}
