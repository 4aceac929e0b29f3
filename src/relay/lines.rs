//! The log lines of the relay: attempts, states, deaths, and what the relay commits itself.
//!
//! Owns the fields of each line. A field that a kind of line does not have is left out; states
//! are stable words. Does not decide when a line is due, and never sees a payload or a secret.

use super::attempts::Under;
use super::persist::Persist;
use super::records;
use crate::attempt::{Class, Report};
use crate::clock::{Stopwatch, Timestamp};
use crate::domain::endpoint::{DisabledReason, Endpoint, Protocol};
use crate::id::{AccountId, EndpointId, MessageId, listed};
use crate::live::{EndpointNow, Health};

/// One line for each attempt; `ids` are its messages, `due` is when what was not confirmed is
/// sent again.
pub(super) fn attempt(
    record: &Endpoint,
    under: &Under,
    report: &Report,
    ids: &[MessageId],
    due: Option<Timestamp>,
) {
    let confirmed = matches!(report.class, Class::Ok | Class::OkRetry);
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(
                account = %record.account,
                endpoint = %record.id,
                kind = under.kind.as_str(),
                batch = under.batch.map(tracing::field::display),
                number = under.number,
                messages = under.messages,
                ids = (!ids.is_empty()).then(|| tracing::field::display(listed(ids))),
                class = report.class.as_str(),
                status = report.status,
                took_ms = report.took.0,
                due = due.map(tracing::field::display),
                hint = (!confirmed).then_some(report.hint.as_str()),
                "attempt"
            )
        };
    }
    if confirmed {
        line!(info);
    } else {
        line!(warn);
    }
}

/// One line when an endpoint becomes suspended or is open again.
pub(super) fn health(now: &EndpointNow, class: Class) {
    let (word, until) = match now.health {
        Health::Open { .. } => ("open", None),
        Health::Suspended { until } => ("suspended", Some(until)),
        Health::Probing => ("probing", None),
    };
    tracing::info!(
        account = %now.account,
        endpoint = %now.endpoint,
        health = word,
        until = until.map(tracing::field::display),
        pending = now.pending,
        class = class.as_str(),
        "endpoint health"
    );
}

/// One line for each endpoint whose order or authentication changed.
pub(super) fn state(before: Option<&Endpoint>, after: &Endpoint) {
    let state = after.authentication.state;
    let changed = before
        .is_none_or(|before| before.order != after.order || before.authentication.state != state);
    if !changed {
        return;
    }
    let proves = after.protocol == Protocol::Relay;
    tracing::info!(
        account = %after.account,
        endpoint = %after.id,
        order = after.order.as_str(),
        reason = after.order.reason().map(DisabledReason::as_str),
        authentication = proves.then(|| state.as_str()),
        until = state.until().filter(|_| proves).map(tracing::field::display),
        "endpoint state"
    );
}

/// One line for each range of messages that died.
pub(super) fn deaths(persist: &Persist) {
    for dead in persist.deaths() {
        tracing::warn!(
            account = %persist.account,
            endpoint = %persist.endpoint,
            first = %dead.first,
            last = %dead.last,
            count = dead.count,
            reason = records::dead_reason(dead.reason).as_str(),
            attempts = dead.attempts,
            class = dead.last_class.map(Class::as_str),
            status = dead.last_status,
            "messages are dead"
        );
    }
}

/// One line for each commit in which the relay tells something about `endpoint`: the operational
/// messages that it appended.
pub(super) fn committed(
    account: AccountId,
    endpoint: EndpointId,
    what: &'static str,
    appended: &[MessageId],
    watch: Stopwatch,
) {
    if appended.is_empty() {
        return;
    }
    tracing::info!(
        %account,
        %endpoint,
        by = "relay",
        what,
        messages = appended.len(),
        ids = %listed(appended),
        took_us = watch.micros(),
        "committed"
    );
}
