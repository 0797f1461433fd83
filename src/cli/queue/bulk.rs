//! `postwerk queue VERB --where QUERY`: a look first, a yes, then a job with its progress; the list of jobs, and undo.
//!
//! What was understood is said before anything is done, with the count, what is dangerous and a sample. Without a
//! terminal to ask at, `--yes` must be there; above 500 with the number. The job belongs to the server and goes on when
//! this program is stopped. Not here: single ids (`mod`), and what the query language can say (`queue::query`).

use std::io::{self, BufRead, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use super::super::control::{Client, encoded};
use super::{QueueError, Yes};
use crate::admin::jobs::{BulkOrder, Meant, Progress, Sample};
use crate::base::clock::Clock;
use crate::base::text::clean;

/// Between two looks at a job.
const LOOK: Duration = Duration::from_millis(250);
/// Characters of the bar.
const BAR: u64 = 30;

/// Shows what the query means now; nothing is changed.
pub(super) async fn survey(client: &Client, order: &BulkOrder) -> Result<ExitCode, QueueError> {
    let meant = ask(client, order).await?;
    preview(&mut io::stdout().lock(), &order.verb, &meant)?;
    Ok(ExitCode::SUCCESS)
}

/// Shows what the query means, asks, begins the job and shows its progress until it ends.
pub(super) async fn run(
    client: &Client,
    mut order: BulkOrder,
    yes: Option<Yes>,
) -> Result<ExitCode, QueueError> {
    let meant = ask(client, &order).await?;
    if meant.count == 0 {
        // What comes in between was not looked at: the server says that nothing matches.
        order.number = Some(0);
    } else {
        preview(&mut io::stderr().lock(), &order.verb, &meant)?;
        order.number = match yes {
            Some(Yes(number)) => number,
            None if io::stdin().is_terminal() => {
                if !is_sure(&meant, &mut io::stdin().lock(), &mut io::stderr().lock())? {
                    eprintln!("postwerk: nothing was done");
                    return Ok(ExitCode::FAILURE);
                }
                Some(meant.count)
            }
            None => return Err(QueueError::NotSure(flag(&meant))),
        };
    }
    let answer = client.post("/api/v1/jobs", &order).await?;
    follow(client, client.read(&answer.body)?).await
}

/// Takes a job back, and shows the progress of that.
pub(super) async fn undo(client: &Client, id: &str) -> Result<ExitCode, QueueError> {
    let path = format!("/api/v1/jobs/{}/undo", encoded(id));
    let answer = client.post(&path, &()).await?;
    follow(client, client.read(&answer.body)?).await
}

/// The newest jobs, newest first.
pub(super) async fn jobs(client: &Client, json: bool) -> Result<ExitCode, QueueError> {
    let answer = client.get("/api/v1/jobs").await?;
    let mut out = io::stdout().lock();
    if answer.body.is_empty() && !json {
        writeln!(out, "no job in the last seven days")?;
    }
    for line in answer.body.lines() {
        if json {
            writeln!(out, "{line}")?;
        } else {
            let job: Progress = client.read(line)?;
            row(&mut out, &job)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn ask(client: &Client, order: &BulkOrder) -> Result<Meant, QueueError> {
    let path = format!(
        "/api/v1/survey?q={}&verb={}&undo={}&now={}",
        encoded(&order.query),
        encoded(&order.verb),
        order.undo,
        order.now
    );
    let answer = client.get(&path).await?;
    Ok(client.read(&answer.body)?)
}

fn preview(out: &mut impl Write, verb: &str, meant: &Meant) -> io::Result<()> {
    let more = if meant.more { "at least " } else { "" };
    let understood = clean(&meant.understood, usize::MAX);
    let count = meant.count;
    writeln!(
        out,
        "{verb} would act on {more}{count} recipients: {understood}"
    )?;
    for note in meant.notes.iter().chain(&meant.take_back) {
        writeln!(out, "  {}", clean(note, 300))?;
    }
    for one in &meant.sample {
        sample(out, one)?;
    }
    if !meant.sample.is_empty() && meant.count > meant.sample.len() as u64 {
        writeln!(out, "  ...")?;
    }
    Ok(())
}

fn sample(out: &mut impl Write, one: &Sample) -> io::Result<()> {
    let place = match (&one.hold_queue, &one.reason) {
        (Some(queue), Some(reason)) => format!("{queue} ({reason})"),
        (_, _) => one.status.clone(),
    };
    let mark = match one.risk.as_deref() {
        Some("high") => "  HARMFUL",
        Some("raised") => "  doubtful",
        Some(_) | None => "",
    };
    writeln!(
        out,
        "  {}  {}{mark}  {} -> {}  {}",
        one.id,
        clean(&place, 60),
        clean(&one.from, 60),
        clean(&one.to, 60),
        clean(&one.subject, 60)
    )
}

/// What to write on the command line to say yes.
fn flag(meant: &Meant) -> String {
    if meant.number_needed {
        format!("--yes {}", meant.count)
    } else {
        "--yes".to_owned()
    }
}

/// Whether the person at the terminal means it: above 500 by its number.
fn is_sure(meant: &Meant, input: &mut impl BufRead, out: &mut impl Write) -> io::Result<bool> {
    if meant.number_needed {
        write!(out, "type the number of recipients to do it: ")?;
    } else {
        write!(out, "do it? [y/N] ")?;
    }
    out.flush()?;
    let mut line = String::new();
    input.read_line(&mut line)?;
    let said = line.trim();
    Ok(if meant.number_needed {
        said.parse() == Ok(meant.count)
    } else {
        said.eq_ignore_ascii_case("y") || said.eq_ignore_ascii_case("yes")
    })
}

async fn follow(client: &Client, mut job: Progress) -> Result<ExitCode, QueueError> {
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
        job = client.read(&answer.body)?;
    }
    if shown {
        bar(&job)?;
        writeln!(io::stderr())?;
    }
    ended(&mut io::stdout().lock(), &job)?;
    if job.refused == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!(
        "postwerk: {} recipients that matched were left out: in delivery, gone, or somebody else was faster",
        job.refused
    );
    Ok(ExitCode::FAILURE)
}

fn ended(out: &mut impl Write, job: &Progress) -> io::Result<()> {
    writeln!(out, "job {}: {}: {} recipients", job.id, job.verb, job.done)?;
    if job.stays > 0 {
        writeln!(
            out,
            "  {} stay held: [hold.release] lets nobody release them",
            job.stays
        )?;
    }
    if let Some(until) = &job.undo_until {
        writeln!(
            out,
            "  `postwerk queue undo-job {}` takes it back until {until}",
            job.id
        )?;
    }
    Ok(())
}

fn row(out: &mut impl Write, job: &Progress) -> io::Result<()> {
    let more = if job.more { "+" } else { "" };
    writeln!(
        out,
        "{}  {}  {:7}  {}: {} of {}{more}  by {}",
        job.id,
        clean(&job.begun, 30),
        clean(&job.state, 10),
        clean(&job.verb, 10),
        job.done,
        job.total,
        clean(&job.by, 60)
    )?;
    let understood = clean(&job.understood, usize::MAX);
    match &job.of {
        Some(of) => writeln!(out, "  takes back {of}: {understood}")?,
        None => writeln!(out, "  {understood}")?,
    }
    if job.refused > 0 {
        writeln!(out, "  left out: {}", job.refused)?;
    }
    if job.stays > 0 {
        writeln!(out, "  stay held: {}", job.stays)?;
    }
    if let Some(by) = &job.undone {
        writeln!(out, "  taken back by {by}")?;
    }
    if let Some(until) = &job.undo_until {
        writeln!(out, "  `postwerk queue undo-job {}` until {until}", job.id)?;
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    fn meant(count: u64) -> Meant {
        Meant {
            understood: "subject contains 'Dear customer,'".to_owned(),
            count,
            number_needed: count > 500,
            notes: vec!["2 of these were found harmful.".to_owned()],
            take_back: Some("This cannot be taken back.".to_owned()),
            sample: vec![Sample {
                id: "0643E1B2A90C7701".to_owned(),
                status: "held".to_owned(),
                hold_queue: Some("quarantine".to_owned()),
                reason: Some("virus".to_owned()),
                risk: Some("high".to_owned()),
                from: "a@b.example".to_owned(),
                to: "c@d.example".to_owned(),
                subject: "Dear customer, pay".to_owned(),
                ..Sample::default()
            }],
            ..Meant::default()
        }
    }

    #[test]
    fn what_was_understood_stands_before_the_question() {
        let mut out = Vec::new();
        preview(&mut out, "release", &meant(12)).unwrap();
        let text = String::from_utf8(out).unwrap();
        let wanted = "release would act on 12 recipients: subject contains 'Dear customer,'
  2 of these were found harmful.
  This cannot be taken back.
  0643E1B2A90C7701  quarantine (virus)  HARMFUL  a@b.example -> c@d.example  Dear customer, pay
  ...
";
        assert_eq!(text, wanted);
    }

    #[test]
    fn a_count_that_was_cut_is_the_least_that_there_is() {
        let (mut out, mut meant) = (Vec::new(), meant(10_000));
        meant.more = true;
        preview(&mut out, "delete", &meant).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.starts_with("delete would act on at least 10000 recipients: "),
            "{text}"
        );
    }

    #[test]
    fn a_yes_is_enough_for_few_and_the_number_is_typed_for_many() {
        for (count, typed, sure) in [
            (500, "y\n", true),
            (500, "YES\n", true),
            (500, "\n", false),
            (500, "", false),
            (500, "500\n", false),
            (501, "y\n", false),
            (501, "500\n", false),
            (501, " 501 \n", true),
            (501, "5O1\n", false),
        ] {
            let mut out = Vec::new();
            let said = is_sure(&meant(count), &mut typed.as_bytes(), &mut out).unwrap();
            assert_eq!(said, sure, "case: {count} {typed:?}");
        }
        assert_eq!(
            (flag(&meant(500)), flag(&meant(501))),
            ("--yes".into(), "--yes 501".into())
        );
    }
}
