//! Answers as a person reads them.
//!
//! Owns tables and lists as pure functions from JSON to text. Does not know where the text goes;
//! control characters in data never reach a terminal as such.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::calls::Show;
use crate::clock::Timestamp;

/// The text of an answer. `now` is what ages are counted to.
pub fn render(show: Show, answer: &Value, now: Timestamp) -> String {
    match show {
        Show::Object => object(answer),
        Show::Secrets => format!(
            "{}\nSecrets are shown this once. Keep them safe.\n",
            object(answer)
        ),
        Show::Accounts => rows(
            answer,
            "No accounts yet. Create one: hookrelay account add NAME",
            &[
                ("ACCOUNT", &["/account"]),
                ("NAME", &["/name"]),
                ("CREATED", &["/created_at"]),
            ],
        ),
        Show::Keys => rows(
            answer,
            "No keys. Create one: hookrelay key add --account ACCOUNT",
            &[
                ("KEY", &["/key"]),
                ("NAME", &["/name"]),
                ("ENABLED", &["/enabled"]),
                ("CREATED", &["/created_at"]),
            ],
        ),
        Show::Users => rows(
            answer,
            "No users. Create one: hookrelay user add NAME --account ACCOUNT",
            &[
                ("USER", &["/user"]),
                ("USERNAME", &["/username"]),
                ("TYPE", &["/account_type"]),
                ("ACTIVE", &["/active"]),
                ("PASSWORD", &["/has_password"]),
                ("EMAIL", &["/email"]),
                ("CREATED", &["/date_added"]),
            ],
        ),
        Show::Departments => rows(
            answer,
            "No departments. Add one: hookrelay department add NAME --account ACCOUNT",
            &[
                ("DEPARTMENT", &["/department"]),
                ("NAME", &["/name"]),
                ("REMOVED", &["/deleted"]),
                ("AGENTS", &["/agents"]),
            ],
        ),
        Show::Agents => rows(
            answer,
            "No agents. Add one: hookrelay agent add NAME --account ACCOUNT",
            &[
                ("AGENT", &["/user"]),
                ("USERNAME", &["/username"]),
                ("REF", &["/ref"]),
                ("TYPE", &["/account_type"]),
                ("ONLINE", &["/online_status"]),
                ("EMAIL", &["/email"]),
            ],
        ),
        Show::Entries => rows(
            answer,
            "Nothing there. Add a category: hookrelay category add TITLE --account ACCOUNT",
            &[
                ("ENTRY", &["/entry"]),
                ("TITLE", &["/title"]),
                ("CATEGORY", &["/category"]),
                ("PUBLIC", &["/public"]),
                ("REMOVED", &["/deleted"]),
                ("CHANGED", &["/changed_at"]),
            ],
        ),
        Show::Endpoints => rows(
            answer,
            "No endpoints. Register one: hookrelay endpoint add --account ACCOUNT --url URL",
            &[
                ("ENDPOINT", &["/endpoint"]),
                ("ORDER", &["/order/state"]),
                ("AUTH", &["/authentication/state"]),
                ("HEALTH", &["/health/state"]),
                ("PROTOCOL", &["/protocol"]),
                ("PENDING", &["/queue/pending"]),
                ("TYPES", &["/types"]),
                ("URL", &["/url"]),
            ],
        ),
        Show::Queue => queue(answer, now),
        Show::Done(word) => format!("{word}\n"),
    }
}

/// `error: MESSAGE (field F)` of an error body; what else came is shown as far as it helps.
pub fn error(status: u16, body: &[u8]) -> String {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    let error = value.get("error").unwrap_or(&Value::Null);
    match error.get("message").and_then(Value::as_str) {
        Some(message) => {
            let field = error.get("field").and_then(Value::as_str);
            let field = field.map(|field| format!(" (field {field})"));
            printable(&format!("error: {message}{}", field.unwrap_or_default()))
        }
        None => format!("error: the daemon answered {status} without saying why"),
    }
}

/// Text without control characters, so that data cannot steer a terminal.
pub fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

/// A value within a line.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => printable(text),
        Value::Array(items) if items.iter().all(|item| !item.is_object()) => {
            items.iter().map(cell).collect::<Vec<_>>().join(",")
        }
        other => printable(&other.to_string()),
    }
}

