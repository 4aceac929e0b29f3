//! The relay: joins the engine, the store and delivery.
//!
//! | file | owns |
//! |---|---|
//! | `engine/` | every decision, pure |
//! | `shell.rs` | the loop that owns the engine |
//! | `actions.rs` | what the engine wants done |
//! | `outcomes.rs` | what came back |
//! | `follow.rs` | changed facts, new messages, orders |
//! | `attempts.rs` | what runs beside the loop: requests and changes of facts |
//! | `lines.rs` | what the log says of all this |
//! | `outbound.rs` | one request and its answer |
//! | `handle.rs` | the relay as others see it |
//! | `housekeeping.rs` | what is no longer needed goes |
//! | `indexing.rs` | what changed lately becomes part of the search index |
//! | `ledger.rs`, `audit.rs`, `references.rs` | whether what is stored agrees with itself |
//! | `persist.rs`, `reader.rs`, `recover.rs` | the engine's way to the store and back |
//! | `facts.rs` | from an endpoint's record to the engine's view of it |
//! | `records.rs` | from the engine's changes to stored records and back |
//! | `tail.rs`, `starting.rs` | who wants a new message; whose are not counted yet after a start |
//!
//! Does not know the surfaces that put messages into the log.

mod actions;
mod attempts;
pub mod audit;
pub mod engine;
pub mod facts;
mod follow;
pub mod handle;
pub mod housekeeping;
pub mod indexing;
pub mod ledger;
mod lines;
pub mod outbound;
mod outcomes;
pub mod persist;
pub mod reader;
pub mod records;
pub mod recover;
pub mod references;
pub mod shell;
mod starting;
pub mod tail;
