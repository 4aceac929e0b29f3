//! The export of what sub-accounts use (`protocols/contacts-api.md` 3.1).
//!
//! Owns the parameters and the form of the export (RFC 4180). Does not know what is counted.

use std::fmt::Write as _;

use hyper::StatusCode;

use super::ContactsCall;
use super::params::{Fields, SHORT};
use super::sub_accounts::agency;
use super::wire::{Failure, Reply};
use crate::api::front::Answer;
use crate::domain::account::Account;
use crate::domain::day::Day;
use crate::domain::sub_account;
use crate::domain::usage::{self, Usage};
use crate::error::Error;
use crate::store::Tx;

const CSV: &str = "text/csv; charset=utf-8";
const COLUMNS: &str =
    "date,sub_account_id,email,sms,calls,custom_channel,credits_used,credits_granted\r\n";
/// Days of an export, at most and without being asked.
const MAX_DAYS: i32 = 366;
const DAYS: i32 = 30;
/// Rows of an export: it is put together in memory.
const MAX_ROWS: usize = 100_000;

/// One row, in the order of the export.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    day: Day,
    email: String,
    account: String,
    numbers: [u64; 5],
}

/// The first and the last day that are asked for.
fn days(fields: &Fields<'_>, today: Day) -> Result<(Day, Day), Failure> {
    let day = |name: &str| match fields.text(&[name], SHORT)? {
        None => Ok(None),
        Some(text) => match Day::parse(&text) {
            Some(day) => Ok(Some(day)),
            None => Err(Failure::not_valid(name)),
        },
    };
    let (from, to) = (day("from")?, day("to")?);
    let until = to.unwrap_or(today);
    let since = from.unwrap_or_else(|| until.earlier(DAYS - 1));
    if (0..MAX_DAYS).contains(&until.since(since)) {
        return Ok((since, until));
    }
    let blamed = if to.is_some() { "to" } else { "from" };
    Err(Failure::not_valid(blamed))
}

/// `GET agencies/usage/export`.
pub async fn export(call: ContactsCall) -> Reply {
    let query = call.input.query();
    let tx = call.core.db.view();
    let caller = crate::domain::account::by_id(&tx, call.caller.account).await?;
    let today = caller.settings.time_zone.day(tx.now());
    let days = days(&query, today.ok_or_else(Error::internal)?)?;
    let only = query.text(&["subAccountId"], SHORT)?;
    let agency = agency(&tx, &call).await?.id;
    let mut rows = Vec::new();
    if let Some(text) = only {
        let found = match text.parse() {
            Ok(id) => sub_account::by_reference(&tx, agency, id).await?,
            Err(_) => None,
        };
        let found = found.ok_or_else(sub_account::missing)?;
        add(&tx, &found, days, &mut rows).await?;
    } else {
        let mut after = None;
        loop {
            let some = sub_account::some(&tx, agency, after).await?;
            let last = some.last().and_then(|last| last.sub_account.as_ref());
            let Some(last) = last else {
                break;
            };
            after = Some(last.number);
            for account in &some {
                add(&tx, account, days, &mut rows).await?;
            }
        }
    }
    rows.sort_unstable();
    Ok(Answer::new(StatusCode::OK, CSV, written(&rows)))
}

async fn add(
    tx: &Tx,
    account: &Account,
    (from, until): (Day, Day),
    rows: &mut Vec<Row>,
) -> Result<(), Failure> {
    let sub = account.sub_account.as_ref();
    let email = sub.map_or("", |sub| &sub.profile.email);
    for (day, usage) in usage::between(tx, account.id, from, until).await? {
        rows.push(Row {
            day,
            email: email.to_owned(),
            account: account.id.to_string(),
            numbers: numbers(&usage),
        });
    }
    if rows.len() > MAX_ROWS {
        let text = "The export has more than 100000 rows. Ask for fewer days.";
        return Err(Failure::request(text));
    }
    Ok(())
}

fn numbers(usage: &Usage) -> [u64; 5] {
    [
        usage.sms,
        usage.calls,
        usage.custom_channel,
        usage.credits_used,
        usage.credits_granted,
    ]
}

fn written(rows: &[Row]) -> String {
    let mut text = COLUMNS.to_owned();
    for row in rows {
        // Writing to a String cannot fail.
        let _ = write!(text, "{},{},{}", row.day, row.account, field(&row.email));
        for number in row.numbers {
            let _ = write!(text, ",{number}");
        }
        text.push_str("\r\n");
    }
    text
}

/// A field in quotes, where it has characters that say something in this form.
fn field(text: &str) -> String {
    if text.contains(['"', ',', '\r', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sorted_by_day_then_address_and_quoted_where_they_must_be() {
        let row = |day: &str, email: &str, n: u64| Row {
            day: Day::parse(day).unwrap(),
            email: email.to_owned(),
            account: "0zbgj09tqm83".to_owned(),
            numbers: [n, 0, 2, 5, 500],
        };
        let mut rows = vec![
            row("2026-01-16", "a@x.example", 1),
            row("2026-01-15", "b\",@x.example", 2),
            row("2026-01-15", "a@x.example", 3),
        ];
        rows.sort_unstable();
        let expected = format!(
            "{COLUMNS}2026-01-15,0zbgj09tqm83,a@x.example,3,0,2,5,500\r\n\
             2026-01-15,0zbgj09tqm83,\"b\"\",@x.example\",2,0,2,5,500\r\n\
             2026-01-16,0zbgj09tqm83,a@x.example,1,0,2,5,500\r\n"
        );
        assert_eq!(written(&rows), expected);
    }
}
