//! What an update changed, as its notification says it (`protocols/notifications.md` section 3).
//!
//! Owns the comparison of an object before and after. Does not know which object it is.

use serde::Serialize;
use serde_json::Value;

use crate::error::{Error, Result};

/// Sorted names of the members that differ between two forms of one object. That it was changed,
/// and when, is no change of its own.
pub fn changed(before: &impl Serialize, after: &impl Serialize) -> Result<Vec<String>> {
    let (Value::Object(before), Value::Object(after)) = (value(before)?, value(after)?) else {
        tracing::error!("a notification's data is no object");
        return Err(Error::internal());
    };
    let differs = |name: &&String| *name != "updated_at" && before.get(*name) != after.get(*name);
    let mut names: Vec<String> = after.keys().filter(differs).cloned().collect();
    names.sort_unstable();
    Ok(names)
}

fn value(object: &impl Serialize) -> Result<Value> {
    serde_json::to_value(object).map_err(|error| {
        tracing::error!(%error, "a notification's data cannot be encoded");
        Error::internal()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_of_what_differs_are_sorted() {
        let before = json!({"b": 1, "a": [1], "c": null, "updated_at": 1});
        let after = json!({"b": 2, "a": [1, 2], "c": null, "updated_at": 2});
        assert_eq!(changed(&before, &after).unwrap(), ["a", "b"]);
        assert_eq!(changed(&after, &after).unwrap(), Vec::<String>::new());
        assert!(changed(&1, &after).is_err());
    }
}
