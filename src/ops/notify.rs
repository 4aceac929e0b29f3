//! The talk with the service manager: ready, stopping, status, and the watchdog.
//!
//! Owns the `sd_notify` protocol (a datagram of `NAME=value` lines) and the decision whether the
//! watchdog is fed. Does not know the relay: whoever does the work advances a [`Progress`].

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::{Clock, Timestamp};

/// Speaks to the service manager, if one listens.
#[derive(Debug, Clone, Default)]
pub struct Notifier {
    socket: Option<Arc<(UnixDatagram, SocketAddr)>>,
}

impl Notifier {
    /// The socket named by `NOTIFY_SOCKET`; silent when there is none.
    pub fn from_environment() -> io::Result<Self> {
        Self::new(env::var_os("NOTIFY_SOCKET").as_deref())
    }

    /// Speaks to this socket: a path, or `@name` for an abstract one.
    pub fn new(name: Option<&OsStr>) -> io::Result<Self> {
        let Some(name) = name.filter(|name| !name.is_empty()) else {
            return Ok(Self::default());
        };
        let address = match name.as_bytes().strip_prefix(b"@") {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None => SocketAddr::from_pathname(name)?,
        };
        let socket = UnixDatagram::unbound()?;
        // A manager that does not read must not stop us.
        socket.set_nonblocking(true)?;
        Ok(Self {
            socket: Some(Arc::new((socket, address))),
        })
    }

    /// Start is complete.
    pub fn ready(&self, status: &str) {
        self.send(&format!("READY=1\nSTATUS={}\n", one_line(status)));
    }

    /// Shutting down begins.
    pub fn stopping(&self, status: &str) {
        self.send(&format!("STOPPING=1\nSTATUS={}\n", one_line(status)));
    }

    /// One line for `systemctl status`.
    pub fn status(&self, status: &str) {
        self.send(&format!("STATUS={}\n", one_line(status)));
    }

    /// The daemon is alive.
    pub fn watchdog(&self) {
        self.send("WATCHDOG=1\n");
    }

    fn send(&self, text: &str) {
        let Some(socket) = &self.socket else { return };
        let (socket, address) = socket.as_ref();
        if let Err(error) = socket.send_to_addr(text.as_bytes(), address) {
            tracing::warn!(%error, "the service manager could not be told");
        }
    }
}

/// A line break would begin another assignment.
fn one_line(text: &str) -> String {
    text.replace(['\n', '\r', '\0'], " ")
}

/// The working loop's proof of life: it tells of every turn, and until when it rightly rests.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    state: Arc<ProgressState>,
}

#[derive(Debug, Default)]
struct ProgressState {
    turns: AtomicU64,
    /// When the next turn is due, in Unix milliseconds; 0 = now.
    due: AtomicU64,
}

impl Progress {
    /// The loop made a turn and goes on at once.
    pub fn advance(&self) {
        self.turn(Timestamp(0));
    }

    /// The loop made a turn and rests until this time, or until somebody [wakes](Self::wake) it.
    pub fn rest(&self, until: Option<Timestamp>) {
        self.turn(until.unwrap_or(Timestamp::MAX));
    }

    /// Somebody handed work to the loop, so that a turn is due although it rests.
    pub fn wake(&self) {
        self.state.due.store(0, Ordering::Release);
    }

    fn turn(&self, due: Timestamp) {
        self.state.due.store(due.0, Ordering::Release);
        self.state.turns.fetch_add(1, Ordering::Release);
    }

    /// What can be seen of it at `now`.
    pub fn look(&self, now: Timestamp) -> Look {
        Look {
            turns: self.state.turns.load(Ordering::Acquire),
            due: self.state.due.load(Ordering::Acquire) <= now.0,
        }
    }
}

/// The loop at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Turns made so far.
    pub turns: u64,
    /// A turn is due.
    pub due: bool,
}

