//! The program: parses arguments and hands over.

use std::process::ExitCode;

fn main() -> ExitCode {
    postwerk::cli::main()
}
