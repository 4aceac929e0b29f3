//! The key layout: every key of the store is built here and nowhere else.
//!
//! Keys are readable ASCII paths. References have fixed width and numbers are zero-padded
//! hexadecimal, so keys sort as their parts do. Does not know what the values hold.
//!
//! | key | value |
//! |---|---|
//! | `installation` | what the installation keeps for itself |
//! | `release` | which version runs, and since when |
//! | `token-secret` | the key of the user tokens, sealed |
//! | `account/<account>` | an account |
//! | `account-name/<name>` | account id: names are unique for operators |
//! | `host/<host name, hex>` | account id: hosts are unique over all accounts |
//! | `login/<ai_login_id, hex>` | an API login, unique over all accounts |
//! | `login-hash/<16 hex>/<ai_login_id, hex>` | account id, by the first 8 bytes of the login's SHA-256 |
//! | `key/<digest>` | an API key, unique over all accounts |
//! | `account-key/<account>/<key id>` | digest |
//! | `account-login/<account>/<ai_login_id, hex>` | empty |
//! | `endpoint/<account>/<endpoint>` | settings, order and authentication of an endpoint |
//! | `cursor/<account>/<endpoint>` | cursor, counters and health |
//! | `batch/<account>/<endpoint>/<batch>` | an open batch |
//! | `dead/<account>/<endpoint>/<first seq>` | a dead range |
//! | `acked/<account>/<endpoint>` | ranges acknowledged above the cursor |
//! | `job/<account>/<endpoint>/<job>` | a replay or redrive |
//! | `order/<account>/<endpoint>/<order id>` | an acknowledgement waiting for the relay |
//! | `attempt/<account>/<endpoint>/<slot>` | one attempt; slots are used in rotation |
//! | `seen/<account>` | how far the tail reader has come |
//! | `idem/<account>/<surface>/<value>` | an idempotency record |
//! | `next/<account>/<kind>` | the next integer id of that kind |
//! | `<kind>/<account>/<id>` | an entity with an integer id; the kinds are in the table below |
//! | `<kind>/<account>/<owner id>/<id>` | an entity that belongs to another |
//! | `<index>/<account>/<text, hex>` | id, where the text is unique in the account |
//! | `<index>/<account>/<group, hex>/<id>` | empty: an entity under a value that several share |
//! | `<index>/<account>/<owner id>/<time>/<id>` | what its index says of an entity at a time |
//! | `end/<hour>/<key>` | empty: `key` may be removed after that hour |
//! | `log/<account>/<first seq>` | a block of messages (the store's own) |
//! | `meta/…` | the store's own bookkeeping |

use std::fmt;

use crate::clock::Timestamp;
use crate::id::{AccountId, BatchId, EndpointId, JobId, KeyId, Seq};

/// One key: a readable ASCII path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String);

impl Key {
    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A key read back from a store. Everything else uses the functions of this file.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The part behind the last `/`.
    pub fn last_part(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// The parts between the `/`.
    pub fn parts(&self) -> std::str::Split<'_, char> {
        self.0.split('/')
    }
}

impl fmt::Display for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// Keys from `start` (inclusive) to `end` (exclusive), in rising or falling order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRange {
    /// First key.
    pub start: Key,
    /// First key after the range.
    pub end: Key,
    /// Falling order: the last key of the range comes first.
    pub newest_first: bool,
}

impl KeyRange {
    /// Every key below the directory `prefix`, which ends in `/`.
    pub fn below(prefix: &str) -> Self {
        debug_assert!(prefix.ends_with('/'), "a directory ends in a slash");
        // '0' follows '/', so this is the first key after the directory.
        let end = format!("{}0", prefix.trim_end_matches('/'));
        Self {
            start: Key(prefix.to_owned()),
            end: Key(end),
            newest_first: false,
        }
    }

    /// The same range without the keys up to and including `key`, which may lie anywhere.
    #[must_use]
    pub fn following(mut self, key: &Key) -> Self {
        self.start = self.start.max(Key(format!("{key}\u{1}")));
        self.end = self.end.max(self.start.clone());
        self
    }

    /// The same range in falling order.
    #[must_use]
    pub fn newest_first(mut self) -> Self {
        self.newest_first = true;
        self
    }

    /// The same range from `id` on in its direction. It must hold all of a directory whose keys
    /// end in integer ids.
    #[must_use]
    pub fn from_id(mut self, id: u64) -> Self {
        let key = format!("{}{id:016x}", self.start);
        if self.newest_first {
            self.end = Key(format!("{key}\u{1}"));
        } else {
            self.start = Key(key);
        }
        self
    }

