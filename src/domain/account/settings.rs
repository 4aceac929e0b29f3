//! What an operator sets for an account (`protocols/domain.md` 2.1).
//!
//! Owns the settings, their bounds, and that a host selects one account only. Does not know what
//! they are good for.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use url::Url;

use super::{Account, by_id};
use crate::domain::words::fold;
use crate::domain::zone::Zone;
use crate::domain::{text, user};
use crate::error::{Error, Result};
use crate::id::AccountId;
use crate::store::{Tx, keys};

/// Entries of a list.
const MAX_LIST: usize = 100;
/// Characters of a host name, of a name, and of a URL.
const MAX_HOST: usize = 253;
const MAX_NAME: usize = 255;
const MAX_URL: usize = 2048;

/// What an operator sets for an account (`protocols/domain.md` 2.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// The zone of its zone-less times.
    pub time_zone: Zone,
    /// Digits put before national phone numbers.
    pub default_country_code: Option<String>,
    /// The user who owns leads that come without one.
    pub default_owner: Option<u64>,
    /// Host names that select this account when a request carries no account credential.
    pub hosts: Vec<String>,
    /// Base of the links of `user_login_link`.
    pub dashboard_url: Option<String>,
    /// Base of the links of `create_hosted_checkout`.
    pub checkout_url: Option<String>,
    /// Sources that a lead may be given on the leads surface.
    pub lead_sources: Vec<String>,
    /// Statuses of its own; 0 is none.
    pub custom_statuses: Vec<CustomStatus>,
    /// Within how many seconds a conversation is due its first answer, by class.
    pub sla: ByClass,
    /// Conversations that one online agent takes at a time, by class.
    pub slots: ByClass,
}

/// A number for each class of conversations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct ByClass {
    pub tickets: u32,
    pub chats: u32,
    pub calls: u32,
}

/// Seconds until the first answer is due, if nothing is set.
const SLA: ByClass = ByClass {
    tickets: 86_400,
    chats: 120,
    calls: 60,
};
/// Conversations at a time, if nothing is set.
const SLOTS: ByClass = ByClass {
    tickets: 10,
    chats: 5,
    calls: 1,
};
/// The greatest of these numbers: a year, as seconds.
const MAX_BY_CLASS: u32 = 365 * 86_400;

/// A lead status of an account's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomStatus {
    /// From 1 upward.
    pub id: u32,
    /// Unique without regard to case.
    pub name: String,
}

impl Default for Settings {
    fn default() -> Self {
        let sources = "website, referral, social, campaign, email, phone, manual, other";
        Self {
            time_zone: Zone::default(),
            default_country_code: None,
            default_owner: None,
            hosts: Vec::new(),
            dashboard_url: None,
            checkout_url: None,
            lead_sources: sources.split(", ").map(str::to_owned).collect(),
            custom_statuses: Vec::new(),
            sla: SLA,
            slots: SLOTS,
        }
    }
}

/// What is to be set: none leaves a setting as it is. An empty text or a zero clears one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Changes {
    /// An IANA name.
    pub time_zone: Option<String>,
    /// 1 to 3 digits.
    pub default_country_code: Option<String>,
    /// A user's integer id.
    pub default_owner: Option<u64>,
    /// All of them.
    pub hosts: Option<Vec<String>>,
    /// An absolute URL.
    pub dashboard_url: Option<String>,
    /// An absolute URL.
    pub checkout_url: Option<String>,
    /// All of them.
    pub lead_sources: Option<Vec<String>>,
    /// All of them.
    pub custom_statuses: Option<Vec<CustomStatus>>,
    /// All three, each from 1 on.
    pub sla: Option<ByClass>,
    /// All three, each from 1 on.
    pub slots: Option<ByClass>,
}

/// Sets what is to be set, or nothing of it.
pub async fn set(tx: &Tx, id: AccountId, changes: &Changes) -> Result<Account> {
    let mut account = by_id(tx, id).await?;
    let settings = &mut account.settings;
    if let Some(name) = &changes.time_zone {
        let known = Zone::named(name);
        settings.time_zone = known.ok_or_else(|| {
            Error::invalid("time_zone", "must be an IANA name, such as Europe/Berlin")
        })?;
    }
    if let Some(code) = &changes.default_country_code {
        settings.default_country_code = country_code(code)?;
    }
    if let Some(owner) = changes.default_owner {
        let known = owner == 0 || user::by_id(tx, id, owner).await?.is_some();
        if !known {
            return Err(Error::invalid("default_owner", "there is no such user"));
        }
        settings.default_owner = Some(owner).filter(|owner| *owner != 0);
    }
    if let Some(hosts) = &changes.hosts {
        let hosts = hosts_of(hosts)?;
        select(tx, id, &settings.hosts, &hosts).await?;
        settings.hosts = hosts;
    }
    if let Some(url) = &changes.dashboard_url {
        settings.dashboard_url = base("dashboard_url", url)?;
    }
    if let Some(url) = &changes.checkout_url {
        settings.checkout_url = base("checkout_url", url)?;
    }
    if let Some(sources) = &changes.lead_sources {
        settings.lead_sources = names("lead_sources", sources)?;
    }
    if let Some(statuses) = &changes.custom_statuses {
        settings.custom_statuses = statuses_of(statuses)?;
    }
    if let Some(sla) = changes.sla {
        settings.sla = by_class("sla", sla)?;
    }
    if let Some(slots) = changes.slots {
        settings.slots = by_class("slots", slots)?;
    }
    if by_id(tx, id).await? != account {
        tx.put(keys::account(id), &account)?;
    }
    Ok(account)
}

