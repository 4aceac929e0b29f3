//! `autos_remote_data_sync` and `autostrada_sync` (`protocols/command-api.md` 4.2).

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{CommandCall, Outcome};
use crate::api::command::encode::Reply;
use crate::api::command::form::{Form, MAX_JSON};
use crate::domain::remote_data::{self, Record};
use crate::json::{self, Shape};

/// Records of one call.
const MAX_RECORDS: usize = 500;
/// Characters of a dataset's name, and of a record's key.
const MAX_DATASET: usize = 64;
const MAX_EXTERNAL_ID: usize = 255;

#[derive(Deserialize)]
struct Wire {
    external_id: Option<serde_json::Value>,
    data: Option<Box<RawValue>>,
    deleted: Option<bool>,
}

/// `autos_remote_data_sync`.
pub async fn autos(call: &CommandCall) -> Outcome {
    run(call, "autos_remote_data").await
}

/// `autostrada_sync`.
pub async fn autostrada(call: &CommandCall) -> Outcome {
    run(call, "autostrada").await
}

async fn run(call: &CommandCall, dataset: &str) -> Outcome {
    let mut form = call.form();
    form.need(&["records"]);
    let given = form.text("dataset", MAX_DATASET);
    let records = records(&mut form);
    form.finish()?;
    let dataset = given.as_deref().unwrap_or(dataset);
    let records = &records.unwrap_or_default();
    let account = call.account.id;
    call.commit(|tx| async move {
        remote_data::changed(&tx, account, dataset, records).await?;
        Ok(Reply::new("Success").integer("accepted", records.len() as u64))
    })
    .await
}

/// The records as they were given: their data keep their text.
fn records(form: &mut Form<'_>) -> Option<Vec<Record>> {
    let raw = form.raw("records")?;
    let read = || {
        json::parse(raw.as_bytes()).ok()?;
        let wires: Vec<Wire> = serde_json::from_str(raw).ok()?;
        if !(1..=MAX_RECORDS).contains(&wires.len()) {
            return None;
        }
        wires.into_iter().map(record).collect()
    };
    let records = read();
    if records.is_none() {
        form.wrong("records");
    }
    records
}

fn record(wire: Wire) -> Option<Record> {
    let external_id = match wire.external_id? {
        serde_json::Value::String(text) => text,
        number @ serde_json::Value::Number(_) => number.to_string(),
        _ => return None,
    };
    let length = external_id.chars().count();
    let deleted = wire.deleted.unwrap_or(false);
    let is_named = (1..=MAX_EXTERNAL_ID).contains(&length) && !external_id.contains('\0');
    let is_object = |data: &RawValue| {
        let shape = json::check(data.get(), json::MAX_DEPTH - 2);
        data.get().len() <= MAX_JSON && shape == Ok(Shape::Object)
    };
    // Data, or the word that it is gone, and not both.
    let is_whole = match &wire.data {
        Some(data) => !deleted && is_object(data),
        None => deleted,
    };
    (is_named && is_whole).then_some(Record {
        external_id,
        data: wire.data,
        deleted,
    })
}
