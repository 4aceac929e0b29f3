//! The command line.
//!
//! Owns the way from words to an exit code. What builds a daemon or opens a store is handed
//! back to the binary, because only the composition root may; everything else ends here. Does not
//! know the store or the relay: it asks the daemon through its Unix socket.

pub mod admin;
mod args;
mod calls;
mod desk;
mod listen;
pub mod progress;
mod show;

use std::ffi::OsString;
use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser as _;
use serde_json::{Value, json};

use crate::clock::Clock;
use crate::config::{Config, Source};
use args::message::SendArgs;
use args::store::{Directory, StoreCommand};
use args::{Cli, Command};

/// Longest data of `send`, in bytes; the daemon takes less.
const MAX_DATA: u64 = 16 << 20;

/// Pages of one list that are put together at most.
const MAX_PAGES: usize = 10_000;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done,
    /// It failed; the reason was printed.
    Failed,
    /// It was called wrongly.
    Usage,
    /// The daemon cannot be reached.
    Unreachable,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Unreachable => 3,
        })
    }
}

/// What remains to be done after [`run`].
#[derive(Debug)]
pub enum Outcome {
    /// Run the daemon with this configuration; `reload` finds a newer one on SIGHUP.
    Serve {
        /// The configuration.
        config: Box<Config>,
        /// Reads it again.
        reload: Reload,
    },
    /// Run the demonstration.
    Demo {
        /// End after the scenario.
        exit: bool,
    },
    /// Look into a closed store, or make it smaller.
    Store {
        /// What to do.
        order: StoreOrder,
        /// For scripts.
        json: bool,
    },
    /// Kill daemons under load and count.
    Selftest {
        /// How many kills.
        rounds: u32,
        /// Where their data directory is made.
        directory: PathBuf,
        /// For scripts.
        json: bool,
    },
    /// Nothing.
    Ended(Exit),
}

/// What to do with a closed store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreOrder {
    /// Check everything on a copy.
    Verify {
        /// The data directory.
        directory: PathBuf,
        /// Where the copy is made.
        scratch: PathBuf,
    },
    /// Tell what is in it, from a copy.
    Inspect {
        /// The data directory.
        directory: PathBuf,
        /// Where the copy is made.
        scratch: PathBuf,
    },
    /// Tell what can be read of its raw files.
    Salvage {
        /// The data directory.
        directory: PathBuf,
    },
    /// Give disk space back.
    Compact {
        /// The data directory.
        directory: PathBuf,
    },
}

/// How to read the configuration again as it was read at the start.
#[derive(Debug, Clone)]
pub struct Reload {
    file: Option<std::path::PathBuf>,
    flags: Vec<String>,
}

impl Reload {
    /// The configuration as it is now, or every mistake in it.
    pub fn load(&self) -> Result<Config, crate::config::ConfigError> {
        Config::load(
            self.file.as_deref(),
            std::env::vars_os(),
            self.flags.clone(),
        )
    }
}

