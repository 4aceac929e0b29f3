//! How callers speak to us: the listeners and the surfaces behind them.
//!
//! `front` owns sockets and the order of checks; each surface owns its routes, its decoding and
//! its wire forms. No surface knows another one, the relay or a concrete store.

pub mod admin;
pub mod command;
pub mod dialect;
pub mod front;
pub mod helpdesk;
pub mod manage;
