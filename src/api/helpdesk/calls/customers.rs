//! Calls 16 to 23: customers, their fields and groups.

use super::people::{cust, cust_info, customer_of_path, parted};
use super::{HelpdeskCall, Outcome};
use crate::api::helpdesk::faults;
use crate::api::helpdesk::form::Form;
use crate::api::helpdesk::value::Value;
use crate::clock::Timestamp;
use crate::domain::account::Account;
use crate::domain::contact::find::{Searched, Wanted, find};
use crate::domain::contact::{self, Contact, NewContact, fields, page};
use crate::domain::user::{self, PasswordHash, rules};
use crate::domain::{list, phone};
use crate::error::{Kind, Result};
use crate::store::Tx;

/// Characters of a note.
const MAX_NOTE: usize = 10_000;
/// Characters of a full name.
const MAX_NAME: usize = 2 * rules::MAX_TEXT + 1;

/// `DELETE customers/[customeridentifier]/fields`.
pub async fn drop_fields(call: &HelpdeskCall) -> Outcome {
    let mut form = call.form();
    let code = form.named("code");
    form.finish()?;
    let code = &code;
    call.commit(|tx| async move {
        let customer = customer_of_path(&tx, call).await?;
        let fields = fields::removed(&customer.custom_fields, code.as_deref());
        set_fields(&tx, call, &customer, fields).await
    })
    .await
}

/// `POST customers/[customeridentifier]/fields`.
pub async fn add_fields(call: &HelpdeskCall) -> Outcome {
    let mut form = call.form();
    form.need(&["customfields"]);
    let more = form.fields("customfields").unwrap_or_default();
    form.finish()?;
    let more = &more;
    call.commit(|tx| async move {
        let customer = customer_of_path(&tx, call).await?;
        let fields = [&customer.custom_fields[..], more].concat();
        set_fields(&tx, call, &customer, fields).await
    })
    .await
}

async fn set_fields(
    tx: &Tx,
    call: &HelpdeskCall,
    customer: &Contact,
    fields: Vec<contact::CustomField>,
) -> Result<Value> {
    let changes = contact::Changes {
        custom_fields: Some(fields),
        ..contact::Changes::default()
    };
    contact::update(tx, call.account.id, customer.id, &changes).await?;
    Ok(Value::ok())
}

/// `GET customers`.
pub async fn list(call: &HelpdeskCall) -> Outcome {
    let mut form = call.form();
    let texts = [
        (Searched::Email, form.named("email")),
        (Searched::FirstName, form.named("firstname")),
        (Searched::LastName, form.named("lastname")),
    ];
    let from = form.time("datecreatedfrom");
    let until = form.time_upper("datecreatedto");
    let page = form.page();
    form.finish()?;
    let texts = texts.into_iter();
    let texts: Vec<_> = texts.filter_map(|(of, text)| Some((of, text?))).collect();
    let (tx, account) = (&call.view(), call.account.id);
    let found = if !texts.is_empty() {
        let wanted = Wanted {
            texts,
            from,
            until,
            ..Wanted::default()
        };
        find(tx, account, wanted, page.skip, page.take).await?
    } else if from.is_some() || until.is_some() {
        let times = (
            from.unwrap_or(Timestamp(0)),
            until.unwrap_or(Timestamp(u64::MAX)),
        );
        page::created(tx, account, times, page.skip, page.take).await?
    } else {
        page::all(tx, account, page.skip, page.take).await?
    };
    let mut rows = Vec::with_capacity(found.len());
    for contact in &found {
        rows.push(cust(tx, call, contact).await?);
    }
    call.reply(&Value::list("customers", "customer", rows))
}

/// `GET customers/[customeridentifier]`.
pub async fn get(call: &HelpdeskCall) -> Outcome {
    let (tx, tokens) = (&call.view(), call.tokens().await?);
    let customer = customer_of_path(tx, call).await?;
    call.reply(&cust_info(tx, call, &tokens, &customer).await?)
}

/// `GET customers/[customeridentifier]/groups`.
pub async fn groups(call: &HelpdeskCall) -> Outcome {
    let tx = &call.view();
    let customer = customer_of_path(tx, call).await?;
    let mut lists = list::those(tx, call.account.id, &customer.lists).await?;
    lists.sort_by_cached_key(|list| crate::domain::words::fold(&list.name));
    let rows = lists.into_iter().map(|list| {
        Value::members([
            ("groupid", list.reference.to_string().into()),
            ("groupname", list.name.into()),
        ])
    });
    call.reply(&Value::list("groups", "group", rows.collect()))
}

