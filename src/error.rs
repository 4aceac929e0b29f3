//! The short list of error kinds that the domain raises and every surface translates.
//!
//! Owns [`Error`] and [`Kind`] (`protocols/errors.md`). Does not know any wire form, and never
//! carries an internal detail: those go to the log where they happen.

use std::borrow::Cow;
use std::fmt;

/// What went wrong, as far as a caller may know. One table per surface turns a kind into its
/// wire form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A value is missing, malformed, out of range or too long.
    Invalid,
    /// The credential is absent, wrong, expired or disabled. Never says which.
    Unauthenticated,
    /// The caller is known and may not do this.
    Forbidden,
    /// There is no such entity in the caller's account.
    NotFound,
    /// The change contradicts what is stored.
    Conflict,
    /// Too many requests, or too many failed authentications.
    Limited {
        /// Whole seconds until a retry can succeed, at least 1.
        retry_after: u32,
    },
    /// The request body is over the limit.
    TooLarge,
    /// The store cannot commit now, or the daemon is draining.
    Unavailable,
    /// A fault of ours; the log has the detail under the request id.
    Internal,
}

/// A failed call: its kind, the text for the caller and, where one is to blame, the field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// What a surface branches on.
    pub kind: Kind,
    /// The parameter that is to blame, by its wire name.
    pub field: Option<Cow<'static, str>>,
    /// What to tell the caller: what is wrong and what to do.
    pub message: Cow<'static, str>,
}

impl Error {
    fn new(kind: Kind, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            field: None,
            message: message.into(),
        }
    }

    /// The value of `field` cannot be taken, for the reason in `message`.
    pub fn invalid(
        field: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            kind: Kind::Invalid,
            field: Some(field.into()),
            message: message.into(),
        }
    }

    /// The request as a whole cannot be taken.
    pub fn malformed(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Invalid, message)
    }

    /// One text for every failed authentication, so that it tells nothing.
    #[must_use]
    pub fn unauthenticated() -> Self {
        Self::new(Kind::Unauthenticated, "Authentication failed")
    }

    /// The caller may not do this.
    pub fn forbidden(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Forbidden, message)
    }

    /// No such entity in the caller's account.
    pub fn not_found(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::NotFound, message)
    }

    /// The change contradicts what is stored.
    pub fn conflict(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Conflict, message)
    }

    /// Too frequent; `retry_after` in whole seconds, raised to at least 1.
    #[must_use]
    pub fn limited(retry_after: u32) -> Self {
        Self::new(
            Kind::Limited {
                retry_after: retry_after.max(1),
            },
            "Rate limit exceeded",
        )
    }

    /// The body is over the limit.
    pub fn too_large(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::TooLarge, message)
    }

    /// We are unwell; the caller should come back.
    pub fn unavailable(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Unavailable, message)
    }

    /// Our fault. Log the cause before making one of these.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(Kind::Internal, "Internal error")
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.field {
            Some(field) => write!(out, "{field}: {}", self.message),
            None => out.write_str(&self.message),
        }
    }
}

impl std::error::Error for Error {}

/// The result of a domain function.
pub type Result<T, E = Error> = std::result::Result<T, E>;
