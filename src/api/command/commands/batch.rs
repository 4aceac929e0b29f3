//! `batch` (`protocols/command-api.md` 4.3): several calls in one request, each with its own commit.

use serde_json::Value;
use serde_json::value::RawValue;

use super::{CommandCall, Done, Failure, Outcome};
use crate::api::command::encode::{self, Reply};
use crate::api::command::{Params, caller_of_item, told};
use crate::error::Result;

/// Calls of one batch.
const MAX_ITEMS: usize = 100;
/// Bytes of answers after which no further call of a batch is run.
const MAX_BYTES: usize = 8 << 20;

pub async fn run(call: &CommandCall) -> Outcome {
    let mut form = call.form();
    form.need(&["json"]);
    let items = form.body("json", items);
    form.finish()?;
    let mut elements = Vec::new();
    let mut bytes = 0;
    for params in items.unwrap_or_default() {
        let element = if bytes < MAX_BYTES {
            element(call, params).await?
        } else {
            // Not run: its answer could not be taken any more.
            encode::failed_element(&["Request is too large".to_owned()])?
        };
        bytes += element.get().len();
        elements.push(element);
    }
    let reply = Reply::new("Success").json("response", &elements)?;
    Ok(Done::Reply(reply))
}

/// The calls of a JSON array of flat objects.
fn items(value: Value) -> Option<Vec<Params>> {
    let Value::Array(items) = value else {
        return None;
    };
    if !(1..=MAX_ITEMS).contains(&items.len()) {
        return None;
    }
    items.into_iter().map(params).collect()
}

/// The pairs of a flat object: one call.
pub fn params(item: Value) -> Option<Params> {
    let Value::Object(members) = item else {
        return None;
    };
    let pairs = members.into_iter().filter_map(|(name, value)| match value {
        // null is absent.
        Value::Null => None,
        Value::String(text) => Some(Some((name, text))),
        Value::Bool(_) | Value::Number(_) => Some(Some((name, value.to_string()))),
        Value::Array(_) | Value::Object(_) => Some(None),
    });
    let pairs: Vec<(String, String)> = pairs.collect::<Option<_>>()?;
    Some(Params::of(pairs))
}

async fn element(call: &CommandCall, params: Params) -> Result<Box<RawValue>> {
    // Boxed, because a batch is a command that runs commands.
    let texts = match Box::pin(outcome(call, params)).await {
        Ok(Done::Reply(reply)) => return reply.element(),
        Ok(Done::Answer(_)) => {
            tracing::error!("an item of a batch was answered as a request of its own");
            vec!["Internal error".to_owned()]
        }
        Err((Failure::Findings(texts), tells_json)) => as_told(texts, tells_json),
        Err((Failure::Error(error), tells_json)) => {
            crate::api::front::log_fault(&error);
            as_told(vec![told(&error).1.to_owned()], tells_json)
        }
    };
    encode::failed_element(&texts)
}

fn as_told(texts: Vec<String>, tells_json: bool) -> Vec<String> {
    if tells_json {
        vec![encode::as_json(&texts)]
    } else {
        texts
    }
}

async fn outcome(call: &CommandCall, params: Params) -> Result<Done, (Failure, bool)> {
    let plain = |failure| (failure, false);
    let caller = caller_of_item(call, &params).await;
    let caller = caller.map_err(|error| plain(error.into()))?;
    let item = call.item(params, caller).await;
    let item = item.map_err(|error| plain(error.into()))?;
    let command = super::named(&mut item.form()).map_err(plain)?;
    if command.name == "batch" {
        let unknown = "Unknown command \"batch\"".to_owned();
        return Err(plain(Failure::Findings(vec![unknown])));
    }
    let done = super::run(command, item).await;
    done.map_err(|failure| (failure, command.tells_json))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_flat_objects_are_items() {
        let read = |text: &str| items(serde_json::from_str(text).unwrap());
        let read_one = |text: &str| read(text).map(|items| items[0].canonical(&[]));
        assert_eq!(
            read_one(r#"[{"a":"x","b":1.5,"c":true,"d":null}]"#).as_deref(),
            Some(r#"{"a":"x","b":"1.5","c":"true"}"#)
        );
        for wrong in ["{}", "[]", "[1]", r#"[{"a":[]}]"#, r#"[{"a":{}}]"#, "null"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
        let many = |count: usize| format!("[{}]", vec!["{}"; count].join(","));
        assert!(read(&many(MAX_ITEMS)).is_some());
        assert_eq!(read(&many(MAX_ITEMS + 1)), None);
    }
}
