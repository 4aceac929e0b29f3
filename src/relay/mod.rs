//! The relay: joins the engine, the store and delivery.
//!
//! | file | owns |
//! |---|---|
//! | `engine/` | every decision, pure |
//! | `facts.rs` | from an endpoint's record to the engine's view of it |
//! | `records.rs` | from the engine's changes to stored records and back |
//! | `tail.rs` | who wants a new message |
//!
//! Does not know the surfaces that put messages into the log.

pub mod engine;
pub mod facts;
pub mod persist;
pub mod reader;
pub mod records;
pub mod recover;
pub mod tail;