/// `POST customers/[customeridentifier]/groups`.
pub async fn join(call: &HelpdeskCall) -> Outcome {
    let name = &group_name(call)?;
    call.commit(|tx| async move {
        let customer = customer_of_path(&tx, call).await?;
        let list = group_named(&tx, call, name).await?;
        list::add(&tx, call.account.id, &list, &customer).await?;
        Ok(Value::ok())
    })
    .await
}

/// `DELETE customers/[customeridentifier]/groups`.
pub async fn leave(call: &HelpdeskCall) -> Outcome {
    let name = &group_name(call)?;
    call.commit(|tx| async move {
        let customer = customer_of_path(&tx, call).await?;
        let list = group_named(&tx, call, name).await?;
        list::take_off(&tx, call.account.id, &list, &customer).await?;
        Ok(Value::ok())
    })
    .await
}

fn group_name(call: &HelpdeskCall) -> Result<String> {
    let mut form = call.form();
    form.need(&["name"]);
    let name = form.named("name");
    form.finish()?;
    Ok(name.unwrap_or_default())
}

async fn group_named(tx: &Tx, call: &HelpdeskCall, name: &str) -> Result<list::List> {
    let found = list::by_name(tx, call.account.id, name).await?;
    found.ok_or_else(|| faults::not_found("group", "name", name))
}

/// What a registration asks for.
struct Registration {
    contact: NewContact,
    is_registered: bool,
    wants_mail: bool,
    password: Option<String>,
}

/// `POST customers`.
pub async fn register(call: &HelpdeskCall) -> Outcome {
    let mut asked = registration(call.form(), &call.account)?;
    let hash = match asked.password.take() {
        Some(password) => Some(call.core().callers.passwords().hash(&password).await?),
        None => None,
    };
    let (asked, hash, tokens) = (&asked, &hash, &call.tokens().await?);
    call.commit(|tx| async move {
        let (customer, _) = contact::create(&tx, call.account.id, &asked.contact).await?;
        if asked.is_registered {
            sign_up(&tx, &call.account, &customer, asked, hash.clone()).await?;
        }
        cust_info(&tx, call, tokens, &customer).await
    })
    .await
}

fn registration(mut form: Form<'_>, account: &Account) -> Result<Registration> {
    let is_registered = form.raw("role").is_some_and(|role| role.trim() == "R");
    form.need(if is_registered {
        &["email"]
    } else {
        &["email", "phone", "name"]
    });
    let email = form.email("email");
    let name = form.text("name", MAX_NAME);
    let names = name.as_deref().map(parted).unwrap_or_default();
    if [&names.0, &names.1]
        .iter()
        .any(|part| part.chars().count() > rules::MAX_TEXT)
    {
        form.wrong("name");
    }
    let gender = form.letter("gender", "MF");
    form.letter("role", "VR");
    // A password is taken as it is.
    let password = form.raw("password").map(str::to_owned);
    let is_short = |password: &String| password.chars().count() <= rules::MAX_PASSWORD;
    if password
        .as_ref()
        .is_some_and(|it| !rules::is_password(it) || !is_short(it))
    {
        form.wrong("password");
    }
    let custom_fields = form.fields("customfields").unwrap_or_default();
    let code = account.settings.default_country_code.as_deref();
    let phone = form.typed("phone", |text| phone::completed(text, code));
    let note = form.lines("note", MAX_NOTE);
    let wants_mail = form.yes("send_registration_mail", true);
    form.finish()?;
    Ok(Registration {
        contact: NewContact {
            first_name: names.0,
            last_name: names.1,
            phone,
            email,
            gender: gender.map(String::from),
            note,
            custom_fields,
            ..NewContact::default()
        },
        is_registered,
        wants_mail,
        password,
    })
}

/// Makes a customer a user, unless it is one.
async fn sign_up(
    tx: &Tx,
    account: &Account,
    customer: &Contact,
    asked: &Registration,
    password: Option<PasswordHash>,
) -> Result<()> {
    if user::of_contact(tx, account.id, customer.id)
        .await?
        .is_some()
    {
        return Ok(());
    }
    let email = asked.contact.email.clone().unwrap_or_default();
    let invited = password.is_none() && asked.wants_mail;
    let changes = user::Changes {
        username: Some(email.to_lowercase()),
        email: Some(email.clone()),
        first_name: Some(customer.first_name.clone()),
        last_name: Some(customer.last_name.clone()),
        phone: customer.phone.clone(),
        account_type: Some(rules::CUSTOMER.to_owned()),
        password,
        ..user::Changes::default()
    };
    let made = user::create_for(tx, account, customer.id, &changes).await;
    let user = made.map_err(|error| match error.kind {
        Kind::Conflict => faults::taken("user", "email", &email),
        _ => error,
    })?;
    if invited {
        user::ask_for_password(tx, account.id, &user).await?;
    }
    Ok(())
}
