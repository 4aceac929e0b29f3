//! `protocols/command-api.md` 4.7, 4.9 and 4.22: orders and hosted checkouts.

use hookrelay::domain::user::Changes;

use crate::people::add;
use crate::world::World;

const ORDER: &str = "ai_command=create_order&user_id=1001&products=%5B%7B%22qty%22%3A1%2C%22price%22%3A%2210.00%22%2C%22title%22%3A%22Mug%22%2C%22stock_item_id%22%3A5%2C%22product_code%22%3A%22MUG%22%7D%5D&total=12.50&shipping=2.50&tax=0.00";
const CHECKOUT: &str = "ai_command=create_hosted_checkout&external_id=500&price=19.99&success_url=https%3A%2F%2Fshop.example%2Fdone&callback_url=https%3A%2F%2Fshop.example%2Fhook";

/// The failure of one of these commands: JSON in the one text.
fn failed(text: &str) -> String {
    let message = serde_json::json!({ "message": text }).to_string();
    let message: String = form_urlencoded::byte_serialize(message.as_bytes()).collect();
    // The form of the surface leaves an asterisk escaped, which no text here has.
    format!("status=1&status_message={message}")
}

#[tokio::test]
async fn an_order_is_created_once_and_shipped_once() {
    let world = World::start().await;
    add(&world, "john", "User", Changes::default()).await;
    let created = "status=0&status_message=%7B%22message%22%3A%22Order+Creation+Successful%22%2C%22order_id%22%3A1001%7D&order_id=1001";
    let call = format!("{ORDER}&external_id=A-77&payment_status=capture");
    let before = world.logged().await;
    assert_eq!(world.command(&call).await.body, created);
    assert_eq!(world.command(&call).await.body, created);
    assert_eq!(
        world.appended(before).await,
        [(
            "new_order".to_owned(),
            r#"{"order_id":1001,"user_id":1001,"external_id":"A-77","products":[{"qty":1,"price":"10.00","title":"Mug","stock_item_id":5,"product_code":"MUG"}],"total":"12.50","shipping":"2.50","tax":"0.00","admin_comments":"","payment_status":"CAPTURE","merchant_id":null,"billing_addr":null,"shipping_addr":null,"tracking_num":null,"shipped_at":null,"date_added":"2026-01-15 02:30:00"}"#.to_owned()
        )]
    );
    let updated = "status=0&status_message=%7B%22message%22%3A%22Order+Update+Successful%22%7D";
    let call = "ai_command=update_order&order_id=1001";
    let before = world.logged().await;
    assert_eq!(world.command(call).await.body, updated);
    assert_eq!(world.logged().await, before, "nothing changed");
    for (pairs, ending) in [
        (
            "tracking_num=1Z999",
            r#""tracking_num":"1Z999","shipped_at":"2026-01-15T10:30:00Z","date_added":"2026-01-15 02:30:00","send_shipped_email":true,"changed":["shipped_at","tracking_num"]}"#,
        ),
        (
            "tracking_num=1Z000",
            r#""tracking_num":"1Z000","shipped_at":"2026-01-15T10:30:00Z","date_added":"2026-01-15 02:30:00","send_shipped_email":false,"changed":["tracking_num"]}"#,
        ),
    ] {
        let before = world.logged().await;
        assert_eq!(
            world.command(&format!("{call}&{pairs}")).await.body,
            updated
        );
        let (event_type, data) = world.appended(before).await.remove(0);
        assert_eq!(event_type, "update_order");
        assert!(data.ends_with(ending), "{data}");
    }
    // A second order that is shipped quietly.
    world.command(ORDER).await;
    let before = world.logged().await;
    let quiet = "ai_command=update_order&order_id=1002&tracking_num=1&skip_shipped_email=1";
    assert_eq!(world.command(quiet).await.body, updated);
    let (_, data) = world.appended(before).await.remove(0);
    assert!(data.contains(r#""send_shipped_email":false,"#), "{data}");
}

#[tokio::test]
async fn every_row_of_an_order_is_checked() {
    let world = World::start().await;
    add(&world, "john", "User", Changes::default()).await;
    let before = world.logged().await;
    assert_eq!(
        world.command("ai_command=create_order").await.body,
        failed(
            "ERROR: Required parameter \"user_id\" missing; \
             ERROR: Required parameter \"products\" missing; \
             ERROR: Required parameter \"total\" missing; \
             ERROR: Required parameter \"shipping\" missing; \
             ERROR: Required parameter \"tax\" missing"
        )
    );
    // In the order of the table.
    let two = world
        .command(&format!("{ORDER}&merchant_id=x&date_added=soon"))
        .await;
    assert_eq!(
        two.body,
        failed(
            "Invalid value for parameter \"date_added\"; \
             Invalid value for parameter \"merchant_id\""
        )
    );
    let products = |text: &str| {
        let text: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
        format!("products={text}")
    };
    let wrong = |name: &str| format!("Invalid value for parameter \"{name}\"");
    let long = |name: &str| format!("Value of parameter \"{name}\" is too long");
    for (pairs, text) in [
        ("user_id=x".to_owned(), wrong("user_id")),
        (products("{}"), wrong("products")),
        (products("[]"), wrong("products")),
        (products("[1]"), wrong("products")),
        (
            products(r#"[{"qty":0,"price":1,"title":"x"}]"#),
            wrong("products"),
        ),
        (
            products(r#"[{"qty":-1,"price":1,"title":"x"}]"#),
            wrong("products"),
        ),
        (
            products(r#"[{"qty":1,"price":"x","title":"x"}]"#),
            wrong("products"),
        ),
        (products(r#"[{"qty":1,"price":1}]"#), wrong("products")),
        ("total=-1".to_owned(), wrong("total")),
        ("shipping=1.005".to_owned(), wrong("shipping")),
        ("tax=1,5".to_owned(), wrong("tax")),
        ("payment_status=PAID".to_owned(), wrong("payment_status")),
        ("date_added=soon".to_owned(), wrong("date_added")),
        ("merchant_id=x".to_owned(), wrong("merchant_id")),
        ("billing_addr=%5B%5D".to_owned(), wrong("billing_addr")),
        (
            format!("shipping_addr=%7B%22city%22%3A%22{}%22%7D", "x".repeat(256)),
            long("shipping_addr"),
        ),
        (
            format!("external_id={}", "x".repeat(256)),
            long("external_id"),
        ),
        (
            format!("admin_comments={}", "x".repeat(10_001)),
            long("admin_comments"),
        ),
        ("user_id=99".to_owned(), "Record does not exist".to_owned()),
        (
            "merchant_id=99".to_owned(),
            "Record does not exist".to_owned(),
        ),
    ] {
        // Of the same name, the last counts.
        let body = world.command(&format!("{ORDER}&{pairs}")).await.body;
        assert_eq!(body, failed(&text), "{pairs}");
    }
    for (pairs, text) in [
        (
            "",
            "ERROR: Required parameter \"order_id\" missing".to_owned(),
        ),
        ("order_id=x", wrong("order_id")),
        ("order_id=1001", "Record does not exist".to_owned()),
    ] {
        let body = world
            .command(&format!("ai_command=update_order&{pairs}"))
            .await
            .body;
        assert_eq!(body, failed(&text), "{pairs}");
    }
    assert_eq!(world.logged().await, before);
}

#[tokio::test]
async fn a_checkout_is_made_once_and_has_a_page_if_the_account_has_a_base() {
    let world = World::start().await;
    let before = world.logged().await;
    let first = world.command(CHECKOUT).await.body;
    assert_eq!(
        first,
        "status=0&status_message=%7B%22message%22%3A%22Hosted+Checkout+Created%22%2C%22checkout_id%22%3A1001%2C%22checkout_url%22%3A%22%22%7D&checkout_id=1001"
    );
    assert_eq!(
        world.command(&format!("{CHECKOUT}&price=1")).await.body,
        first
    );
    let (event_type, data) = world.appended(before).await.remove(0);
    assert_eq!(world.logged().await, before + 1);
    assert_eq!(event_type, "new_hosted_checkout");
    let data: serde_json::Value = serde_json::from_str(&data).unwrap();
    let code = data["code"].as_str().unwrap().to_owned();
    assert_eq!(code.len(), 16);
    assert_eq!(
        data,
        serde_json::json!({
            "checkout_id": 1001, "code": code, "external_id": 500, "price": "19.99",
            "success_url": "https://shop.example/done",
            "callback_url": "https://shop.example/hook",
            "notes": null, "created_at": "2026-01-15T10:30:00Z",
        })
    );
    let set = r#"{"checkout_url":"https://pay.shop.example/"}"#;
    let path = format!("/admin/v1/accounts/{}", world.account);
    assert_eq!(world.admin("PATCH", &path, set).await.status, 200);
    let body = world.command(CHECKOUT).await.body;
    let page: String =
        form_urlencoded::byte_serialize(format!("https://pay.shop.example/{code}").as_bytes())
            .collect();
    assert!(body.contains(&page), "{body}");
}

#[tokio::test]
async fn every_row_of_a_checkout_is_checked() {
    let world = World::start().await;
    assert_eq!(
        world
            .command("ai_command=create_hosted_checkout")
            .await
            .body,
        failed(
            "ERROR: Required parameter \"external_id\" missing; \
             ERROR: Required parameter \"price\" missing; \
             ERROR: Required parameter \"success_url\" missing; \
             ERROR: Required parameter \"callback_url\" missing"
        )
    );
    for (pairs, name) in [
        ("external_id=x", "external_id"),
        ("price=0", "price"),
        ("price=0.00", "price"),
        ("price=-1", "price"),
        ("price=1.999", "price"),
        ("success_url=shop.example", "success_url"),
        ("success_url=ftp%3A%2F%2Fshop.example", "success_url"),
        ("callback_url=%2Fhook", "callback_url"),
    ] {
        let body = world.command(&format!("{CHECKOUT}&{pairs}")).await.body;
        let text = format!("Invalid value for parameter \"{name}\"");
        assert_eq!(body, failed(&text), "{pairs}");
    }
    assert_eq!(world.logged().await, 0);
}
