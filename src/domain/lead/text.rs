//! The text fields of a lead.
//!
//! Owns their names, which are the same everywhere. Does not know what they mean.

use serde::{Deserialize, Serialize};

/// A text field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Text {
    FirstName,
    LastName,
    Company,
    Address,
    #[serde(rename = "address_2")]
    Address2,
    City,
    State,
    Zip,
    Country,
    Phone,
    Cell,
    Fax,
    Skype,
    Ip,
    #[serde(rename = "besttime")]
    BestTime,
    Priority,
    Email,
    AdminNotes,
    GovtId,
    Source,
    SubId,
    SubId2,
    BirthDate,
    Location,
    Message,
}

impl Text {
    /// Every text field.
    pub const ALL: [Self; 25] = [
        Self::FirstName,
        Self::LastName,
        Self::Company,
        Self::Address,
        Self::Address2,
        Self::City,
        Self::State,
        Self::Zip,
        Self::Country,
        Self::Phone,
        Self::Cell,
        Self::Fax,
        Self::Skype,
        Self::Ip,
        Self::BestTime,
        Self::Priority,
        Self::Email,
        Self::AdminNotes,
        Self::GovtId,
        Self::Source,
        Self::SubId,
        Self::SubId2,
        Self::BirthDate,
        Self::Location,
        Self::Message,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::FirstName => "first_name",
            Self::LastName => "last_name",
            Self::Company => "company",
            Self::Address => "address",
            Self::Address2 => "address_2",
            Self::City => "city",
            Self::State => "state",
            Self::Zip => "zip",
            Self::Country => "country",
            Self::Phone => "phone",
            Self::Cell => "cell",
            Self::Fax => "fax",
            Self::Skype => "skype",
            Self::Ip => "ip",
            Self::BestTime => "besttime",
            Self::Priority => "priority",
            Self::Email => "email",
            Self::AdminNotes => "admin_notes",
            Self::GovtId => "govt_id",
            Self::Source => "source",
            Self::SubId => "sub_id",
            Self::SubId2 => "sub_id2",
            Self::BirthDate => "birth_date",
            Self::Location => "location",
            Self::Message => "message",
        }
    }

    /// Characters at most.
    pub fn max(self) -> usize {
        match self {
            Self::AdminNotes => 10_000,
            _ => 255,
        }
    }

    /// Whether it may have several lines.
    pub fn has_lines(self) -> bool {
        matches!(self, Self::AdminNotes | Self::Location | Self::Message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_names_are_the_names() {
        for text in Text::ALL {
            let stored = serde_json::to_value(text).unwrap();
            assert_eq!(stored, text.name());
        }
        let mut all = Text::ALL.to_vec();
        all.dedup();
        assert_eq!(all.len(), Text::ALL.len());
    }
}
