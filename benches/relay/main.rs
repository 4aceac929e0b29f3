//! How fast the relay is: the release binary over loopback, with its store on a real disk.
//!
//! `cargo bench --bench relay -- [NAME…] [--seconds N] [--quick] [--list] …`. Owns the command
//! line and the list of figures. Each figure stands beside a yardstick that is measured in the
//! same minute by the same client, because load generator, consumer and daemon share one machine.
//! Nothing fails for being slow; a message that is missing fails.

mod accept;
mod consumer;
mod daemon;
mod deliver;
mod ledger;
mod load;
mod report;
mod yardstick;

use std::process::ExitCode;
use std::time::Duration;

use crate::report::{Report, Row};

/// What may go wrong ends in front of a person.
type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// How large the figures are measured.
#[derive(Debug, Clone)]
struct Scale {
    /// Of one measurement.
    time: Duration,
    /// Everything once and small.
    quick: bool,
}

impl Scale {
    /// `full`, or `small` in the quick form.
    fn pick<T>(&self, full: T, small: T) -> T {
        if self.quick { small } else { full }
    }
}

const FIGURES: [(&str, &str); 2] = [
    ("accept", "durable accepts, single and in arrays"),
    ("deliver", "accepted to delivered, idle and under load"),
];

const HELP: &str = "\
cargo bench --bench relay -- [NAME…] [options]
  --list         the figures
  --seconds N    of one measurement [5]
  --quick        everything once and small; fails only if something is lost";

async fn measure(name: &str, scale: &Scale) -> Outcome<Vec<Row>> {
    match name {
        "accept" => accept::figure(scale).await,
        "deliver" => deliver::figure(scale).await,
        _ => Err(format!("{name} is no figure; --list shows them").into()),
    }
}

struct Wanted {
    names: Vec<String>,
    scale: Scale,
}

fn wanted(words: impl Iterator<Item = String>) -> Outcome<Option<Wanted>> {
    let mut names = Vec::new();
    let mut seconds = None;
    let mut scale = Scale {
        time: Duration::ZERO,
        quick: false,
    };
    let mut words = words;
    while let Some(word) = words.next() {
        let mut value = || -> Outcome<u64> {
            let text = words.next().ok_or(format!("{word} needs a number"))?;
            Ok(text.parse()?)
        };
        match word.as_str() {
            // What cargo itself adds.
            "--bench" => {}
            "--quick" => scale.quick = true,
            "--seconds" => seconds = Some(value()?),
            "--list" | "--help" => {
                println!("{HELP}\n");
                for (name, about) in FIGURES {
                    println!("  {name:<14} {about}");
                }
                return Ok(None);
            }
            _ if word.starts_with('-') => return Err(format!("{word}?\n{HELP}").into()),
            _ => names.push(word),
        }
    }
    scale.time = Duration::from_secs(seconds.unwrap_or(if scale.quick { 1 } else { 5 }));
    if names.is_empty() {
        names.extend(FIGURES.map(|(name, _)| name.to_owned()));
    }
    Ok(Some(Wanted { names, scale }))
}

fn run() -> Outcome<bool> {
    let Some(wanted) = wanted(std::env::args().skip(1))? else {
        return Ok(true);
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut report = Report::default();
    let mut whole = true;
    for name in &wanted.names {
        println!("\n{name}");
        let rows = runtime.block_on(measure(name, &wanted.scale));
        whole &= rows.is_ok();
        report.add(name, &rows);
    }
    report.write()?;
    Ok(whole)
}

fn main() -> ExitCode {
    let done = if std::env::args().any(|word| word == yardstick::WORD) {
        yardstick::serve().map(|()| true)
    } else {
        run()
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
