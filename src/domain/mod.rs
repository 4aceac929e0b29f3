//! The business: accounts, credentials, endpoints and events.
//!
//! Owns the records and the functions over a transaction that change them and append their
//! notifications in the same commit. Does not know surfaces, wire forms of requests, the relay,
//! or a concrete store.

pub mod account;
pub mod acknowledgement;
pub mod actor;
pub mod address;
pub mod api_key;
pub mod api_login;
pub mod appointment;
pub mod attempt_log;
pub mod authentication;
pub mod change;
pub mod checkout;
pub mod code;
pub mod contact;
pub mod conversation;
pub mod credit;
pub mod day;
pub mod dead_letter;
pub mod department;
pub mod endpoint;
pub mod event;
#[cfg(test)]
mod fixture;
pub mod idempotency;
pub mod invite;
pub mod job;
pub mod kb;
pub mod layout;
pub mod lead;
pub mod list;
pub mod login_link;
pub mod message;
pub mod order;
pub mod pending;
pub mod phone;
pub mod registration;
pub mod release;
pub mod remote_data;
pub mod search;
pub mod secret;
pub mod sequence;
pub mod sub_account;
pub mod subject;
pub mod system_email;
pub mod tag;
pub mod text;
pub mod usage;
pub mod user;
pub mod user_token;
pub mod words;
pub mod zone;