/// What the watchdog gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feed {
    /// A ping.
    Ping,
    /// Nothing: if this goes on, the service manager restarts us.
    Withhold,
}

/// Whether a daemon that looked like `before` and looks like `now` is fed. Only a turn that was
/// due at both looks and was not made counts as stuck: what became due in between may be about
/// to happen.
pub fn decide(before: Look, now: Look) -> Feed {
    if now.turns == before.turns && before.due && now.due {
        Feed::Withhold
    } else {
        Feed::Ping
    }
}

/// Feeds the service manager's watchdog as long as the work goes on.
#[derive(Debug, Clone)]
pub struct Watchdog {
    notifier: Notifier,
    progress: Progress,
    clock: Clock,
    every: Duration,
}

impl Watchdog {
    /// A watchdog that is looked after every `interval / 2`, as `sd_watchdog_enabled(3)` advises;
    /// none without an interval.
    pub fn new(
        notifier: Notifier,
        progress: Progress,
        clock: Clock,
        interval: Option<Duration>,
    ) -> Option<Self> {
        let every = interval.map(|interval| interval / 2)?;
        (!every.is_zero()).then_some(Self {
            notifier,
            progress,
            clock,
            every,
        })
    }

    /// Looks and feeds for ever.
    pub async fn run(self) {
        let mut before = self.progress.look(self.clock.now());
        let mut withheld = 0_u32;
        loop {
            tokio::time::sleep(self.every).await;
            let now = self.progress.look(self.clock.now());
            match decide(before, now) {
                Feed::Ping => {
                    withheld = 0;
                    self.notifier.watchdog();
                }
                Feed::Withhold => {
                    withheld = withheld.saturating_add(1);
                    tracing::error!(
                        withheld,
                        turns = now.turns,
                        "the relay does not move although something is due; the watchdog is not fed"
                    );
                }
            }
            before = now;
        }
    }
}

/// The interval that the service manager expects of this process, from its environment.
pub fn watchdog_interval() -> Option<Duration> {
    interval(
        env::var("WATCHDOG_USEC").ok().as_deref(),
        env::var("WATCHDOG_PID").ok().as_deref(),
        std::process::id(),
    )
}

