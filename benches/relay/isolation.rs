//! Figures 4 and 6: healthy endpoints beside broken ones.
//!
//! Owns the neighbours from hell and what the healthy ones notice of them.

use crate::accept::whole;
use crate::consumer::{Consumer, Manner, nobody};
use crate::daemon::{Account, Daemon};
use crate::deliver::arrived;
use crate::ledger::{Balance, balance, quantile};
use crate::load::{Bodies, Load, run};
use crate::report::Row;
use crate::{Outcome, Scale};

const HEALTHY: usize = 10;
/// Of each kind, where half of them hang.
const HALF: usize = 100;
const STANDARD: [&str; 2] = ["--protocol", "standard"];

/// The healthy endpoints of an account.
struct Healthy {
    daemon: Daemon,
    account: Account,
    consumer: Consumer,
    count: usize,
}

impl Healthy {
    async fn start(count: usize) -> Outcome<Self> {
        let daemon = Daemon::start(&[("DELIVERY__DEADLINE", "10 s")])?;
        let account = daemon.account("bench")?;
        let consumer = Consumer::start(&account, Manner::Confirm)?;
        let wanted = (0..count).map(|number| (consumer.url(number), "*".to_owned()));
        daemon.endpoints(&account, false, wanted).await?;
        let healthy = Self {
            daemon,
            account,
            consumer,
            count,
        };
        // Everything is authenticated and has been used once.
        let rate = 500.0 / f64::from(u32::try_from(count)?);
        healthy.at(rate, std::time::Duration::from_secs(1)).await?;
        Ok(healthy)
    }

    /// Messages at a rate, each to all of them.
    async fn at(&self, rate: f64, time: std::time::Duration) -> Outcome<Balance> {
        let load = Load::open(Bodies::single(), rate, time);
        let answered = run(&self.daemon.target(&self.account)?, &load).await?;
        whole(&answered)?;
        let all: Vec<u64> = (0..u64::try_from(self.count)?).collect();
        let wanted = answered.messages * u64::try_from(self.count)?;
        arrived(&self.consumer.notes, wanted).await?;
        let balance = balance(&answered.accepted, &self.consumer.notes.copy(), &all)?;
        self.consumer.notes.clear();
        Ok(balance)
    }
}

fn compare(what: &str, with: &mut Balance, without: &mut Balance, bound: f64) -> Vec<Row> {
    let mut rows = Vec::new();
    for (share, name) in [(0.5, "p50"), (0.99, "p99")] {
        let value = quantile(&mut with.from_request, share);
        let other = quantile(&mut without.from_request, share);
        let name = format!("{what}: request → consumer, {name}");
        rows.push(Row::new(name, value, "ms").beside(other).at_most(bound));
    }
    rows
}

/// Figure 4.
pub async fn neighbours(scale: &Scale) -> Outcome<Vec<Row>> {
    let healthy = Healthy::start(HEALTHY).await?;
    let (daemon, account) = (&healthy.daemon, &healthy.account);
    // Long enough that a p99 is made of more than a few messages.
    let time = scale.time * 2;
    let mut without = healthy.at(50.0, time).await?;
    let hole = Consumer::start(account, Manner::Hang)?;
    let drip = Consumer::start(account, Manner::Drip)?;
    let refused = format!("http://{}/", nobody()?);
    for url in [refused, hole.url(0), drip.url(0)] {
        daemon.endpoint(account, &url, &STANDARD)?;
    }
    let mut with = healthy.at(50.0, time).await?;
    let mut rows = compare(
        "beside dead, black hole, drip",
        &mut with,
        &mut without,
        1.2,
    );
    let other = daemon.account("other")?;
    let others = Consumer::start(&other, Manner::Hang)?;
    for number in 0..HEALTHY {
        daemon.endpoint(&other, &others.url(number), &STANDARD)?;
    }
    let load = Load::amount(Bodies::array(100), 4, scale.pick(10_000, 500));
    whole(&run(&daemon.target(&other)?, &load).await?)?;
    let mut with = healthy.at(50.0, time).await?;
    rows.extend(compare(
        "and another account's",
        &mut with,
        &mut without,
        1.2,
    ));
    rows.push(Row::new("memory", daemon.memory()?, "MiB").at_most(80.0));
    Ok(rows)
}

