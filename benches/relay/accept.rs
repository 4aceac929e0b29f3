//! Figure 1: durable accepts.
//!
//! Owns the loads of single messages and of arrays, with one endpoint that takes nothing of them,
//! so that accepting alone is measured.

use crate::daemon::Daemon;
use crate::ledger::quantile;
use crate::load::{Answered, Bodies, Load, run};
use crate::report::Row;
use crate::yardstick::Yardstick;
use crate::{Outcome, Scale};

pub async fn figure(scale: &Scale) -> Outcome<Vec<Row>> {
    let daemon = Daemon::start(&[])?;
    let account = daemon.account("bench")?;
    let target = daemon.target(&account)?;
    let yardstick = Yardstick::start()?;
    let mut rows = Vec::new();
    // Nobody pays for what is only slow the first time.
    run(&target, &Load::closed(Bodies::single(), 8, scale.time / 4)).await?;
    for (connections, least) in [(1, None), (64, Some(0.3)), (256, Some(0.4))] {
        let load = Load::closed(Bodies::single(), connections, scale.time);
        let other = yardstick.rate(&load).await?;
        let cpu = daemon.cpu()?;
        let mut answered = run(&target, &load).await?;
        whole(&answered)?;
        let cpu = daemon.cpu()? - cpu;
        let name = format!("single messages, {connections} connections");
        let mut row = Row::new(name, answered.rate(), "/s").beside(other);
        if let Some(least) = least {
            row = row.at_least(least);
        }
        rows.push(row);
        rows.extend(latencies(&mut answered, "  answered"));
        let each = cpu * 1000.0 / f64::from(u32::try_from(answered.messages)?);
        rows.push(Row::new("  CPU per message", each, "ms"));
        rows.push(Row::new("  memory", daemon.memory()?, "MiB"));
    }
    for connections in [1, 64] {
        let load = Load::closed(Bodies::array(100), connections, scale.time);
        let other = yardstick.rate(&load).await?;
        let mut answered = run(&target, &load).await?;
        whole(&answered)?;
        let name = format!("arrays of 100, {connections} connections");
        let row = Row::new(format!("{name}: messages"), answered.rate(), "/s");
        rows.push(if connections > 1 {
            row.at_least(100_000.0)
        } else {
            row
        });
        let requests = answered.rate() / 100.0;
        rows.push(Row::new(format!("{name}: requests"), requests, "/s").beside(other / 100.0));
        rows.extend(latencies(&mut answered, "  answered"));
    }
    rows.push(Row::new("memory afterwards", daemon.memory()?, "MiB"));
    Ok(rows)
}

/// Every accepted message got an id.
pub fn whole(answered: &Answered) -> Outcome<()> {
    let (ids, messages) = (answered.accepted.len(), answered.messages);
    if u64::try_from(ids)? == messages {
        Ok(())
    } else {
        Err(format!("{ids} ids for {messages} messages").into())
    }
}

/// p50 and p99 of the answers.
pub fn latencies(answered: &mut Answered, what: &str) -> [Row; 2] {
    let list = &mut answered.latencies;
    [(0.5, "p50"), (0.99, "p99")]
        .map(|(share, name)| Row::new(format!("{what}, {name}"), quantile(list, share), "ms"))
}
