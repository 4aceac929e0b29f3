//! Signals as futures.
//!
//! Owns which signal means what: SIGTERM and SIGINT stop, SIGHUP reloads. Does not know what
//! stopping or reloading is.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals of a daemon, caught from its creation on.
#[derive(Debug)]
pub struct Signals {
    /// When to stop.
    pub shutdown: Shutdown,
    /// When to read the configuration again.
    pub reload: Reload,
}

impl Signals {
    /// Catches them from now on. Must be called within a runtime.
    pub fn catch() -> io::Result<Self> {
        Ok(Self {
            shutdown: Shutdown {
                terminate: signal(SignalKind::terminate())?,
                interrupt: signal(SignalKind::interrupt())?,
            },
            reload: Reload {
                hangup: signal(SignalKind::hangup())?,
            },
        })
    }
}

/// Waits for the order to stop.
#[derive(Debug)]
pub struct Shutdown {
    terminate: Signal,
    interrupt: Signal,
}

impl Shutdown {
    /// The name of the next signal that orders to stop. May be asked again: a second order is
    /// the operator's impatience.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// The orders to reload; several that come before one is looked at are one.
#[derive(Debug)]
pub struct Reload {
    hangup: Signal,
}

impl Reload {
    /// The next order.
    pub async fn next(&mut self) {
        // None would mean that no further signal can come; then there is nothing to wait for.
        if self.hangup.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kill(signal: &str) {
        let status = std::process::Command::new("kill")
            .args([signal, &std::process::id().to_string()])
            .status()
            .unwrap();
        assert!(status.success());
    }

    // One test, because signals reach the whole process.
    #[tokio::test]
    async fn each_signal_has_its_meaning() {
        let mut signals = Signals::catch().unwrap();
        kill("-HUP");
        signals.reload.next().await;
        kill("-TERM");
        assert_eq!(signals.shutdown.next().await, "SIGTERM");
        kill("-INT");
        assert_eq!(signals.shutdown.next().await, "SIGINT");
    }
}
