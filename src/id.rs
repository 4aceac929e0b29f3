//! Typed identifiers and their text forms.
//!
//! Owns Crockford base32, references, sequence numbers, message and batch ids. Does not know
//! what is stored under an id.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::clock::{Entropy, Timestamp};

/// Lower-case Crockford base32: no `i`, `l`, `o`, `u`.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Characters of a reference (`protocols/domain.md` section 1).
const REF_CHARACTERS: usize = 12;
/// Characters of a 128-bit value.
const LONG_CHARACTERS: usize = 26;

/// The text is not an id of the expected form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdError;

impl fmt::Display for IdError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("not a valid id")
    }
}

impl std::error::Error for IdError {}

fn encode(mut value: u128, characters: usize, out: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut text = [b'0'; LONG_CHARACTERS];
    for slot in text[..characters].iter_mut().rev() {
        *slot = ALPHABET[usize::from((value & 31) as u8)];
        value >>= 5;
    }
    // The alphabet is ASCII, so the text always is.
    out.write_str(std::str::from_utf8(&text[..characters]).map_err(|_| fmt::Error)?)
}

fn decode(text: &str, characters: usize) -> Result<u128, IdError> {
    if text.len() != characters {
        return Err(IdError);
    }
    let mut value: u128 = 0;
    for byte in text.bytes() {
        let digit = ALPHABET
            .iter()
            .position(|known| *known == byte)
            .ok_or(IdError)?;
        if value >> 123 != 0 {
            return Err(IdError);
        }
        value = (value << 5) | digit as u128;
    }
    Ok(value)
}

macro_rules! serde_as_text {
    ($name:ident) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

macro_rules! reference {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u64);

        impl $name {
            /// A fresh random reference (60 bits).
            #[must_use]
            pub fn random(entropy: &Entropy) -> Self {
                Self(entropy.u64() >> 4)
            }

            /// The reference with this number, cut to 60 bits: for simulations and tests that
            /// want readable, ordered references.
            #[must_use]
            pub const fn from_number(number: u64) -> Self {
                Self(number & ((1 << 60) - 1))
            }

            /// The number behind the text.
            #[must_use]
            pub const fn number(self) -> u64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                encode(u128::from(self.0), REF_CHARACTERS, out)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                let value = decode(text, REF_CHARACTERS)?;
                u64::try_from(value).map(Self).map_err(|_| IdError)
            }
        }

        serde_as_text!($name);
    };
}

macro_rules! long_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u128);

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str($prefix)?;
                encode(self.0, LONG_CHARACTERS, out)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                decode(text.strip_prefix($prefix).ok_or(IdError)?, LONG_CHARACTERS).map(Self)
            }
        }

        serde_as_text!($name);
    };
}

reference!(
    /// An account (tenant).
    AccountId
);
reference!(
    /// An endpoint, unique over all accounts in practice, looked up within its account.
    EndpointId
);
reference!(
    /// An API key's public name; the key itself is known only by its digest.
    KeyId
);
reference!(
    /// A replay or redrive job of an endpoint.
    JobId
);
reference!(
    /// A list of contacts.
    ListId
);
reference!(
    /// A tag.
    TagId
);
reference!(
    /// A department.
    DepartmentId
);
reference!(
    /// An entry of the knowledge base.
    EntryId
);
reference!(
    /// A conversation.
    ConversationId
);
reference!(
    /// A message of a conversation: not one of the account's log.
    ConversationMessageId
);
reference!(
    /// A contact or a user, unique among both of its account.
    PersonId
);
reference!(
    /// The code of an invite, unique in its account; shown in upper case.
    InviteCode
);

long_id!(
    /// A message: 48 bits Unix ms, 48 bits sequence, 32 random bits; constant over all attempts.
    MessageId,
    "msg_"
);
long_id!(
    /// A batch: 48 bits of commit time, 80 bits of a keyed hash of endpoint, job and ranges.
    BatchId,
    "bat_"
);
long_id!(
    /// An authenticate request (`webhook-id` of its signature).
    AuthenticateId,
    "auth_"
);
long_id!(
    /// One inbound request (`X-Request-Id`).
    RequestId,
    "req_"
);

/// Position of a message in its account's log: 1, 2, 3 … without gaps. 0 is before the first.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Seq(pub u64);

impl Seq {
    /// The sequence that follows this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The sequence before this one; stays at 0.
    #[must_use]
    pub const fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.0)
    }
}

const LOW_48: u64 = (1 << 48) - 1;

fn low_48(value: u128) -> u64 {
    // Fits by the mask.
    u64::try_from(value & u128::from(LOW_48)).unwrap_or(LOW_48)
}

impl MessageId {
    /// Builds an id from commit time, sequence and 32 random bits; time and sequence are cut to
    /// 48 bits each.
    #[must_use]
    pub fn new(time: Timestamp, seq: Seq, random: u32) -> Self {
        Self(
            u128::from(time.0 & LOW_48) << 80
                | u128::from(seq.0 & LOW_48) << 32
                | u128::from(random),
        )
    }

