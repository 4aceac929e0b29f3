//! What the self-test tells: the disk, a line for each round, the verdict.
//!
//! Owns the text and the JSON form. Does not know how anything was found out.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::disk::Latency;
use crate::cli::print;
use crate::cli::progress::Bar;
use crate::store::Faults;

/// What happened in one round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Round {
    /// 1, 2, 3 …
    pub number: u32,
    /// Messages acknowledged.
    pub accepted: u64,
    /// Messages confirmed, over all consumers.
    pub delivered: u64,
    /// Messages that came again after they had been confirmed.
    pub repeated: u64,
    /// From the daemon's start to its first acknowledgement; none when it was killed before.
    pub first: Option<Duration>,
}

/// Tells as it goes, or everything at the end.
pub struct Report {
    json: bool,
    bar: Bar,
    disk: Value,
    rounds: Vec<Value>,
    total: Round,
    slowest: Duration,
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

impl Report {
    /// A report for scripts or for people.
    pub fn new(json: bool) -> Self {
        Self {
            json,
            bar: Bar::default(),
            disk: Value::Null,
            rounds: Vec::new(),
            total: Round {
                number: 0,
                accepted: 0,
                delivered: 0,
                repeated: 0,
                first: None,
            },
            slowest: Duration::ZERO,
        }
    }

    fn line(&mut self, text: &str) {
        self.bar.clear();
        if !self.json {
            // A reader that has gone away has seen enough; the exit status tells the rest.
            print(&format!("{text}\n"));
        }
    }

    /// How fast the disk is.
    pub fn disk(&mut self, folder: &Path, disk: Latency) {
        self.disk = json!({"p50_us": micros(disk.p50), "p99_us": micros(disk.p99)});
        self.line(&format!(
            "disk below {}: write and sync of 4 KiB takes {} (p50), {} (p99)",
            folder.parent().unwrap_or(folder).display(),
            millis(disk.p50),
            millis(disk.p99)
        ));
        self.line("ROUND  ACCEPTED  DELIVERED  REPEATED  FIRST ACCEPT AFTER START");
    }

    /// A round goes on.
    pub fn working(&mut self, number: u32, rounds: u32) {
        self.bar
            .show("rounds", u64::from(number), u64::from(rounds));
    }

    /// Something that takes long goes on.
    pub fn tell(&mut self, text: &str) {
        self.bar.tell(text);
    }

    /// A round is over.
    pub fn round(&mut self, round: Round) {
        let first = round.first.map_or("-".to_owned(), millis);
        self.line(&format!(
            "{:>5}  {:>8}  {:>9}  {:>8}  {first}",
            round.number, round.accepted, round.delivered, round.repeated
        ));
        if self.json {
            self.rounds.push(json!({
                "round": round.number, "accepted": round.accepted, "delivered": round.delivered,
                "repeated": round.repeated, "first_accept_us": round.first.map(micros),
            }));
        }
        self.total.number = round.number;
        self.total.accepted += round.accepted;
        self.total.delivered += round.delivered;
        self.total.repeated += round.repeated;
        self.slowest = self.slowest.max(round.first.unwrap_or_default());
    }

    /// The end. Gives whether everything held.
    pub fn verdict(mut self, faults: &Faults, oldest: Duration) -> bool {
        let holds = faults.is_empty();
        if self.json {
            let whole = json!({
                "holds": holds, "kills": self.total.number, "accepted": self.total.accepted,
                "repeated": self.total.repeated, "oldest_repeated_us": micros(oldest),
                "slowest_first_accept_us": micros(self.slowest), "disk": self.disk,
                "rounds": self.rounds, "faults": faults.named(), "fault_count": faults.count(),
            });
            print(&format!("{whole}\n"));
            return holds;
        }
        for fault in faults.named() {
            self.line(&format!("fault: {fault}"));
        }
        let Round {
            number,
            accepted,
            repeated,
            ..
        } = self.total;
        let slowest = millis(self.slowest);
        self.line(&format!(
            "{number} kills, {accepted} messages acknowledged, {repeated} deliveries repeated \
             (confirmed {} before a kill at most), first accept within {slowest} of a start",
            millis(oldest)
        ));
        if holds {
            self.line("passed: nothing was lost, ids and order were kept, the store holds");
        } else {
            self.line(&format!("FAILED: {} faults", faults.count()));
        }
        holds
    }
}
