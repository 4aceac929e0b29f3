//! Parameters that speak of users, as several commands take them.
//!
//! Owns their reading, and which user a pair of parameters names. Does not know any command.

use zeroize::Zeroizing;

use super::form::Form;
use crate::domain::account::Account;
use crate::domain::address::{Address, Fault};
use crate::domain::user::{self, Changes, User, rules};
use crate::error::{Error, Result};
use crate::id::AccountId;
use crate::store::Tx;

/// What every new user must be given.
pub const REQUIRED: [&str; 5] = ["username", "first_name", "last_name", "phone", "email"];

/// A text of at most `max` characters that has the right form.
pub fn checked(
    form: &mut Form<'_>,
    name: &str,
    max: usize,
    is_valid: impl Fn(&str) -> bool,
) -> Option<String> {
    let text = form.text(name, max)?;
    if is_valid(&text) {
        return Some(text);
    }
    form.wrong(name);
    None
}

/// The fields of [`REQUIRED`].
pub fn person(form: &mut Form<'_>) -> Changes {
    let username = checked(
        form,
        "username",
        rules::MAX_USERNAME,
        rules::is_plain_username,
    );
    Changes {
        username,
        first_name: form.text("first_name", rules::MAX_TEXT),
        last_name: form.text("last_name", rules::MAX_TEXT),
        phone: form.text("phone", rules::MAX_PHONE),
        email: checked(
            form,
            "email",
            rules::MAX_EMAIL,
            crate::domain::words::is_email,
        ),
        ..Changes::default()
    }
}

/// A password that keeps the rule.
pub fn password(form: &mut Form<'_>) -> Option<Zeroizing<String>> {
    let password = form.raw("password")?;
    if password.chars().count() > rules::MAX_PASSWORD {
        form.too_long("password");
    } else if rules::is_password(password) {
        return Some(Zeroizing::new(password.to_owned()));
    } else {
        form.refuse(rules::PASSWORD_RULE);
    }
    None
}

/// Two letters.
pub fn country(form: &mut Form<'_>) -> Option<String> {
    checked(form, "country", 2, rules::is_country)
}

/// `M` or `F`.
pub fn gender(form: &mut Form<'_>) -> Option<String> {
    checked(form, "gender", rules::MAX_TEXT, rules::is_gender)
}

/// A JSON object with the members of ADDRESS.
pub fn address(form: &mut Form<'_>, name: &str) -> Option<Address> {
    let read = |value| match Address::from_json(&value) {
        Ok(address) => Some(Ok(address)),
        Err(Fault::TooLong) => Some(Err(())),
        Err(Fault::Invalid) => None,
    };
    let address = form.json(name, read)?;
    if address.is_err() {
        form.too_long(name);
    }
    address.ok()
}

/// How a call names a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// By its integer id.
    Id(u64),
    /// By its external id.
    ExternalId(String),
    /// By its username.
    Username(String),
}

impl Named {
    /// The user, if there is one.
    pub async fn find(&self, tx: &Tx, account: AccountId) -> Result<Option<User>> {
        match self {
            Self::Id(id) => user::by_id(tx, account, *id).await,
            Self::ExternalId(id) => user::by_external_id(tx, account, id).await,
            Self::Username(name) => user::by_username(tx, account, name).await,
        }
    }

    /// The user, who must be there.
    pub async fn existing(&self, tx: &Tx, account: &Account) -> Result<User> {
        let found = self.find(tx, account.id).await?;
        found.ok_or_else(|| Error::not_found("Record does not exist"))
    }
}

/// The user named by an integer id in `by_id` or, failing that, by an external id in
/// `by_external_id`.
pub fn by_ids(form: &mut Form<'_>, by_id: &str, by_external_id: &str) -> Option<Named> {
    if form.is_given(by_id) {
        form.id(by_id).map(Named::Id)
    } else {
        form.text(by_external_id, rules::MAX_TEXT)
            .map(Named::ExternalId)
    }
}
