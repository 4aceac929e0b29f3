//! A sealed secret as records carry it.
//!
//! Owns the type only. Does not know how to open it: that is `auth/seal.rs`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An encrypted secret in its versioned envelope. Safe to store; never shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sealed(pub String);

impl fmt::Debug for Sealed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Sealed(…)")
    }
}
