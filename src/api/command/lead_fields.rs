//! The lead fields of `create_lead`, `lead_set` and `update_lead` (`protocols/command-api.md` 3.1).
//!
//! Owns how they are spelled. Does not know what is done with them.

use serde_json::Value;

use super::form::Form;
use crate::domain::account::Settings;
use crate::domain::actor::Actor;
use crate::domain::lead::fields::{Change, Fields, is_birth_date};
use crate::domain::lead::note::{DEFAULT_KIND, NewNote};
use crate::domain::lead::{Degrees, Status, Text};
use crate::domain::{tag, words};

/// Tag names in one call, and notes.
const MAX_TAGS: usize = 200;
const MAX_NOTES: usize = 100;
/// Leads in one call.
const MAX_LEADS: usize = 500;
/// Characters of a note's kind, of a note, and of an external id.
const MAX_KIND: usize = 64;
const MAX_NOTE: usize = 10_000;
pub const MAX_EXTERNAL_ID: usize = 255;
/// Parameters beside the text fields that say something of a lead.
const OTHERS: [&str; 11] = [
    "external_id",
    "lat",
    "lng",
    "ok_to_text",
    "followup_date",
    "status",
    "custom_status",
    "gmt_offset",
    "tag_append",
    "notes",
    "note",
];

/// What becomes of blank values, and whether admin notes are written whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Of a new lead: they are absent.
    Insert,
    /// Of a known one: they clear.
    Update,
    /// The same without admin notes, which have parameters of their own.
    UpdateApart,
}

/// Whether any lead field is given.
pub fn are_given(form: &Form<'_>) -> bool {
    let texts = Text::ALL.iter().map(|text| text.name());
    texts.chain(OTHERS).any(|name| form.is_given(name))
}

/// Reads them all, in the order of the table.
pub fn read(form: &mut Form<'_>, settings: &Settings, mode: Mode) -> Fields {
    let mut fields = Fields::default();
    let apart = [Text::BirthDate, Text::AdminNotes];
    for text in Text::ALL.into_iter().filter(|text| !apart.contains(text)) {
        read_text(form, text, mode, &mut fields);
    }
    fields.external_id = form.text("external_id", MAX_EXTERNAL_ID);
    let degrees = |form: &mut Form<'_>, name, most| {
        let value = form.typed(name, |text| degrees(text, most));
        changed(form, name, value, mode)
    };
    fields.lat = degrees(form, "lat", 90.0);
    fields.lng = degrees(form, "lng", 180.0);
    fields.ok_to_text = form.boolean("ok_to_text");
    let followup = form.time("followup_date");
    fields.followup_at = changed(form, "followup_date", followup, mode);
    fields.status = form.typed("status", Status::named);
    fields.custom_status = form.typed("custom_status", |text| custom_status(settings, text));
    let offset = form.within("gmt_offset", -1400, 1400);
    fields.gmt_offset = changed(form, "gmt_offset", offset, mode);
    read_text(form, Text::BirthDate, mode, &mut fields);
    if mode != Mode::UpdateApart {
        read_text(form, Text::AdminNotes, mode, &mut fields);
    }
    if mode != Mode::Insert {
        // Of these, none is no value of its own.
        if form.is_blank("ok_to_text") {
            fields.ok_to_text = Some(false);
        }
        if form.is_blank("custom_status") {
            fields.custom_status = Some(0);
        }
    }
    fields.tags = tags(form, "tag_append").unwrap_or_default();
    fields.notes = notes(form).unwrap_or_default();
    if let Some(text) = form.lines("note", MAX_NOTE) {
        let kind = DEFAULT_KIND.to_owned();
        fields.notes.push(NewNote { kind, text });
    }
    fields
}

fn read_text(form: &mut Form<'_>, text: Text, mode: Mode, fields: &mut Fields) {
    match value_of(form, text) {
        Some(value) => drop(fields.texts.insert(text, value)),
        None if mode != Mode::Insert && form.is_blank(text.name()) => {
            fields.texts.insert(text, String::new());
        }
        None => {}
    }
}

fn value_of(form: &mut Form<'_>, text: Text) -> Option<String> {
    let name = text.name();
    if text == Text::BirthDate {
        return form.typed(name, |date| is_birth_date(date).then(|| date.to_owned()));
    }
    if text.has_lines() {
        return form.lines(name, text.max());
    }
    form.text(name, text.max())
}

fn changed<T>(form: &Form<'_>, name: &str, value: Option<T>, mode: Mode) -> Change<T> {
    match value {
        Some(value) => Change::Set(value),
        None if mode != Mode::Insert && form.is_blank(name) => Change::Clear,
        None => Change::Keep,
    }
}