    /// Whether `key` is in the range.
    pub fn contains(&self, key: &Key) -> bool {
        *key >= self.start && *key < self.end
    }
}

/// Lower-case hexadecimal of any text: keeps `/` and order-breaking bytes out of keys.
fn hex(text: &[u8]) -> String {
    use fmt::Write;
    text.iter()
        .fold(String::with_capacity(text.len() * 2), |mut out, byte| {
            // Writing to a String cannot fail.
            let _ = write!(out, "{byte:02x}");
            out
        })
}

/// `installation`: what the installation keeps for itself.
pub fn installation() -> Key {
    Key("installation".to_owned())
}

/// `release`: which version runs, and since when.
pub fn release() -> Key {
    Key("release".to_owned())
}

/// `token-secret`: the key of the user tokens.
pub fn token_secret() -> Key {
    Key("token-secret".to_owned())
}

/// `account/<account>`.
pub fn account(account: AccountId) -> Key {
    Key(format!("account/{account}"))
}

/// All accounts.
pub fn accounts() -> KeyRange {
    KeyRange::below("account/")
}

/// `account-name/<name>`; the name is compared in lower case.
pub fn account_name(name: &str) -> Key {
    Key(format!(
        "account-name/{}",
        hex(name.to_lowercase().as_bytes())
    ))
}

/// `host/<host name>`.
pub fn host(name: &str) -> Key {
    Key(format!("host/{}", hex(name.as_bytes())))
}

/// `login/<ai_login_id>`.
pub fn login(ai_login_id: &str) -> Key {
    Key(format!("login/{}", hex(ai_login_id.as_bytes())))
}

/// `login-hash/<hash>/<ai_login_id>`; `hash` is the first 8 bytes of the login's SHA-256.
pub fn login_hash(hash: [u8; 8], ai_login_id: &str) -> Key {
    Key(format!(
        "login-hash/{}/{}",
        hex(&hash),
        hex(ai_login_id.as_bytes())
    ))
}

/// All logins with this hash.
pub fn login_hashes(hash: [u8; 8]) -> KeyRange {
    KeyRange::below(&format!("login-hash/{}/", hex(&hash)))
}

/// `account-login/<account>/<ai_login_id>`.
pub fn account_login(account: AccountId, ai_login_id: &str) -> Key {
    Key(format!(
        "account-login/{account}/{}",
        hex(ai_login_id.as_bytes())
    ))
}

/// All logins of an account.
pub fn account_logins(account: AccountId) -> KeyRange {
    KeyRange::below(&format!("account-login/{account}/"))
}

/// `key/<digest>`: an API key by the SHA-256 of its text.
pub fn api_key(digest: &[u8; 32]) -> Key {
    Key(format!("key/{}", hex(digest)))
}

/// `account-key/<account>/<key id>`.
pub fn account_key(account: AccountId, key: KeyId) -> Key {
    Key(format!("account-key/{account}/{key}"))
}

/// All API keys of an account.
pub fn account_keys(account: AccountId) -> KeyRange {
    KeyRange::below(&format!("account-key/{account}/"))
}

/// `endpoint/<account>/<endpoint>`.
pub fn endpoint(account: AccountId, endpoint: EndpointId) -> Key {
    Key(format!("endpoint/{account}/{endpoint}"))
}

/// All endpoints of an account.
pub fn endpoints(account: AccountId) -> KeyRange {
    KeyRange::below(&format!("endpoint/{account}/"))
}

/// All endpoints of the installation.
pub fn all_endpoints() -> KeyRange {
    KeyRange::below("endpoint/")
}

/// `cursor/<account>/<endpoint>`.
pub fn cursor(account: AccountId, endpoint: EndpointId) -> Key {
    Key(format!("cursor/{account}/{endpoint}"))
}

/// `batch/<account>/<endpoint>/<batch>`.
pub fn batch(account: AccountId, endpoint: EndpointId, batch: BatchId) -> Key {
    Key(format!("batch/{account}/{endpoint}/{batch}"))
}

/// All open batches of an endpoint.
pub fn batches(account: AccountId, endpoint: EndpointId) -> KeyRange {
    KeyRange::below(&format!("batch/{account}/{endpoint}/"))
}

/// `dead/<account>/<endpoint>/<first>`.
pub fn dead(account: AccountId, endpoint: EndpointId, first: Seq) -> Key {
    Key(format!("dead/{account}/{endpoint}/{:016x}", first.0))
}

/// All dead ranges of an endpoint, oldest first.
pub fn dead_ranges(account: AccountId, endpoint: EndpointId) -> KeyRange {
    KeyRange::below(&format!("dead/{account}/{endpoint}/"))
}

