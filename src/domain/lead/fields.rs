//! What a call wants changed of a lead, and what that makes of it.
//!
//! Owns the arithmetic of a change. Pure: tags are known already, users and uniqueness are checked
//! elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use super::note::NewNote;
use super::{Degrees, Lead, Status, Text};
use crate::clock::Timestamp;
use crate::domain::zone::Zone;

/// A new value of a field that may have none.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Change<T> {
    /// As it was.
    #[default]
    Keep,
    /// None.
    Clear,
    /// This.
    Set(T),
}

impl<T: Copy> Change<T> {
    fn apply(self, field: &mut Option<T>) {
        match self {
            Self::Keep => {}
            Self::Clear => *field = None,
            Self::Set(value) => *field = Some(value),
        }
    }
}

/// New values of a lead's fields. Texts have their forms and lengths.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Fields {
    /// Must be free, or its own.
    pub external_id: Option<String>,
    /// An empty one clears.
    pub texts: BTreeMap<Text, String>,
    /// Latitude.
    pub lat: Change<Degrees>,
    /// Longitude.
    pub lng: Change<Degrees>,
    /// Whether text messages are welcome.
    pub ok_to_text: Option<bool>,
    /// When somebody should call again.
    pub followup_at: Change<Timestamp>,
    /// Not deleted.
    pub status: Option<Status>,
    /// 0, or one of the account's own.
    pub custom_status: Option<u32>,
    /// Hours and minutes.
    pub gmt_offset: Change<i64>,
    /// The user who works on it, who exists.
    pub assignee_id: Change<u64>,
    /// Names of tags that are added.
    pub tags: Vec<String>,
    /// Put behind the admin notes, on a line with the local time.
    pub admin_note: Option<String>,
    /// Notes that are added.
    pub notes: Vec<NewNote>,
}

impl Fields {
    /// Whether it leaves the lead itself as it is.
    pub fn are_only_notes(&self) -> bool {
        let rest = Self {
            notes: self.notes.clone(),
            ..Self::default()
        };
        *self == rest
    }

    /// The lead with these fields and these tags added.
    pub fn applied(&self, lead: &Lead, tags: &BTreeSet<u64>, now: &Now<'_>) -> Lead {
        let mut lead = lead.clone();
        if let Some(external_id) = &self.external_id {
            lead.external_id = Some(external_id.clone());
        }
        for (text, value) in &self.texts {
            lead.set_text(*text, value.clone());
        }
        if let Some(note) = &self.admin_note {
            let line = format!("{} {note}", now.zone.local(now.time));
            let lines = match lead.text(Text::AdminNotes) {
                "" => line,
                lines => format!("{lines}\n{line}"),
            };
            lead.set_text(Text::AdminNotes, lines);
        }
        self.lat.apply(&mut lead.lat);
        self.lng.apply(&mut lead.lng);
        self.followup_at.apply(&mut lead.followup_at);
        self.gmt_offset.apply(&mut lead.gmt_offset);
        self.assignee_id.apply(&mut lead.assignee_id);
        lead.ok_to_text = self.ok_to_text.unwrap_or(lead.ok_to_text);
        lead.status = self.status.unwrap_or(lead.status);
        lead.custom_status = self.custom_status.unwrap_or(lead.custom_status);
        lead.tags.extend(tags);
        lead
    }
}

/// When and where a change happens.
#[derive(Debug, Clone, Copy)]
pub struct Now<'a> {
    /// The time.
    pub time: Timestamp,
    /// The account's zone.
    pub zone: &'a Zone,
}

/// `YYYY-MM-DD` or `MM-DD`, a day that there is.
pub fn is_birth_date(text: &str) -> bool {
    // Without a year it may be the day of a leap year.
    let whole = match text.len() {
        5 => format!("2000-{text}"),
        _ => text.to_owned(),
    };
    let parts: Vec<&str> = whole.split('-').collect();
    let [year, month, day] = parts[..] else {
        return false;
    };
    let digits = |part: &str, length| {
        let is_number = part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| part.parse::<i16>().ok()).flatten()
    };
    let (Some(year), Some(month), Some(day)) = (digits(year, 4), digits(month, 2), digits(day, 2))
    else {
        return false;
    };
    let small = |number: i16| i8::try_from(number).unwrap_or(0);
    jiff::civil::Date::new(year, small(month), small(day)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::lead::tests::blank;

    #[test]
    fn birth_dates() {
        for (text, expected) in [
            ("1980-02-29", true),
            ("1981-02-29", false),
            ("02-29", true),
            ("02-30", false),
            ("12-31", true),
            ("13-01", false),
            ("1980-2-9", false),
            ("1980-02-29x", false),
            ("2-29", false),
            ("--", false),
            ("", false),
        ] {
            assert_eq!(is_birth_date(text), expected, "{text}");
        }
    }

    #[test]
    fn admin_notes_get_a_line_with_the_local_time() {
        let zone = Zone::default();
        let now = Now {
            time: Timestamp(1_768_473_000_000),
            zone: &zone,
        };
        let none = BTreeSet::new();
        let mut fields = Fields {
            admin_note: Some("called".to_owned()),
            ..Fields::default()
        };
        let once = fields.applied(&blank(1), &none, &now);
        assert_eq!(once.text(Text::AdminNotes), "2026-01-15 02:30:00 called");
        fields.texts.insert(Text::AdminNotes, "anew".to_owned());
        let twice = fields.applied(&once, &none, &now);
        assert_eq!(
            twice.text(Text::AdminNotes),
            "anew\n2026-01-15 02:30:00 called"
        );
    }

    #[test]
    fn changes_keep_clear_and_set() {
        let zone = Zone::default();
        let now = Now {
            time: Timestamp(1),
            zone: &zone,
        };
        let mut before = blank(1);
        (before.lat, before.lng) = (Some(Degrees(1.0)), Some(Degrees(2.0)));
        before.set_text(Text::City, "Springfield".to_owned());
        let fields = Fields {
            lat: Change::Clear,
            gmt_offset: Change::Set(-800),
            texts: BTreeMap::from([(Text::City, String::new())]),
            ..Fields::default()
        };
        assert!(!fields.are_only_notes() && Fields::default().are_only_notes());
        let after = fields.applied(&before, &BTreeSet::from([7]), &now);
        assert_eq!((after.lat, after.lng), (None, Some(Degrees(2.0))));
        assert_eq!(after.gmt_offset, Some(-800));
        assert!(after.texts.is_empty());
        assert_eq!(after.tags, BTreeSet::from([7]));
    }
}
