//! Registering endpoints: creating, changing and removing them.
//!
//! Owns the bounds of every setting (`protocols/notifications.md` 2.1) and what follows from a
//! change. Does not know which URLs and headers are allowed: delivery does, and the surface asks
//! it first.

use super::endpoint::{
    AuthState, Authentication, DisabledReason, Endpoint, FilterVersion, Order, Ordering, Protocol,
    ScheduleOverride, load, save,
};
use super::message::MAX_TYPE;
use super::secret::Sealed;
use super::{account, text};
use crate::clock::Millis;
use crate::error::{Error, Result};
use crate::id::{AccountId, EndpointId, Seq};
use crate::store::{KeyRange, Tx, keys};

/// Filter versions that an endpoint remembers before those nobody needs are forgotten.
const MAX_FILTERS: usize = 64;
/// Entries of a type filter.
const MAX_TYPES: usize = 100;
/// Characters of a description.
const MAX_DESCRIPTION: usize = 256;
/// Dead letters of an endpoint that one commit removes.
const MAX_REMOVED: usize = 4096;

/// Settings to change; what is none stays (or has its default at creation).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Change {
    /// Where requests go; allowed by delivery's rules.
    pub url: Option<String>,
    /// API login of the account.
    pub login: Option<String>,
    /// The operator's note.
    pub description: Option<String>,
    /// Event types, or prefixes with a trailing `*`.
    pub types: Option<Vec<String>>,
    /// How requests look.
    pub protocol: Option<Protocol>,
    /// Key authentication.
    pub send_key: Option<bool>,
    /// Off = thin mode.
    pub send_messages: Option<bool>,
    /// A response head is confirmation enough.
    pub ignore_confirmation: Option<bool>,
    /// Omit our own members.
    pub strict_fields: Option<bool>,
    /// Order between requests.
    pub ordering: Option<Ordering>,
    /// 1-1000.
    pub max_messages: Option<u32>,
    /// 1024-16777216.
    pub max_bytes: Option<u32>,
    /// One minute to 30 days.
    pub auth_lifetime: Option<Millis>,
    /// Sealed custom headers; the inner none removes them.
    pub headers: Option<Option<Sealed>>,
    /// Replaces the endpoint's own retry settings as a whole.
    pub schedule: Option<ScheduleOverride>,
}

/// What only a new endpoint has.
#[derive(Debug, Clone)]
pub struct NewEndpoint {
    /// A fresh reference.
    pub id: EndpointId,
    /// Its signing secret, sealed.
    pub signing_secret: Sealed,
    /// Off from the start.
    pub disabled: bool,
    /// Its settings; the URL is required, the login defaults to the account's first one.
    pub settings: Change,
}

/// Registers an endpoint. It is offered what is committed after it.
pub async fn create(tx: &Tx, account: AccountId, new: &NewEndpoint) -> Result<Endpoint> {
    account::must_be_open(tx, account).await?;
    let settings = &new.settings;
    let Some(url) = settings.url.clone() else {
        return Err(Error::invalid("url", "is required"));
    };
    let login = match &settings.login {
        Some(login) => login.clone(),
        None => first_login(tx, account).await?,
    };
    let now = tx.now();
    let start = tx.head(account).await?.last.next();
    let order = if new.disabled {
        Order::Disabled(DisabledReason::Operator)
    } else {
        Order::Enabled
    };
    let mut endpoint = Endpoint {
        id: new.id,
        account,
        login,
        url,
        description: String::new(),
        created_at: now,
        start,
        filters: vec![FilterVersion {
            from: start,
            types: vec!["*".to_owned()],
        }],
        protocol: Protocol::Relay,
        send_key: true,
        send_messages: true,
        ignore_confirmation: false,
        strict_fields: false,
        ordering: Ordering::Relaxed,
        max_messages: 100,
        max_bytes: 262_144,
        auth_lifetime: Millis::hours(24),
        headers: None,
        schedule: ScheduleOverride::default(),
        signing_secret: new.signing_secret.clone(),
        retiring_secret: None,
        order,
        order_since: now,
        offered_since: now,
        authentication: Authentication {
            asked: false,
            state: AuthState::Unverified,
            since: now,
            failures: 0,
            generation: 0,
            offered_keys: Vec::new(),
        },
    };
    apply(tx, &mut endpoint, settings, Seq(0)).await?;
    save(tx, &endpoint)?;
    Ok(endpoint)
}

