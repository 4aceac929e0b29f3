//! A sealed secret as records carry it.
//!
//! Owns the type, and the context each kind of secret is sealed under, so that a sealed value
//! copied to another record cannot be opened there. Does not know how to open it: that is
//! `auth/seal.rs`.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::{AccountId, EndpointId};

/// An encrypted secret in its versioned envelope. Safe to store; never shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sealed(pub String);

impl fmt::Debug for Sealed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Sealed(…)")
    }
}

/// Which record's which secret: a sealed value opens only in the context it was sealed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Context<'a> {
    /// `ai_login_password` of the API login with this id.
    Password(&'a str),
    /// `comm_key` of the API login with this id.
    CommKey(&'a str),
    /// A signing secret of this endpoint, current or retiring.
    SigningSecret(EndpointId),
    /// The custom headers of this endpoint.
    Headers(EndpointId),
    /// The key of the user tokens.
    UserTokens,
    /// A stored answer to a request with this `Idempotency-Key`.
    Answer {
        /// Whose request.
        account: AccountId,
        /// On which surface.
        surface: &'a str,
        /// The key's value.
        value: &'a str,
    },
}

impl fmt::Display for Context<'_> {
    /// The text that is authenticated with the secret; it must never change.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Password(login) => write!(out, "api-login-password/{login}"),
            Self::CommKey(login) => write!(out, "api-login-comm-key/{login}"),
            Self::SigningSecret(endpoint) => write!(out, "endpoint-signing-secret/{endpoint}"),
            Self::Headers(endpoint) => write!(out, "endpoint-headers/{endpoint}"),
            Self::UserTokens => out.write_str("user-tokens"),
            Self::Answer {
                account,
                surface,
                value,
            } => write!(out, "answer/{account}/{surface}/{value}"),
        }
    }
}