fn degrees(text: &str, most: f64) -> Option<Degrees> {
    let number: f64 = super::form::is_decimal(text).then(|| text.parse().ok())??;
    // Negative zero is zero.
    (number.abs() <= most).then_some(Degrees(number + 0.0))
}

/// 0, or an account's own status by id or name.
fn custom_status(settings: &Settings, text: &str) -> Option<u32> {
    if text == "0" {
        return Some(0);
    }
    let name = words::fold(text);
    let mut known = settings.custom_statuses.iter();
    let named = known.find(|own| own.id.to_string() == text || words::fold(&own.name) == name);
    named.map(|own| own.id)
}

/// Names of tags, each once.
pub fn tags(form: &mut Form<'_>, name: &str) -> Option<Vec<String>> {
    let names = form.csv(name, MAX_TAGS)?;
    if names.iter().any(|tag| tag.chars().count() > tag::MAX_NAME) {
        form.too_long(name);
        return None;
    }
    Some(names)
}

/// Ids of leads, each once, in their order; the parameter must be given.
pub fn ids(form: &mut Form<'_>, name: &str) -> Vec<u64> {
    form.need(&[name]);
    let Some(texts) = form.csv(name, MAX_LEADS) else {
        // Commas alone name no lead.
        if form.is_given(name) {
            form.wrong(name);
        }
        return Vec::new();
    };
    let mut ids = Vec::with_capacity(texts.len());
    for text in &texts {
        // No lead has an id below 1 or beyond 63 bits.
        let digits = text.strip_prefix('-').unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            form.wrong(name);
            return Vec::new();
        }
        let id = text.parse().unwrap_or(0);
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    ids
}

/// The user in whose name a call with an API credential acts, who must be named.
pub fn acting_user(form: &mut Form<'_>, actor: &Actor) -> Option<u64> {
    if actor.user.is_none() {
        form.need(&["user_id"]);
    }
    form.id("user_id")
}

/// What is wrong with an item of `notes`.
enum Wrong {
    Form,
    Length,
}

fn notes(form: &mut Form<'_>) -> Option<Vec<NewNote>> {
    let notes = form.json("notes", |value| {
        let items = value.as_array().filter(|items| items.len() <= MAX_NOTES)?;
        match items.iter().map(note).collect() {
            Ok(notes) => Some(Some(notes)),
            Err(Wrong::Length) => Some(None),
            Err(Wrong::Form) => None,
        }
    })?;
    if notes.is_none() {
        form.too_long("notes");
    }
    notes
}

/// `{"status":"Message","Notes":"test"}`.
fn note(item: &Value) -> Result<NewNote, Wrong> {
    let item = item.as_object().ok_or(Wrong::Form)?;
    let member = |names: &[&str]| {
        let found = names.iter().find_map(|name| item.get(*name));
        match found {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(_) => Err(Wrong::Form),
        }
    };
    let kind = member(&["status"])?.unwrap_or_default();
    let kind = words::single_line(&kind).ok_or(Wrong::Form)?;
    let text = member(&["Notes", "notes"])?.ok_or(Wrong::Form)?;
    let text = words::multi_line(&text).ok_or(Wrong::Form)?;
    if text.trim().is_empty() {
        return Err(Wrong::Form);
    }
    if kind.chars().count() > MAX_KIND || text.chars().count() > MAX_NOTE {
        return Err(Wrong::Length);
    }
    let kind = if kind.is_empty() {
        DEFAULT_KIND.to_owned()
    } else {
        kind
    };
    Ok(NewNote { kind, text })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::account::CustomStatus;

    #[test]
    fn positions_are_within_the_globe() {
        for (text, most, expected) in [
            ("45.52", 90.0, Some(45.52)),
            ("-90", 90.0, Some(-90.0)),
            ("90.1", 90.0, None),
            ("-0", 90.0, Some(0.0)),
            ("180", 180.0, Some(180.0)),
            ("1e1", 90.0, None),
            ("north", 90.0, None),
        ] {
            assert_eq!(degrees(text, most), expected.map(Degrees), "{text}");
        }
    }

    #[test]
    fn custom_statuses_by_id_or_name() {
        let hot = CustomStatus {
            id: 3,
            name: "Hot".to_owned(),
        };
        let settings = Settings {
            custom_statuses: vec![hot],
            ..Settings::default()
        };
        for (text, expected) in [
            ("0", Some(0)),
            ("3", Some(3)),
            ("hOt", Some(3)),
            ("03", None),
            ("4", None),
        ] {
            assert_eq!(custom_status(&settings, text), expected, "{text}");
        }
    }
}
