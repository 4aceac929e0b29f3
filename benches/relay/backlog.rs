//! Figure 5: a large backlog behind a dead endpoint.
//!
//! Owns filling, killing, starting, draining and compacting, and what it takes of memory and disk.

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
    cycles(&daemon, &account, address, scale, &mut rows).await?;
    daemon.stop()?;
    let before = daemon.disk()?;
    let begin = Instant::now();
    daemon.cli(&["store", "compact"])?;
    let name = "store compact, after a stop";
    rows.push(Row::new(name, begin.elapsed().as_secs_f64(), "s"));
    rows.push(Row::new("disk before it", before, "MiB"));
    rows.push(Row::new("disk after it", daemon.disk()?, "MiB").at_most(50.0));
    daemon.start_again()?;
    first_accept(&daemon, &account, &mut accepted).await?;
    Ok(rows)
}

/// Fills and drains again and again: what grows over it would grow for ever.
async fn cycles(
    daemon: &Daemon,
    account: &Account,
    address: std::net::SocketAddr,
    scale: &Scale,
    rows: &mut Vec<Row>,
) -> Outcome<()> {
    let mut readings = Vec::new();
    for cycle in 2..scale.cycles + 2 {
        let accepted = fill(daemon, account, scale.backlog, &mut Vec::new()).await?;
        drain(daemon, account, address, &accepted, &mut Vec::new()).await?;
        let reading = (daemon.disk()?, daemon.memory()?);
        readings.push(reading);
        rows.push(Row::new(
            format!("disk after cycle {cycle}"),
            reading.0,
            "MiB",
        ));
        rows.push(Row::new(
            format!("memory after cycle {cycle}"),
            reading.1,
            "MiB",
        ));
    }
    // The first of them still finds the room that it needs.
    let later = readings.get(readings.len() / 2);
    if let (4.., Some(later), Some(last)) = (readings.len(), later, readings.last()) {
        let disk = Row::new("disk, second half of the cycles", last.0, "MiB");
        rows.push(disk.beside(later.0).at_most(1.1));
        let memory = Row::new("memory, second half of the cycles", last.1, "MiB");
        rows.push(memory.beside(later.1).at_most(1.1));
    }
    Ok(())
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

/// What is delivered is trimmed in the background; waits until nothing of it is left.
async fn trimmed(daemon: &Daemon) -> Outcome<()> {
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE {
        let live = daemon.cli(&["status"])?["store"]["live_bytes"].as_u64();
        if live.ok_or("no live_bytes in status")? < 1 << 20 {
            return Ok(());
        }
        sleep(Duration::from_millis(500)).await;
    }
    Err("what was delivered is not trimmed".into())
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
    trimmed(daemon).await?;
    rows.push(Row::new("memory after the drain", daemon.memory()?, "MiB"));
    rows.push(Row::new("disk after the drain", daemon.disk()?, "MiB"));
    Ok(())
}