/// Reads the words (the first is the program's name) and does what they say.
pub fn run(words: impl IntoIterator<Item = OsString>) -> Outcome {
    let cli = match Cli::try_parse_from(words) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are wanted; everything else is a mistake of usage. A closed pipe
            // is no reason to fail.
            let _ = error.print();
            let wanted = !error.use_stderr();
            return Outcome::Ended(if wanted { Exit::Done } else { Exit::Usage });
        }
    };
    let mut reload = Reload {
        file: cli.config.clone(),
        flags: cli.set.clone(),
    };
    match &cli.command {
        Command::Serve => {
            if cli.json {
                reload.flags.push("log.format=json".to_owned());
            }
            serve(reload)
        }
        Command::Demo { .. } if cli.json => {
            complain("error: demo prints a story for people; it has no --json");
            Outcome::Ended(Exit::Usage)
        }
        Command::Demo { exit } => Outcome::Demo { exit: *exit },
        Command::CheckConfig { file } => {
            let reload = Reload {
                file: file.clone().or(reload.file),
                ..reload
            };
            Outcome::Ended(check_config(&reload, cli.json))
        }
        Command::Listen(args) => Outcome::Ended(on_runtime(listen::run(args, cli.json))),
        Command::Send(args) => Outcome::Ended(match read_data(args) {
            Ok(data) => ask(&reload, cli.json, calls::send(args, &calls::data(&data))),
            Err(why) => fail(&format!("error: {why}")),
        }),
        Command::Command(args) => ended(&reload, cli.json, calls::command(args)),
        Command::Account(command) => ended(&reload, cli.json, calls::account(command)),
        Command::Key(command) => ended(&reload, cli.json, calls::key(command)),
        Command::User(command) => ended(&reload, cli.json, calls::user(command)),
        Command::Department(command) => ended(&reload, cli.json, desk::department(command)),
        Command::Agent(command) => ended(&reload, cli.json, desk::agent(command)),
        Command::Category(command) => ended(&reload, cli.json, desk::category(command)),
        Command::Article(command) => ended(&reload, cli.json, desk::article(command)),
        Command::Endpoint(command) => ended(&reload, cli.json, calls::endpoint(command)),
        Command::Queue => ended(&reload, cli.json, calls::queue()),
        Command::Status => ended(&reload, cli.json, calls::status()),
        Command::Store(command) => match store_order(&reload, command) {
            Ok(order) => Outcome::Store {
                order,
                json: cli.json,
            },
            Err(error) => Outcome::Ended(fail(&format!("error: {error}"))),
        },
        Command::Selftest(args) => Outcome::Selftest {
            rounds: args.rounds,
            directory: args.dir.clone().unwrap_or_else(std::env::temp_dir),
            json: cli.json,
        },
    }
}

/// The data directory is the configuration's unless it is named.
fn store_order(
    reload: &Reload,
    command: &StoreCommand,
) -> Result<StoreOrder, crate::config::ConfigError> {
    let directory = |of: &Directory| match &of.dir {
        Some(dir) => Ok(dir.clone()),
        None => reload.load().map(|config| config.store.path),
    };
    let place = |scratch: &Option<PathBuf>, directory: &Path| {
        let scratch = scratch.as_deref().unwrap_or(directory);
        scratch.join(format!("copy.{}", std::process::id()))
    };
    Ok(match command {
        StoreCommand::Verify { of, scratch } => {
            let directory = directory(of)?;
            let scratch = place(scratch, &directory);
            StoreOrder::Verify { directory, scratch }
        }
        StoreCommand::Inspect { of, scratch } => {
            let directory = directory(of)?;
            let scratch = place(scratch, &directory);
            StoreOrder::Inspect { directory, scratch }
        }
        StoreCommand::Salvage { of } => StoreOrder::Salvage {
            directory: directory(of)?,
        },
        StoreCommand::Compact { of } => StoreOrder::Compact {
            directory: directory(of)?,
        },
    })
}

/// The daemon itself is the composition root's to build.
fn serve(reload: Reload) -> Outcome {
    match reload.load() {
        Ok(config) => Outcome::Serve {
            config: Box::new(config),
            reload,
        },
        Err(error) => Outcome::Ended(fail(&format!("error: {error}"))),
    }
}

fn ended(reload: &Reload, json: bool, asking: calls::Asking) -> Outcome {
    Outcome::Ended(ask(reload, json, asking))
}

fn ask(reload: &Reload, as_json: bool, (call, show): calls::Asking) -> Exit {
    let socket = match reload.load() {
        Ok(config) => config.admin.socket,
        Err(error) => return fail(&format!("error: {error}")),
    };
    on_runtime(async {
        let answer = match admin::ask(&socket, &call).await {
            Err(error) => {
                complain(&format!("error: {}", error.advice(&socket)));
                return Exit::Unreachable;
            }
            Ok(answer) if !(200..300).contains(&answer.status) => {
                return fail(&show::error(answer.status, &answer.body));
            }
            Ok(answer) => answer,
        };
        let mut text = String::from_utf8_lossy(&answer.body).trim().to_owned();
        let mut value: Value = serde_json::from_str(&text).unwrap_or_default();
        match further_pages(&socket, &call, &mut value).await {
            Ok(0) => {}
            Ok(_) => text = value.to_string(),
            Err(why) => return fail(&why),
        }
        if as_json {
            // A script gets one document whatever the daemon had to say.
            print(&format!("{}\n", if text.is_empty() { "{}" } else { &text }))
        } else {
            print(&show::render(show, &value, Clock::system().now()))
        }
    })
}

