//! The flex API over many contacts.
//!
//! Owns the file that is imported and the questions that are timed.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::time::Instant;

use bytes::Bytes;
use hyper::Method;
use serde_json::Value;
use tokio::task::LocalSet;

use crate::daemon::Daemon;
use crate::ledger::quantile;
use crate::load::{Target, connect, exchange};
use crate::report::Row;
use crate::{Outcome, Scale};

/// Times that each question is asked.
const TIMES: usize = 20;

/// The figure.
pub async fn figure(scale: &Scale) -> Outcome<Vec<Row>> {
    let daemon = Daemon::start(&[])?;
    let account = daemon.account("bench")?;
    let count = scale.contacts;
    let file = tempfile::NamedTempFile::new_in(env!("CARGO_TARGET_TMPDIR"))?;
    write(file.as_file(), count)?;
    let path = file.path().display().to_string();
    let begin = Instant::now();
    let done = daemon.cli(&["contacts", "import", &path, "-a", &account.name])?;
    if done["created"] != count {
        return Err(format!("of {count} contacts: {done}").into());
    }
    let rate = f64::from(u32::try_from(count)?) / begin.elapsed().as_secs_f64();
    let mut rows = vec![Row::new(
        format!("contacts import, {count} rows"),
        rate,
        "/s",
    )];
    let target = Target::new(daemon.address, "/flex/API/", &account.key)?;
    let local = LocalSet::new();
    let asked = local.run_until(async {
        let mut sender = connect(daemon.address).await?;
        // One contact; each thousandth; each hundredth; each tenth; two letters; nobody.
        for criteria in [
            r#""idContact":1500"#,
            r#""Lname":"lastname777""#,
            r#""Fname":"Anna77 ""#,
            r#""Lname":"stname7""#,
            r#""Lname":"st""#,
            r#""Lname":"nobody""#,
        ] {
            let body = format!(
                r#"[{{"key":"{}"}},{{"type":"SEARCH",{criteria}}}]"#,
                account.key
            );
            let body = Bytes::from(body);
            let (mut times, mut found) = (Vec::new(), 0);
            for _ in 0..TIMES {
                let begin = Instant::now();
                let post = Method::POST;
                let answer = exchange(&mut sender, &target, post, body.clone(), 200).await?;
                times.push(u64::try_from(begin.elapsed().as_nanos())?);
                let contacts: Vec<Value> = serde_json::from_slice(&answer)?;
                found = contacts.len();
            }
            for (share, which) in [(0.5, "p50"), (0.99, "p99")] {
                let name = format!("SEARCH {criteria}: {found} shown, {which}");
                rows.push(Row::new(name, quantile(&mut times, share), "ms"));
            }
        }
        Outcome::Ok(rows)
    });
    let mut rows = asked.await?;
    rows.push(Row::new("memory", daemon.memory()?, "MiB"));
    rows.push(Row::new("disk", daemon.disk()?, "MiB"));
    Ok(rows)
}

fn write(file: &File, count: u64) -> Outcome<()> {
    let mut file = BufWriter::new(file);
    writeln!(file, "phone,email,first_name,last_name")?;
    for number in 0..count {
        writeln!(
            file,
            "+1555{number:07},n{number}@example.com,Anna{} {number},Lastname{}",
            number % 100,
            number % 1000
        )?;
    }
    file.flush()?;
    Ok(())
}
