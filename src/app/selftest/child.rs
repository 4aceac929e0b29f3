//! The daemon under test: this very binary as a child process.
//!
//! Owns its start, its settings and its end. Whatever becomes of the test, the child ends with it.
//! Does not know why it is killed.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::clock::Stopwatch;

/// A start that takes longer has failed.
const PATIENCE: Duration = Duration::from_mins(1);
/// Lines of a daemon's log that are told when it does not start.
const TOLD: usize = 10;

/// A daemon that serves.
pub struct Daemon {
    child: Child,
    /// Where it serves plain HTTP.
    pub address: SocketAddr,
    /// Runs since it was started.
    pub since: Stopwatch,
}

/// Its admin socket.
pub fn socket(folder: &Path) -> PathBuf {
    folder.join("admin.sock")
}

/// Its data directory.
pub fn data(folder: &Path) -> PathBuf {
    folder.join("data")
}

impl Daemon {
    /// Starts it and waits until it serves. Blocks.
    pub fn start(folder: &Path) -> Result<Self, String> {
        let since = Stopwatch::start();
        let binary = std::env::current_exe()
            .map_err(|error| format!("this program does not know where it lies: {error}"))?;
        let mut command = Command::new(binary);
        for (name, _) in std::env::vars_os() {
            // Neither the machine's settings nor its service manager are meant here.
            let name = name.to_string_lossy().into_owned();
            if name.starts_with("HOOKRELAY_") || name == "NOTIFY_SOCKET" || name == "WATCHDOG_USEC"
            {
                command.env_remove(name);
            }
        }
        // An empty file of its own, so that the machine's is not read.
        let config = folder.join("hookrelay.toml");
        std::fs::write(&config, "").map_err(|error| format!("{}: {error}", config.display()))?;
        command
            .arg("serve")
            .arg("--json")
            .arg("--config")
            .arg(config);
        for setting in settings(folder) {
            command.arg("--set").arg(setting);
        }
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .map_err(|error| format!("the daemon cannot be started: {error}"))?;
        match serves(&mut child) {
            Ok(address) => Ok(Self {
                child,
                address,
                since,
            }),
            Err(why) => {
                end(&mut child);
                Err(why)
            }
        }
    }

    /// Sends SIGKILL. The error says that it had ended by itself.
    pub fn kill(mut self) -> Result<(), String> {
        match self.child.try_wait() {
            Ok(None) => {
                end(&mut self.child);
                Ok(())
            }
            Ok(Some(status)) => Err(format!("the daemon ended by itself: {status}")),
            Err(error) => Err(format!("the daemon cannot be watched: {error}")),
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn end(child: &mut Child) {
    // It may have ended by itself meanwhile.
    let _ = child.kill();
    let _ = child.wait();
}

fn settings(folder: &Path) -> Vec<String> {
    let path = |path: PathBuf| path.display().to_string();
    [
        ("store.path", path(data(folder)).as_str()),
        ("admin.socket", path(socket(folder)).as_str()),
        ("http.listen", "127.0.0.1:0"),
        ("http.insecure_loopback", "true"),
        ("limits.per_minute", "0"),
        ("retry.initial", "100 ms"),
        ("retry.max_interval", "400 ms"),
        ("retry.jitter_percent", "0"),
        ("log.level", "info"),
    ]
    .map(|(key, value)| format!("{key}={value}"))
    .to_vec()
}

/// Waits for the line with which it says that it serves. A thread reads on until the daemon ends,
/// so that it never waits for a reader of its log.
fn serves(child: &mut Child) -> Result<SocketAddr, String> {
    let log = child.stderr.take().ok_or("the daemon has no log")?;
    let (sender, lines) = mpsc::channel();
    let reader = thread::Builder::new().name("selftest-log".to_owned());
    let read = move || {
        let mut told = Some(sender);
        for line in BufReader::new(log).lines().map_while(Result::ok) {
            // Nobody listens any more once it serves.
            told = told.filter(|told| told.send(line).is_ok());
        }
    };
    reader.spawn(read).map_err(|error| error.to_string())?;
    let watch = Stopwatch::start();
    let mut last = Vec::new();
    while let Some(left) = PATIENCE.checked_sub(watch.elapsed()) {
        let Ok(line) = lines.recv_timeout(left) else {
            break;
        };
        let value: Value = serde_json::from_str(&line).unwrap_or_default();
        if value["message"] == "hookrelay serves" {
            let address = value["listen"].as_str().unwrap_or_default();
            return address
                .parse()
                .map_err(|_| format!("the daemon serves at {address:?}"));
        }
        last.push(line);
        last.drain(..last.len().saturating_sub(TOLD));
    }
    Err(format!("the daemon does not serve:\n{}", last.join("\n")))
}
