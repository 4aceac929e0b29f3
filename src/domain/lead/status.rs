//! The statuses of leads (`protocols/domain.md` 5.1).
//!
//! Owns their words and numbers. Does not know which surface writes which.

use serde::{Deserialize, Serialize};

/// How far a lead has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Newly received.
    #[default]
    Prospect,
    /// Interest not confirmed.
    Tentative,
    /// Likely to become a customer.
    Potential,
    /// No further work planned.
    Closed,
    /// Contact established.
    Contact,
    /// Became a customer.
    Customer,
    /// Only by deletion or merge.
    Deleted,
}

impl Status {
    /// Every status that a caller may give, in their order.
    pub const GIVEN: [Self; 6] = [
        Self::Prospect,
        Self::Tentative,
        Self::Potential,
        Self::Closed,
        Self::Contact,
        Self::Customer,
    ];

    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Prospect => "prospect",
            Self::Tentative => "tentative",
            Self::Potential => "potential",
            Self::Closed => "closed",
            Self::Contact => "contact",
            Self::Customer => "customer",
            Self::Deleted => "deleted",
        }
    }

    /// Its number.
    pub fn number(self) -> u8 {
        match self {
            Self::Prospect => 1,
            Self::Tentative => 2,
            Self::Potential => 3,
            Self::Closed => 4,
            Self::Contact => 5,
            Self::Customer => 6,
            Self::Deleted => 9,
        }
    }

    /// What it means, in a few words.
    pub fn description(self) -> &'static str {
        match self {
            Self::Prospect => "Newly received lead",
            Self::Tentative => "Interest not confirmed",
            Self::Potential => "Likely to become a customer",
            Self::Closed => "No further work planned",
            Self::Contact => "Contact established",
            Self::Customer => "Became a customer",
            Self::Deleted => "Deleted",
        }
    }

    /// The color in which it is shown.
    pub fn color(self) -> &'static str {
        match self {
            Self::Prospect => "#3498DB",
            Self::Tentative => "#9B59B6",
            Self::Potential => "#F39C12",
            Self::Closed => "#7F8C8D",
            Self::Contact => "#1ABC9C",
            Self::Customer => "#27AE60",
            Self::Deleted => "#C0392B",
        }
    }

    /// The status of this word, whatever the case, among those that may be given.
    pub fn of_word(text: &str) -> Option<Self> {
        let named = |status: &Self| text.eq_ignore_ascii_case(status.word());
        Self::GIVEN.into_iter().find(named)
    }

    /// The status of this word, whatever the case, or number, among those that may be given.
    pub fn named(text: &str) -> Option<Self> {
        let named = |status: &Self| {
            text.eq_ignore_ascii_case(status.word()) || text == status.number().to_string()
        };
        Self::GIVEN.into_iter().find(named)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_numbers_name_every_status_but_deleted() {
        for status in Status::GIVEN {
            assert_eq!(Status::named(status.word()), Some(status));
            assert_eq!(Status::named(&status.number().to_string()), Some(status));
        }
        assert_eq!(Status::of_word("Customer"), Some(Status::Customer));
        assert_eq!(
            (Status::of_word("1"), Status::of_word("deleted")),
            (None, None)
        );
        assert_eq!(Status::named("CUSTOMER"), Some(Status::Customer));
        for text in ["deleted", "9", "0", "7", "01", "", "received"] {
            assert_eq!(Status::named(text), None, "{text}");
        }
    }
}
