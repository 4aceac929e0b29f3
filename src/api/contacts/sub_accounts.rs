//! Sub-accounts and their credits (`protocols/contacts-api.md` 2.6 and 3.1): what an agency may
//! do.
//!
//! Owns the parameters and answers of these operations. Does not know what a credit buys.

use hyper::StatusCode;
use serde::Serialize;

use super::ContactsCall;
use super::params::{Fields, SHORT, whole};
use super::wire::{Failure, Reply};
use crate::api::dialect::{answer, ok};
use crate::api::front::Answer;
use crate::domain::account::{self, Account, Profile};
use crate::domain::credit::{self, NewGrant};
use crate::domain::zone::Zone;
use crate::domain::{sub_account, usage};
use crate::error::Result;
use crate::id::AccountId;
use crate::store::Tx;

/// Credits of one grant.
const MAX_AMOUNT: u64 = 1_000_000_000;
/// Characters of an idempotency key.
const MAX_KEY: usize = 64;

/// The caller's account, which must be an agency.
pub async fn agency(tx: &Tx, call: &ContactsCall) -> Result<Account, Failure> {
    let account = account::by_id(tx, call.caller.account).await?;
    if account.is_agency {
        Ok(account)
    } else {
        Err(Failure::no_agency())
    }
}

fn email(fields: &Fields<'_>) -> Result<String, Failure> {
    let email = fields.email("email")?;
    email.ok_or_else(|| fields.missing(&["email"]))
}

/// The agency's sub-account of this address.
async fn of_agency(tx: &Tx, agency: AccountId, email: &str) -> Result<Account> {
    let found = sub_account::by_email(tx, agency, email).await?;
    found.ok_or_else(sub_account::missing)
}

#[derive(Serialize)]
struct Shown<'a> {
    success: bool,
    data: View<'a>,
}

#[derive(Serialize)]
struct View<'a> {
    email: &'a str,
    first_name: &'a str,
    last_name: &'a str,
    role: &'static str,
    is_agency_sub_account: bool,
    business_name: &'a str,
    description: &'a str,
    address_line: &'a str,
    city: &'a str,
    country: &'a str,
    postal_code: &'a str,
    state: &'a str,
    time_zone_id: &'a Zone,
    language: &'a str,
    usage_limits: Limits,
    sub_account_id: AccountId,
}

#[derive(Serialize)]
struct Limits {
    monthly_credits: u64,
    monthly_credits_used: u64,
    credits: u64,
    roll_over_to_next_month: bool,
}

async fn shown(tx: &Tx, account: &Account, status: StatusCode) -> Result<Answer> {
    let sub = account.sub_account.as_ref();
    let profile = &sub.ok_or_else(sub_account::missing)?.profile;
    let data = View {
        email: &profile.email,
        first_name: &profile.first_name,
        last_name: &profile.last_name,
        role: "Sub Account",
        is_agency_sub_account: true,
        business_name: &profile.business_name,
        description: &profile.description,
        address_line: &profile.address_line,
        city: &profile.city,
        country: &profile.country,
        postal_code: &profile.postal_code,
        state: &profile.state,
        time_zone_id: &account.settings.time_zone,
        language: &profile.language,
        usage_limits: Limits {
            monthly_credits: profile.monthly_credits,
            monthly_credits_used: usage::used_this_month(tx, account).await?,
            credits: credit::balance(tx, account.id).await?.credits,
            roll_over_to_next_month: profile.roll_over_to_next_month,
        },
        sub_account_id: account.id,
    };
    let success = true;
    answer(status, &Shown { success, data })
}

/// `GET subaccounts`.
pub async fn show(call: ContactsCall) -> Reply {
    let email = email(&call.input.query())?;
    let tx = call.core.db.view();
    let agency = agency(&tx, &call).await?;
    let account = of_agency(&tx, agency.id, &email).await?;
    Ok(shown(&tx, &account, StatusCode::OK).await?)
}

/// What `POST subaccounts` asks for.
struct Wanted {
    profile: Profile,
    zone: Option<Zone>,
    credits: u64,
}

