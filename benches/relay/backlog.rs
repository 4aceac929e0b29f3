//! Figure 5: a large backlog behind a dead endpoint.
//!
//! Owns filling, killing, starting and draining, and what it takes of memory and disk. The store
//! compacts only when it is opened, so that a start stands in for an order to compact.

use std::time::{Duration, Instant};

use hyper::Method;
use tokio::time::sleep;

use crate::accept::whole;
use crate::consumer::{Consumer, Manner, nobody};
use crate::daemon::{Account, Daemon, PATIENCE};
use crate::deliver::arrived;
use crate::ledger::{Noted, balance};
use crate::load::{Bodies, Load, calls, run};
use crate::report::Row;
use crate::{Outcome, Scale};

const SETTINGS: [(&str, &str); 3] = [
    ("STORE__RETENTION", "0 s"),
    ("RETRY__INITIAL", "500 ms"),
    ("RETRY__MAX_INTERVAL", "1 s"),
];

pub async fn figure(scale: &Scale) -> Outcome<Vec<Row>> {
    let mut daemon = Daemon::start(&SETTINGS)?;
    let account = daemon.account("bench")?;
    let address = nobody()?;
    daemon.endpoint(&account, &format!("http://{address}/0"), &[])?;
    let mut rows = Vec::new();
    let mut accepted = fill(&daemon, &account, scale.backlog, &mut rows).await?;
    for cold in [false, true] {
        daemon.kill()?;
        let name = if cold { "cold caches" } else { "warm caches" };
        if cold && std::fs::write("/proc/sys/vm/drop_caches", "3").is_err() {
            // Only the superuser may; the figure is left out then.
            daemon.start_again()?;
            first_accept(&daemon, &account, &mut accepted).await?;
            continue;
        }
        let begin = Instant::now();
        daemon.start_again()?;
        first_accept(&daemon, &account, &mut accepted).await?;
        let name = format!("kill -9 to first accept, {name}");
        rows.push(Row::new(name, begin.elapsed().as_secs_f64(), "s"));
    }
    rows.push(Row::new("memory after the start", daemon.memory()?, "MiB"));
    drain(&daemon, &account, address, &accepted, &mut rows).await?;
    for cycle in 0..scale.cycles {
        let accepted = fill(&daemon, &account, scale.backlog, &mut Vec::new()).await?;
        drain(&daemon, &account, address, &accepted, &mut Vec::new()).await?;
        let name = format!("disk after cycle {}", cycle + 2);
        rows.push(Row::new(name, daemon.disk()?, "MiB"));
    }
    daemon.kill()?;
    let begin = Instant::now();
    daemon.start_again()?;
    first_accept(&daemon, &account, &mut accepted).await?;
    let name = "a start afterwards, with its compaction";
    rows.push(Row::new(name, begin.elapsed().as_secs_f64(), "s"));
    rows.push(Row::new("disk after it", daemon.disk()?, "MiB"));
    Ok(rows)
}

async fn fill(
    daemon: &Daemon,
    account: &Account,
    amount: u64,
    rows: &mut Vec<Row>,
) -> Outcome<Vec<Noted>> {
    rows.push(Row::new("disk before", daemon.disk()?, "MiB"));
    let load = Load::amount(Bodies::array(100), 8, amount);
    let answered = run(&daemon.target(account)?, &load).await?;
    whole(&answered)?;
    let name = format!("{} messages accepted", answered.messages);
    rows.push(Row::new(name, answered.rate(), "/s"));
    rows.push(Row::new("memory with them", daemon.memory()?, "MiB"));
    rows.push(Row::new("disk with them", daemon.disk()?, "MiB"));
    Ok(answered.accepted)
}

/// Asks until it accepts.
async fn first_accept(
    daemon: &Daemon,
    account: &Account,
    accepted: &mut Vec<Noted>,
) -> Outcome<()> {
    let target = daemon.target(account)?;
    let body = Bodies::single().each;
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE {
        if let Ok(answers) = calls(&target, &Method::POST, &body, 202).await {
            let ids = answers.iter().flat_map(|text| crate::ledger::ids(text, 0));
            let at = crate::ledger::now();
            accepted.extend(ids.map(|id| Noted { id, at, mark: 0 }));
            return Ok(());
        }
        sleep(Duration::from_millis(2)).await;
    }
    Err("it does not accept after a start".into())
}

/// The endpoint answers from now on, until everything arrived.
async fn drain(
    daemon: &Daemon,
    account: &Account,
    address: std::net::SocketAddr,
    accepted: &[Noted],
    rows: &mut Vec<Row>,
) -> Outcome<()> {
    let consumer = Consumer::start_at(account, Manner::Confirm, address)?;
    let count = u64::try_from(accepted.len())?;
    arrived(&consumer.notes, count).await?;
    let balance = balance(accepted, &consumer.notes.copy(), &[0])?;
    let rate = f64::from(u32::try_from(count)?) / balance.span.as_secs_f64();
    rows.push(Row::new("drained", rate, "/s"));
    let repeated = f64::from(u32::try_from(balance.duplicates)?);
    rows.push(Row::new("delivered twice", repeated, ""));
    rows.push(Row::new("memory at most", daemon.memory_peak()?, "MiB"));
    // Trimming goes on in the background.
    sleep(Duration::from_secs(3)).await;
    rows.push(Row::new("memory after the drain", daemon.memory()?, "MiB"));
    rows.push(Row::new("disk after the drain", daemon.disk()?, "MiB"));
    Ok(())
}
