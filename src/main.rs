//! The `hookrelay` binary: words in, exit code out.

use std::process::ExitCode;

use hookrelay::app;
use hookrelay::cli::{self, Exit, Outcome};

/// Gives memory back after a burst, which the system's allocator does not.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match cli::run(std::env::args_os()) {
        Outcome::Ended(exit) => exit.into(),
        Outcome::Serve { config, reload } => report(app::serve(*config, reload)),
        Outcome::Demo { exit } => report(app::demo::run(exit)),
        Outcome::Store { order, json } => app::offline::run(&order, json).into(),
        Outcome::Selftest {
            rounds,
            directory,
            json,
        } => app::selftest::run(rounds, &directory, json).into(),
    }
}

fn report(result: Result<(), String>) -> ExitCode {
    match result {
        Ok(()) => Exit::Done.into(),
        Err(why) => {
            eprintln!("error: {why}");
            Exit::Failed.into()
        }
    }
}
