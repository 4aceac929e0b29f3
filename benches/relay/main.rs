//! How fast the relay is: the release binary over loopback, with its store on a real disk.
//!
//! `cargo bench --bench relay -- [NAME…] [--seconds N] [--quick] [--list] …`. Owns the command
//! line and the list of figures. Each figure stands beside a yardstick that is measured in the
//! same minute by the same client, because load generator, consumer and daemon share one machine.
//! Nothing fails for being slow; a message that is missing fails.

mod accept;
mod backlog;
mod commands;
mod consumer;
mod contacts;
mod daemon;
mod deliver;
mod fanout;
mod flex;
mod isolation;
mod ledger;
mod load;
mod report;
mod steady;
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
    /// Messages of the backlog.
    backlog: u64,
    /// Contacts that are created.
    contacts: u64,
    /// Times it is filled and drained again.
    cycles: u64,
    /// Leads of the account, and ten times its users.
    leads: u64,
    /// Of the soak.
    soak: Duration,
}

impl Scale {
    /// `full`, or `small` in the quick form.
    fn pick<T>(&self, full: T, small: T) -> T {
        if self.quick { small } else { full }
    }
}

const FIGURES: [(&str, &str); 12] = [
    ("accept", "durable accepts, single and in arrays"),
    ("deliver", "accepted to delivered, idle and under load"),
    (
        "fanout",
        "ten endpoints, and thousands that are not concerned",
    ),
    (
        "neighbours",
        "healthy endpoints beside dead, hung and slow ones",
    ),
    ("backlog", "a million messages behind a dead endpoint"),
    (
        "bounds",
        "a hundred and a thousand hung endpoints; one that confirms nothing",
    ),
    ("cost", "CPU per message, memory afterwards"),
    ("leads", "the command API over many leads"),
    ("contacts", "the contacts API over 100 000 contacts"),
    ("flex", "the flex API over as many, imported from a file"),
    ("logins", "pings beside 200 wrong passwords at a time"),
    ("soak", "what grows at half load"),
];

const HELP: &str = "\
cargo bench --bench relay -- [NAME…] [options]
  --list         the figures
  --seconds N    of one measurement [5]
  --backlog N    messages of the backlog [1000000]
  --contacts N   contacts that are created [100000]
  --cycles N     times it is filled and drained again [0]
  --leads N      leads that are looked for [100000]
  --minutes N    of the soak [3]
  --quick        everything once and small; fails only if something is lost";

async fn measure(name: &str, scale: &Scale) -> Outcome<Vec<Row>> {
    match name {
        "accept" => accept::figure(scale).await,
        "deliver" => deliver::figure(scale).await,
        "fanout" => fanout::figure(scale).await,
        "neighbours" => isolation::neighbours(scale).await,
        "backlog" => backlog::figure(scale).await,
        "bounds" => isolation::bounds(scale).await,
        "cost" => steady::cost(scale).await,
        "leads" => commands::leads(scale).await,
        "contacts" => contacts::figure(scale).await,
        "flex" => flex::figure(scale).await,
        "logins" => commands::logins(scale).await,
        "soak" => steady::soak(scale).await,
        _ => Err(format!("{name} is no figure; --list shows them").into()),
    }
}

struct Wanted {
    names: Vec<String>,
    scale: Scale,
}

fn wanted(mut words: impl Iterator<Item = String>) -> Outcome<Option<Wanted>> {
    let mut names = Vec::new();
    let mut quick = false;
    let (mut seconds, mut backlog, mut cycles, mut minutes) = (None, None, 0, None);
    let mut contacts = None;
    let mut leads = None;
    while let Some(word) = words.next() {
        let mut value = || -> Outcome<u64> {
            let text = words.next().ok_or(format!("{word} needs a number"))?;
            Ok(text.parse()?)
        };
        match word.as_str() {
            // What cargo itself adds.
            "--bench" => {}
            "--quick" => quick = true,
            "--seconds" => seconds = Some(value()?),
            "--backlog" => backlog = Some(value()?),
            "--contacts" => contacts = Some(value()?),
            "--cycles" => cycles = value()?,
            "--leads" => leads = Some(value()?),
            "--minutes" => minutes = Some(value()?),
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
    if names.is_empty() {
        names.extend(FIGURES.map(|(name, _)| name.to_owned()));
    }
    let short = Duration::from_secs(5);
    let scale = Scale {
        time: Duration::from_secs(seconds.unwrap_or(if quick { 1 } else { 5 })),
        quick,
        backlog: backlog.unwrap_or(if quick { 20_000 } else { 1_000_000 }),
        contacts: contacts.unwrap_or(if quick { 2_000 } else { 100_000 }),
        cycles,
        leads: leads.unwrap_or(if quick { 2_000 } else { 100_000 }),
        soak: match minutes {
            None if quick => short,
            minutes => Duration::from_mins(minutes.unwrap_or(3)),
        },
    };
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
