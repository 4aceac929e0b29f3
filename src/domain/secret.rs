//! A sealed secret as records carry it.
//!
//! Owns the type, and the context each kind of secret is sealed under, so that a sealed value
//! copied to another record cannot be opened there. Does not know how to open it: that is
//! `auth/seal.rs`.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::EndpointId;

/// An encrypted secret in its versioned envelope. Safe to store; never shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sealed(pub String);

impl fmt::Debug for Sealed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Sealed(…)")
    }
}

/// The context of a login's `ai_login_password`.
pub fn password_context(ai_login_id: &str) -> String {
    format!("login/{ai_login_id}/password")
}

/// The context of a login's `comm_key`.
pub fn comm_key_context(ai_login_id: &str) -> String {
    format!("login/{ai_login_id}/comm_key")
}

/// The context of an endpoint's signing secrets.
pub fn signing_context(endpoint: EndpointId) -> String {
    format!("endpoint/{endpoint}/signing_secret")
}

/// The context of an endpoint's custom headers.
pub fn headers_context(endpoint: EndpointId) -> String {
    format!("endpoint/{endpoint}/headers")
}
