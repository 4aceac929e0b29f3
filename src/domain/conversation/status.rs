//! Statuses of conversations (`protocols/domain.md` 5.3).
//!
//! Owns the table. Pure. Does not know who sets one.

use serde::{Deserialize, Serialize};

use super::message::Direction;

/// How far a conversation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Status {
    /// Init.
    #[serde(rename = "I")]
    Init,
    /// New.
    #[serde(rename = "N")]
    New,
    /// Chatting.
    #[serde(rename = "T")]
    Chatting,
    /// Calling.
    #[serde(rename = "P")]
    Calling,
    /// Answered.
    #[serde(rename = "A")]
    Answered,
    /// Open: the customer wrote again.
    #[serde(rename = "C")]
    Open,
    /// Postponed.
    #[serde(rename = "W")]
    Postponed,
    /// Resolved.
    #[serde(rename = "R")]
    Resolved,
    /// Spam.
    #[serde(rename = "B")]
    Spam,
    /// Deleted.
    #[serde(rename = "X")]
    Deleted,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 10] = [
        Self::Init,
        Self::New,
        Self::Chatting,
        Self::Calling,
        Self::Answered,
        Self::Open,
        Self::Postponed,
        Self::Resolved,
        Self::Spam,
        Self::Deleted,
    ];

    /// Its letter on the wire.
    pub fn letter(self) -> char {
        match self {
            Self::Init => 'I',
            Self::New => 'N',
            Self::Chatting => 'T',
            Self::Calling => 'P',
            Self::Answered => 'A',
            Self::Open => 'C',
            Self::Postponed => 'W',
            Self::Resolved => 'R',
            Self::Spam => 'B',
            Self::Deleted => 'X',
        }
    }

    /// The status of this letter, which is case-sensitive.
    pub fn of_letter(letter: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|status| letter.chars().eq([status.letter()]))
    }

    /// Whether a new message of its channel joins the conversation.
    pub fn is_open(self) -> bool {
        !matches!(self, Self::Resolved | Self::Spam | Self::Deleted)
    }

    /// The status after a further message, other than a reaction, in this direction.
    #[must_use]
    pub fn after(self, direction: Direction) -> Self {
        match (direction, self) {
            (Direction::Out, Self::Chatting | Self::Calling | Self::Spam | Self::Deleted) => self,
            (Direction::Out, _) => Self::Answered,
            (Direction::In, Self::Answered | Self::Postponed | Self::Open | Self::Resolved) => {
                Self::Open
            }
            (Direction::In | Direction::Internal, _) => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_statuses() {
        // Letter, open, after out, after in.
        for (letter, open, out, into) in [
            ("I", true, "A", "I"),
            ("N", true, "A", "N"),
            ("T", true, "T", "T"),
            ("P", true, "P", "P"),
            ("A", true, "A", "C"),
            ("C", true, "A", "C"),
            ("W", true, "A", "C"),
            ("R", false, "A", "C"),
            ("B", false, "B", "B"),
            ("X", false, "X", "X"),
        ] {
            let status = Status::of_letter(letter).unwrap();
            assert_eq!(status.is_open(), open, "{letter}");
            let after = |direction| status.after(direction).letter().to_string();
            assert_eq!(after(Direction::Out), out, "{letter}");
            assert_eq!(after(Direction::In), into, "{letter}");
            assert_eq!(after(Direction::Internal), letter);
            let written = serde_json::to_string(&status).unwrap();
            assert_eq!(written, format!("\"{letter}\""));
        }
        for unknown in ["", "n", "NN", "Z"] {
            assert_eq!(Status::of_letter(unknown), None, "{unknown}");
        }
    }
}
