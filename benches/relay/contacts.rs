//! The contacts API over many contacts.
//!
//! Owns the calls and what is timed. Rates are of calls one by one, each durable before its
//! answer.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Instant;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::SendRequest;
use hyper::header::{HOST, HeaderValue};
use hyper::{Method, Request};
use tokio::task::{JoinSet, LocalSet};

use crate::daemon::{Account, Daemon};
use crate::ledger::quantile;
use crate::load::connect;
use crate::report::Row;
use crate::{Outcome, Scale};

/// Connections that create.
const CALLERS: u32 = 64;
/// Look-ups of each kind.
const LOOK_UPS: u64 = 500;

/// Makes a call, which must succeed.
async fn call(
    sender: &mut SendRequest<Full<Bytes>>,
    account: &Account,
    method: Method,
    query: &str,
    body: String,
) -> Outcome<()> {
    let key = &account.key;
    let mut request = Request::new(Full::new(Bytes::from(body)));
    *request.method_mut() = method;
    *request.uri_mut() = format!("/v1/contacts?apiKey={key}{query}").parse()?;
    let headers = request.headers_mut();
    headers.insert(HOST, HeaderValue::from_static("relay"));
    sender.ready().await?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    let bytes = response.into_body().collect().await?.to_bytes();
    if status.is_success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&bytes).into_owned().into())
    }
}

fn contact(number: u64) -> String {
    format!(
        r#"{{"firstName":"First{number}","lastName":"Last{}","phone":"+155{number:08}","email":"contact{number}@example.com"}}"#,
        number % 1000
    )
}

/// Creates `count` contacts over all connections, as fast as they are answered.
async fn create(daemon: &Daemon, account: &Account, count: u64) -> Outcome<f64> {
    let begin = Instant::now();
    let next = Rc::new(Cell::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..CALLERS {
        let mut sender = connect(daemon.address).await?;
        let (next, account) = (next.clone(), account.clone());
        tasks.spawn_local(async move {
            while next.get() < count {
                let number = next.replace(next.get() + 1);
                call(&mut sender, &account, Method::POST, "", contact(number)).await?;
            }
            Outcome::Ok(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    let calls = f64::from(u32::try_from(count)?);
    Ok(calls / begin.elapsed().as_secs_f64())
}

/// Half and 99 of 100 of the look-ups take no longer.
async fn look_up(
    daemon: &Daemon,
    account: &Account,
    count: u64,
    name: &str,
    query: fn(u64) -> String,
) -> Outcome<Vec<Row>> {
    let mut sender = connect(daemon.address).await?;
    let mut times = Vec::new();
    for number in 0..LOOK_UPS {
        // From everywhere, and never the same page twice in a row.
        let query = query(number * 7919 % count);
        let begin = Instant::now();
        call(&mut sender, account, Method::GET, &query, String::new()).await?;
        times.push(u64::try_from(begin.elapsed().as_nanos())?);
    }
    Ok([(0.5, "p50"), (0.99, "p99")]
        .map(|(share, which)| {
            let name = format!("{name}, {which}");
            Row::new(name, quantile(&mut times, share), "ms")
        })
        .into())
}

/// Creates contacts, then looks them up.
pub async fn figure(scale: &Scale) -> Outcome<Vec<Row>> {
    let daemon = Daemon::start(&[])?;
    let account = daemon.account("bench")?;
    let count = scale.contacts;
    LocalSet::new()
        .run_until(async {
            let rate = create(&daemon, &account, count).await?;
            let name = format!("POST contacts, {count} times");
            let mut rows = vec![Row::new(name, rate, "/s")];
            let by_phone = |number: u64| format!("&phoneNumber=%2B155{number:08}");
            let by_email = |number: u64| format!("&email=contact{number}@example.com");
            rows.extend(look_up(&daemon, &account, count, "by phone", by_phone).await?);
            rows.extend(look_up(&daemon, &account, count, "by email", by_email).await?);
            Ok(rows)
        })
        .await
}
