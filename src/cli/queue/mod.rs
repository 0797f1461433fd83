//! `postwerk queue …`: list, show, retry, requeue, delete, hold, release, bounce, undo, jobs, undo-job, report.
//!
//! Talks to the running server over its control socket. ID means all unfinished recipients of a message, `ID/ADDRESS`
//! one of them, and `-` reads them from standard input, one a line. What could not be done is told one by one, exit 1;
//! no server is exit 75. Not here: what a verb may do (`queue::verbs`), how an answer looks (`print`).

mod bulk;
mod print;

use std::io::{self, BufRead, Write};
use std::process::ExitCode;

use super::control::{Answer, Client, ClientError, Place, encoded};
use crate::admin::api::{Done, Order};
use crate::admin::jobs::BulkOrder;
use crate::admin::report::{Report, Reported};
use crate::admin::view::{Row, Story};
use crate::base::clock::Clock;
use crate::base::limit::BULK_NUMBER_ABOVE;
use crate::base::text::clean;

/// What follows `postwerk queue`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List what is in the queue
    List(List),
    /// Tell all about one message: where it came from, every try, what comes next
    Show {
        /// Queue id, 16 hex digits
        #[arg(value_name = "ID")]
        id: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// Print the SMTP dialogues of tries that failed
        #[arg(long)]
        dialogue: bool,
    },
    /// Try now
    Retry(Ids),
    /// Judge again, as if it had just arrived
    Requeue(Undoable),
    /// Put into the trash for 7 days, or delete at once
    Delete {
        /// At once and for good
        #[arg(long)]
        now: bool,
        #[command(flatten)]
        ids: Ids,
    },
    /// Keep in the hold queue `quarantine`
    Hold(Ids),
    /// Let out of its hold queue, unchecked
    Release(Undoable),
    /// Give up and tell the sender
    Bounce(Ids),
    /// Take back a delete, release or requeue that still waits
    Undo(Ids),
    /// List the jobs of `--where`: how far, by whom, what was understood, and until when they can be taken back
    Jobs {
        /// Print JSON Lines
        #[arg(long)]
        json: bool,
    },
    /// Take back what a whole job did, while nothing of it has left
    UndoJob {
        /// Job id, 16 hex digits, as `queue jobs` prints it
        #[arg(value_name = "JOB")]
        id: String,
    },
    /// Teach rspamd that a mail is spam, or is none; it stays where it is
    Report {
        /// Queue id, or id of a hold
        #[arg(value_name = "ID")]
        id: String,
        /// It is no spam
        #[arg(long, required_unless_present = "spam", conflicts_with = "spam")]
        ham: bool,
        /// It is spam
        #[arg(long)]
        spam: bool,
    },
}

#[derive(Debug, clap::Args)]
struct List {
    /// Print JSON Lines, with the names of `postqueue -j` first
    #[arg(long)]
    json: bool,
    /// Only these: queue: reason: from: to: subject: text: word: account: id: older: newer: status:, `-` negates
    #[arg(
        long = "where",
        value_name = "QUERY",
        default_value = "",
        allow_hyphen_values = true
    )]
    query: String,
    /// At most so many messages
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
}

#[derive(Debug, clap::Args)]
struct Ids {
    /// Queue ids, ID/ADDRESS for one recipient, or `-` to read them from standard input
    #[arg(
        value_name = "ID",
        required_unless_present = "query",
        conflicts_with = "query"
    )]
    ids: Vec<String>,
    /// All that match instead: queue: reason: from: to: subject: text: word: account: id: older: newer: status:, `-` negates
    #[arg(long = "where", value_name = "QUERY", allow_hyphen_values = true)]
    query: Option<String>,
    /// Only count what matches, and show some of it
    #[arg(long, requires = "query", conflicts_with = "ids")]
    dry_run: bool,
    /// Do not ask; above 500 with their number, as `--dry-run` shows it
    #[arg(long, value_name = "N", num_args = 0..=1, conflicts_with = "dry_run")]
    yes: Option<Option<u64>>,
}

/// Said before it was asked, with the number if that was said too.
#[derive(Clone, Copy, Debug)]
struct Yes(Option<u64>);

#[derive(Debug, clap::Args)]
struct Undoable {
    /// Wait a little first, so that `queue undo ID` can take it back
    #[arg(long)]
    undo: bool,
    #[command(flatten)]
    ids: Ids,
}

