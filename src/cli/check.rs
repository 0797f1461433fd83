//! `postwerk check [FILE]`: every mistake of a configuration at once.
//!
//! Exit 0: nothing to say; 1: warnings; 2: errors. It reads the file, the secrets and the certificates that `serve`
//! would read, creates nothing and opens no port.
//! Not here: what a mistake is (`config`).

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use crate::config::{self, Problems};

/// What follows `postwerk check`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The configuration to check [default: as --config]
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// The same, as the other commands have it
    #[arg(long, short, value_name = "FILE", env = "POSTWERK_CONFIG", default_value = super::DEFAULT_CONFIG)]
    pub config: PathBuf,
    /// Print one JSON object a line: file, line, col, severity, key, text, remedy
    #[arg(long)]
    pub json: bool,
}

/// Runs it.
pub fn run(args: Args) -> ExitCode {
    let file = args.file.unwrap_or(args.config);
    let problems = match config::load(&file) {
        Ok((_, warnings)) => Problems(warnings),
        Err(problems) => problems,
    };
    // Nobody reads when the pipe is closed; the exit code still tells.
    drop(print(&problems, args.json));
    ExitCode::from(exit_code(&problems))
}

fn print(problems: &Problems, json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if json {
        for problem in &problems.0 {
            writeln!(out, "{}", problem.to_json())?;
        }
        return Ok(());
    }
    writeln!(out, "{problems}")
}

fn exit_code(problems: &Problems) -> u8 {
    if problems.errors() > 0 {
        2
    } else {
        u8::from(!problems.0.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Problem, Severity};

    #[test]
    fn the_exit_code_tells_the_worst() {
        let hard = Problem::of_file(Path::new("a"), "b".into(), "c");
        let mut soft = hard.clone();
        soft.severity = Severity::Warning;
        for (problems, code) in [
            (vec![], 0),
            (vec![soft.clone()], 1),
            (vec![soft, hard.clone()], 2),
            (vec![hard], 2),
        ] {
            assert_eq!(exit_code(&Problems(problems)), code);
        }
    }
}
