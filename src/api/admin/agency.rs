//! What an account is to an agency, and its credits, as the operator sets them.
//!
//! Owns these members of an account's form. Does not know the account's own settings, nor what is
//! paid with credits.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::domain::account::{self, Account, Profile};
use crate::domain::credit::{self, Balance};
use crate::domain::{sub_account, words};
use crate::error::{Error, Result};
use crate::id::AccountId;
use crate::store::Tx;

/// What is to be set; none leaves it as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Changes {
    is_agency: Option<bool>,
    /// Reference or name.
    agency: Option<String>,
    /// With `agency`.
    email: Option<String>,
    credits: Option<u64>,
    auto_recharge: Option<credit::RechargeChanges>,
}

/// Its members, which stand among the account's own settings.
const MEMBERS: [&str; 5] = ["is_agency", "agency", "email", "credits", "auto_recharge"];

impl Changes {
    /// Takes its members out of an account's form.
    pub fn take(members: &mut Map<String, Value>) -> Result<Self> {
        let own = MEMBERS.iter();
        let own: Map<String, Value> = own.filter_map(|name| members.remove_entry(*name)).collect();
        serde_json::from_value(Value::Object(own))
            .map_err(|error| Error::malformed(format!("The body cannot be taken: {error}")))
    }

    /// The agency that is named, if one is.
    pub async fn named_agency(&self, tx: &Tx) -> Result<Option<AccountId>> {
        let Some(named) = &self.agency else {
            return Ok(None);
        };
        let found = account::find(tx, named).await;
        let found = found.map_err(|_| Error::invalid("agency", "there is no such account"))?;
        if !found.is_agency {
            let message =
                "is no agency; make it one: hookrelay account set AGENCY --is-agency true";
            return Err(Error::invalid("agency", message));
        }
        Ok(Some(found.id))
    }

    /// Sets what is to be set. The transaction takes turns for the account and the named agency.
    pub async fn apply(&self, tx: &Tx, id: AccountId, agency: Option<AccountId>) -> Result<()> {
        if let Some(agency) = agency {
            let email = self.email.as_deref().unwrap_or_default();
            if !words::is_email(email) {
                return Err(Error::invalid("email", "must be an e-mail address"));
            }
            let profile = Profile {
                email: email.to_owned(),
                ..Profile::default()
            };
            let account = account::by_id(tx, id).await?;
            if account.agency() != Some(agency) {
                sub_account::attach(tx, agency, account, &profile).await?;
            }
        } else if self.email.is_some() {
            return Err(Error::invalid("email", "is given with an agency only"));
        }
        if let Some(is_agency) = self.is_agency {
            sub_account::allow(tx, id, is_agency).await?;
        }
        let account = account::by_id(tx, id).await?;
        let recharge = self.auto_recharge.as_ref();
        credit::adjust(tx, &account, self.credits, recharge).await
    }
}

/// What is shown of it.
#[derive(Debug, Serialize)]
pub struct View {
    is_agency: bool,
    agency: Option<AccountId>,
    email: Option<String>,
    closed: bool,
    /// Of a sub-account.
    credits: Option<u64>,
    auto_recharge: Option<RechargeView>,
}

#[derive(Debug, Serialize)]
struct RechargeView {
    enabled: bool,
    threshold: u64,
    amount: u64,
    /// The agency was asked and did not answer yet.
    is_open: bool,
}

impl View {
    /// Of this account.
    pub async fn of(tx: &Tx, account: &Account) -> Result<Self> {
        let sub = account.sub_account.as_ref();
        let balance = match sub {
            Some(_) => Some(credit::balance(tx, account.id).await?),
            None => None,
        };
        let recharge = |balance: &Balance| RechargeView {
            enabled: balance.auto_recharge.enabled,
            threshold: balance.auto_recharge.threshold,
            amount: balance.auto_recharge.amount,
            is_open: balance.auto_recharge.open_key.is_some(),
        };
        Ok(Self {
            is_agency: account.is_agency,
            agency: account.agency(),
            email: sub.map(|sub| sub.profile.email.clone()),
            closed: account.closed,
            credits: balance.as_ref().map(|balance| balance.credits),
            auto_recharge: balance.as_ref().map(recharge),
        })
    }
}