/// Why a command ended early.
#[derive(Debug, thiserror::Error)]
enum QueueError {
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The reader of our output has gone: no error, but nothing more to do.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// More ids than are believed without their number, or another number.
    #[error("nothing was done: these are {count} ids; write --yes {count} to do it")]
    Many { count: u64 },
    /// Nobody said yes, and nobody can be asked.
    #[error("nothing was done: there is no terminal to ask at; write {0} to do it")]
    NotSure(String),
    #[error(
        "the server answers what this program does not understand ({0}); both must be of one version"
    )]
    Answer(#[from] serde_json::Error),
}

/// Says what rspamd made of it.
async fn report(client: &Client, id: &str, ham: bool) -> Result<ExitCode, QueueError> {
    let class = if ham { "ham" } else { "spam" };
    let order = Report {
        class: class.to_owned(),
    };
    let path = format!("/api/v1/report/{}", encoded(id));
    let answer = client.post(&path, &order).await?;
    let reported: Reported = client.read(&answer.body)?;
    writeln!(io::stdout(), "{id}: {}", clean(&reported.text, 300))?;
    Ok(ExitCode::SUCCESS)
}

/// Ids sent with one request: each is a commit, and somebody watches.
const IDS_AT_ONCE: usize = 100;
/// Messages asked for with one request.
const PAGE: usize = 100;

