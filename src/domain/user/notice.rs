//! What consumers are told of users (`protocols/notifications.md` 4.1).
//!
//! Owns USER and its members' order. Does not know who changes a user.

use serde::Serialize;

use super::User;
use crate::domain::account::Account;
use crate::domain::address::Address;
use crate::domain::event::emit;
use crate::error::Result;
use crate::id::AccountId;
use crate::store::Tx;

/// USER.
#[derive(Serialize)]
struct Created<'a> {
    user_id: u64,
    username: &'a str,
    account_type: &'a str,
    first_name: &'a str,
    last_name: &'a str,
    email: &'a str,
    phone: &'a str,
    company: &'a str,
    date_added: String,
    enroller_id: u64,
    upline_id: u64,
    enroller_code: i64,
    enroller_code_name: &'a str,
    billing_address: &'a Address,
    shipping_address: &'a Address,
}

/// Data of `update_user`.
#[derive(Serialize)]
struct Updated<'a> {
    #[serde(flatten)]
    user: Created<'a>,
    external_id: &'a str,
    country: &'a str,
    gender: &'a str,
    is_business: bool,
    payout_method: &'a str,
    active: bool,
    online_status: &'a str,
    changed: &'a [&'static str],
}

fn object<'a>(account: &Account, user: &'a User) -> Created<'a> {
    Created {
        user_id: user.id,
        username: &user.username,
        account_type: &user.account_type,
        first_name: &user.first_name,
        last_name: &user.last_name,
        email: &user.email,
        phone: &user.phone,
        company: &user.company,
        date_added: account.settings.time_zone.local(user.date_added),
        enroller_id: user.enroller_id.unwrap_or(0),
        upline_id: user.upline_id.unwrap_or(0),
        enroller_code: user.enroller_code,
        enroller_code_name: &user.enroller_code_name,
        billing_address: &user.billing_address,
        shipping_address: &user.shipping_address,
    }
}

/// Appends `new_user`.
pub(super) async fn created(tx: &Tx, account: &Account, user: &User) -> Result<()> {
    let data = object(account, user);
    emit(tx, account.id, "new_user", &data).await.map(drop)
}

/// Appends `update_user`. `changed` names what differs; identity documents and passwords appear in
/// it and nowhere else.
pub(super) async fn updated(
    tx: &Tx,
    account: &Account,
    user: &User,
    changed: &[&'static str],
) -> Result<()> {
    let data = Updated {
        user: object(account, user),
        external_id: user.external_id.as_deref().unwrap_or_default(),
        country: &user.country,
        gender: &user.gender,
        is_business: user.is_business,
        payout_method: &user.payout_method,
        active: user.active,
        online_status: &user.online_status,
        changed,
    };
    emit(tx, account.id, "update_user", &data).await.map(drop)
}

/// Appends `password_setup`: a consumer shall ask the new customer for a password.
pub async fn ask_for_password(tx: &Tx, account: AccountId, user: &User) -> Result<()> {
    #[derive(Serialize)]
    struct Setup<'a> {
        user_id: u64,
        username: &'a str,
        email: &'a str,
        contact_id: Option<u64>,
    }
    let data = Setup {
        user_id: user.id,
        username: &user.username,
        email: &user.email,
        contact_id: user.contact_id,
    };
    emit(tx, account, "password_setup", &data).await.map(drop)
}
