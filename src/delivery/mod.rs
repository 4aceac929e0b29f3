//! How one request leaves this machine and what its answer says.
//!
//! Owns the request bodies and signatures, the address guard, the HTTP client with its one
//! deadline, and the reading of answers into an [`crate::attempt::Report`]. Does not know what an
//! endpoint record looks like, when a request is due, or what follows from a report.
//!
//! | file | owns |
//! |---|---|
//! | [`address`] | which addresses may be called (pure) |
//! | [`url`] | what the URL of an endpoint may look like (pure) |
//! | [`protocol`] | request bodies (pure) |
//! | [`sign`] | Standard Webhooks signatures (pure) |
//! | [`header`] | request headers, the custom ones included (pure) |
//! | [`exchange`] | what came back, as plain data (pure) |
//! | [`answer`], [`hint`] | reading that data into reports with plain hints (pure) |
//! | [`resolve`] | from a name to its addresses |
//! | [`connect`] | check, connect, TLS |
//! | [`http`] | one POST within one deadline |

pub mod address;
pub mod answer;
pub mod connect;
pub mod exchange;
pub mod header;
pub mod hint;
pub mod http;
pub mod protocol;
pub mod resolve;
pub mod sign;
pub mod url;
