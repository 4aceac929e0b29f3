//! Answers as JSON (`protocols/helpdesk-api.md` 1.2).
//!
//! Owns the writing. Does not know what is said.

use super::value::Value;

/// `{"response":…}`.
pub fn written(response: &Value) -> String {
    let mut out = String::from("{\"response\":");
    write(&mut out, response);
    out.push('}');
    out
}

fn write(out: &mut String, value: &Value) {
    match value {
        Value::Text(text) => quoted(out, text),
        Value::Code(code) => out.push_str(&code.to_string()),
        Value::Rows(_, rows) => {
            out.push('[');
            for (number, row) in rows.iter().enumerate() {
                if number > 0 {
                    out.push(',');
                }
                write(out, row);
            }
            out.push(']');
        }
        Value::Members(members) => {
            out.push('{');
            for (number, (name, member)) in members.iter().enumerate() {
                if number > 0 {
                    out.push(',');
                }
                quoted(out, name);
                out.push(':');
                write(out, member);
            }
            out.push('}');
        }
    }
}

fn quoted(out: &mut String, text: &str) {
    // A text always encodes.
    out.push_str(&serde_json::to_string(text).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_are_texts_but_the_code() {
        let value = Value::ok_with([
            ("id", "a/\"b\"\u{1}".into()),
            ("none", None::<String>.into()),
            ("rows", Value::Rows("row", vec![7.into(), true.into()])),
            ("empty", Value::Rows("row", Vec::new())),
        ]);
        assert_eq!(
            written(&value),
            "{\"response\":{\"status\":\"OK\",\"statuscode\":0,\"id\":\"a/\\\"b\\\"\\u0001\",\
             \"none\":\"\",\"rows\":[\"7\",\"Y\"],\"empty\":[]}}"
        );
    }
}