/// Dead ranges of an endpoint that begin at or before `seq`, the nearest first.
pub fn dead_ranges_until(account: AccountId, endpoint: EndpointId, seq: Seq) -> KeyRange {
    let mut range = dead_ranges(account, endpoint).newest_first();
    range.end = dead(account, endpoint, seq.next());
    range
}

/// `acked/<account>/<endpoint>`.
pub fn acked(account: AccountId, endpoint: EndpointId) -> Key {
    Key(format!("acked/{account}/{endpoint}"))
}

/// `job/<account>/<endpoint>/<job>`.
pub fn job(account: AccountId, endpoint: EndpointId, job: JobId) -> Key {
    Key(format!("job/{account}/{endpoint}/{job}"))
}

/// All jobs of an endpoint.
pub fn jobs(account: AccountId, endpoint: EndpointId) -> KeyRange {
    KeyRange::below(&format!("job/{account}/{endpoint}/"))
}

/// `order/<account>/<endpoint>/<order>`; `order` is any fresh reference.
pub fn order(account: AccountId, endpoint: EndpointId, order: JobId) -> Key {
    Key(format!("order/{account}/{endpoint}/{order}"))
}

/// All waiting orders of an endpoint.
pub fn orders(account: AccountId, endpoint: EndpointId) -> KeyRange {
    KeyRange::below(&format!("order/{account}/{endpoint}/"))
}

/// `attempt/<account>/<endpoint>/<slot>`.
pub fn attempt(account: AccountId, endpoint: EndpointId, slot: u64) -> Key {
    Key(format!("attempt/{account}/{endpoint}/{slot:04x}"))
}

/// All remembered attempts of an endpoint.
pub fn attempts(account: AccountId, endpoint: EndpointId) -> KeyRange {
    KeyRange::below(&format!("attempt/{account}/{endpoint}/"))
}

/// `seen/<account>`.
pub fn seen(account: AccountId) -> Key {
    Key(format!("seen/{account}"))
}

/// `idem/<account>/<surface>/<value>`.
pub fn idempotency(account: AccountId, surface: &str, value: &str) -> Key {
    Key(format!(
        "idem/{account}/{surface}/{}",
        hex(value.as_bytes())
    ))
}

/// `next/<account>/<kind>`.
pub fn counter(account: AccountId, kind: &str) -> Key {
    Key(format!("next/{account}/{kind}"))
}

/// `<kind>/<account>/<id>`.
pub fn record(kind: &str, account: AccountId, id: u64) -> Key {
    Key(format!("{kind}/{account}/{id:016x}"))
}

/// All entities of a kind, by id.
pub fn records(kind: &str, account: AccountId) -> KeyRange {
    KeyRange::below(&format!("{kind}/{account}/"))
}

/// `<kind>/<account>/<owner>/<id>`.
pub fn part(kind: &str, account: AccountId, owner: u64, id: u64) -> Key {
    Key(format!("{kind}/{account}/{owner:016x}/{id:016x}"))
}

/// All entities of a kind that belong to `owner`, by id.
pub fn parts(kind: &str, account: AccountId, owner: u64) -> KeyRange {
    KeyRange::below(&format!("{kind}/{account}/{owner:016x}/"))
}

/// `<index>/<account>/<text>`: a text as it is compared.
pub fn unique(index: &str, account: AccountId, text: &str) -> Key {
    Key(format!("{index}/{account}/{}", hex(text.as_bytes())))
}

/// `<index>/<account>/<group>/<id>`: a value as it is compared.
pub fn member(index: &str, account: AccountId, group: &str, id: u64) -> Key {
    Key(format!(
        "{index}/{account}/{}/{id:016x}",
        hex(group.as_bytes())
    ))
}

/// All entities under a value, by id.
pub fn members(index: &str, account: AccountId, group: &str) -> KeyRange {
    KeyRange::below(&format!("{index}/{account}/{}/", hex(group.as_bytes())))
}

/// `<index>/<account>/<owner>/<time>/<id>`: an entity at a time.
pub fn timed(index: &str, account: AccountId, owner: u64, time: Timestamp, id: u64) -> Key {
    Key(format!(
        "{index}/{account}/{owner:016x}/{:016x}/{id:016x}",
        time.0
    ))
}

/// All entities from one time to another, both inclusive, by time, then id.
pub fn between(
    index: &str,
    account: AccountId,
    owner: u64,
    from: Timestamp,
    until: Timestamp,
) -> KeyRange {
    let directory = format!("{index}/{account}/{owner:016x}");
    KeyRange {
        start: Key(format!("{directory}/{:016x}/", from.0)),
        // '0' follows '/', so this is the first key after the last time.
        end: Key(format!("{directory}/{:016x}0", until.0)),
        newest_first: false,
    }
}