/// An object member by member; inner objects are indented.
fn object(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Object(members) => push_members(members, 0, &mut out),
        other => out = format!("{}\n", cell(other)),
    }
    out
}

fn push_members(members: &Map<String, Value>, indent: usize, out: &mut String) {
    let width = members.keys().map(|name| columns(name)).max().unwrap_or(0);
    for (name, value) in members {
        let name = printable(name);
        let margin = " ".repeat(indent);
        // Writing into a string cannot fail.
        let _ = match value {
            Value::Object(inner) if !inner.is_empty() => {
                let _ = writeln!(out, "{margin}{name}");
                push_members(inner, indent + 2, out);
                Ok(())
            }
            Value::Array(items) if items.iter().any(Value::is_object) => {
                let _ = writeln!(out, "{margin}{name}");
                for item in items {
                    let _ = writeln!(out, "{margin}  {}", on_one_line(item));
                }
                Ok(())
            }
            value => writeln!(
                out,
                "{margin}{name}{}  {}",
                " ".repeat(width.saturating_sub(columns(&name))),
                cell(value)
            ),
        };
    }
}

/// An object within a list: what it says, without what it leaves open.
fn on_one_line(value: &Value) -> String {
    let Value::Object(members) = value else {
        return cell(value);
    };
    let said = members.iter().filter(|(_, value)| {
        !value.is_null() && value.as_str() != Some("") && value.as_array() != Some(&Vec::new())
    });
    said.map(|(name, value)| format!("{} {}", printable(name), cell(value)))
        .collect::<Vec<_>>()
        .join(", ")
}

/// A list answer as a table with these columns; each names where its value may be (RFC 6901).
fn rows(answer: &Value, empty: &str, wanted: &[(&str, &[&str])]) -> String {
    let list = list(answer);
    if list.is_empty() {
        return format!("{empty}\n");
    }
    let mut table = vec![
        wanted
            .iter()
            .map(|(title, _)| (*title).to_owned())
            .collect(),
    ];
    for item in list {
        let row = wanted
            .iter()
            .map(|(_, names)| cell(member(item, names)))
            .collect();
        table.push(row);
    }
    align(&table)
}

/// The items of a list answer: its one array, whatever its name.
fn list(answer: &Value) -> &[Value] {
    let items = match answer {
        Value::Object(members) => members.values().find_map(Value::as_array),
        other => other.as_array(),
    };
    items.map_or(&[], Vec::as_slice)
}

/// Puts the items of `page` after those of `whole`, and takes over what else it says.
pub fn append(whole: &mut Value, page: Value) {
    let (Value::Object(whole), Value::Object(page)) = (whole, page) else {
        return;
    };
    for (name, value) in page {
        match (whole.get_mut(&name), value) {
            (Some(Value::Array(items)), Value::Array(more)) => items.extend(more),
            (_, value) => {
                whole.insert(name, value);
            }
        }
    }
}

fn member<'a>(item: &'a Value, places: &[&str]) -> &'a Value {
    places
        .iter()
        .find_map(|place| item.pointer(place))
        .unwrap_or(&Value::Null)
}

fn queue(answer: &Value, now: Timestamp) -> String {
    let list = list(answer);
    if list.is_empty() {
        return "No endpoints, so nothing waits.\n".to_owned();
    }
    let titles = [
        "ACCOUNT",
        "ENDPOINT",
        "STATE",
        "PENDING",
        "<1 m",
        "<1 h",
        "<24 h",
        "OLDER",
        "IN FLIGHT",
        "OLDEST",
        "WAITS FOR",
        "NEXT",
        "LAST FAILURE",
        "URL",
    ];
    let mut table = vec![titles.map(str::to_owned).to_vec()];
    for item in list {
        let mut row = vec![
            cell(member(item, &["/account_name", "/account"])),
            cell(member(item, &["/endpoint"])),
            cell(member(item, &["/state"])),
        ];
        row.extend(figures(item));
        row.extend([
            age(member(item, &["/oldest"]), now),
            cell(member(item, &["/wait"])),
            ahead(member(item, &["/until"]), now),
            cell(member(item, &["/last_class"])),
            cell(member(item, &["/url"])),
        ]);
        table.push(row);
    }
    if let Some(total) = answer.get("total") {
        let mut row = vec!["total".to_owned(), String::new(), String::new()];
        row.extend(figures(total));
        table.push(row);
    }
    align(&table)
}

