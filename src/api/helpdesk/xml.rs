//! Answers as XML (`protocols/helpdesk-api.md` 1.3).
//!
//! Owns the layout and what becomes of characters that XML cannot carry. Does not know what is
//! said.

use std::io;

use quick_xml::Writer;
use quick_xml::escape::partial_escape;
use quick_xml::events::{BytesEnd, BytesStart, BytesText, Event};

use super::value::Value;
use crate::error::{Error, Result};

const DECLARATION: &str = "<?xml version='1.0' encoding='utf-8'?>\n";
const ROOT: &str = "response";

/// A document with the root `response`.
pub fn written(response: &Value) -> Result<String> {
    let mut writer = Writer::new_with_indent(DECLARATION.as_bytes().to_vec(), b' ', 1);
    let done = element(&mut writer, ROOT, response);
    let mut bytes = writer.into_inner();
    bytes.push(b'\n');
    done.map_err(|error| error.to_string())
        .and_then(|()| String::from_utf8(bytes).map_err(|error| error.to_string()))
        .map_err(|error| {
            tracing::error!(error, "an answer cannot be written as XML");
            Error::internal()
        })
}

fn element(writer: &mut Writer<Vec<u8>>, name: &'static str, value: &Value) -> io::Result<()> {
    writer.write_event(Event::Start(BytesStart::new(name)))?;
    match value {
        Value::Text(text) => write_text(writer, text)?,
        Value::Code(code) => write_text(writer, &code.to_string())?,
        Value::Rows(child, rows) => {
            for row in rows {
                element(writer, child, row)?;
            }
            if rows.is_empty() {
                write_text(writer, "")?;
            }
        }
        Value::Members(members) => {
            for (name, member) in members {
                element(writer, name, member)?;
            }
        }
    }
    writer.write_event(Event::End(BytesEnd::new(name)))
}

/// A text keeps its end tag on its line, an empty one too.
fn write_text(writer: &mut Writer<Vec<u8>>, text: &str) -> io::Result<()> {
    let carried: String = text
        .chars()
        .map(|character| {
            if is_carried(character) {
                character
            } else {
                '\u{fffd}'
            }
        })
        .collect();
    // A reader takes a bare carriage return for the end of a line.
    let escaped = partial_escape(&carried).replace('\r', "&#13;");
    writer.write_event(Event::Text(BytesText::from_escaped(escaped)))
}

/// The characters of XML 1.0.
fn is_carried(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_layout() {
        let value = Value::members([
            ("status", "ERROR".into()),
            ("statuscode", Value::Code(500)),
            ("errormessage", "parameter message is missing".into()),
            ("debugmessage", "".into()),
        ]);
        let expected = "<?xml version='1.0' encoding='utf-8'?>\n<response>\n <status>ERROR</status>\n \
                        <statuscode>500</statuscode>\n \
                        <errormessage>parameter message is missing</errormessage>\n \
                        <debugmessage></debugmessage>\n</response>\n";
        assert_eq!(written(&value).unwrap(), expected);
    }

    #[test]
    fn lists_are_elements_around_elements() {
        let row = Value::members([("id", "1".into()), ("tags", Value::Rows("tag", Vec::new()))]);
        let expected = "<?xml version='1.0' encoding='utf-8'?>\n<response>\n <rows>\n  <row>\n   \
                        <id>1</id>\n   <tags></tags>\n  </row>\n </rows>\n</response>\n";
        let list = Value::list("rows", "row", vec![row]);
        assert_eq!(written(&list).unwrap(), expected);
        let expected =
            "<?xml version='1.0' encoding='utf-8'?>\n<response>\n <rows></rows>\n</response>\n";
        assert_eq!(
            written(&Value::list("rows", "row", Vec::new())).unwrap(),
            expected
        );
    }

    #[test]
    fn hostile_texts() {
        for (text, expected) in [
            ("a<b>&c", "a&lt;b&gt;&amp;c"),
            ("]]>", "]]&gt;"),
            ("\"'", "\"'"),
            ("a\r\nb\tc", "a&#13;\nb\tc"),
            ("\0\u{1}\u{b}\u{1f}", "\u{fffd}\u{fffd}\u{fffd}\u{fffd}"),
            (
                "\u{fffe}\u{ffff}\u{7f}\u{85}",
                "\u{fffd}\u{fffd}\u{7f}\u{85}",
            ),
            ("👍 ä", "👍 ä"),
            ("  padded ", "  padded "),
        ] {
            let written = written(&Value::members([("x", text.into())])).unwrap();
            assert!(
                written.contains(&format!("<x>{expected}</x>")),
                "{text:?}: {written}"
            );
        }
    }
}
