//! Figures 9 and 10: the command API over many leads, and beside many wrong passwords.
//!
//! Owns the calls and what is timed. Rates are of calls one by one, each durable before its answer.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::SendRequest;
use hyper::header::{HOST, HeaderValue};
use hyper::{Method, Request, Uri};
use tokio::task::{JoinSet, LocalSet};

use crate::daemon::{Account, Daemon};
use crate::ledger::quantile;
use crate::load::connect;
use crate::report::Row;
use crate::{Outcome, Scale};

/// Connections that create.
const CALLERS: u32 = 64;
/// Each company has this part of the leads.
const COMPANIES: u64 = 10;
/// Callers with wrong passwords.
const STRANGERS: u32 = 200;

/// The answer to a call, which must have succeeded.
async fn call(sender: &mut SendRequest<Full<Bytes>>, body: String) -> Outcome<String> {
    let mut request = Request::new(Full::new(Bytes::from(body)));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = Uri::from_static("/service");
    let headers = request.headers_mut();
    headers.insert(HOST, HeaderValue::from_static("relay"));
    sender.ready().await?;
    let response = sender.send_request(request).await?;
    let bytes = response.into_body().collect().await?.to_bytes();
    let text = String::from_utf8(bytes.to_vec())?;
    if text.starts_with("status=0&") {
        Ok(text)
    } else {
        Err(text.into())
    }
}

fn signed(account: &Account, pairs: &str) -> String {
    let (login, password) = (&account.login, &account.password);
    format!("ai_login_id={login}&ai_login_password={password}&{pairs}")
}

/// A lead of its own, a tenth of them of one company.
fn lead(number: u64) -> String {
    format!(
        "ai_command=create_lead&first_name=First{number}&last_name=Last{}&company=Company+{}+Ltd\
         &email=lead{number}@example.com&phone=1555{number:07}",
        number % 1000,
        number % COMPANIES
    )
}

fn user(number: u64) -> String {
    format!(
        "ai_command=create_customer&username=user{number}&first_name=First{number}\
         &last_name=Last{}&phone=1556{number:07}&email=user{number}@example.com",
        number % 1000
    )
}