fn wanted(fields: &Fields<'_>) -> Result<Wanted, Failure> {
    let text = |name: &str| -> Result<String, Failure> {
        Ok(fields.text(&[name], SHORT)?.unwrap_or_default())
    };
    let profile = Profile {
        email: email(fields)?,
        first_name: fields.required(&["first_name"], SHORT)?,
        last_name: fields.required(&["last_name"], SHORT)?,
        business_name: text("business_name")?,
        description: fields.lines(&["description"], SHORT)?.unwrap_or_default(),
        address_line: text("address_line")?,
        city: text("city")?,
        country: text("country")?,
        postal_code: text("postal_code")?,
        state: text("state")?,
        language: text("language")?,
        ..Profile::default()
    };
    let zone = match fields.text(&["time_zone_id"], SHORT)? {
        Some(name) => {
            let known = Zone::named(&name);
            Some(known.ok_or_else(|| Failure::not_valid("time_zone_id"))?)
        }
        None => None,
    };
    let limits = fields.within("usage_limits", "usage_limits.")?;
    let monthly_credits = limits.number("monthly_credits")?;
    let credits = limits.number("credits")?;
    let roll_over = limits.flag("roll_over_to_next_month")?;
    Ok(Wanted {
        profile: Profile {
            monthly_credits: monthly_credits.unwrap_or_default(),
            roll_over_to_next_month: roll_over.unwrap_or_default(),
            ..profile
        },
        zone,
        credits: credits.unwrap_or_default(),
    })
}

/// `POST subaccounts`.
pub async fn create(call: ContactsCall) -> Reply {
    let wanted = &wanted(&call.input.body())?;
    let agency = agency(&call.core.db.view(), &call).await?.id;
    let id = AccountId::random(call.core.db.entropy());
    let answered = call
        .commit_among(&[agency, id], |tx| async move {
            let made = sub_account::create(&tx, agency, id, &wanted.profile, wanted.credits);
            let mut account = made.await?;
            if let Some(zone) = &wanted.zone {
                let changes = account::Changes {
                    time_zone: Some(zone.to_string()),
                    ..account::Changes::default()
                };
                account = account::set(&tx, id, &changes).await?;
            }
            shown(&tx, &account, StatusCode::CREATED).await
        })
        .await?;
    Ok(answered)
}

#[derive(Serialize)]
struct Said {
    success: bool,
    message: &'static str,
}

/// `DELETE subaccounts`.
pub async fn close(call: ContactsCall) -> Reply {
    let email = &email(&call.input.either())?;
    let view = call.core.db.view();
    let agency = agency(&view, &call).await?.id;
    let closed = of_agency(&view, agency, email).await?.id;
    let answered = call
        .commit_among(&[agency, closed], |tx| async move {
            let account = of_agency(&tx, agency, email).await?;
            sub_account::close(&tx, agency, account).await?;
            ok(&Said {
                success: true,
                message: "Sub-account deleted successfully",
            })
        })
        .await?;
    Ok(answered)
}

#[derive(Serialize)]
struct Granted {
    success: bool,
    sub_account_id: AccountId,
    credits_added: u64,
    new_balance: u64,
}

/// `POST subaccounts/credits`.
pub async fn grant(call: ContactsCall) -> Reply {
    let fields = call.input.body();
    let email = &email(&fields)?;
    let amount = fields.given("amount");
    let amount = amount.ok_or_else(|| fields.missing(&["amount"]))?;
    let amount = whole(amount).filter(|amount| (1..=MAX_AMOUNT).contains(amount));
    let new = &NewGrant {
        amount: amount.ok_or_else(Failure::amount)?,
        description: fields.lines(&["description"], SHORT)?,
        idempotency_key: fields.text(&["idempotency_key"], MAX_KEY)?,
    };
    let view = call.core.db.view();
    let agency = agency(&view, &call).await?.id;
    let to = of_agency(&view, agency, email).await?.id;
    let answered = call
        .commit_among(&[agency, to], |tx| async move {
            let to = of_agency(&tx, agency, email).await?;
            let grant = credit::grant(&tx, agency, &to, new).await?;
            ok(&Granted {
                success: true,
                sub_account_id: to.id,
                credits_added: grant.amount,
                new_balance: grant.balance,
            })
        })
        .await?;
    Ok(answered)
}
