//! The inbound door over real sockets: order of checks, limits, surfaces, idempotency.
// What is set up for a test fails like the test itself.
#![allow(clippy::unwrap_used)]

#[path = "inbound/people.rs"]
mod people;
#[path = "inbound/world.rs"]
mod world;

#[path = "inbound/admin.rs"]
mod admin;
#[path = "inbound/command.rs"]
mod command;
#[path = "inbound/command_center.rs"]
mod command_center;
#[path = "inbound/command_customers.rs"]
mod command_customers;
#[path = "inbound/command_events.rs"]
mod command_events;
#[path = "inbound/command_lead_lists.rs"]
mod command_lead_lists;
#[path = "inbound/command_lead_rights.rs"]
mod command_lead_rights;
#[path = "inbound/command_leads.rs"]
mod command_leads;
#[path = "inbound/command_links.rs"]
mod command_links;
#[path = "inbound/command_logins.rs"]
mod command_logins;
#[path = "inbound/command_orders.rs"]
mod command_orders;
#[path = "inbound/command_users.rs"]
mod command_users;
#[path = "inbound/connections.rs"]
mod connections;
#[path = "inbound/endpoints.rs"]
mod endpoints;
#[path = "inbound/idempotency.rs"]
mod idempotency;
#[path = "inbound/limits.rs"]
mod limits;
#[path = "inbound/messages.rs"]
mod messages;
#[path = "inbound/operations.rs"]
mod operations;
#[path = "inbound/transport.rs"]
mod transport;