/// Runs it.
pub fn run(args: Args) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("postwerk: cannot start the runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(act(args)) {
        Ok(code) => code,
        Err(QueueError::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(QueueError::Client(error)) => {
            eprintln!("postwerk: {error}");
            error.exit_code()
        }
        Err(error) => {
            eprintln!("postwerk: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn act(args: Args) -> Result<ExitCode, QueueError> {
    let client = args.place.client()?;
    let (verb, ids, undo, now) = match args.action {
        Action::List(wanted) => return list(&client, &wanted).await,
        Action::Show { id, json, dialogue } => return show(&client, &id, json, dialogue).await,
        Action::Jobs { json } => return bulk::jobs(&client, json).await,
        Action::UndoJob { id } => return bulk::undo(&client, &id).await,
        Action::Report { id, ham, .. } => return report(&client, &id, ham).await,
        Action::Retry(ids) => ("retry", ids, false, false),
        Action::Requeue(Undoable { undo, ids }) => ("requeue", ids, undo, false),
        Action::Delete { now, ids } => ("delete", ids, false, now),
        Action::Hold(ids) => ("hold", ids, false, false),
        Action::Release(Undoable { undo, ids }) => ("release", ids, undo, false),
        Action::Bounce(ids) => ("bounce", ids, false, false),
        Action::Undo(ids) => ("undo", ids, false, false),
    };
    let yes = ids.yes.map(Yes);
    if let Some(query) = ids.query {
        let order = BulkOrder {
            verb: verb.to_owned(),
            query,
            undo,
            now,
            number: None,
        };
        return if ids.dry_run {
            bulk::survey(&client, &order).await
        } else {
            bulk::run(&client, order, yes).await
        };
    }
    let ids = gather(&ids.ids, &mut io::stdin().lock())?;
    counted(ids.len() as u64, yes)?;
    let mut all_done = true;
    for ids in ids.chunks(IDS_AT_ONCE) {
        let order = Order {
            ids: ids.to_vec(),
            undo,
            now,
            number: None,
        };
        let answer = client
            .post(&format!("/api/v1/queue/{verb}"), &order)
            .await?;
        all_done &= tell(&answer, verb)?;
    }
    Ok(if all_done {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn list(client: &Client, wanted: &List) -> Result<ExitCode, QueueError> {
    let mut out = io::stdout().lock();
    let (mut count, mut after) = (0, None::<String>);
    let most = wanted.limit.unwrap_or(usize::MAX);
    while count < most {
        let limit = PAGE.min(most - count);
        let from = after
            .map(|after| format!("&after={after}"))
            .unwrap_or_default();
        let query = encoded(&wanted.query);
        let path = format!("/api/v1/queue?q={query}&limit={limit}{from}");
        let Answer { body, next } = client.get(&path).await?;
        for line in body.lines() {
            count += 1;
            if wanted.json {
                writeln!(out, "{line}")?;
                continue;
            }
            if count == 1 {
                print::head(&mut out)?;
            }
            let row: Row = serde_json::from_str(line)?;
            print::row(&mut out, &row, Clock::system().wall())?;
        }
        after = next;
        if after.is_none() {
            break;
        }
    }
    if !wanted.json {
        print::foot(&mut out, count, after.is_some())?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn show(
    client: &Client,
    id: &str,
    json: bool,
    dialogue: bool,
) -> Result<ExitCode, QueueError> {
    let id = id.split('/').next().unwrap_or(id);
    let answer = client
        .get(&format!("/api/v1/queue/{}", encoded(id)))
        .await?;
    let mut out = io::stdout().lock();
    if json {
        writeln!(out, "{}", answer.body)?;
    } else {
        let story: Story = serde_json::from_str(&answer.body)?;
        print::story(&mut out, &story, Clock::system().wall(), dialogue)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Ids are a list that somebody made, perhaps by a recipe that made too many: above 500 their number is said, too.
fn counted(count: u64, yes: Option<Yes>) -> Result<(), QueueError> {
    let said = yes.and_then(|Yes(number)| number);
    if said.map_or(count <= BULK_NUMBER_ABOVE, |said| said == count) {
        return Ok(());
    }
    Err(QueueError::Many { count })
}

/// The ids as they were given; `-` stands for the first word of each line of `input`.
fn gather(given: &[String], input: &mut impl BufRead) -> Result<Vec<String>, io::Error> {
    let mut ids = Vec::new();
    for id in given {
        if id != "-" {
            ids.push(id.clone());
            continue;
        }
        for line in input.lines() {
            // `mailq` marks ids that are active or held; recipes pass them on.
            let line = line?;
            let word = line.split_whitespace().next().unwrap_or_default();
            let word = word.trim_end_matches(['*', '!', '#']);
            if !word.is_empty() {
                ids.push(word.to_owned());
            }
        }
    }
    Ok(ids)
}

/// Tells what could not be done on standard error, and how much was done; whether that was everything.
fn tell(answer: &Answer, verb: &str) -> Result<bool, QueueError> {
    let mut all_done = true;
    for line in answer.body.lines() {
        let done: Done = serde_json::from_str(line)?;
        let id = clean(&done.id, 300);
        match done.error {
            Some(error) => {
                all_done = false;
                let error = clean(&error, 500);
                writeln!(io::stderr().lock(), "postwerk: {id}: {error}")?;
            }
            None => {
                let plural = if done.recipients == 1 { "" } else { "s" };
                let note = Some(clean(&done.note, 500));
                let note = note.filter(|note| verb == "bounce" && !note.is_empty());
                let note = note.map(|note| format!(" ({note})")).unwrap_or_default();
                let count = done.recipients;
                writeln!(
                    io::stdout().lock(),
                    "{id}: {verb}: {count} recipient{plural}{note}"
                )?;
            }
        }
    }
    Ok(all_done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hyphen_reads_ids_from_standard_input() {
        let given = ["A".to_owned(), "-".to_owned()];
        let mut input = "B*  1234 Sat\n\n  C/x@y.example\n".as_bytes();
        assert_eq!(
            gather(&given, &mut input).unwrap(),
            ["A", "B", "C/x@y.example"]
        );
    }

    #[test]
    fn more_than_500_ids_are_acted_on_only_with_their_number() {
        for (count, yes, done) in [
            (500, None, true),
            (501, None, false),
            (501, Some(Yes(None)), false),
            (501, Some(Yes(Some(500))), false),
            (501, Some(Yes(Some(501))), true),
            (3, Some(Yes(Some(4))), false),
            (3, Some(Yes(None)), true),
        ] {
            assert_eq!(counted(count, yes).is_ok(), done, "case: {count} {yes:?}");
        }
    }

    #[derive(clap::Parser)]
    struct Program {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn the_verbs_are_read_as_the_manual_says() {
        use clap::Parser as _;
        for line in [
            "q list --json --where queue:bad --data /tmp/x",
            "q list --where -to:@example.org",
            "q --config a.toml show 0643E1B2A90C7701",
            "q retry A B",
            "q requeue --undo A",
            "q delete --now -",
            "q hold A/x@y.example",
            "q release A",
            "q undo A",
            "q bounce A",
            "q release --where queue:bad",
            "q delete --now --where -from:@a.example --dry-run",
            "q delete --where reason:rule --yes",
            "q delete --where reason:rule --yes 612",
            "q delete - --yes 612",
            "q jobs --json",
            "q undo-job 0643E1B2A90C7701",
        ] {
            let words = line.split(' ');
            assert!(Program::try_parse_from(words).is_ok(), "case: {line}");
        }
        for line in [
            "q retry",
            "q hold --now A",
            "q list A",
            "q retry A --where id:1",
            "q retry A --dry-run",
            "q delete --where id:1 --yes many",
            "q delete --where id:1 --yes --dry-run",
            "q undo-job",
        ] {
            let words = line.split(' ');
            assert!(Program::try_parse_from(words).is_err(), "case: {line}");
        }
    }
}
