//! `protocols/command-api.md` 4.6 and 4.19, and users as the operator makes them.

use hookrelay::domain::user::Changes;
use serde_json::{Value, json};

use crate::people::{
    GEHEIM, NO_RECORD, SUCCESS, add, escaped, field, invalid, missing, set, stored, too_long, world,
};
use crate::world::World;

const JOHN: &str = "ai_command=create_customer&username=john&first_name=John&last_name=Doe\
                    &phone=8005551234&email=john@example.com";

/// The person of [`JOHN`] in the words of `protocols/notifications.md` 4.2.
const CONTACT: &str = r#""first_name":"John","last_name":"Doe","phone":null,"email":"john@example.com","gender":null,"note":null,"external_id":null,"is_bot_active":true,"do_not_disturb":false,"custom_fields":[],"lists":[],"identities":[],"created_at":"2026-01-15T10:30:00Z"}"#;
/// `new_user` as in `protocols/notifications.md` 4.1.
const NEW_USER: &str = r#"{"user_id":1001,"username":"john","account_type":"Customer","first_name":"John","last_name":"Doe","email":"john@example.com","phone":"8005551234","company":"","date_added":"2026-01-15 02:30:00","enroller_id":0,"upline_id":0,"enroller_code":0,"enroller_code_name":"","billing_address":{"first_name":"John","last_name":"Doe","company":"","address_line_1":"1 Main Street","address_line_2":"","city":"Springfield","region":"OR","country":"US","postal_code":"97477","email":"john@example.com","phone":"8005551234"},"shipping_address":{"first_name":"","last_name":"","company":"","address_line_1":"","address_line_2":"","city":"","region":"","country":"","postal_code":"","email":"","phone":""}}"#;
const BILLING: &str = r#"{"first_name":"John","last_name":"Doe","address_line_1":"1 Main Street","city":"Springfield","region":"OR","country":"US","postal_code":97477,"email":"john@example.com","phone":"8005551234","planet":"Earth"}"#;

fn types(said: &[(String, String)]) -> Vec<&str> {
    said.iter().map(|(name, _)| name.as_str()).collect()
}

fn data((_, text): &(String, String)) -> Value {
    serde_json::from_str(text).unwrap()
}

fn taken(text: &str) -> String {
    format!("status=1&status_message={text}+already+exists")
}

