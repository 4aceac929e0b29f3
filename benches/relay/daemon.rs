//! The daemon under measurement: the release binary in a folder on a real disk.
//!
//! Owns its settings, its process and what the kernel tells about it. Does not know loads.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::Method;
use serde_json::{Value, json};

use crate::Outcome;
use crate::load::{self, Target};

/// Longest wait for anything that is to happen.
pub const PATIENCE: Duration = Duration::from_mins(5);
/// Ticks of the kernel's CPU times in a second, on every Linux of today.
const TICKS: f64 = 100.0;

/// An account as `account add` printed it.
#[derive(Debug, Clone)]
pub struct Account {
    pub name: String,
    pub login: String,
    pub password: String,
    pub key: String,
}

/// A daemon and its folder. Dropping it kills the one and removes the other.
pub struct Daemon {
    folder: PathBuf,
    settings: Vec<(String, String)>,
    child: Child,
    pub address: SocketAddr,
}

impl Daemon {
    /// A running daemon with an empty store and no limits but these settings
    /// (`SECTION__KEY`, value).
    pub fn start(settings: &[(&str, &str)]) -> Outcome<Self> {
        static COUNT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let name = format!("bench-{}-{number}", std::process::id());
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&folder)?;
        // A port that is free now; it stays the same over restarts.
        let address = crate::consumer::nobody()?;
        let mut all = vec![
            ("HTTP__LISTEN".to_owned(), address.to_string()),
            (
                "STORE__PATH".to_owned(),
                folder.join("data").display().to_string(),
            ),
            (
                "ADMIN__SOCKET".to_owned(),
                folder.join("admin.sock").display().to_string(),
            ),
        ];
        let fixed = [
            ("HTTP__INSECURE_LOOPBACK", "true"),
            ("LIMITS__PER_MINUTE", "0"),
            ("STORE__MAX_DISK", "40 GiB"),
            ("STORE__MAX_ACCOUNT_DISK", "100 %"),
            ("LOG__LEVEL", "warn"),
            ("LOG__FORMAT", "json"),
        ];
        let given = fixed.iter().chain(settings);
        all.extend(given.map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        let child = spawn(&folder, &all)?;
        let mut daemon = Self {
            folder,
            settings: all,
            child,
            address,
        };
        daemon.wait_until_it_serves()?;
        Ok(daemon)
    }