    /// The commit time.
    #[must_use]
    pub fn time(self) -> Timestamp {
        Timestamp(low_48(self.0 >> 80))
    }

    /// The position in the account's log.
    #[must_use]
    pub fn seq(self) -> Seq {
        Seq(low_48(self.0 >> 32))
    }
}

/// 48 bits of time before 80 bits of anything: sorts by time as text and as number.
fn time_ordered(time: Timestamp, low: u128) -> u128 {
    u128::from(time.0 & LOW_48) << 80 | (low & ((1 << 80) - 1))
}

fn random_low(entropy: &Entropy) -> u128 {
    u128::from_be_bytes(entropy.bytes())
}

/// Ids as log lines name the messages that they are about: a few one by one, many by the first
/// and the last. Formats only when it is written.
#[must_use]
pub fn listed(ids: &[MessageId]) -> impl fmt::Display + '_ {
    const FEW: usize = 4;
    fmt::from_fn(move |out| match ids {
        [first, .., last] if ids.len() > FEW => write!(out, "{first}..{last}"),
        [first, more @ ..] => {
            write!(out, "{first}")?;
            more.iter().try_for_each(|id| write!(out, " {id}"))
        }
        [] => Ok(()),
    })
}

impl BatchId {
    /// A batch id from the commit time of its last message and a hash of its content.
    #[must_use]
    pub fn new(time: Timestamp, hash: u128) -> Self {
        Self(time_ordered(time, hash))
    }
}

impl AuthenticateId {
    /// A fresh id.
    #[must_use]
    pub fn random(now: Timestamp, entropy: &Entropy) -> Self {
        Self(time_ordered(now, random_low(entropy)))
    }
}

impl RequestId {
    /// A fresh id.
    #[must_use]
    pub fn random(now: Timestamp, entropy: &Entropy) -> Self {
        Self(time_ordered(now, random_low(entropy)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_ids_are_told_by_the_first_and_the_last() {
        let ids: Vec<MessageId> = (1..=5)
            .map(|n| MessageId::new(Timestamp(1), Seq(n), 7))
            .collect();
        assert_eq!(listed(&[]).to_string(), "");
        assert_eq!(listed(&ids[..1]).to_string(), ids[0].to_string());
        let few = listed(&ids[..4]).to_string();
        assert_eq!(few.split(' ').count(), 4);
        assert!(few.ends_with(&ids[3].to_string()));
        let many = listed(&ids).to_string();
        assert_eq!(many, format!("{}..{}", ids[0], ids[4]));
    }

    #[test]
    fn references_have_twelve_characters_and_come_back() {
        let text = "j8fssz5awsh8";
        let id: EndpointId = text.parse().unwrap();
        assert_eq!(id.to_string(), text);
        assert_eq!(serde_json::to_string(&id).unwrap(), "\"j8fssz5awsh8\"");
        assert_eq!(
            serde_json::from_str::<EndpointId>("\"j8fssz5awsh8\"").unwrap(),
            id
        );
        for wrong in [
            "",
            "j8fssz5awsh",
            "j8fssz5awsh88",
            "J8FSSZ5AWSH8",
            "j8fssz5awshl",
            "j8fssz5awsé",
        ] {
            assert_eq!(wrong.parse::<EndpointId>(), Err(IdError), "{wrong}");
        }
        let entropy = Entropy::seeded(1);
        let random = AccountId::random(&entropy);
        assert_eq!(random.to_string().parse::<AccountId>().unwrap(), random);
    }

    #[test]
    fn the_documented_message_id_carries_its_commit_time() {
        let id: MessageId = "msg_01kf0k8y204tff59tdwh9edd1r".parse().unwrap();
        assert_eq!(id.time().to_string(), "2026-01-15T10:30:00Z");
        assert_eq!(id.to_string(), "msg_01kf0k8y204tff59tdwh9edd1r");
    }

    #[test]
    fn a_message_id_gives_back_its_parts() {
        let id = MessageId::new(Timestamp(1_768_473_000_123), Seq(77), u32::MAX);
        assert_eq!(id.time(), Timestamp(1_768_473_000_123));
        assert_eq!(id.seq(), Seq(77));
        assert_eq!(id.to_string().parse::<MessageId>().unwrap(), id);
    }

    #[test]
    fn long_ids_refuse_other_prefixes_lengths_and_overflow() {
        assert!(
            "bat_01kf0k8y204tff59tdwh9edd1r"
                .parse::<MessageId>()
                .is_err()
        );
        assert!(
            "msg_01kf0k8y204tff59tdwh9edd1"
                .parse::<MessageId>()
                .is_err()
        );
        assert!(
            "msg_zzzzzzzzzzzzzzzzzzzzzzzzzz"
                .parse::<MessageId>()
                .is_err()
        );
        assert!(
            "msg_7zzzzzzzzzzzzzzzzzzzzzzzzz"
                .parse::<MessageId>()
                .is_ok()
        );
    }
}