#[tokio::test]
async fn a_customer_is_created_as_documented_and_is_a_contact() {
    let world = world().await;
    let call = format!("{JOHN}&country=US&billing_addr={}", escaped(BILLING));
    let body = world.command(&call).await.body;
    assert_eq!(body, format!("{SUCCESS}&user_id=1001"));
    let said = world.appended(0).await;
    assert_eq!(types(&said), ["new_contact", "new_user"]);
    assert!(
        said[0]
            .1
            .starts_with(r#"{"contact_id":1001,"contact_ref":""#)
    );
    assert!(said[0].1.ends_with(CONTACT), "{}", said[0].1);
    assert_eq!(said[1].1, NEW_USER);
    // The documented answer to user_get.
    let get = world.command("ai_command=user_get&userID=1001").await.body;
    let shown = "&user_id=1001&external_id=&username=john&first_name=John&last_name=Doe&company=\
                 &email=john%40example.com&phone=8005551234&country=US&account_type=Customer\
                 &date_added=2026-01-15+02%3A30%3A00&active=1&online_status=F&contact_id=1001";
    assert_eq!(get, format!("{SUCCESS}{shown}"));
}

#[tokio::test]
async fn every_optional_parameter_is_kept() {
    let world = world().await;
    let external = |id: &str| Changes {
        external_id: Some(id.to_owned()),
        ..Changes::default()
    };
    add(&world, "up", "Agent", external("U")).await;
    add(&world, "roll", "Agent", external("R")).await;
    let more = format!(
        "&company=Acme&password={GEHEIM}&account_type=Agent&external_id=E&enroller=1002\
         &external_enroller_id=nobody&external_upline_id=U&payout_method=general_csv\
         &date_added=2025-12-31+23:00:00&gov_id_type=passport&gov_id_number=X1&gender=M\
         &shipping_addr=%7B%22city%22:%22Salem%22%7D"
    );
    let before = world.logged().await;
    let body = world.command(&format!("{JOHN}{more}")).await.body;
    assert_eq!(field(&body, "user_id"), "1003");
    // An agent is no contact.
    assert_eq!(types(&world.appended(before).await), ["new_user"]);
    let user = stored(&world, 1003).await;
    assert_eq!((user.enroller_id, user.upline_id), (Some(1002), Some(1001)));
    assert_eq!(user.external_id.as_deref(), Some("E"));
    assert_eq!(user.company, "Acme");
    assert_eq!(user.payout_method, "general_csv");
    assert_eq!(user.date_added.to_string(), "2026-01-01T07:00:00Z");
    assert_eq!(
        (user.gov_id_type.as_str(), user.gov_id_number.as_str()),
        ("passport", "X1")
    );
    assert_eq!(
        (user.gender.as_str(), user.shipping_address.city.as_str()),
        ("M", "Salem")
    );
    assert_eq!((user.contact_id, user.active), (None, true));
    let validate = format!("ai_command=validate_user&username=john&password={GEHEIM}");
    assert_eq!(
        field(&world.command(&validate).await.body, "validation"),
        "success"
    );
}

#[tokio::test]
async fn an_owned_customer_is_also_a_lead_of_the_same_contact() {
    let world = world().await;
    add(&world, "alice", "Agent", Changes::default()).await;
    for (username, account_type, contacts) in [("john", "", 1), ("jane", "&account_type=Agent", 0)]
    {
        let before = world.logged().await;
        let call = JOHN.replace("=john", &format!("={username}"));
        let body = world
            .command(&format!("{call}&ownerid=1001{account_type}"))
            .await
            .body;
        assert!(body.starts_with(SUCCESS), "{body}");
        let said = world.appended(before).await;
        let lead = data(said.last().unwrap());
        if contacts == 1 {
            assert_eq!(types(&said), ["new_contact", "new_user", "new_lead"]);
            assert_eq!(lead["contact_id"], data(&said[0])["contact_id"]);
        } else {
            assert_eq!(types(&said), ["new_user", "new_contact", "new_lead"]);
        }
        assert_eq!(
            (&lead["owner"], &lead["source"]),
            (&json!("alice"), &json!("customer"))
        );
        assert_eq!(
            (&lead["first_name"], &lead["phone"]),
            (&json!("John"), &json!("8005551234"))
        );
        assert_eq!(lead["actor"], Value::Null);
    }
    // The user whom the call names acts.
    let call = JOHN.replace("=john", "=jim");
    let before = world.logged().await;
    world
        .command(&format!("{call}&ownerid=1001&user_id=1001"))
        .await;
    assert_eq!(
        data(world.appended(before).await.last().unwrap())["actor"],
        "alice"
    );
}

#[tokio::test]
async fn a_known_person_is_linked_and_not_created_again() {
    let world = world().await;
    set(&world, |account| {
        account.settings.default_country_code = Some("1".to_owned());
    })
    .await;
    world.command(JOHN).await;
    // By the phone, whatever the e-mail address.
    let before = world.logged().await;
    let jane = JOHN
        .replace("=john", "=jane")
        .replace("8005551234", "%2B1+(800)+555-1234");
    world.command(&jane).await;
    assert_eq!(types(&world.appended(before).await), ["new_user"]);
    assert_eq!(stored(&world, 1002).await.contact_id, Some(1001));
    assert_eq!(stored(&world, 1002).await.phone, "+1 (800) 555-1234");
}

#[tokio::test]
async fn what_create_customer_refuses() {
    let world = world().await;
    world.command(&format!("{JOHN}&external_id=E")).await;
    let before = world.logged().await;
    let long = "x".repeat(256);
    let rule = "status=1&status_message=Password+must+have+at+least+7+characters+with+an+upper+case\
                +letter%2C+a+lower+case+letter+and+a+digit";
    let jane = "&username=jane&email=jane@example.com";
    for (pairs, expected) in [
        ("&email=x@example.com".to_owned(), taken("Username")),
        (
            "&username=JOHN&email=x@example.com".to_owned(),
            taken("Username"),
        ),
        ("&username=x".to_owned(), taken("Email")),
        (
            "&username=x&email=John@Example.COM".to_owned(),
            taken("Email"),
        ),
        (format!("{jane}&external_id=E"), taken("External+id")),
        ("&username=".to_owned(), missing("username")),
        ("&first_name=+".to_owned(), missing("first_name")),
        ("&username=%07%0a".to_owned(), missing("username")),
        ("&last_name=".to_owned(), missing("last_name")),
        ("&phone=".to_owned(), missing("phone")),
        ("&email=".to_owned(), missing("email")),
        ("&username=john_doe".to_owned(), invalid("username")),
        ("&username=j@example.com".to_owned(), invalid("username")),
        (
            format!("&username={}", "x".repeat(65)),
            too_long("username"),
        ),
        (format!("&first_name={long}"), too_long("first_name")),
        (format!("&last_name={long}"), too_long("last_name")),
        (format!("&company={long}"), too_long("company")),
        (format!("&external_id={long}"), too_long("external_id")),
        (format!("&payout_method={long}"), too_long("payout_method")),
        (format!("&phone={}", "1".repeat(33)), too_long("phone")),
        (
            format!("&account_type={}", "x".repeat(65)),
            too_long("account_type"),
        ),
        ("&email=john".to_owned(), invalid("email")),
        ("&email=john@example".to_owned(), invalid("email")),
        ("&password=geheim1".to_owned(), rule.to_owned()),
        ("&enroller=x".to_owned(), invalid("enroller")),
        ("&upline=1.5".to_owned(), invalid("upline")),
        ("&ownerid=x".to_owned(), invalid("ownerid")),
        ("&date_added=2026-13-01".to_owned(), invalid("date_added")),
        ("&gov_id_type=passport".to_owned(), missing("gov_id_number")),
        ("&gov_id_number=X1".to_owned(), missing("gov_id_type")),
        ("&country=U1".to_owned(), invalid("country")),
        ("&country=USA".to_owned(), too_long("country")),
        ("&gender=male".to_owned(), invalid("gender")),
        ("&billing_addr=x".to_owned(), invalid("billing_addr")),
        ("&shipping_addr=[]".to_owned(), invalid("shipping_addr")),
        (format!("{jane}&enroller=9999"), NO_RECORD.to_owned()),
        (
            format!("{jane}&external_enroller_id=none"),
            NO_RECORD.to_owned(),
        ),
        (format!("{jane}&upline=0"), NO_RECORD.to_owned()),
        (
            format!("{jane}&external_upline_id=none"),
            NO_RECORD.to_owned(),
        ),
        (format!("{jane}&ownerid=9999"), NO_RECORD.to_owned()),
        (format!("{jane}&user_id=9999"), NO_RECORD.to_owned()),
    ] {
        let call = format!("{JOHN}{pairs}");
        assert_eq!(world.command(&call).await.body, expected, "{pairs}");
    }
    // As the document prints it.
    let two = "ai_command=create_customer&first_name=x&last_name=x&phone=1";
    assert_eq!(
        world.command(two).await.body,
        "status=1&status_message%5B0%5D=ERROR%3A+Required+parameter+%22username%22+missing\
         &status_message%5B1%5D=ERROR%3A+Required+parameter+%22email%22+missing"
    );
    assert_eq!(world.logged().await, before, "nothing is left behind");
    let get = world
        .command("ai_command=user_get&username=jane")
        .await
        .body;
    assert_eq!(get, NO_RECORD);
}

#[tokio::test]
async fn of_two_customers_with_one_name_at_the_same_instant_one_wins() {
    let world = world().await;
    let other = JOHN.replace("john@", "other@");
    let (one, two) = tokio::join!(world.command(JOHN), world.command(&other));
    let mut bodies = [one.body, two.body];
    bodies.sort();
    assert!(bodies[0].starts_with(SUCCESS), "{bodies:?}");
    assert_eq!(bodies[1], taken("Username"));
    let said = world.appended(0).await;
    assert_eq!(types(&said), ["new_contact", "new_user"]);
}

async fn fill(world: &World) {
    let text = |text: &str| Some(text.to_owned());
    for (username, first, company, country, external, account_type) in [
        ("john", "John", "", "US", "E-1", "Customer"),
        ("johnny", "Johnny", "Acme", "us", "e-1", "Customer"),
        ("alice", "Alice", "ACME", "DE", "X", "Custom agent"),
        ("bob", "Bob", "Acme & Sons", "", "Y", "Owner"),
    ] {
        let changes = Changes {
            first_name: text(first),
            last_name: text("Doe"),
            email: Some(format!("{username}@example.com")),
            company: text(company),
            country: text(country),
            external_id: text(external),
            enroller_id: (username != "john").then_some(1001),
            ..Changes::default()
        };
        add(world, username, account_type, changes).await;
    }
}

#[tokio::test]
async fn users_are_found_by_every_filter() {
    let world = world().await;
    fill(&world).await;
    let near = "&proximity_search=1";
    for (pairs, ids) in [
        (String::new(), "1001 1002 1003 1004"),
        ("&userID=1002".to_owned(), "1002"),
        ("&userID=1002&username=john".to_owned(), ""),
        ("&userID=9999".to_owned(), ""),
        ("&username=JOHN".to_owned(), "1001"),
        ("&username=joh".to_owned(), ""),
        (format!("&username=OHN{near}"), "1001 1002"),
        (format!("&username=hnny{near}"), "1002"),
        (format!("&username=o{near}"), "1001 1002 1004"),
        ("&email=Alice@example.com".to_owned(), "1003"),
        (format!("&email=@example{near}"), "1001 1002 1003 1004"),
        ("&external_id=E-1".to_owned(), "1001 1002"),
        ("&external_id=x".to_owned(), "1003"),
        ("&company=acme".to_owned(), "1002 1003"),
        (format!("&company=acme{near}"), "1002 1003 1004"),
        ("&first_name=bob".to_owned(), "1004"),
        ("&last_name=doe".to_owned(), "1001 1002 1003 1004"),
        ("&last_name=do".to_owned(), ""),
        ("&country=US".to_owned(), "1001 1002"),
        (format!("&country=d{near}"), "1003"),
        (format!("&country=de{near}"), "1003"),
        (format!("&country=ger{near}"), ""),
        ("&account_type=custom".to_owned(), "1001 1002 1003"),
        ("&account_type=CUSTOMER".to_owned(), "1001 1002"),
        ("&account_type=c".to_owned(), "1001 1002 1003"),
        ("&account_type=omer".to_owned(), ""),
        ("&enroller_id=1001".to_owned(), "1002 1003 1004"),
        ("&enroller_id=1002".to_owned(), ""),
        (
            "&enroller_id=1001&company=acme&country=de".to_owned(),
            "1003",
        ),
    ] {
        let body = world
            .command(&format!("ai_command=query_users{pairs}"))
            .await
            .body;
        let users: Value = serde_json::from_str(&field(&body, "users")).unwrap();
        let found: Vec<&String> = users.as_object().unwrap().keys().collect();
        let expected: Vec<&str> = ids.split_whitespace().collect();
        assert_eq!(found, expected, "{pairs}");
        assert_eq!(
            field(&body, "num_results"),
            expected.len().to_string(),
            "{pairs}"
        );
        let count = format!("ai_command=query_users{pairs}&return_count_only=1");
        assert_eq!(
            world.command(&count).await.body,
            format!("{SUCCESS}&num_results={}", expected.len()),
            "{pairs}"
        );
    }
    // Another name, and the old one finds nobody.
    world
        .command("ai_command=update_user&userID=1003&first_name=Alina&company=")
        .await;
    for (pairs, count) in [
        ("first_name=alice", 0),
        ("first_name=alina", 1),
        ("company=acme", 1),
    ] {
        let body = world
            .command(&format!("ai_command=query_users&{pairs}"))
            .await
            .body;
        assert_eq!(field(&body, "num_results"), count.to_string(), "{pairs}");
    }
}

#[tokio::test]
async fn query_users_answers_as_documented() {
    let world = world().await;
    world.command(JOHN).await;
    let users = r#"{"1001":{"username":"john","first_name":"John","company":"","last_name":"Doe","email":"john@example.com","account_type":"Customer"}}"#;
    let shown = format!("{SUCCESS}&num_results=1&users={}", escaped(users));
    assert_eq!(world.command("ai_command=query_users").await.body, shown);
    let none = format!("{SUCCESS}&num_results=0&users=%7B%7D");
    assert_eq!(
        world.command("ai_command=query_users&company=x").await.body,
        none
    );
    for (pairs, expected) in [
        ("userID=x", invalid("userID")),
        ("enroller_id=x", invalid("enroller_id")),
        ("username=%00", invalid("username")),
    ] {
        let call = format!("ai_command=query_users&{pairs}");
        assert_eq!(world.command(&call).await.body, expected, "{pairs}");
    }
}

#[tokio::test]
async fn the_operator_adds_lists_and_changes_users() {
    let world = world().await;
    let path = format!("/admin/v1/accounts/{}/users", world.account);
    let owner = json!({"username": "alice", "email": "alice@shop.example", "first_name": "Alice",
        "last_name": "Stone", "account_type": "Owner", "password": GEHEIM});
    let made = world.admin("POST", &path, &owner.to_string()).await;
    assert_eq!(made.status, 201, "{}", made.body);
    assert_eq!(
        (&made.json()["user"], &made.json()["has_password"]),
        (&json!(1001), &json!(true))
    );
    assert!(!made.body.contains("argon2"));
    assert_eq!(types(&world.appended(0).await), ["new_user"]);
    for (member, value, code) in [
        ("username", json!("a b"), "username"),
        ("email", json!("x"), "email"),
        ("password", json!("short"), "password"),
        ("first_name", json!(""), "first_name"),
        ("first_name", Value::Null, "first_name"),
        ("account_type", json!("x".repeat(65)), "account_type"),
    ] {
        let mut wrong = owner.clone();
        wrong["username"] = json!("bob");
        wrong["email"] = json!("bob@shop.example");
        wrong[member] = value;
        let refused = world.admin("POST", &path, &wrong.to_string()).await;
        assert_eq!(refused.error().1.as_deref(), Some(code), "{}", refused.body);
    }
    assert_eq!(
        world.admin("POST", &path, &owner.to_string()).await.status,
        409
    );
    let listed = world.admin("GET", &path, "").await.json();
    assert_eq!(listed["users"].as_array().unwrap().len(), 1);
    assert_eq!(listed["users"][0]["username"], "alice");
    let rest = world
        .admin("GET", &format!("{path}?after=1001"), "")
        .await
        .json();
    assert_eq!(rest["users"], json!([]));
    for (name, body, status) in [
        ("alice", json!({"active": false}), 200),
        ("1001", json!({"username": "alina"}), 200),
        ("alice", json!({"active": true}), 404),
        ("9999", json!({"active": true}), 404),
        ("alina", json!({"email": "x"}), 400),
        ("alina", json!({"shoe": 42}), 400),
    ] {
        let reply = world
            .admin("PATCH", &format!("{path}/{name}"), &body.to_string())
            .await;
        assert_eq!(reply.status, status, "{name} {body}: {}", reply.body);
    }
    let said = world.appended(1).await;
    assert_eq!(types(&said), ["update_user", "update_user"]);
    assert_eq!(data(&said[1])["changed"], json!(["username"]));
    assert!(!stored(&world, 1001).await.active);
}