/// How many messages wait, of which age, and how many requests are out. An age that is estimated
/// says so.
fn figures(item: &Value) -> [String; 6] {
    let estimated = item.pointer("/ages/exact") == Some(&Value::Bool(false));
    let of_age = |place: &str| {
        let count = member(item, &[place]);
        let mark = if estimated && *count != 0 { "~" } else { "" };
        format!("{mark}{}", cell(count))
    };
    [
        cell(member(item, &["/pending"])),
        of_age("/ages/under_1m"),
        of_age("/ages/under_1h"),
        of_age("/ages/under_24h"),
        of_age("/ages/older"),
        cell(member(item, &["/in_flight"])),
    ]
}

/// How long ago an RFC 3339 time is, in its largest whole unit.
fn age(value: &Value, now: Timestamp) -> String {
    distance(value, |then| (now.since(then).0 / 1000, ""))
}

/// How far ahead an RFC 3339 time is.
fn ahead(value: &Value, now: Timestamp) -> String {
    distance(value, |then| (then.since(now).0.div_ceil(1000), "in "))
}

fn distance(value: &Value, measure: impl Fn(Timestamp) -> (u64, &'static str)) -> String {
    let Some(text) = value.as_str() else {
        return "-".to_owned();
    };
    let Ok(time) = text.parse::<jiff::Timestamp>() else {
        return printable(text);
    };
    let then = u64::try_from(time.as_millisecond()).unwrap_or(0);
    let (seconds, word) = measure(Timestamp(then));
    match seconds {
        0..=119 => format!("{word}{seconds} s"),
        120..=7_199 => format!("{word}{} m", seconds / 60),
        7_200..=172_799 => format!("{word}{} h", seconds / 3_600),
        _ => format!("{word}{} d", seconds / 86_400),
    }
}

/// Columns under each other, two spaces apart; numbers to the right, nothing after the last.
fn align(table: &[Vec<String>]) -> String {
    let count = table.iter().map(Vec::len).max().unwrap_or(0);
    let cells = |column: usize| table.iter().filter_map(move |row| row.get(column));
    let widths: Vec<usize> = (0..count)
        .map(|column| cells(column).map(|cell| columns(cell)).max().unwrap_or(0))
        .collect();
    let number = |cell: &String| {
        let digits = cell.strip_prefix('~').unwrap_or(cell);
        cell == "-" || digits.bytes().all(|b| b.is_ascii_digit())
    };
    let right: Vec<bool> = (0..count)
        .map(|column| table.len() > 1 && cells(column).skip(1).all(number))
        .collect();
    let mut out = String::new();
    for row in table {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let gap = " ".repeat(widths[column] - columns(cell));
            let (before, after) = if right[column] {
                (gap.as_str(), "")
            } else {
                ("", gap.as_str())
            };
            // Writing into a string cannot fail.
            let _ = write!(line, "{before}{cell}{after}  ");
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

fn columns(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp(1_768_473_000_000);

    fn shown(show: Show, answer: &Value) -> String {
        render(show, answer, NOW)
    }

    #[test]
    fn tables_are_aligned_with_numbers_to_the_right() {
        let answer = json!({"endpoints": [
            {"endpoint": "j8fssz5awsh8", "order": {"state": "on_hold"}, "protocol": "relay",
             "authentication": {"state": "verified"}, "health": {"state": "open", "window": 1},
             "queue": {"pending": 7}, "types": ["*"], "url": "https://a.example/"},
            {"endpoint": "j8fssz5awsh9", "order": {"state": "enabled"}, "protocol": "standard",
             "authentication": {"state": "not_needed"}, "health": null, "queue": {"pending": 1200},
             "types": ["new_*", "x"], "url": "https://b.example/"},
        ], "next": null});
        assert_eq!(
            shown(Show::Endpoints, &answer),
            "ENDPOINT      ORDER    AUTH        HEALTH  PROTOCOL  PENDING  TYPES    URL\n\
             j8fssz5awsh8  on_hold  verified    open    relay           7  *        https://a.example/\n\
             j8fssz5awsh9  enabled  not_needed  -       standard     1200  new_*,x  https://b.example/\n"
        );
    }

    #[test]
    fn pages_become_one_list() {
        let mut whole = json!({"endpoints": [1, 2], "next": "x"});
        append(&mut whole, json!({"endpoints": [3], "next": null}));
        assert_eq!(whole, json!({"endpoints": [1, 2, 3], "next": null}));
    }

    #[test]
    fn the_queue_says_what_waits_where_how_long_and_why() {
        let answer = json!({"endpoints": [
            {"account": "a1", "account_name": "shop", "endpoint": "e1", "url": "https://a/",
             "state": "suspended", "pending": 12, "in_flight": 0, "wait": "suspended",
             "ages": {"under_1m": 0, "under_1h": 2, "under_24h": 10, "older": 0, "exact": false},
             "until": "2026-01-15T10:31:30Z", "last_class": "dns",
             "oldest": "2026-01-15T09:30:00Z"},
            {"account": "a1", "endpoint": "e2", "url": "https://b/",
             "ages": {"under_1m": 0, "under_1h": 0, "under_24h": 0, "older": 0, "exact": true},
             "state": "open", "pending": 0, "in_flight": 0, "oldest": null},
        ], "total": {"pending": 12, "in_flight": 0, "open_batches": 1,
             "ages": {"under_1m": 0, "under_1h": 2, "under_24h": 10, "older": 0, "exact": false}}});
        assert_eq!(
            shown(Show::Queue, &answer),
            "ACCOUNT  ENDPOINT  STATE      PENDING  <1 m  <1 h  <24 h  OLDER  IN FLIGHT  OLDEST  WAITS FOR  NEXT     LAST FAILURE  URL\n\
             shop     e1        suspended       12     0    ~2    ~10      0          0  60 m    suspended  in 90 s  dns           https://a/\n\
             a1       e2        open             0     0     0      0      0          0  -       -          -        -             https://b/\n\
             total                              12     0    ~2    ~10      0          0\n"
        );
    }

    #[test]
    fn ages_use_their_largest_whole_unit() {
        for (then, expected) in [
            ("2026-01-15T10:30:00Z", "0 s"),
            ("2026-01-15T10:28:01Z", "119 s"),
            ("2026-01-15T10:28:00Z", "2 m"),
            ("2026-01-15T08:30:00Z", "2 h"),
            ("2026-01-13T10:30:00Z", "2 d"),
            ("2030-01-01T00:00:00Z", "0 s"),
            ("soon", "soon"),
        ] {
            assert_eq!(age(&json!(then), NOW), expected, "{then}");
        }
        assert_eq!(age(&Value::Null, NOW), "-");
        assert_eq!(ahead(&json!("2026-01-15T10:40:00Z"), NOW), "in 10 m");
        assert_eq!(ahead(&json!("2026-01-15T10:00:00Z"), NOW), "in 0 s");
    }

    #[test]
    fn objects_are_listed_member_by_member() {
        let answer = json!({"account": "a1", "api_key": "k", "live": {"pending": 3}});
        assert_eq!(
            shown(Show::Object, &answer),
            "account  a1\napi_key  k\nlive\n  pending  3\n"
        );
        assert!(shown(Show::Secrets, &answer).contains("this once"));
        let answer = json!({"keys": [
            {"key": "k1", "name": "", "surfaces": [], "per_minute": null, "enabled": true},
            {"key": "k2", "name": "web"},
        ]});
        assert_eq!(
            shown(Show::Object, &answer),
            "keys\n  enabled true, key k1\n  key k2, name web\n"
        );
    }

    #[test]
    fn empty_lists_say_what_to_do() {
        for show in [Show::Accounts, Show::Keys, Show::Users, Show::Endpoints] {
            assert!(shown(show, &json!({"data": []})).contains("hookrelay "));
        }
        assert!(shown(Show::Queue, &json!({})).contains("nothing waits"));
    }

    #[test]
    fn errors_name_the_field_and_data_cannot_steer_the_terminal() {
        let body = br#"{"error":{"code":"invalid","message":"No such URL","field":"url"}}"#;
        assert_eq!(error(400, body), "error: No such URL (field url)");
        let body = br#"{"error":{"code":"x","message":"a\u001b[2Jb"}}"#;
        assert_eq!(error(400, body), "error: a\u{fffd}[2Jb");
        assert!(error(502, b"<html>").contains("502"));
        let answer = json!({"name": "\u{1b}[31mred\u{7f}"});
        assert!(!shown(Show::Object, &answer).contains('\u{1b}'));
    }
}
