//! Figures 7 and 8: what a message costs, and what grows over time.
//!
//! Owns readings of CPU, memory, disk, handles and threads under a steady load.

use std::time::{Duration, Instant};

use crate::consumer::{Consumer, Manner};
use crate::deliver::{Pair, arrived};
use crate::load::{Bodies, Load};
use crate::report::Row;
use crate::{Outcome, Scale};

/// Figure 7.
pub async fn cost(scale: &Scale) -> Outcome<Vec<Row>> {
    let pair = Pair::start(&[]).await?;
    let load = Load::closed(Bodies::single(), 64, scale.time);
    let mut rows = Vec::new();
    for name in ["one endpoint", "and a black hole"] {
        let cpu = pair.daemon.cpu()?;
        let (answered, _) = pair.through(&load).await?;
        let cpu = pair.daemon.cpu()? - cpu;
        let messages = f64::from(u32::try_from(answered.messages)?);
        let each = cpu * 1000.0 / messages;
        rows.push(Row::new(
            format!("{name}: accepted and delivered"),
            answered.rate(),
            "/s",
        ));
        rows.push(Row::new(format!("{name}: CPU per message"), each, "ms").at_most(0.06));
        let bound = if rows.len() == 2 { 60.0 } else { 80.0 };
        let memory = pair.daemon.memory()?;
        rows.push(Row::new(format!("{name}: memory"), memory, "MiB").at_most(bound));
        let peak = pair.daemon.memory_peak()?;
        rows.push(Row::new(format!("{name}: memory at most"), peak, "MiB"));
        if rows.len() == 4 {
            let hole = Consumer::start(&pair.account, Manner::Hang)?;
            let flags = ["--protocol", "standard"];
            pair.daemon.endpoint(&pair.account, &hole.url(0), &flags)?;
        }
    }
    Ok(rows)
}

/// A reading at a moment, in minutes since the begin.
struct Reading {
    at: f64,
    values: [f64; 4],
}

const READ: [(&str, &str); 4] = [
    ("memory", "MiB/m"),
    ("disk", "MiB/m"),
    ("file handles", "/m"),
    ("threads", "/m"),
];

/// Figure 8: half of what it can take, for minutes, with messages that are kept for one.
pub async fn soak(scale: &Scale) -> Outcome<Vec<Row>> {
    let pair = Pair::start_with(&[("STORE__RETENTION", "1 m")], &[]).await?;
    let full = Load::closed(Bodies::single(), 64, scale.time);
    let (answered, _) = pair.through(&full).await?;
    let rate = answered.rate() / 2.0;
    let begin = Instant::now();
    let mut readings = Vec::new();
    let span = scale.soak;
    let step = (span / 60).max(Duration::from_millis(500));
    // In pieces, so that the ledger stays small.
    while begin.elapsed() < span {
        let piece = Load::open(Bodies::single(), rate, step);
        let answered = pair.run(&piece).await?;
        arrived(&pair.consumer.notes, answered.messages).await?;
        crate::ledger::balance(&answered.accepted, &pair.consumer.notes.copy(), &[0])?;
        pair.consumer.notes.clear();
        let daemon = &pair.daemon;
        readings.push(Reading {
            at: begin.elapsed().as_secs_f64() / 60.0,
            values: [
                daemon.memory()?,
                daemon.disk()?,
                daemon.handles()?,
                daemon.threads()?,
            ],
        });
    }
    // What fills up once is no slope.
    let later = &readings[readings.len() / 2..];
    let mut rows = vec![Row::new("load", rate, "/s")];
    for (at, (name, unit)) in READ.into_iter().enumerate() {
        let last = readings.last().map_or(f64::NAN, |it| it.values[at]);
        rows.push(Row::new(
            format!("{name} at the end"),
            last,
            unit.trim_end_matches("/m"),
        ));
        let name = format!("{name}: slope of the second half");
        rows.push(Row::new(name, slope(later, at), unit));
    }
    Ok(rows)
}

/// Least squares.
fn slope(readings: &[Reading], which: usize) -> f64 {
    let count = readings.iter().map(|_| 1.0).sum::<f64>();
    let at = readings.iter().map(|it| it.at).sum::<f64>() / count;
    let value = readings.iter().map(|it| it.values[which]).sum::<f64>() / count;
    let both = |it: &Reading| (it.at - at) * (it.values[which] - value);
    let square = |it: &Reading| (it.at - at) * (it.at - at);
    readings.iter().map(both).sum::<f64>() / readings.iter().map(square).sum::<f64>()
}
