//! Channels (`protocols/domain.md` 2.6 and 6.1).
//!
//! Owns their names and classes. Pure. Does not know who is connected to one.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Characters of a custom channel's name.
pub const MAX_CHANNEL_NAME: usize = 64;
/// What stands before that name.
const CUSTOM: &str = "custom:";

/// Through what a conversation goes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Channel {
    /// E-mail.
    Email,
    /// A chat on a site.
    Chat,
    /// A call.
    Call,
    /// Text messages.
    Sms,
    /// A channel of the caller's own, by name; case matters.
    Custom(String),
}

/// What kind of work a channel is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Mails and text messages.
    Tickets,
    /// Chats and custom channels.
    Chats,
    /// Calls.
    Calls,
}

impl Channel {
    /// The class of the channel.
    pub fn class(&self) -> Class {
        match self {
            Self::Email | Self::Sms => Class::Tickets,
            Self::Chat | Self::Custom(_) => Class::Chats,
            Self::Call => Class::Calls,
        }
    }
}

impl Class {
    /// The letter that it has as a service.
    pub fn letter(self) -> char {
        match self {
            Self::Tickets => 'M',
            Self::Chats => 'T',
            Self::Calls => 'P',
        }
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Email => out.write_str("email"),
            Self::Chat => out.write_str("chat"),
            Self::Call => out.write_str("call"),
            Self::Sms => out.write_str("sms"),
            Self::Custom(name) => write!(out, "{CUSTOM}{name}"),
        }
    }
}

impl FromStr for Channel {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "email" => Ok(Self::Email),
            "chat" => Ok(Self::Chat),
            "call" => Ok(Self::Call),
            "sms" => Ok(Self::Sms),
            _ => match text.strip_prefix(CUSTOM) {
                Some(name) => Ok(Self::Custom(name.to_owned())),
                None => Err("not a channel"),
            },
        }
    }
}

impl From<Channel> for String {
    fn from(channel: Channel) -> Self {
        channel.to_string()
    }
}

impl TryFrom<String> for Channel {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_channels() {
        for (channel, text, letter) in [
            (Channel::Email, "email", 'M'),
            (Channel::Sms, "sms", 'M'),
            (Channel::Chat, "chat", 'T'),
            (Channel::Custom("My".to_owned()), "custom:My", 'T'),
            (Channel::Custom(String::new()), "custom:", 'T'),
            (Channel::Call, "call", 'P'),
        ] {
            assert_eq!(channel.to_string(), text);
            assert_eq!(text.parse(), Ok(channel.clone()));
            assert_eq!(channel.class().letter(), letter);
            let written = serde_json::to_string(&channel).unwrap();
            assert_eq!(written, format!("\"{text}\""));
            assert_eq!(serde_json::from_str::<Channel>(&written).unwrap(), channel);
        }
        assert!("Email".parse::<Channel>().is_err());
    }
}