/// Changes settings. Everything up to `settled` needs no filter version of its own any more.
pub async fn update(
    tx: &Tx,
    account: AccountId,
    id: EndpointId,
    change: &Change,
    settled: Seq,
) -> Result<Endpoint> {
    let mut endpoint = load(tx, account, id).await?;
    let before = endpoint.clone();
    apply(tx, &mut endpoint, change, settled).await?;
    let proves_another = before.url != endpoint.url
        || before.login != endpoint.login
        || before.send_key != endpoint.send_key
        || before.protocol != endpoint.protocol;
    if proves_another {
        endpoint.distrust(tx.now());
    }
    if endpoint != before {
        save(tx, &endpoint)?;
    }
    Ok(endpoint)
}

/// At most `limit` endpoints behind `after`, by reference.
pub async fn list(
    tx: &Tx,
    account: AccountId,
    after: Option<EndpointId>,
    limit: usize,
) -> Result<Vec<Endpoint>> {
    let mut range = keys::endpoints(account);
    if let Some(after) = after {
        range = range.following(&keys::endpoint(account, after));
    }
    let found = tx.read_range(&range, limit).await?;
    Ok(found.into_iter().map(|(_, endpoint)| endpoint).collect())
}

/// Everything that is stored for an endpoint beside its own record, what there can be most of
/// first.
fn belongings(account: AccountId, id: EndpointId) -> [KeyRange; 7] {
    let single = |key: keys::Key| KeyRange {
        end: keys::Key::from_stored(format!("{key}\u{1}")),
        start: key,
        newest_first: false,
    };
    [
        keys::dead_ranges(account, id),
        keys::attempts(account, id),
        keys::orders(account, id),
        keys::jobs(account, id),
        keys::batches(account, id),
        single(keys::acked(account, id)),
        single(keys::cursor(account, id)),
    ]
}

/// Puts an endpoint on hold, so that the relay writes nothing more for it while it is removed, and
/// removes dead letters until one commit can take the rest of its records. False when this commit
/// did not come that far and the call must be repeated. The endpoint still stands.
pub async fn make_removable(tx: &Tx, account: AccountId, id: EndpointId) -> Result<bool> {
    let mut endpoint = load(tx, account, id).await?;
    if endpoint.order == Order::Enabled {
        endpoint.set_order(Order::OnHold, tx.now());
        save(tx, &endpoint)?;
    }
    let range = keys::dead_ranges(account, id);
    // Everything but dead letters is bounded by the engine and by the ring of attempts.
    let found = tx.scan(&range, 2 * MAX_REMOVED).await?;
    let Some(excess) = found.len().checked_sub(MAX_REMOVED).filter(|n| *n > 0) else {
        return Ok(true);
    };
    for (key, _) in found.into_iter().take(excess) {
        tx.delete(key);
    }
    Ok(excess < MAX_REMOVED)
}

/// Removes an endpoint with everything that is stored for it, in this one commit.
pub async fn remove(tx: &Tx, account: AccountId, id: EndpointId) -> Result<()> {
    load(tx, account, id).await?;
    for range in belongings(account, id) {
        let found = tx.scan(&range, 2 * MAX_REMOVED).await?;
        if found.len() == 2 * MAX_REMOVED {
            return Err(Error::conflict("The endpoint is too busy; try again"));
        }
        for (key, _) in found {
            tx.delete(key);
        }
    }
    tx.delete(keys::endpoint(account, id));
    Ok(())
}

async fn first_login(tx: &Tx, account: AccountId) -> Result<String> {
    let found = tx
        .read_range::<String>(&keys::account_logins(account), 1)
        .await?;
    match found.into_iter().next() {
        Some((_, login)) => Ok(login),
        None => Err(Error::invalid("login", "the account has no API login")),
    }
}