    fn wait_until_it_serves(&mut self) -> Outcome<()> {
        let begin = Instant::now();
        // The admin socket opens last.
        while std::net::TcpStream::connect(self.address).is_err() || self.cli(&["status"]).is_err()
        {
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("the daemon ended ({status}): {}", self.log()).into());
            }
            if begin.elapsed() > PATIENCE {
                return Err("the daemon does not serve".into());
            }
            thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// An ordered stop.
    pub fn stop(&mut self) -> Outcome<()> {
        let pid = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &pid]).status()?;
        let status = self.child.wait()?;
        if status.success() {
            return Ok(());
        }
        Err(format!("the daemon ended ({status}): {}", self.log()).into())
    }

    /// `kill -9`.
    pub fn kill(&mut self) -> Outcome<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Starts it again, without waiting for anything.
    pub fn start_again(&mut self) -> Outcome<()> {
        self.child = spawn(&self.folder, &self.settings)?;
        Ok(())
    }

    /// A client command and the JSON it prints.
    pub fn cli(&self, words: &[&str]) -> Outcome<Value> {
        let output = command(&self.settings).args(words).arg("--json").output()?;
        if !output.status.success() {
            let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(format!("{words:?}: {complaint}").into());
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    pub fn account(&self, name: &str) -> Outcome<Account> {
        let made = self.cli(&["account", "add", name])?;
        let text = |member: &str| made[member].as_str().unwrap_or_default().to_owned();
        Ok(Account {
            name: name.to_owned(),
            login: text("ai_login_id"),
            password: text("ai_login_password"),
            key: text("api_key"),
        })
    }

    /// An endpoint by the command line, with further flags.
    pub fn endpoint(&self, account: &Account, url: &str, flags: &[&str]) -> Outcome<String> {
        let words = ["endpoint", "add", "-a", &account.name, "--url", url];
        let made = self.cli(&[&words, flags].concat())?;
        let id = made["endpoint"].as_str();
        Ok(id.ok_or("endpoint add prints no endpoint")?.to_owned())
    }

    /// Many endpoints by the management API: a URL and the types it admits.
    pub async fn endpoints(
        &self,
        account: &Account,
        standard: bool,
        wanted: impl Iterator<Item = (String, String)>,
    ) -> Outcome<()> {
        let protocol = if standard { "standard" } else { "relay" };
        let body = |(url, types)| {
            let body = json!({"url": url, "types": [types], "protocol": protocol});
            Bytes::from(body.to_string())
        };
        let bodies: Vec<Bytes> = wanted.map(body).collect();
        let target = Target::new(self.address, "/relay/v1/endpoints", &account.key)?;
        load::calls(&target, &Method::POST, &bodies, 201).await?;
        Ok(())
    }

    /// An endpoint's queue figure, by the command line.
    pub fn figure(&self, account: &Account, endpoint: &str, name: &str) -> Outcome<f64> {
        let shown = self.cli(&["endpoint", "show", "-a", &account.name, endpoint])?;
        let figure = shown["queue"][name].as_f64();
        Ok(figure.ok_or_else(|| format!("no figure {name} in {shown}"))?)
    }

    /// Where messages are accepted.
    pub fn target(&self, account: &Account) -> Outcome<Target> {
        Target::new(self.address, "/relay/v1/messages", &account.key)
    }

    fn proc(&self, file: &str) -> Outcome<String> {
        Ok(fs::read_to_string(format!(
            "/proc/{}/{file}",
            self.child.id()
        ))?)
    }

    /// CPU time so far, in seconds.
    pub fn cpu(&self) -> Outcome<f64> {
        let stat = self.proc("stat")?;
        let (_, fields) = stat.rsplit_once(')').ok_or("no stat")?;
        let mut ticks = 0.0;
        for field in fields.split_whitespace().skip(11).take(2) {
            ticks += field.parse::<f64>()?;
        }
        Ok(ticks / TICKS)
    }

    fn status(&self, name: &str) -> Outcome<f64> {
        let status = self.proc("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let value = line.and_then(|line| line.split_whitespace().nth(1));
        Ok(value.ok_or("no such line in status")?.parse()?)
    }

    /// Resident memory, in MiB.
    pub fn memory(&self) -> Outcome<f64> {
        Ok(self.status("VmRSS")? / 1024.0)
    }

    /// The most it ever was, in MiB.
    pub fn memory_peak(&self) -> Outcome<f64> {
        Ok(self.status("VmHWM")? / 1024.0)
    }

    pub fn threads(&self) -> Outcome<f64> {
        self.status("Threads")
    }

    #[expect(clippy::cast_precision_loss, reason = "a count of files")]
    pub fn handles(&self) -> Outcome<f64> {
        let open = fs::read_dir(format!("/proc/{}/fd", self.child.id()))?;
        Ok(open.count() as f64)
    }

    /// The data directory's size on the disk, in MiB, without the ballast: that is to take room.
    pub fn disk(&self) -> Outcome<f64> {
        let data = self.folder.join("data");
        let ballast = match fs::metadata(data.join("ballast")) {
            Ok(found) => allocated(&found),
            Err(_) => 0.0,
        };
        Ok((size(&data)? - ballast) / 1024.0 / 1024.0)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a size far from the limits")]
fn allocated(found: &fs::Metadata) -> f64 {
    use std::os::unix::fs::MetadataExt as _;
    (found.blocks() * 512) as f64
}

fn size(path: &Path) -> Outcome<f64> {
    let mut sum = 0.0;
    for entry in fs::read_dir(path)? {
        let path = entry?.path();
        // A file may go while it is looked at.
        let Ok(found) = fs::metadata(&path) else {
            continue;
        };
        sum += if found.is_dir() {
            size(&path)?
        } else {
            allocated(&found)
        };
    }
    Ok(sum)
}

fn command(settings: &[(String, String)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hookrelay"));
    command.env_clear().stdin(Stdio::null());
    for (key, value) in settings {
        command.env(format!("HOOKRELAY_{key}"), value);
    }
    command
}

fn spawn(folder: &Path, settings: &[(String, String)]) -> Outcome<Child> {
    let log = fs::File::create(folder.join("log"))?;
    let mut command = command(settings);
    let command = command.arg("serve").stdout(Stdio::null()).stderr(log);
    Ok(command.spawn()?)
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended by itself, and a folder left behind harms nobody.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}
