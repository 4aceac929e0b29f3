//! What the operator and the service manager see.
//!
//! Owns logging, the talk with systemd, and signals. Does not know what the daemon does.

pub mod logging;
pub mod notify;
pub mod repetition;
pub mod signals;
