//! hookrelay: a webhook notification relay in one binary with one data directory.
//!
//! Clients change things through inbound API surfaces. Every change is stored together with its
//! notifications ("messages") in one atomic commit; the relay delivers those messages in batches
//! to the account's endpoints and enqueues a batch again until the consumer confirms it.
//!
//! # The way of one message
//!
//! ```text
//! request ─► api/<surface>  decode ─► auth (who?) ─► limit (how often?) ─► domain function in a transaction
//!              └► store.submit(records + messages)      one atomic, durable, group-committed write
//!                   ├► the surface answers
//!                   └► feed ─► relay (shell) ─► relay::engine (pure: what next, and when?)
//!                                └► delivery: authenticate or post, read the answer
//!                                     └► outcome ─► engine ─► store.submit(settle) ─► next
//! ```
//!
//! # Rooms
//!
//! | room | the question it answers |
//! |---|---|
//! | [`clock`], [`id`], [`error`], [`json`], [`attempt`], [`live`] | words that every room shares |
//! | [`store`] | what survives a crash? |
//! | [`domain`] | what is the business? |
//! | [`auth`] | who is calling, and who is answering? |
//! | [`relay`] | what is sent next, and when? The engine in it is pure |
//! | [`limit`] | how often may they? |
//! | [`api`] | how do callers speak to us? |
//! | [`delivery`] | how does one request leave this machine? |
//! | [`config`] | what does the operator set? |
//! | [`cli`] | what does the operator type? |
//! | [`consumer`] | how does a webhook consumer behave? (development and demonstration) |
//! | [`app`] | what is started and stopped, and in which order? |
//! | [`ops`] | what do the operator and the service manager see? |
//!
//! `tests/tidy` holds which room may import which.

pub mod api;
pub mod app;
pub mod attempt;
pub mod auth;
pub mod cli;
pub mod clock;
pub mod config;
pub mod consumer;
pub mod delivery;
pub mod domain;
pub mod error;
pub mod id;
pub mod json;
pub mod limit;
pub mod live;
pub mod ops;
pub mod relay;
pub mod store;
