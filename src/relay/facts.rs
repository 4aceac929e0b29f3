//! From an endpoint's record to what the engine needs to know of it.
//!
//! Owns the translation and the defaults of retry settings. Does not know the queue.

use super::engine::schedule;
use super::engine::{Auth, Order, Spec};
use crate::domain::endpoint::{self, AuthState, Endpoint, Ordering, Protocol};

/// What the engine needs of a record, with `defaults` where the endpoint has no setting of its
/// own.
pub fn spec(record: &Endpoint, defaults: &schedule::Settings) -> Spec {
    let own = &record.schedule;
    let auth = &record.authentication;
    let standard = record.protocol == Protocol::Standard;
    Spec {
        account: record.account,
        endpoint: record.id,
        start: record.start,
        order: match record.order {
            endpoint::Order::Enabled => Order::Enabled,
            endpoint::Order::OnHold => Order::OnHold,
            endpoint::Order::Disabled(_) => Order::Disabled,
        },
        auth: match auth.state {
            _ if standard => Auth::NotNeeded,
            // Verifying in the record with no request of ours under way is a request that was
            // lost with the process; its failure count stands.
            AuthState::Unverified | AuthState::Verifying => Auth::Unverified {
                since: auth.since,
                failures: auth.failures,
                asked: auth.asked,
            },
            AuthState::AwaitingConfirmation { until } => Auth::AwaitingConfirmation { until },
            AuthState::Verified { until } => Auth::Verified { until },
        },
        generation: auth.generation,
        strict: record.ordering == Ordering::Strict,
        thin: !record.send_messages && !standard,
        ignore_confirmation: record.ignore_confirmation,
        standard,
        max_messages: record.max_messages,
        max_bytes: u64::from(record.max_bytes),
        schedule: schedule::Settings {
            initial: own.initial.unwrap_or(defaults.initial),
            multiplier_milli: own.multiplier_milli.unwrap_or(defaults.multiplier_milli),
            max_interval: own.max_interval.unwrap_or(defaults.max_interval),
            max_attempts: own.max_attempts.unwrap_or(defaults.max_attempts),
            max_age: own.max_age.unwrap_or(defaults.max_age),
            disable_after: own.disable_after.unwrap_or(defaults.disable_after),
            ..*defaults
        },
        offered_since: record.offered_since,
    }
}
