//! `create_order`, `update_order` and `create_hosted_checkout` (`protocols/command-api.md` 4.7, 4.9
//! and 4.22): the commands that answer JSON in their `status_message`.

use serde_json::value::RawValue;
use serde_json::{Value, json};
use url::Url;

use super::{CommandCall, Outcome};
use crate::api::command::encode::Reply;
use crate::api::command::form::{Form, is_decimal};
use crate::domain::address::{Address, Fault};
use crate::domain::checkout::{self, NewCheckout};
use crate::domain::order::{self, NewOrder, PAYMENT_STATUSES};

/// Characters of short and long texts, and of a URL.
const MAX_SHORT: usize = 255;
const MAX_LONG: usize = 10_000;
const MAX_URL: usize = 2048;
/// Products of an order.
const MAX_PRODUCTS: usize = 1000;

/// `create_order`.
pub async fn create(call: &CommandCall) -> Outcome {
    let mut form = call.form();
    for name in ["user_id", "products", "total", "shipping", "tax"] {
        form.need(&[name]);
    }
    let user_id = form.id("user_id").unwrap_or_default();
    let products = products(&mut form).unwrap_or_default();
    let mut money = |name| amount(&mut form, name).unwrap_or_default();
    let (total, shipping, tax) = (money("total"), money("shipping"), money("tax"));
    // In the table's order, which is that of the findings.
    let external_id = form.text("external_id", MAX_SHORT);
    let admin_comments = form.lines("admin_comments", MAX_LONG).unwrap_or_default();
    let payment_status = form.typed("payment_status", |text| {
        let known = |status: &&&str| status.eq_ignore_ascii_case(text);
        PAYMENT_STATUSES.iter().find(known).copied()
    });
    let date_added = form.time("date_added");
    let order = &NewOrder {
        user_id,
        external_id,
        products,
        total,
        shipping,
        tax,
        admin_comments,
        payment_status: payment_status.unwrap_or("PENDING").to_owned(),
        merchant_id: form.id("merchant_id"),
        billing_addr: address(&mut form, "billing_addr"),
        shipping_addr: address(&mut form, "shipping_addr"),
        date_added,
    };
    form.finish()?;
    let account = &call.account;
    call.commit(|tx| async move {
        let id = order::create(&tx, account, order).await?;
        let message = json!({"message": "Order Creation Successful", "order_id": id});
        Ok(Reply::new(message.to_string()).integer("order_id", id))
    })
    .await
}

/// `update_order`.
pub async fn update(call: &CommandCall) -> Outcome {
    let mut form = call.form();
    form.need(&["order_id"]);
    let id = form.id("order_id").unwrap_or_default();
    let number = &form.text("tracking_num", MAX_SHORT);
    let quietly = form.boolean("skip_shipped_email").unwrap_or(false);
    form.finish()?;
    let account = &call.account;
    call.commit(|tx| async move {
        order::ship(&tx, account, id, number.as_deref(), quietly).await?;
        let message = json!({"message": "Order Update Successful"});
        Ok(Reply::new(message.to_string()))
    })
    .await
}

/// `create_hosted_checkout`.
pub async fn checkout(call: &CommandCall) -> Outcome {
    let mut form = call.form();
    for name in ["external_id", "price", "success_url", "callback_url"] {
        form.need(&[name]);
    }
    let external_id = form.integer("external_id").unwrap_or_default();
    let price = amount(&mut form, "price").unwrap_or_default();
    if !price.is_empty() && price.bytes().all(|byte| matches!(byte, b'0' | b'.')) {
        form.wrong("price");
    }
    let new = &NewCheckout {
        external_id,
        price,
        success_url: address_of_page(&mut form, "success_url").unwrap_or_default(),
        callback_url: address_of_page(&mut form, "callback_url").unwrap_or_default(),
        notes: form.text("notes", MAX_LONG),
    };
    form.finish()?;
    let account = &call.account;
    call.commit(|tx| async move {
        let checkout = checkout::create(&tx, account, new).await?;
        let message = Made {
            message: "Hosted Checkout Created",
            checkout_id: checkout.id,
            checkout_url: checkout.url(account),
        };
        let reply = Reply::of_json(&message)?;
        Ok(reply.integer("checkout_id", checkout.id))
    })
    .await
}

#[derive(serde::Serialize)]
struct Made {
    message: &'static str,
    checkout_id: u64,
    checkout_url: String,
}

/// A decimal that is not negative, with at most two digits behind the point.
fn amount(form: &mut Form<'_>, name: &str) -> Option<String> {
    form.typed(name, |text| {
        let fraction = text.split_once('.').map_or("", |(_, fraction)| fraction);
        let fits = is_decimal(text) && !text.starts_with('-') && fraction.len() <= 2;
        fits.then(|| text.to_owned())
    })
}

fn address(form: &mut Form<'_>, name: &str) -> Option<Address> {
    let mut is_long = false;
    let address = form.json(name, |value| match Address::from_json(&value) {
        Ok(address) => Some(Some(address)),
        Err(Fault::Invalid) => None,
        Err(Fault::TooLong) => {
            is_long = true;
            Some(None)
        }
    });
    if is_long {
        form.too_long(name);
    }
    address.flatten()
}

fn address_of_page(form: &mut Form<'_>, name: &str) -> Option<String> {
    let text = form.text(name, MAX_URL)?;
    let url = Url::parse(&text).ok();
    let is_web = |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host();
    if url.is_some_and(|url| is_web(&url)) {
        return Some(text);
    }
    form.wrong(name);
    None
}

/// The products as they were given: their text stays.
fn products(form: &mut Form<'_>) -> Option<Vec<Box<RawValue>>> {
    let raw = form.raw("products")?;
    form.json("products", |value| {
        let Value::Array(products) = value else {
            return None;
        };
        let fits = (1..=MAX_PRODUCTS).contains(&products.len()) && products.iter().all(is_product);
        fits.then(|| serde_json::from_str(raw).ok()).flatten()
    })
}

/// `qty` above 0, `price` a decimal, `title` a text.
fn is_product(value: &Value) -> bool {
    let decimal = |name: &str| {
        let text = match value.get(name)? {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        is_decimal(&text).then_some(text)
    };
    let is_positive = |text: String| {
        !text.starts_with('-') && text.bytes().any(|byte| matches!(byte, b'1'..=b'9'))
    };
    decimal("qty").is_some_and(is_positive)
        && decimal("price").is_some()
        && value.get("title").is_some_and(Value::is_string)
}