/// The time in a key of [`timed`].
pub fn time_of(key: &Key) -> Option<Timestamp> {
    let time = key.0.rsplit('/').nth(1)?;
    u64::from_str_radix(time, 16).ok().map(Timestamp)
}

/// The integer id at the end of a key.
pub fn id_of(key: &Key) -> Option<u64> {
    u64::from_str_radix(key.last_part(), 16).ok()
}

/// `end/<hour>/<key>`: `key` may be removed once the hour of `time` is over.
pub fn end(time: Timestamp, key: &Key) -> Key {
    Key(format!("end/{:08x}/{key}", time.0 / 3_600_000))
}

/// Every `end/…` key whose hour was over at `now`.
pub fn ended(now: Timestamp) -> KeyRange {
    let mut range = KeyRange::below("end/");
    range.end = Key(format!("end/{:08x}/", now.0 / 3_600_000));
    range
}

/// The key that an `end/…` key speaks of.
pub fn ended_key(end: &Key) -> Option<Key> {
    let rest = end.0.strip_prefix("end/")?;
    rest.split_once('/').map(|(_, key)| Key(key.to_owned()))
}

/// Keys whose changes the relay follows: it reads them again when the feed names them.
pub fn is_watched(key: &Key) -> bool {
    ["endpoint/", "job/", "order/"]
        .iter()
        .any(|prefix| key.0.starts_with(prefix))
}

/// Account and endpoint of a watched key.
pub fn watched_endpoint(key: &Key) -> Option<(AccountId, EndpointId)> {
    let mut parts = key.parts().skip(1);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: AccountId = AccountId::from_number(7);
    const E: EndpointId = EndpointId::from_number(9);

    #[test]
    fn a_directory_holds_its_keys_and_not_its_neighbours() {
        let range = endpoints(A);
        assert!(range.contains(&endpoint(A, E)));
        assert!(!range.contains(&endpoint(AccountId::from_number(8), E)));
        assert!(!range.contains(&account(A)));
        let after = range.following(&endpoint(A, E));
        assert!(!after.contains(&endpoint(A, E)));
        assert!(after.contains(&endpoint(A, EndpointId::from_number(10))));
    }

    #[test]
    fn numbers_sort_as_numbers() {
        assert!(dead(A, E, Seq(9)) < dead(A, E, Seq(10)));
        assert!(dead(A, E, Seq(255)) < dead(A, E, Seq(256)));
        let range = dead_ranges_until(A, E, Seq(10));
        assert!(range.contains(&dead(A, E, Seq(10))));
        assert!(!range.contains(&dead(A, E, Seq(11))));
    }

    #[test]
    fn ids_bound_a_directory_from_both_ends() {
        let range = members("x", A, "g");
        let ids =
            |range: KeyRange| (1..6).filter(move |id| range.contains(&member("x", A, "g", *id)));
        let rising: Vec<u64> = ids(range.clone().from_id(3)).collect();
        assert_eq!(rising, [3, 4, 5]);
        let falling: Vec<u64> = ids(range.newest_first().from_id(3)).collect();
        assert_eq!(falling, [1, 2, 3]);
    }

    #[test]
    fn times_bound_a_calendar_from_both_ends() {
        let range = between("x", A, 7, Timestamp(10), Timestamp(20));
        for (owner, time, expected) in [
            (7, 9, false),
            (7, 10, true),
            (7, 20, true),
            (7, 21, false),
            (8, 15, false),
        ] {
            let key = timed("x", A, owner, Timestamp(time), u64::MAX);
            assert_eq!(range.contains(&key), expected, "{key}");
            assert_eq!(time_of(&key), Some(Timestamp(time)));
        }
        let all = between("x", A, 7, Timestamp(0), Timestamp::MAX);
        assert!(all.contains(&timed("x", A, 7, Timestamp::MAX, 1)));
    }

    #[test]
    fn ended_hours_exclude_the_running_one() {
        let key = idempotency(A, "manage", "x/y");
        let hour = |n: u64| Timestamp(n * 3_600_000);
        assert!(ended(hour(5)).contains(&end(hour(4), &key)));
        assert!(!ended(hour(5)).contains(&end(hour(5), &key)));
        assert_eq!(ended_key(&end(hour(4), &key)), Some(key));
    }

    #[test]
    fn watched_keys_name_their_endpoint() {
        assert!(is_watched(&endpoint(A, E)));
        assert!(!is_watched(&cursor(A, E)));
        assert_eq!(
            watched_endpoint(&order(A, E, JobId::from_number(1))),
            Some((A, E))
        );
    }
}
