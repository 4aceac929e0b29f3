//! The real binary as a running daemon, and other programs beside it.
//!
//! Owns processes: whatever a test starts ends with it, also when the test fails.

use std::io::{BufRead as _, BufReader, Read};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use hookrelay::clock::Stopwatch;
use tempfile::TempDir;

/// For anything that must happen: far longer than it takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// Looks until there is something; fails the test, with what `else_say` knows, if nothing comes.
pub fn eventually<T>(
    what: &str,
    mut look: impl FnMut() -> Option<T>,
    else_say: impl Fn() -> String,
) -> T {
    let watch = Stopwatch::start();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(
            watch.elapsed() < PATIENCE,
            "{what} did not happen\n{}",
            else_say()
        );
        thread::sleep(Duration::from_millis(20));
    }
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Fails the test, with what to do, if a program is missing.
pub fn need(program: &str, package: &str) {
    let found = Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .output();
    assert!(
        found.is_ok_and(|output| output.status.success()),
        "this test runs {program}, which is not here: apt-get install -y {package}"
    );
}

/// A program that runs in its own process group until this value goes.
pub struct Program {
    child: Child,
    said: Arc<Mutex<String>>,
}

impl Program {
    /// Starts it and listens to what it says on either stream.
    pub fn start(mut command: Command) -> Self {
        use std::os::unix::process::CommandExt as _;
        let mut child = command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        collect(child.stdout.take().unwrap(), said.clone());
        collect(child.stderr.take().unwrap(), said.clone());
        Self { child, said }
    }

    /// Everything it has said so far.
    pub fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// Waits until it has said `text`.
    pub fn says(&self, text: &str) {
        let said = || self.said();
        eventually(text, || said().contains(text).then_some(()), said);
    }

    /// Waits until somebody listens on `port`.
    pub fn listens(&self, port: u16) {
        let connected = || TcpStream::connect(("127.0.0.1", port)).ok().map(drop);
        eventually("listening", connected, || self.said());
    }

    fn signal(&self, signal: &str) {
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args([signal, "--", &group]).output();
    }

    /// Asks it to stop and gives its exit code.
    pub fn stop(mut self) -> Option<i32> {
        self.signal("-TERM");
        let child = &mut self.child;
        let said = self.said.clone();
        eventually(
            "the end",
            || child.try_wait().unwrap(),
            || said.lock().unwrap().clone(),
        )
        .code()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.signal("-KILL");
        let _ = self.child.wait();
    }
}

fn collect(stream: impl Read + Send + 'static, said: Arc<Mutex<String>>) {
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let mut said = said.lock().unwrap();
            said.push_str(&line);
            said.push('\n');
        }
    });
}

/// A folder for a daemon, and the environment in which commands find it.
pub struct Place {
    folder: TempDir,
}

impl Place {
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// `program` with the binary in its path and nothing of the machine's own settings.
    pub fn command(&self, program: &str) -> Command {
        let binary = PathBuf::from(env!("CARGO_BIN_EXE_hookrelay"));
        let own = binary.parent().unwrap().to_owned();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(std::iter::once(own).chain(std::env::split_paths(&path)));
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("HOOKRELAY_") {
                command.env_remove(name);
            }
        }
        command
            .current_dir(self.path())
            .env("PATH", path.unwrap())
            .env("HOOKRELAY_STORE__PATH", self.path().join("data"))
            .env("HOOKRELAY_ADMIN__SOCKET", self.path().join("admin.sock"))
            .env("HOOKRELAY_HTTP__LISTEN", "127.0.0.1:0")
            .env("HOOKRELAY_HTTP__INSECURE_LOOPBACK", "true")
            .env("HOOKRELAY_RETRY__INITIAL", "1 s")
            .env("HOOKRELAY_LOG__FORMAT", "json");
        command
    }

    /// Runs a client command, which must succeed, and gives its JSON.
    pub fn ask(&self, words: &[&str]) -> serde_json::Value {
        let mut command = self.command("hookrelay");
        let output = done(command.args(words).arg("--json"));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

/// Runs a command that must succeed.
pub fn done(command: &mut Command) -> Output {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// Where a daemon that was just started serves plain HTTP, as it says in its log.
pub fn address(daemon: &Program) -> String {
    let find = || {
        let said = daemon.said();
        let (_, line) = said.split_once("hookrelay serves")?;
        let (_, rest) = line.split_once("127.0.0.1:")?;
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        Some(format!("127.0.0.1:{}", &rest[..digits]))
    };
    eventually("serving", find, || daemon.said())
}

/// A daemon with these settings beside the ones of its place, and its address.
pub fn serve(place: &Place, settings: &[&str]) -> (Program, String) {
    let mut command = place.command("hookrelay");
    command.arg("serve");
    for setting in settings {
        command.args(["--set", setting]);
    }
    let daemon = Program::start(command);
    let address = address(&daemon);
    (daemon, address)
}
