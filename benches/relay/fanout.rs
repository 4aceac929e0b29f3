//! Figure 3: one message for several endpoints, and endpoints that a message does not concern.
//!
//! Owns crowds of endpoints at one consumer. Does not know slow or broken ones.

use std::time::Duration;

use tokio::time::sleep;

use crate::accept::whole;
use crate::consumer::{Consumer, Manner};
use crate::daemon::Daemon;
use crate::deliver::{Pair, arrived};
use crate::ledger::balance;
use crate::load::{Bodies, Load, run};
use crate::report::Row;
use crate::{Outcome, Scale};

pub async fn figure(scale: &Scale) -> Outcome<Vec<Row>> {
    let (one, _) = copies(scale, 1).await?;
    let (ten, deliveries) = copies(scale, 10).await?;
    let mut rows = vec![
        Row::new("accepts of singles with 10 endpoints, beside 1", ten, "/s")
            .beside(one)
            .at_least(0.9),
        Row::new("deliveries to 10 endpoints", deliveries, "/s").at_least(100_000.0),
    ];
    let many = scale.pick(1000, 50);
    let few = busy(scale, 10).await?;
    let beside = busy(scale, many).await?;
    let name = format!("accepted and delivered, 10 busy of {many}, beside 10");
    rows.push(Row::new(name, beside, "/s").beside(few));
    let most = scale.pick(10_000, 200);
    let alone = own_types(scale, 1).await?;
    let beside = own_types(scale, most).await?;
    let name = format!("accepts with {most} endpoints of own types, beside 1");
    rows.push(Row::new(name, beside, "/s").beside(alone).at_least(0.85));
    Ok(rows)
}

/// Accepts while as many endpoints wait, and deliveries a second once they do not.
async fn copies(scale: &Scale, endpoints: usize) -> Outcome<(f64, f64)> {
    let daemon = Daemon::start(&[])?;
    let account = daemon.account("bench")?;
    let consumer = Consumer::start(&account, Manner::Confirm)?;
    let mut ids = Vec::new();
    for number in 0..endpoints {
        ids.push(daemon.endpoint(&account, &consumer.url(number), &[])?);
    }
    let order = |verb: &str| -> Outcome<()> {
        for id in &ids {
            daemon.cli(&["endpoint", verb, "-a", &account.name, id])?;
        }
        Ok(())
    };
    order("hold")?;
    let target = daemon.target(&account)?;
    run(&target, &Load::closed(Bodies::single(), 64, scale.time / 4)).await?;
    let accepts = run(&target, &Load::closed(Bodies::single(), 64, scale.time)).await?;
    whole(&accepts)?;
    order("release")?;
    sleep(Duration::from_millis(500)).await;
    let load = Load::amount(Bodies::array(100), 8, scale.pick(100_000, 2000));
    let flood = run(&target, &load).await?;
    whole(&flood)?;
    let wanted = u64::try_from(flood.accepted.len() * endpoints)?;
    let all: Vec<u64> = (0..u64::try_from(endpoints)?).collect();
    arrived(&consumer.notes, wanted).await?;
    // The accepts arrive too; they are waited for by the ledger of the flood being whole.
    loop {
        let count = consumer.notes.count();
        let result = balance(&flood.accepted, &consumer.notes.copy(), &all);
        if let Ok(balance) = result {
            let deliveries = f64::from(u32::try_from(wanted)?);
            return Ok((accepts.rate(), deliveries / balance.span.as_secs_f64()));
        }
        sleep(Duration::from_secs(1)).await;
        if consumer.notes.count() == count {
            let error = result.err();
            return Err(error.unwrap_or_else(|| "nothing arrives".into()));
        }
    }
}

/// Messages a second through ten endpoints of so many.
async fn busy(scale: &Scale, endpoints: usize) -> Outcome<f64> {
    let daemon = Daemon::start(&[])?;
    let account = daemon.account("bench")?;
    let consumer = Consumer::start(&account, Manner::Confirm)?;
    let busy: Vec<String> = (0..10).map(|number| format!("busy.{number}")).collect();
    let types = busy
        .iter()
        .cloned()
        .chain((10..).map(|n| format!("idle.{n}")));
    let wanted = (0..endpoints).map(|n| consumer.url(n)).zip(types);
    daemon.endpoints(&account, false, wanted).await?;
    let bodies = Bodies::of(&busy, 100);
    let load = Load::amount(bodies, 8, scale.pick(300_000, 2000));
    let begin = std::time::Instant::now();
    let answered = run(&daemon.target(&account)?, &load).await?;
    whole(&answered)?;
    arrived(&consumer.notes, answered.messages).await?;
    let messages = f64::from(u32::try_from(answered.messages)?);
    Ok(messages / begin.elapsed().as_secs_f64())
}

/// Accepts a second of messages that one endpoint of so many takes.
async fn own_types(scale: &Scale, endpoints: usize) -> Outcome<f64> {
    let pair = Pair::start(&["--types", "bench.load"]).await?;
    let wanted = (1..endpoints).map(|n| (pair.consumer.url(n), format!("own.{n}")));
    let wanted: Vec<(String, String)> = wanted.collect();
    let (daemon, account) = (&pair.daemon, &pair.account);
    daemon.endpoints(account, false, wanted.into_iter()).await?;
    let load = Load::closed(Bodies::single(), 64, scale.time);
    let (answered, _) = pair.through(&load).await?;
    Ok(answered.rate())
}
