//! Hosted checkouts (`protocols/domain.md` 2.7).
//!
//! Owns the record, its code and its notification. Does not host anything: the consumer does, and
//! it calls the URLs that it is handed.

use serde::{Deserialize, Serialize};

use super::account::Account;
use super::event::emit;
use super::{code, sequence};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::store::{Tx, keys};

const KIND: &str = "checkout";
const BY_EXTERNAL_ID: &str = "checkout-external";
/// Characters of a code.
const CODE: usize = 16;

/// What a checkout is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewCheckout {
    /// Unique.
    pub external_id: i64,
    /// Decimal text.
    pub price: String,
    /// Where the customer goes afterwards.
    pub success_url: String,
    /// Where the outcome is told.
    pub callback_url: String,
    /// Remarks.
    pub notes: Option<String>,
}

/// A checkout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkout {
    /// The integer id.
    pub id: u64,
    /// Names it in its URL.
    pub code: String,
    content: NewCheckout,
    created_at: Timestamp,
}

impl Checkout {
    /// Where the customer pays; empty if the account has no base for it.
    pub fn url(&self, account: &Account) -> String {
        let base = account.settings.checkout_url.as_deref();
        base.map_or_else(String::new, |base| {
            format!("{}/{}", base.trim_end_matches('/'), self.code)
        })
    }
}

#[derive(Serialize)]
struct Notice<'a> {
    checkout_id: u64,
    code: &'a str,
    external_id: i64,
    price: &'a str,
    success_url: &'a str,
    callback_url: &'a str,
    notes: Option<&'a str>,
    created_at: String,
}

/// Stores a checkout; a known external id gives the stored one, unchanged.
pub async fn create(tx: &Tx, account: &Account, new: &NewCheckout) -> Result<Checkout> {
    let by_external_id = keys::unique(BY_EXTERNAL_ID, account.id, &new.external_id.to_string());
    if let Some(id) = tx.read(&by_external_id).await?
        && let Some(found) = tx.read(&keys::record(KIND, account.id, id)).await?
    {
        return Ok(found);
    }
    let id = sequence::next(tx, account.id, KIND).await?;
    let checkout = Checkout {
        id,
        // 95 random bits: no two are equal.
        code: code::alphanumeric(tx.entropy(), CODE),
        content: new.clone(),
        created_at: tx.now(),
    };
    tx.put(by_external_id, &id)?;
    tx.put(keys::record(KIND, account.id, id), &checkout)?;
    let notice = Notice {
        checkout_id: id,
        code: &checkout.code,
        external_id: new.external_id,
        price: &new.price,
        success_url: &new.success_url,
        callback_url: &new.callback_url,
        notes: new.notes.as_deref(),
        created_at: checkout.created_at.to_string(),
    };
    emit(tx, account.id, "new_hosted_checkout", &notice).await?;
    Ok(checkout)
}