/// Figure 6: the half that hangs, the many that hang, and the one that confirms nothing.
pub async fn bounds(scale: &Scale) -> Outcome<Vec<Row>> {
    let mut rows = half(scale).await?;
    rows.extend(hung(scale).await?);
    rows.extend(never_confirmed(scale).await?);
    Ok(rows)
}

/// As many that hang as are healthy.
async fn half(scale: &Scale) -> Outcome<Vec<Row>> {
    let count = scale.pick(HALF, 20);
    let healthy = Healthy::start(count).await?;
    let time = scale.time * 2;
    let mut without = healthy.at(10.0, time).await?;
    let hole = Consumer::start(&healthy.account, Manner::Hang)?;
    let wanted = (0..count).map(|number| (hole.url(number), "*".to_owned()));
    let account = &healthy.account;
    healthy.daemon.endpoints(account, true, wanted).await?;
    let mut with = healthy.at(10.0, time).await?;
    let what = format!("{count} healthy beside {count} hung");
    let mut rows = compare(&what, &mut with, &mut without, 2.0);
    let memory = healthy.daemon.memory()?;
    rows.push(Row::new(format!("{what}: memory"), memory, "MiB"));
    Ok(rows)
}

async fn hung(scale: &Scale) -> Outcome<Vec<Row>> {
    let healthy = Healthy::start(HEALTHY).await?;
    let mut without = healthy.at(20.0, scale.time).await?;
    let hole = Consumer::start(&healthy.account, Manner::Hang)?;
    let count = scale.pick(1000, 50);
    let wanted = (0..count).map(|number| (hole.url(number), "*".to_owned()));
    let account = &healthy.account;
    healthy.daemon.endpoints(account, true, wanted).await?;
    let mut with = healthy.at(20.0, scale.time * 2).await?;
    let what = format!("beside {count} hung endpoints");
    let mut rows = compare(&what, &mut with, &mut without, 1.2);
    let memory = healthy.daemon.memory()?;
    rows.push(Row::new(format!("{what}: memory"), memory, "MiB"));
    Ok(rows)
}

async fn never_confirmed(scale: &Scale) -> Outcome<Vec<Row>> {
    let daemon = Daemon::start(&[("RETRY__INITIAL", "1 s"), ("RETRY__MAX_INTERVAL", "2 s")])?;
    let account = daemon.account("bench")?;
    let consumer = Consumer::start(&account, Manner::NoContent)?;
    let endpoint = daemon.endpoint(&account, &consumer.url(0), &[])?;
    let amount = scale.pick(1_000_000, 10_000);
    let load = Load::amount(Bodies::array(100), 8, amount);
    let answered = run(&daemon.target(&account)?, &load).await?;
    whole(&answered)?;
    // Time for splits down to single messages.
    tokio::time::sleep(scale.time * 4).await;
    let what = "behind an endpoint that answers 204";
    let figure = |name: &str| daemon.figure(&account, &endpoint, name);
    let pending = figure("pending")?;
    let accepted = f64::from(u32::try_from(answered.messages)?);
    if pending < accepted {
        return Err(format!("only {pending} of {accepted} messages wait").into());
    }
    Ok(vec![
        Row::new(format!("{what}: pending"), pending, ""),
        // 32 batches of 100 messages, each split down to single ones.
        Row::new(format!("{what}: batches"), figure("open_batches")?, "").at_most(3200.0),
        Row::new(format!("{what}: memory"), daemon.memory()?, "MiB").at_most(120.0),
        Row::new(
            format!("{what}: memory at most"),
            daemon.memory_peak()?,
            "MiB",
        ),
    ])
}
