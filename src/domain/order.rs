//! Orders (`protocols/domain.md` 2.7).
//!
//! Owns the record, its uniqueness and its notifications. Does not know who pays, nor how.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::account::Account;
use super::address::Address;
use super::event::emit;
use super::{sequence, user};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::store::{Tx, keys};

const KIND: &str = "customer-order";
const BY_EXTERNAL_ID: &str = "order-external";

/// How far the payment of an order has come.
pub const PAYMENT_STATUSES: [&str; 11] = [
    "AUTH",
    "AUTH CAPTURE",
    "CAPTURE",
    "OVERRIDE",
    "VOID",
    "REFUND",
    "REFUND PARTIAL",
    "ERROR",
    "DECLINED",
    "PENDING",
    "PROCESSING",
];

/// What an order is made of. Money is decimal text, kept exactly.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NewOrder {
    /// Whose it is.
    pub user_id: u64,
    /// Unique, where there is one.
    pub external_id: Option<String>,
    /// JSON objects, as they were given.
    pub products: Vec<Box<RawValue>>,
    /// All together.
    pub total: String,
    /// For shipping.
    pub shipping: String,
    /// Tax.
    pub tax: String,
    /// Remarks.
    pub admin_comments: String,
    /// One of [`PAYMENT_STATUSES`].
    pub payment_status: String,
    /// The user who sells.
    pub merchant_id: Option<u64>,
    /// Where the bill goes.
    pub billing_addr: Option<Address>,
    /// Where the goods go.
    pub shipping_addr: Option<Address>,
    /// When it was made; none = now.
    pub date_added: Option<Timestamp>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Order {
    id: u64,
    content: NewOrder,
    tracking_num: Option<String>,
    shipped_at: Option<Timestamp>,
    added_at: Timestamp,
}

/// ORDER of `protocols/notifications.md` section 3.
#[derive(Serialize)]
struct Notice<'a> {
    order_id: u64,
    user_id: u64,
    external_id: Option<&'a str>,
    products: &'a [Box<RawValue>],
    total: &'a str,
    shipping: &'a str,
    tax: &'a str,
    admin_comments: &'a str,
    payment_status: &'a str,
    merchant_id: Option<u64>,
    billing_addr: Option<&'a Address>,
    shipping_addr: Option<&'a Address>,
    tracking_num: Option<&'a str>,
    shipped_at: Option<String>,
    date_added: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    send_shipped_email: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    changed: Option<&'a [&'static str]>,
}

impl Order {
    fn notice(&self, account: &Account) -> Notice<'_> {
        let content = &self.content;
        Notice {
            order_id: self.id,
            user_id: content.user_id,
            external_id: content.external_id.as_deref(),
            products: &content.products,
            total: &content.total,
            shipping: &content.shipping,
            tax: &content.tax,
            admin_comments: &content.admin_comments,
            payment_status: &content.payment_status,
            merchant_id: content.merchant_id,
            billing_addr: content.billing_addr.as_ref(),
            shipping_addr: content.shipping_addr.as_ref(),
            tracking_num: self.tracking_num.as_deref(),
            shipped_at: self.shipped_at.map(|time| time.to_string()),
            date_added: account.settings.time_zone.local(self.added_at),
            send_shipped_email: None,
            changed: None,
        }
    }
}

/// Stores an order and gives its id; that of the existing one if its external id is known.
pub async fn create(tx: &Tx, account: &Account, order: &NewOrder) -> Result<u64> {
    let by_external_id = order
        .external_id
        .as_deref()
        .map(|id| keys::unique(BY_EXTERNAL_ID, account.id, id));
    if let Some(key) = &by_external_id
        && let Some(id) = tx.read(key).await?
    {
        return Ok(id);
    }
    for id in [Some(order.user_id), order.merchant_id]
        .into_iter()
        .flatten()
    {
        if user::by_id(tx, account.id, id).await?.is_none() {
            return Err(Error::not_found("Record does not exist"));
        }
    }
    let id = sequence::next(tx, account.id, KIND).await?;
    let order = Order {
        id,
        added_at: order.date_added.unwrap_or(tx.now()),
        content: order.clone(),
        tracking_num: None,
        shipped_at: None,
    };
    if let Some(key) = by_external_id {
        tx.put(key, &id)?;
    }
    tx.put(keys::record(KIND, account.id, id), &order)?;
    emit(tx, account.id, "new_order", &order.notice(account)).await?;
    Ok(id)
}

/// Notes how an order is shipped. Its first tracking number says that it was shipped, of which the
/// customer is told unless `quietly`.
pub async fn ship(
    tx: &Tx,
    account: &Account,
    id: u64,
    tracking_num: Option<&str>,
    quietly: bool,
) -> Result<()> {
    let key = keys::record(KIND, account.id, id);
    let found: Option<Order> = tx.read(&key).await?;
    let mut order = found.ok_or_else(|| Error::not_found("Record does not exist"))?;
    let Some(number) = tracking_num.filter(|given| order.tracking_num.as_deref() != Some(*given))
    else {
        return Ok(());
    };
    let is_first = order.shipped_at.is_none();
    order.tracking_num = Some(number.to_owned());
    order.shipped_at = order.shipped_at.or(Some(tx.now()));
    tx.put(key, &order)?;
    let changed: &[&str] = if is_first {
        &["shipped_at", "tracking_num"]
    } else {
        &["tracking_num"]
    };
    let notice = Notice {
        send_shipped_email: Some(is_first && !quietly),
        changed: Some(changed),
        ..order.notice(account)
    };
    emit(tx, account.id, "update_order", &notice).await?;
    Ok(())
}