/// `WATCHDOG_USEC`, if `WATCHDOG_PID` is absent or names this process.
fn interval(microseconds: Option<&str>, pid: Option<&str>, own: u32) -> Option<Duration> {
    if pid.is_some_and(|pid| pid.parse() != Ok(own)) {
        return None;
    }
    let microseconds = microseconds?.parse().ok().filter(|value| *value > 0)?;
    Some(Duration::from_micros(microseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Manager {
        socket: UnixDatagram,
        path: std::path::PathBuf,
        _folder: tempfile::TempDir,
    }

    impl Manager {
        fn start() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("notify");
            let socket = UnixDatagram::bind(&path).unwrap();
            socket
                .set_read_timeout(Some(Duration::from_secs(10)))
                .unwrap();
            Self {
                socket,
                path,
                _folder: folder,
            }
        }

        fn notifier(&self) -> Notifier {
            Notifier::new(Some(self.path.as_os_str())).unwrap()
        }

        fn heard(&self) -> String {
            let mut bytes = [0; 512];
            let length = self.socket.recv(&mut bytes).unwrap();
            String::from_utf8(bytes[..length].to_vec()).unwrap()
        }
    }

    #[test]
    fn a_real_notify_socket_hears_every_word() {
        let manager = Manager::start();
        let notifier = manager.notifier();
        notifier.ready("3 endpoints");
        assert_eq!(manager.heard(), "READY=1\nSTATUS=3 endpoints\n");
        notifier.status("all\nis\nwell");
        assert_eq!(manager.heard(), "STATUS=all is well\n");
        notifier.watchdog();
        assert_eq!(manager.heard(), "WATCHDOG=1\n");
        notifier.stopping("draining");
        assert_eq!(manager.heard(), "STOPPING=1\nSTATUS=draining\n");
    }

    #[test]
    fn an_abstract_socket_is_spoken_to_as_well() {
        let name = format!("hookrelay-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        let notifier = Notifier::new(Some(OsStr::new(&format!("@{name}")))).unwrap();
        notifier.watchdog();
        let mut bytes = [0; 64];
        let length = socket.recv(&mut bytes).unwrap();
        assert_eq!(&bytes[..length], b"WATCHDOG=1\n");
    }

    #[test]
    fn without_a_manager_it_is_silent_and_a_dead_one_does_no_harm() {
        Notifier::new(None).unwrap().ready("nobody listens");
        Notifier::new(Some(OsStr::new(""))).unwrap().ready("nobody");
        let manager = Manager::start();
        let notifier = manager.notifier();
        drop(manager);
        notifier.ready("it is gone");
    }

    #[test]
    fn the_watchdog_is_fed_unless_a_due_turn_was_not_made() {
        let look = |turns, due| Look { turns, due };
        for (before, now, feed) in [
            (look(1, true), look(2, true), Feed::Ping),
            (look(1, false), look(2, true), Feed::Ping),
            (look(1, false), look(1, false), Feed::Ping),
            (look(1, false), look(1, true), Feed::Ping),
            (look(1, true), look(1, false), Feed::Ping),
            (look(1, true), look(1, true), Feed::Withhold),
        ] {
            assert_eq!(decide(before, now), feed, "{before:?} {now:?}");
        }
    }

    #[test]
    fn a_rest_is_over_at_its_time_or_when_woken() {
        let progress = Progress::default();
        let due = |at| progress.look(Timestamp(at)).due;
        assert!(due(0), "the first turn is due");
        progress.rest(Some(Timestamp(50)));
        assert!(!due(49) && due(50));
        progress.rest(None);
        assert!(!due(1 << 60));
        progress.wake();
        assert!(due(0));
        progress.rest(None);
        progress.advance();
        assert!(due(0));
        assert_eq!(progress.look(Timestamp(0)).turns, 4);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stuck_loop_starves_the_watchdog_and_a_moving_one_feeds_it() {
        let manager = Manager::start();
        manager.socket.set_nonblocking(true).unwrap();
        let pings = || {
            let mut bytes = [0; 64];
            std::iter::from_fn(|| manager.socket.recv(&mut bytes).ok()).count()
        };
        let progress = Progress::default();
        let clock = Clock::manual(Timestamp(0));
        let watchdog = Watchdog::new(
            manager.notifier(),
            progress.clone(),
            clock.clone(),
            Some(Duration::from_secs(20)),
        );
        let running = tokio::spawn(watchdog.unwrap().run());
        // One look every ten seconds; half a second more so that the look has happened.
        tokio::time::sleep(Duration::from_millis(10_500)).await;
        assert_eq!(pings(), 0, "the first turn is due and was not made");
        progress.advance();
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert_eq!(pings(), 1);
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert_eq!(pings(), 0, "it is stuck");
        progress.rest(Some(Timestamp(1_000)));
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert_eq!(pings(), 3, "it rests");
        clock.set(Timestamp(1_000));
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert_eq!(pings(), 1, "it overslept");
        running.abort();
    }

    #[test]
    fn the_interval_is_for_this_process_only() {
        let some = Some(Duration::from_secs(30));
        for (microseconds, pid, expected) in [
            (Some("30000000"), None, some),
            (Some("30000000"), Some("7"), some),
            (Some("30000000"), Some("8"), None),
            (Some("30000000"), Some("x"), None),
            (Some("0"), None, None),
            (Some("x"), None, None),
            (None, None, None),
        ] {
            assert_eq!(interval(microseconds, pid, 7), expected);
        }
        assert!(
            Watchdog::new(
                Notifier::default(),
                Progress::default(),
                Clock::system(),
                None
            )
            .is_none()
        );
    }
}
