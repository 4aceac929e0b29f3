//! Subjects: who a caller is, apart from the account.
//!
//! Owns the one name under which a caller is counted and logged. Does not know how a caller is
//! proved or limited.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use crate::id::{AccountId, KeyId};

/// Whose requests are counted together, over all surfaces.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Subject {
    /// An API key.
    Key(KeyId),
    /// An API login.
    Login(Arc<str>),
    /// A user, by its token alone.
    User(AccountId, u64),
    /// A client address.
    Address(IpAddr),
    /// The operator on the admin socket; never limited.
    Operator,
}

impl fmt::Display for Subject {
    /// The form of the log: names a subject, never a secret.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(id) => write!(out, "key {id}"),
            Self::Login(id) => write!(out, "login {id}"),
            Self::User(_, id) => write!(out, "user {id}"),
            Self::Address(address) => write!(out, "address {address}"),
            Self::Operator => out.write_str("operator"),
        }
    }
}
