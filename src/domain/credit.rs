//! Credits of sub-accounts (`protocols/domain.md` section 8).
//!
//! Owns the balance, what takes from it and what adds to it, and the question for more that an
//! agency is sent. Does not know what a message costs, nor who is paid for a grant.

use serde::{Deserialize, Serialize};

use super::account::Account;
use super::{event, sequence, usage};
use crate::clock::{Entropy, Timestamp};
use crate::error::{Error, Result};
use crate::id::AccountId;
use crate::store::{Key, Tx, keys};

/// The balance: one record of an account.
const BALANCE: &str = "credit";
/// The id of that record.
const ONLY: u64 = 1;
/// Grants that a sub-account was given.
const GRANT: &str = "credit-grant";
/// Grants by idempotency key: unique, and for good.
const BY_KEY: &str = "credit-grant-key";
/// Credits that an operator may set: far below what would overflow when grants are added.
const MAX_CREDITS: u64 = 1_000_000_000_000;
/// The field that an error of too few credits names.
pub const FIELD: &str = "credits";

/// What a sub-account has left.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Balance {
    /// Credits.
    pub credits: u64,
    /// When it asks for more.
    pub auto_recharge: AutoRecharge,
}

/// When a sub-account's agency is asked for more credits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AutoRecharge {
    /// Off: never.
    pub enabled: bool,
    /// At this balance or below.
    pub threshold: u64,
    /// How many are asked for.
    pub amount: u64,
    /// The question that is open; none other is asked meanwhile.
    pub open_key: Option<String>,
}

/// What costs credits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expense {
    /// A text message.
    Sms,
    /// A call.
    Call,
    /// A message through a custom channel.
    CustomChannel,
}

/// The balance of an account; nothing for one that never had any.
pub async fn balance(tx: &Tx, account: AccountId) -> Result<Balance> {
    Ok(tx.read(&key(account)).await?.unwrap_or_default())
}

/// Stores a balance as an operator sets it.
pub async fn set(tx: &Tx, account: AccountId, to: &Balance) -> Result<()> {
    if balance(tx, account).await? == *to {
        return Ok(());
    }
    tx.put(key(account), to)
}

/// New values of when more is asked for; none = as it was.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs)]
pub struct RechargeChanges {
    pub enabled: Option<bool>,
    pub threshold: Option<u64>,
    pub amount: Option<u64>,
}

/// Sets a sub-account's balance and when more is asked for, as the operator says. A question that is
/// open is forgotten when it is answered so, or turned off. `Invalid` for an account without
/// agency, which pays nothing, and for a question that would ask for nothing.
pub async fn adjust(
    tx: &Tx,
    account: &Account,
    credits: Option<u64>,
    recharge: Option<&RechargeChanges>,
) -> Result<()> {
    if credits.is_none() && recharge.is_none() {
        return Ok(());
    }
    if account.agency().is_none() {
        let message = "only a sub-account has credits; name its agency too";
        return Err(Error::invalid(FIELD, message));
    }
    let mut after = balance(tx, account.id).await?;
    after.credits = credits.unwrap_or(after.credits);
    let own = &mut after.auto_recharge;
    if let Some(recharge) = recharge {
        own.enabled = recharge.enabled.unwrap_or(own.enabled);
        own.threshold = recharge.threshold.unwrap_or(own.threshold);
        own.amount = recharge.amount.unwrap_or(own.amount);
    }
    if own.enabled && own.amount == 0 {
        let message = "needs an amount of at least 1 while it is on";
        return Err(Error::invalid("auto_recharge", message));
    }
    if [after.credits, own.threshold, own.amount]
        .iter()
        .any(|number| *number > MAX_CREDITS)
    {
        return Err(Error::invalid(FIELD, "must be at most 1000000000000"));
    }
    if !own.enabled || after.credits > own.threshold {
        own.open_key = None;
    }
    set(tx, account.id, &after).await
}

fn key(account: AccountId) -> Key {
    keys::record(BALANCE, account, ONLY)
}

/// Takes `cost` from a sub-account and counts the expense; gives what is left. None for an account
/// without agency, which pays nothing. `Invalid` for the field [`FIELD`] when there is too little.
///
/// The transaction must take turns for [`Account::with_agency`]: the agency may be asked for more.
pub async fn debit(tx: &Tx, account: &Account, expense: Expense, cost: u64) -> Result<Option<u64>> {
    let Some(agency) = account.agency() else {
        return Ok(None);
    };
    let mut balance = balance(tx, account.id).await?;
    let left = balance.credits.checked_sub(cost);
    balance.credits = left.ok_or_else(|| Error::invalid(FIELD, "Not enough credits"))?;
    usage::count(tx, account, |usage| {
        *match expense {
            Expense::Sms => &mut usage.sms,
            Expense::Call => &mut usage.calls,
            Expense::CustomChannel => &mut usage.custom_channel,
        } += 1;
        usage.credits_used += cost;
    })
    .await?;
    let recharge = &balance.auto_recharge;
    let is_due = recharge.enabled && balance.credits <= recharge.threshold;
    if is_due && recharge.open_key.is_none() {
        let open_key = fresh_key(tx.entropy());
        balance.auto_recharge.open_key = Some(open_key.clone());
        ask(tx, agency, account, &balance, &open_key).await?;
    }
    tx.put(key(account.id), &balance)?;
    Ok(Some(balance.credits))
}