/// Makes `count` calls over all connections, as fast as they are answered.
async fn all(
    daemon: &Daemon,
    account: &Account,
    count: u64,
    pairs: fn(u64) -> String,
) -> Outcome<f64> {
    let begin = Instant::now();
    let next = Rc::new(Cell::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..CALLERS {
        let mut sender = connect(daemon.address).await?;
        let (next, account) = (next.clone(), account.clone());
        tasks.spawn_local(async move {
            while next.get() < count {
                let number = next.replace(next.get() + 1);
                call(&mut sender, signed(&account, &pairs(number))).await?;
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

/// Waits until the daemon has nothing to do: what was created is searched by its runs then.
async fn settled(daemon: &Daemon) -> Outcome<f64> {
    let begin = Instant::now();
    let mut before = daemon.cpu()?;
    loop {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let now = daemon.cpu()?;
        if now - before < 0.1 {
            return Ok(begin.elapsed().as_secs_f64());
        }
        before = now;
    }
}

/// Half and 99 of 100 of the calls take no longer.
async fn timed(
    sender: &mut SendRequest<Full<Bytes>>,
    account: &Account,
    pairs: &str,
    name: &str,
) -> Outcome<Vec<Row>> {
    let mut times = Vec::new();
    let mut total = String::new();
    for _ in 0..20 {
        let begin = Instant::now();
        let answer = call(sender, signed(account, pairs)).await?;
        times.push(u64::try_from(begin.elapsed().as_nanos())?);
        let found = |name: &str| answer.split('&').find_map(|pair| pair.strip_prefix(name));
        let found = found("total_results=").or_else(|| found("num_results="));
        found.unwrap_or_default().clone_into(&mut total);
    }
    let name = format!("{name}: {total} match, first page");
    Ok([(0.5, "p50"), (0.99, "p99")]
        .map(|(share, which)| {
            Row::new(
                format!("{name}, {which}"),
                quantile(&mut times, share),
                "ms",
            )
        })
        .into())
}

/// Figure 9.
pub async fn leads(scale: &Scale) -> Outcome<Vec<Row>> {
    let daemon = Daemon::start(&[])?;
    let account = daemon.account("bench")?;
    let count = scale.leads;
    LocalSet::new()
        .run_until(async {
            let mut rows = Vec::new();
            let rate = all(&daemon, &account, count, lead).await?;
            rows.push(Row::new(format!("create_lead, {count} times"), rate, "/s"));
            let rate = all(&daemon, &account, count / 10, user).await?;
            rows.push(Row::new(
                format!("create_customer, {} times", count / 10),
                rate,
                "/s",
            ));
            let mut sender = connect(daemon.address).await?;
            let name = "leads_get by e-mail, at once";
            let pairs = "ai_command=leads_get&search_params=lead77@example";
            rows.extend(timed(&mut sender, &account, pairs, name).await?);
            rows.push(Row::new("memory", daemon.memory()?, "MiB"));
            rows.push(Row::new("settled after", settled(&daemon).await?, "s"));
            for (pairs, name) in [
                (
                    "ai_command=leads_get&search_params=lead77@example",
                    "leads_get by e-mail",
                ),
                (
                    "ai_command=leads_get&search_params=company+3",
                    "leads_get by company",
                ),
                (
                    "ai_command=leads_get&search_params=example",
                    "leads_get by a text of all",
                ),
                (
                    "ai_command=leads_get&search_params=7",
                    "leads_get by one character",
                ),
                (
                    "ai_command=leads_get&search_params=last77/prospect",
                    "leads_get by name and status",
                ),
                (
                    "ai_command=leads_get&search_params=company+3/prospect",
                    "leads_get by company and status",
                ),
                (
                    "ai_command=leads_get&search_params=prospect",
                    "leads_get by status",
                ),
                ("ai_command=leads_get", "leads_get"),
                (
                    "ai_command=query_users&username=user77",
                    "query_users by name",
                ),
                (
                    "ai_command=query_users&last_name=last7",
                    "query_users by last name",
                ),
                (
                    "ai_command=query_users&proximity_search=1&last_name=ast7&return_count_only=1",
                    "query_users, contained",
                ),
                (
                    "ai_command=query_users&proximity_search=1&email=example&return_count_only=1",
                    "query_users, contained in all",
                ),
            ] {
                rows.extend(timed(&mut sender, &account, pairs, name).await?);
            }
            rows.push(Row::new("memory", daemon.memory()?, "MiB"));
            rows.push(Row::new("memory at most", daemon.memory_peak()?, "MiB"));
            rows.push(Row::new("disk", daemon.disk()?, "MiB"));
            Ok(rows)
        })
        .await
}

/// Latencies of pings, one every few milliseconds.
async fn pings(daemon: &Daemon, account: &Account, time: Duration) -> Outcome<Vec<u64>> {
    let mut sender = connect(daemon.address).await?;
    let mut times = Vec::new();
    let end = Instant::now() + time;
    while Instant::now() < end {
        let begin = Instant::now();
        call(&mut sender, signed(account, "ai_command=ping")).await?;
        times.push(u64::try_from(begin.elapsed().as_nanos())?);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(times)
}

/// Figure 10.
pub async fn logins(scale: &Scale) -> Outcome<Vec<Row>> {
    let daemon = Daemon::start(&[("LIMITS__PASSWORD_FAILURES_PER_MINUTE", "0")])?;
    let account = daemon.account("bench")?;
    let strangers = scale.pick(STRANGERS, 20);
    LocalSet::new()
        .run_until(async {
            pings(&daemon, &account, scale.time / 4).await?;
            let mut alone = pings(&daemon, &account, scale.time).await?;
            let refused = Rc::new(RefCell::new(0_u32));
            let mut tasks = JoinSet::new();
            for number in 0..strangers {
                let mut sender = connect(daemon.address).await?;
                let (account, refused) = (account.clone(), refused.clone());
                tasks.spawn_local(async move {
                    let pairs = format!(
                        "ai_command=validate_user&username=nobody{number}&password=Wrong123"
                    );
                    loop {
                        let answer = call(&mut sender, signed(&account, &pairs)).await;
                        let answer = answer.unwrap_or_else(|error| error.to_string());
                        if answer.contains("validation=fail") {
                            *refused.borrow_mut() += 1;
                        }
                    }
                });
            }
            let mut beside = pings(&daemon, &account, scale.time).await?;
            tasks.abort_all();
            let refused = f64::from(*refused.borrow()) / scale.time.as_secs_f64();
            let mut rows = vec![Row::new(
                format!("wrong passwords, {strangers} at a time"),
                refused,
                "/s",
            )];
            for (share, name) in [(0.5, "p50"), (0.99, "p99")] {
                let name = format!("ping beside them, {name}");
                let row = Row::new(name, quantile(&mut beside, share), "ms");
                rows.push(row.beside(quantile(&mut alone, share)));
            }
            rows.push(Row::new("memory", daemon.memory()?, "MiB"));
            Ok(rows)
        })
        .await
}