async fn apply(tx: &Tx, endpoint: &mut Endpoint, change: &Change, settled: Seq) -> Result<()> {
    if let Some(login) = &change.login {
        let known = tx
            .get(&keys::account_login(endpoint.account, login))
            .await?;
        if known.is_none() {
            return Err(Error::invalid(
                "login",
                "is not an API login of this account",
            ));
        }
        endpoint.login.clone_from(login);
    }
    if let Some(types) = &change.types {
        check_types(types)?;
        let from = tx.head(endpoint.account).await?.last.next();
        set_types(endpoint, types, from, settled)?;
    }
    if let Some(url) = &change.url {
        endpoint.url.clone_from(url);
    }
    if let Some(description) = &change.description {
        endpoint.description = text::note("description", description, MAX_DESCRIPTION)?;
    }
    if let Some(headers) = &change.headers {
        endpoint.headers.clone_from(headers);
    }
    if let Some(schedule) = &change.schedule {
        check_schedule(schedule)?;
        endpoint.schedule = *schedule;
    }
    if let Some(n) = change.max_messages {
        endpoint.max_messages = within("max_messages", n, 1, 1000)?;
    }
    if let Some(n) = change.max_bytes {
        endpoint.max_bytes = within("max_bytes", n, 1024, 16 * 1024 * 1024)?;
    }
    if let Some(lifetime) = change.auth_lifetime {
        let (least, most) = (Millis::minutes(1), Millis::days(30));
        endpoint.auth_lifetime = span("auth_lifetime", lifetime, least, most)?;
    }
    set(&mut endpoint.protocol, change.protocol);
    set(&mut endpoint.send_key, change.send_key);
    set(&mut endpoint.send_messages, change.send_messages);
    set(
        &mut endpoint.ignore_confirmation,
        change.ignore_confirmation,
    );
    set(&mut endpoint.strict_fields, change.strict_fields);
    set(&mut endpoint.ordering, change.ordering);
    if endpoint.protocol == Protocol::Standard && !endpoint.send_messages {
        let message = "the standard protocol always sends its message";
        return Err(Error::invalid("send_messages", message));
    }
    Ok(())
}

fn set<T>(setting: &mut T, change: Option<T>) {
    if let Some(value) = change {
        *setting = value;
    }
}

fn within(field: &'static str, value: u32, least: u32, most: u32) -> Result<u32> {
    if (least..=most).contains(&value) {
        Ok(value)
    } else {
        Err(Error::invalid(field, format!("must be {least} to {most}")))
    }
}

fn span(field: &'static str, value: Millis, least: Millis, most: Millis) -> Result<Millis> {
    if (least..=most).contains(&value) {
        Ok(value)
    } else {
        let (least, most) = (least.0 / 1000, most.0 / 1000);
        Err(Error::invalid(
            field,
            format!("must be {least} to {most} seconds"),
        ))
    }
}

fn check_types(types: &[String]) -> Result<()> {
    if types.is_empty() || types.len() > MAX_TYPES {
        let message = "must have 1 to 100 entries; disable the endpoint to receive nothing";
        return Err(Error::invalid("types", message));
    }
    let is_entry = |entry: &String| {
        let name = entry.strip_suffix('*').unwrap_or(entry);
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:/".contains(&byte);
        !entry.is_empty() && name.len() <= MAX_TYPE && name.bytes().all(plain)
    };
    match types.iter().find(|entry| !is_entry(entry)) {
        None => Ok(()),
        Some(entry) => {
            let shown: String = entry.chars().take(MAX_TYPE).collect();
            let message = format!("{shown:?} is neither a type nor a prefix with a trailing \"*\"");
            Err(Error::invalid("types", message))
        }
    }
}

fn set_types(endpoint: &mut Endpoint, types: &[String], from: Seq, settled: Seq) -> Result<()> {
    let filters = &mut endpoint.filters;
    if filters.last().is_some_and(|last| last.types == types) {
        return Ok(());
    }
    // Nothing was committed since that version, so it holds for no message.
    filters.retain(|version| version.from < from);
    filters.push(FilterVersion {
        from,
        types: types.to_vec(),
    });
    if filters.len() > MAX_FILTERS {
        let needed = filters.partition_point(|version| version.from <= settled.next());
        filters.drain(..needed.saturating_sub(1));
    }
    if filters.len() > MAX_FILTERS {
        let message = "types changed too often while messages are pending; try again later";
        return Err(Error::conflict(message));
    }
    Ok(())
}

fn check_schedule(schedule: &ScheduleOverride) -> Result<()> {
    let second = Millis::seconds(1);
    if let Some(initial) = schedule.initial {
        span("schedule.initial", initial, second, Millis::hours(1))?;
    }
    if let Some(longest) = schedule.max_interval {
        let least = schedule.initial.unwrap_or(second);
        span("schedule.max_interval", longest, least, Millis::days(1))?;
    }
    if let Some(age) = schedule.max_age {
        span(
            "schedule.max_age",
            age,
            Millis::minutes(1),
            Millis::days(30),
        )?;
    }
    if let Some(after) = schedule.disable_after {
        let (least, most) = (Millis::minutes(1), Millis::days(365));
        span("schedule.disable_after", after, least, most)?;
    }
    if let Some(attempts) = schedule.max_attempts {
        within("schedule.max_attempts", attempts, 0, 10_000)?;
    }
    match schedule.multiplier_milli {
        Some(factor) if !(1000..=10_000).contains(&factor) => {
            Err(Error::invalid("schedule.multiplier", "must be 1 to 10"))
        }
        _ => Ok(()),
    }
}