fn fresh_key(entropy: &Entropy) -> String {
    format!("{:032x}", u128::from_be_bytes(entropy.bytes()))
}

/// Appends `auto_recharge` to the agency's log.
async fn ask(
    tx: &Tx,
    agency: AccountId,
    account: &Account,
    balance: &Balance,
    open_key: &str,
) -> Result<()> {
    #[derive(Serialize)]
    struct Data<'a> {
        idempotency_key: &'a str,
        sub_account_id: AccountId,
        email: &'a str,
        current_balance: u64,
        threshold: u64,
        amount: u64,
        requested_at: String,
    }
    let data = Data {
        idempotency_key: open_key,
        sub_account_id: account.id,
        email: email(account),
        current_balance: balance.credits,
        threshold: balance.auto_recharge.threshold,
        amount: balance.auto_recharge.amount,
        requested_at: tx.now().to_string(),
    };
    event::emit(tx, agency, "auto_recharge", &data).await?;
    Ok(())
}

fn email(account: &Account) -> &str {
    let sub = account.sub_account.as_ref();
    sub.map_or("", |sub| &sub.profile.email)
}

/// Credits that an agency gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewGrant {
    /// At least 1.
    pub amount: u64,
    /// For what; at most 255 characters.
    pub description: Option<String>,
    /// A repeat grants nothing; at most 64 characters.
    pub idempotency_key: Option<String>,
}

/// A grant as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Integer id.
    pub id: u64,
    /// Credits that were added.
    pub amount: u64,
    /// The balance after it.
    pub balance: u64,
    /// For what.
    pub description: Option<String>,
    /// Under which it was asked for.
    pub idempotency_key: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// Grants credits to a sub-account and appends `credits_granted` to both logs. A repeat of an
/// idempotency key gives the first grant and changes nothing.
///
/// The transaction must take turns for both accounts.
pub async fn grant(tx: &Tx, agency: AccountId, to: &Account, new: &NewGrant) -> Result<Grant> {
    let by_key = new.idempotency_key.as_deref();
    let by_key = by_key.map(|text| keys::unique(BY_KEY, to.id, text));
    if let Some(by_key) = &by_key
        && let Some(id) = tx.read(by_key).await?
        && let Some(known) = tx.read(&keys::record(GRANT, to.id, id)).await?
    {
        return Ok(known);
    }
    let mut balance = balance(tx, to.id).await?;
    balance.credits = balance.credits.saturating_add(new.amount);
    let recharge = &mut balance.auto_recharge;
    let answers = recharge.open_key.is_some() && recharge.open_key == new.idempotency_key;
    if answers || balance.credits > recharge.threshold {
        recharge.open_key = None;
    }
    tx.put(key(to.id), &balance)?;
    usage::count(tx, to, |usage| usage.credits_granted += new.amount).await?;
    let grant = Grant {
        id: sequence::next(tx, to.id, GRANT).await?,
        amount: new.amount,
        balance: balance.credits,
        description: new.description.clone(),
        idempotency_key: new.idempotency_key.clone(),
        at: tx.now(),
    };
    if let Some(by_key) = by_key {
        tx.put(by_key, &grant.id)?;
    }
    tx.put(keys::record(GRANT, to.id, grant.id), &grant)?;
    for account in [agency, to.id] {
        tell(tx, account, to, &grant).await?;
    }
    Ok(grant)
}

/// Appends `credits_granted` to a log.
async fn tell(tx: &Tx, account: AccountId, to: &Account, grant: &Grant) -> Result<()> {
    #[derive(Serialize)]
    struct Data<'a> {
        sub_account_id: AccountId,
        email: &'a str,
        credits_added: u64,
        new_balance: u64,
        description: Option<&'a str>,
        idempotency_key: Option<&'a str>,
    }
    let data = Data {
        sub_account_id: to.id,
        email: email(to),
        credits_added: grant.amount,
        new_balance: grant.balance,
        description: grant.description.as_deref(),
        idempotency_key: grant.idempotency_key.as_deref(),
    };
    event::emit(tx, account, "credits_granted", &data).await?;
    Ok(())
}