/// Asks for what follows a page that names its next one, and appends it. Gives how many pages
/// that were.
async fn further_pages(
    socket: &Path,
    call: &admin::Call,
    whole: &mut Value,
) -> Result<usize, String> {
    for pages in 0..MAX_PAGES {
        let next = match whole.get("next") {
            Some(Value::String(next)) if call.method == hyper::Method::GET => admin::segment(next),
            _ => return Ok(pages),
        };
        let page = admin::Call {
            path: format!("{}?after={next}", call.path),
            ..call.clone()
        };
        let answer = match admin::ask(socket, &page).await {
            Ok(answer) if answer.status == 200 => answer,
            Ok(answer) => return Err(show::error(answer.status, &answer.body)),
            Err(error) => return Err(format!("error: {}", error.advice(socket))),
        };
        let page = serde_json::from_slice(&answer.body).unwrap_or_default();
        show::append(whole, page);
    }
    Err("error: the list does not end".to_owned())
}

fn check_config(reload: &Reload, as_json: bool) -> Exit {
    let config = match reload.load() {
        Ok(config) => config,
        Err(error) if as_json => {
            let mistakes: Vec<Value> = error
                .0
                .iter()
                .map(|it| {
                    json!({"source": it.source.to_string(), "key": it.key,
                           "reason": it.reason, "instead": it.instead})
                })
                .collect();
            let _ = print(&format!(
                "{}\n",
                json!({"valid": false, "mistakes": mistakes})
            ));
            return Exit::Failed;
        }
        Err(error) => return fail(&format!("error: {error}")),
    };
    if as_json {
        let settings: Vec<Value> = config
            .settings()
            .map(|it| json!({"key": it.key, "value": it.text, "source": it.source.to_string()}))
            .collect();
        return print(&format!(
            "{}\n",
            json!({"valid": true, "settings": settings})
        ));
    }
    let mut text = "The configuration is valid.\n".to_owned();
    let set = config.settings().filter(|it| it.source != Source::Default);
    for setting in set {
        text.push_str(&show::printable(&format!(
            "  {} = {}  ({})",
            setting.key, setting.text, setting.source
        )));
        text.push('\n');
    }
    print(&text)
}

/// The data of `send` as text.
fn read_data(args: &SendArgs) -> Result<String, String> {
    let bounded = |source: &mut dyn io::Read, name: &str| {
        let mut text = String::new();
        source
            .take(MAX_DATA + 1)
            .read_to_string(&mut text)
            .map_err(|error| format!("{name} cannot be read as text: {error}"))?;
        if text.len() as u64 > MAX_DATA {
            return Err(format!("{name} is longer than 16 MiB"));
        }
        Ok(text)
    };
    match args.data.as_deref() {
        None => Ok("{}".to_owned()),
        Some("-") => bounded(&mut io::stdin().lock(), "standard input"),
        Some(text) => match text.strip_prefix('@') {
            None => Ok(text.to_owned()),
            Some(rest) if rest.starts_with('@') => Ok(rest.to_owned()),
            Some(path) => {
                let mut file = std::fs::File::open(Path::new(path))
                    .map_err(|error| format!("{path} cannot be opened: {error}"))?;
                bounded(&mut file, path)
            }
        },
    }
}

/// Client commands need one thread only.
fn on_runtime(work: impl Future<Output = Exit>) -> Exit {
    match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime.block_on(work),
        Err(error) => fail(&format!("error: no runtime: {error}")),
    }
}

/// Prints on standard output. A reader that has gone away has seen enough.
pub fn print(text: &str) -> Exit {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Exit::Done,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
        Err(error) => fail(&format!("error: standard output: {error}")),
    }
}

/// Tells on standard error, where there is one.
fn complain(text: &str) {
    let mut err = io::stderr().lock();
    let text = match text.split_once(": ") {
        Some(("error", rest)) if err.is_terminal() => format!("\x1b[1;31merror:\x1b[0m {rest}\n"),
        _ => format!("{text}\n"),
    };
    // Without standard error there is nobody to tell.
    let _ = err.write_all(text.as_bytes());
}

/// Says why it failed.
pub fn fail(text: &str) -> Exit {
    complain(text);
    Exit::Failed
}
