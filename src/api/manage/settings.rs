//! Endpoint settings as they come in JSON.
//!
//! Owns the wire names and units (`protocols/notifications.md` 2.1; times in seconds). The bounds
//! are the domain's, the rules for URLs and headers delivery's.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::UrlRules;
use crate::auth::caller::Secrets;
use crate::clock::Millis;
use crate::domain::endpoint::{Ordering, Protocol, ScheduleOverride};
use crate::domain::registration::Change;
use crate::domain::secret::{Context, Sealed};
use crate::error::{Error, Result};
use crate::id::EndpointId;

/// Custom headers of an endpoint, and the bytes of all their names and values.
const MAX_HEADERS: usize = 20;
const MAX_HEADER_BYTES: usize = 8 * 1024;
/// Bytes of a URL.
const MAX_URL: usize = 2048;

/// The settings of a POST or PATCH; what is absent or null stays as it is.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SettingsWire {
    url: Option<String>,
    login: Option<String>,
    description: Option<String>,
    types: Option<Vec<String>>,
    protocol: Option<Protocol>,
    send_key: Option<bool>,
    send_messages: Option<bool>,
    ignore_confirmation: Option<bool>,
    strict_fields: Option<bool>,
    ordering: Option<Ordering>,
    max_messages: Option<u32>,
    max_bytes: Option<u32>,
    auth_lifetime: Option<u64>,
    headers: Option<BTreeMap<String, String>>,
    schedule: Option<ScheduleWire>,
    /// On or off; the route sees to it.
    pub enabled: Option<bool>,
}

/// Retry settings of an endpoint's own; times in seconds.
#[derive(Debug, Default, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScheduleWire {
    #[serde(skip_serializing_if = "Option::is_none")]
    initial: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    multiplier: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_interval: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_attempts: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_age: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disable_after: Option<u64>,
}

impl ScheduleWire {
    /// The wire form of stored settings.
    pub fn of(schedule: &ScheduleOverride) -> Self {
        let seconds = |time: Option<Millis>| time.map(|time| time.0 / 1000);
        Self {
            initial: seconds(schedule.initial),
            multiplier: schedule
                .multiplier_milli
                .map(|milli| f64::from(milli) / 1000.0),
            max_interval: seconds(schedule.max_interval),
            max_attempts: schedule.max_attempts,
            max_age: seconds(schedule.max_age),
            disable_after: seconds(schedule.disable_after),
        }
    }

    fn decode(self) -> Result<ScheduleOverride> {
        let milli = match self.multiplier {
            None => None,
            Some(factor) if (1.0..=10.0).contains(&factor) => {
                // Between 1000 and 10000 by the check above.
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
                let milli = (factor * 1000.0).round() as u32;
                Some(milli)
            }
            Some(_) => return Err(Error::invalid("schedule.multiplier", "must be 1 to 10")),
        };
        Ok(ScheduleOverride {
            initial: self.initial.map(Millis::seconds),
            multiplier_milli: milli,
            max_interval: self.max_interval.map(Millis::seconds),
            max_attempts: self.max_attempts,
            max_age: self.max_age.map(Millis::seconds),
            disable_after: self.disable_after.map(Millis::seconds),
        })
    }
}

impl SettingsWire {
    /// The change they ask of `endpoint`, with URL and headers allowed and headers sealed.
    pub fn decode(
        self,
        endpoint: EndpointId,
        rules: &dyn UrlRules,
        secrets: &dyn Secrets,
    ) -> Result<Change> {
        if let Some(url) = &self.url {
            if url.len() > MAX_URL {
                return Err(Error::invalid("url", "must have at most 2048 bytes"));
            }
            rules
                .check_url(url)
                .map_err(|message| Error::invalid("url", message))?;
        }
        let headers = match self.headers {
            None => None,
            Some(headers) if headers.is_empty() => Some(None),
            Some(headers) => Some(Some(seal_headers(endpoint, &headers, rules, secrets)?)),
        };
        Ok(Change {
            url: self.url,
            login: self.login,
            description: self.description,
            types: self.types,
            protocol: self.protocol,
            send_key: self.send_key,
            send_messages: self.send_messages,
            ignore_confirmation: self.ignore_confirmation,
            strict_fields: self.strict_fields,
            ordering: self.ordering,
            max_messages: self.max_messages,
            max_bytes: self.max_bytes,
            auth_lifetime: self.auth_lifetime.map(Millis::seconds),
            headers,
            schedule: self.schedule.map(ScheduleWire::decode).transpose()?,
        })
    }
}

fn seal_headers(
    endpoint: EndpointId,
    headers: &BTreeMap<String, String>,
    rules: &dyn UrlRules,
    secrets: &dyn Secrets,
) -> Result<Sealed> {
    let fault = |message: String| Error::invalid("headers", message);
    let bytes: usize = headers
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    if headers.len() > MAX_HEADERS || bytes > MAX_HEADER_BYTES {
        return Err(fault("must be at most 20 with 8192 bytes together".into()));
    }
    let mut names = BTreeSet::new();
    for (name, value) in headers {
        rules.check_header(name, value).map_err(fault)?;
        if !names.insert(name.to_ascii_lowercase()) {
            return Err(fault(format!("{name} is given twice")));
        }
    }
    let list: Vec<(&String, &String)> = headers.iter().collect();
    let text = zeroize::Zeroizing::new(serde_json::to_string(&list).map_err(|error| {
        tracing::error!(%error, "headers cannot be encoded");
        Error::internal()
    })?);
    secrets.seal(Context::Headers(endpoint), &text)
}

/// The names of an endpoint's custom headers.
pub fn header_names(
    endpoint: EndpointId,
    headers: Option<&Sealed>,
    secrets: &dyn Secrets,
) -> Result<Vec<String>> {
    let Some(sealed) = headers else {
        return Ok(Vec::new());
    };
    let text = secrets.open(Context::Headers(endpoint), sealed)?;
    // The values are stepped over, so no copy of them is made.
    let list: Vec<(String, serde::de::IgnoredAny)> =
        serde_json::from_str(&text).map_err(|error| {
            tracing::error!(%endpoint, line = error.line(), "sealed headers are not a list");
            Error::internal()
        })?;
    Ok(list.into_iter().map(|(name, _)| name).collect())
}
