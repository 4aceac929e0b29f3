//! Figure 2: accepted to delivered.
//!
//! Owns the idle open loop and the two floods, batched and one message per request.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::accept::{latencies, whole};
use crate::consumer::{Consumer, Manner};
use crate::daemon::{Account, Daemon};
use crate::ledger::{Balance, Notes, balance, quantile};
use crate::load::{Answered, Bodies, Load, run};
use crate::report::Row;
use crate::yardstick::Yardstick;
use crate::{Outcome, Scale};

/// Longest wait without any arrival.
const SILENCE: Duration = Duration::from_secs(30);

pub async fn figure(scale: &Scale) -> Outcome<Vec<Row>> {
    let mut rows = idle(scale).await?;
    rows.extend(flood(scale, false).await?);
    rows.extend(flood(scale, true).await?);
    Ok(rows)
}

/// A daemon with one account and one confirming consumer.
pub struct Pair {
    pub daemon: Daemon,
    pub account: Account,
    pub consumer: Consumer,
}

impl Pair {
    pub async fn start(flags: &[&str]) -> Outcome<Self> {
        Self::start_with(&[], flags).await
    }

    pub async fn start_with(settings: &[(&str, &str)], flags: &[&str]) -> Outcome<Self> {
        let daemon = Daemon::start(settings)?;
        let account = daemon.account("bench")?;
        let consumer = Consumer::start(&account, Manner::Confirm)?;
        daemon.endpoint(&account, &consumer.url(0), flags)?;
        let pair = Self {
            daemon,
            account,
            consumer,
        };
        // The handshake and the first connection are behind it.
        pair.warm().await?;
        Ok(pair)
    }

    async fn warm(&self) -> Outcome<()> {
        let load = Load::amount(Bodies::single(), 1, 20);
        let answered = self.run(&load).await?;
        arrived(&self.consumer.notes, answered.messages).await?;
        self.consumer.notes.clear();
        Ok(())
    }

    pub async fn run(&self, load: &Load) -> Outcome<Answered> {
        let answered = run(&self.daemon.target(&self.account)?, load).await?;
        whole(&answered)?;
        Ok(answered)
    }

    /// Puts a load on it and waits until everything arrived.
    pub async fn through(&self, load: &Load) -> Outcome<(Answered, Balance)> {
        let answered = self.run(load).await?;
        arrived(&self.consumer.notes, answered.messages).await?;
        let balance = balance(&answered.accepted, &self.consumer.notes.copy(), &[0])?;
        self.consumer.notes.clear();
        Ok((answered, balance))
    }
}

/// Waits until as many arrived, or nothing comes any more.
pub async fn arrived(notes: &Notes, count: u64) -> Outcome<()> {
    let (mut last, mut since) = (notes.count(), Instant::now());
    while notes.count() < count {
        if notes.count() != last {
            (last, since) = (notes.count(), Instant::now());
        }
        if since.elapsed() > SILENCE {
            return Err(format!("only {last} of {count} messages arrived").into());
        }
        sleep(Duration::from_millis(2)).await;
    }
    Ok(())
}

async fn idle(scale: &Scale) -> Outcome<Vec<Row>> {
    let pair = Pair::start(&[]).await?;
    let load = Load::open(Bodies::single(), 200.0, scale.time);
    let (mut answered, mut balance) = pair.through(&load).await?;
    let mut rows = Vec::from(latencies(&mut answered, "200/s: answered"));
    let list = &mut balance.from_accept;
    rows.push(Row::new("200/s: accepted → consumer, p50", quantile(list, 0.5), "ms").at_most(1.5));
    rows.push(
        Row::new(
            "200/s: accepted → consumer, p99",
            quantile(list, 0.99),
            "ms",
        )
        .at_most(6.0),
    );
    let list = &mut balance.from_request;
    rows.push(Row::new(
        "200/s: request → consumer, p50",
        quantile(list, 0.5),
        "ms",
    ));
    rows.push(Row::new(
        "200/s: request → consumer, p99",
        quantile(list, 0.99),
        "ms",
    ));
    Ok(rows)
}

/// Arrays come in as fast as they are taken, and go out meanwhile and afterwards.
async fn flood(scale: &Scale, standard: bool) -> Outcome<Vec<Row>> {
    let flags: &[&str] = if standard {
        &["--protocol", "standard"]
    } else {
        &[]
    };
    let pair = Pair::start(flags).await?;
    let yardstick = Yardstick::start()?;
    let amount = scale.pick(if standard { 60_000 } else { 500_000 }, 5_000);
    let other = yardstick
        .rate(&Load::closed(Bodies::single(), 64, scale.time))
        .await?;
    let cpu = pair.daemon.cpu()?;
    let begin = Instant::now();
    let load = Load::amount(Bodies::array(100), 8, amount);
    let (answered, mut balance) = pair.through(&load).await?;
    let seconds = begin.elapsed().as_secs_f64();
    let cpu = pair.daemon.cpu()? - cpu;
    #[expect(clippy::cast_precision_loss, reason = "a count of messages")]
    let messages = answered.messages as f64;
    let name = if standard {
        "one per request"
    } else {
        "in batches"
    };
    let row = Row::new(
        format!("{name}: accepted and delivered"),
        messages / seconds,
        "/s",
    );
    Ok(vec![
        if standard {
            row.beside(other).at_least(0.2)
        } else {
            row.at_least(50_000.0)
        },
        Row::new(
            format!("{name}: first to last arrival"),
            messages / balance.span.as_secs_f64(),
            "/s",
        ),
        Row::new(format!("{name}: accepted meanwhile"), answered.rate(), "/s"),
        Row::new(
            format!("{name}: accepted → consumer, p50"),
            quantile(&mut balance.from_accept, 0.5),
            "ms",
        ),
        Row::new(
            format!("{name}: CPU per message"),
            cpu * 1000.0 / messages,
            "ms",
        ),
        Row::new(format!("{name}: memory"), pair.daemon.memory()?, "MiB"),
    ])
}
