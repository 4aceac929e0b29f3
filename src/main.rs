//! The `hookrelay` binary: words in, exit code out.

use std::process::ExitCode;

use hookrelay::cli::{self, Exit, Outcome};

fn main() -> ExitCode {
    match cli::run(std::env::args_os()) {
        Outcome::Ended(exit) => exit.into(),
        Outcome::Serve { .. } | Outcome::Demo { .. } => {
            eprintln!("error: this build has no daemon");
            Exit::Failed.into()
        }
    }
}