/// Makes `wanted` select this account instead of `before`.
async fn select(tx: &Tx, id: AccountId, before: &[String], wanted: &[String]) -> Result<()> {
    for host in before.iter().filter(|host| !wanted.contains(host)) {
        tx.delete(keys::host(host));
    }
    for host in wanted.iter().filter(|host| !before.contains(host)) {
        let key = keys::host(host);
        if tx.get(&key).await?.is_some() {
            let message = format!("The host {host} selects another account already");
            return Err(Error::conflict(message));
        }
        tx.put(key, &id)?;
    }
    Ok(())
}

fn by_class(field: &'static str, given: ByClass) -> Result<ByClass> {
    let numbers = [given.tickets, given.chats, given.calls];
    if numbers
        .iter()
        .all(|number| (1..=MAX_BY_CLASS).contains(number))
    {
        return Ok(given);
    }
    Err(Error::invalid(field, "must be numbers from 1 to 31536000"))
}

fn country_code(code: &str) -> Result<Option<String>> {
    let is_code = |code: &str| {
        code.len() <= 3 && !code.starts_with('0') && code.bytes().all(|byte| byte.is_ascii_digit())
    };
    match code.trim() {
        "" => Ok(None),
        code if is_code(code) => Ok(Some(code.to_owned())),
        _ => Err(Error::invalid(
            "default_country_code",
            "must be 1 to 3 digits, such as 49",
        )),
    }
}

fn hosts_of(hosts: &[String]) -> Result<Vec<String>> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._[]:".contains(&byte);
    let hosts: BTreeSet<String> = hosts
        .iter()
        .map(|host| host.trim().to_ascii_lowercase())
        .collect();
    let is_host = |host: &String| (1..=MAX_HOST).contains(&host.len()) && host.bytes().all(allowed);
    if hosts.len() > MAX_LIST || !hosts.iter().all(is_host) {
        let message = "must be at most 100 host names without scheme, port or path";
        return Err(Error::invalid("hosts", message));
    }
    Ok(hosts.into_iter().collect())
}

fn base(field: &'static str, text: &str) -> Result<Option<String>> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let url = Url::parse(text).ok();
    let is_web = url.is_some_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if is_web && text.len() <= MAX_URL {
        return Ok(Some(text.to_owned()));
    }
    Err(Error::invalid(
        field,
        "must be an absolute http or https URL",
    ))
}

fn names(field: &'static str, given: &[String]) -> Result<Vec<String>> {
    let mut names: Vec<String> = Vec::with_capacity(given.len());
    for name in given {
        let name = text::name(field, name, MAX_NAME)?;
        if names.iter().any(|known| fold(known) == fold(&name)) {
            return Err(Error::invalid(field, format!("{name} is there twice")));
        }
        names.push(name);
    }
    if names.len() > MAX_LIST {
        return Err(Error::invalid(field, "must be at most 100"));
    }
    Ok(names)
}

fn statuses_of(given: &[CustomStatus]) -> Result<Vec<CustomStatus>> {
    const FIELD: &str = "custom_statuses";
    let texts: Vec<String> = given.iter().map(|status| status.name.clone()).collect();
    let names = names(FIELD, &texts)?;
    let ids: BTreeSet<u32> = given.iter().map(|status| status.id).collect();
    if ids.len() < given.len() || ids.contains(&0) {
        return Err(Error::invalid(
            FIELD,
            "must have ids of their own, from 1 upward",
        ));
    }
    let statuses = given.iter().zip(names);
    Ok(statuses
        .map(|(status, name)| CustomStatus {
            id: status.id,
            name,
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_bounded() {
        assert_eq!(country_code("49").unwrap().as_deref(), Some("49"));
        assert_eq!(country_code("").unwrap(), None);
        for wrong in ["049", "4x", "1234", "+1"] {
            country_code(wrong).unwrap_err();
        }
        let hosts =
            |given: &[&str]| hosts_of(&given.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>());
        assert_eq!(
            hosts(&["Shop.Example", "shop.example "]).unwrap(),
            ["shop.example"]
        );
        for wrong in ["", "a b", "https://x", "x/y", "ä"] {
            hosts(&[wrong]).unwrap_err();
        }
        let many: Vec<String> = (0..101).map(|number| format!("h{number}")).collect();
        hosts_of(&many).unwrap_err();
        assert_eq!(
            base("x", "https://a.example/b").unwrap().as_deref(),
            Some("https://a.example/b")
        );
        for wrong in ["a.example", "ftp://a.example", "/x"] {
            base("x", wrong).unwrap_err();
        }
        let status = |id, name: &str| CustomStatus {
            id,
            name: name.into(),
        };
        statuses_of(&[status(1, "Hot"), status(7, "Cold")]).unwrap();
        for wrong in [
            [status(0, "a"), status(1, "b")],
            [status(1, "a"), status(1, "b")],
            [status(1, "a"), status(2, "A")],
            [status(1, ""), status(2, "A")],
        ] {
            statuses_of(&wrong).unwrap_err();
        }
    }
}
