//! Calls 16 to 23.

use hookrelay::clock::Millis;
use serde_json::{Value, json};

use crate::desk::{Desk, both, types};

const FIELD: &str =
    "customfields=%5B%7B%22code%22%3A%22varsymbol%22%2C%22value%22%3A%22423874698%22%7D%5D";

#[tokio::test]
async fn a_customer_registers() {
    for desk in both().await {
        let before = desk.world.logged().await;
        let params =
            format!("email=jane%40example.com&name=Jane+Smith&phone=%2B15551234567&{FIELD}");
        let made = desk.does("POST", "customers", &params).await;
        let (id, token) = (made["contactid"].clone(), made["authtoken"].clone());
        assert_eq!(token.as_str().unwrap().len(), 32);
        assert_eq!(
            made,
            json!({"contactid":id,"email":"jane@example.com","firstname":"Jane","lastname":"Smith","systemname":"Jane Smith","authtoken":token,"browsercookiename":"LaVisitorId","role":"V","gender":"","userid":id,"datecreated":"2026-01-15 02:30:00","customfields":[{"code":"varsymbol","value":"423874698"}]})
        );
        let told = desk.told(before).await;
        assert_eq!(types(&told), ["new_contact"]);
        assert_eq!(told[0].1["contact_ref"], id);
        // The same again, by phone, or by email without phone: the same one, unchanged.
        let before = desk.world.logged().await;
        for again in [
            "phone=0015551234567&name=Other",
            "email=JANE%40example.com&name=Other&gender=F",
        ] {
            assert_eq!(desk.does("POST", "customers", again).await, made, "{again}");
        }
        assert_eq!(desk.world.logged().await, before);
        for named in [
            "jane%40example.com",
            "Jane%40Example.com",
            id.as_str().unwrap(),
        ] {
            assert_eq!(
                desk.does("GET", &format!("customers/{named}"), "").await,
                made,
                "{named}"
            );
        }
        let row = json!({"customers":[{"contactid":id,"email":"jane@example.com","firstname":"Jane","lastname":"Smith","systemname":"Jane Smith","userid":id,"datecreated":"2026-01-15 02:30:00","role":"V","gender":""}]});
        assert_eq!(desk.does("GET", "customers", "").await, row);
        let named = desk
            .does(
                "POST",
                "customers",
                "name=Only+Name&gender=F&note=n&uniquefields=x",
            )
            .await;
        assert_eq!(
            (&named["firstname"], &named["lastname"], &named["gender"]),
            (&json!("Only"), &json!("Name"), &json!("F"))
        );
        let nameless = desk.does("POST", "customers", "phone=%2B15550000009").await;
        assert_eq!(nameless["systemname"], "+15550000009");
    }
}

#[tokio::test]
async fn a_customer_with_a_user() {
    for desk in both().await {
        let before = desk.world.logged().await;
        let params = "email=Jane%40Example.com&name=Jane+Smith&role=R";
        let made = desk.does("POST", "customers", params).await;
        let told = desk.told(before).await;
        assert_eq!(types(&told), ["new_contact", "new_user", "password_setup"]);
        let user = &told[1].1;
        assert_eq!(
            (
                &user["username"],
                &user["account_type"],
                &user["first_name"]
            ),
            (
                &json!("jane@example.com"),
                &json!("Customer"),
                &json!("Jane")
            )
        );
        assert_eq!(
            told[2].1,
            json!({"user_id": user["user_id"], "username": "jane@example.com", "email": "Jane@Example.com", "contact_id": 1001})
        );
        assert_eq!(
            (&made["role"], &made["browsercookiename"]),
            (&json!("R"), &json!("V_auth"))
        );
        assert_ne!(made["userid"], made["contactid"]);
        let before = desk.world.logged().await;
        assert_eq!(desk.does("POST", "customers", params).await, made);
        assert_eq!(desk.world.logged().await, before);
        let userid = made["userid"].as_str().unwrap();
        assert_eq!(
            desk.does("GET", &format!("customers/{userid}"), "").await,
            made
        );
        for (params, expected) in [
            (
                "email=a%40x.example&role=R&password=Geheim1",
                vec!["new_contact", "new_user"],
            ),
            (
                "email=b%40x.example&role=R&send_registration_mail=N",
                vec!["new_contact", "new_user"],
            ),
            (
                "email=c%40x.example&role=R&send_registration_mail=Y",
                vec!["new_contact", "new_user", "password_setup"],
            ),
            ("email=d%40x.example&password=Geheim1", vec!["new_contact"]),
            (
                "email=d%40x.example&role=R&password=Geheim1",
                vec!["new_user"],
            ),
        ] {
            let before = desk.world.logged().await;
            desk.does("POST", "customers", params).await;
            assert_eq!(types(&desk.told(before).await), expected, "{params}");
        }
        let login = desk
            .world
            .command("ai_command=user_login_token&username=a@x.example&password=Geheim1")
            .await;
        assert!(login.body.contains("ai_token="), "{}", login.body);
        let taken = (
            500,
            "user with email alice@agent.example already exists".to_owned(),
        );
        assert_eq!(
            desk.refuses("POST", "customers", "email=alice%40agent.example&role=R")
                .await,
            taken
        );
    }
}

#[tokio::test]
async fn what_a_registration_needs() {
    for desk in both().await {
        let long = "x".repeat(256);
        for (params, expected) in [
            ("", "parameter email is missing"),
            ("email=+&name=&phone=%0A", "parameter email is missing"),
            ("name=Jane&role=R", "parameter email is missing"),
            ("email=jane", "invalid value of parameter email"),
            ("name=Jane&gender=X", "invalid value of parameter gender"),
            ("name=Jane&role=Q", "invalid value of parameter role"),
            ("name=Jane&role=v", "invalid value of parameter role"),
            (
                "name=Jane&password=weak",
                "invalid value of parameter password",
            ),
            ("name=Jane&phone=12", "invalid value of parameter phone"),
            (
                "name=Jane&customfields=%5B1%5D",
                "invalid value of parameter customfields",
            ),
            (
                "name=Jane&send_registration_mail=1",
                "invalid value of parameter send_registration_mail",
            ),
            (&format!("name={long}"), "invalid value of parameter name"),
            (&format!("name={long}{long}"), "parameter name is too long"),
            (
                "name=J&customfields=x&phone=12",
                "invalid value of parameter customfields",
            ),
        ] {
            let expected = (500, expected.to_owned());
            assert_eq!(
                desk.refuses("POST", "customers", params).await,
                expected,
                "{params:.40}"
            );
        }
    }
}

#[tokio::test]
async fn customers_by_every_filter() {
    let desk = Desk::open().await;
    for (number, (first, email)) in [
        ("Anna", "anna%40a.example"),
        ("Bert", "bert%40b.example"),
        ("Anja", "x%40ANNA.example"),
        ("Ümit", "u%40b.example"),
    ]
    .into_iter()
    .enumerate()
    {
        if number == 2 {
            desk.later(Millis::hours(24));
        }
        desk.does(
            "POST",
            "customers",
            &format!("email={email}&name={first}+Last{number}"),
        )
        .await;
    }
    for (params, expected) in [
        ("", "0123"),
        ("email=anna", "02"),
        ("firstname=AN", "02"),
        ("firstname=%C3%BCmi", "3"),
        ("lastname=last1", "1"),
        ("firstname=an&email=b.ex", ""),
        ("limitcount=2", "01"),
        ("limit=2&offset=1", "12"),
        ("limitfrom=3", "3"),
        ("limitfrom=99999999999999999999", ""),
        ("datecreatedfrom=2026-01-16", "23"),
        ("datecreatedto=2026-01-15+02:30:00", "01"),
        ("datecreatedto=2026-01-15+02:29:59", ""),
        ("datecreatedfrom=2026-01-15&datecreatedto=2026-01-15", "01"),
        ("datecreatedfrom=2026-01-15&limitfrom=1&limitcount=2", "12"),
        ("datecreatedfrom=2026-01-16&email=anna", "2"),
        ("email=%25", ""),
    ] {
        let found = desk.read("customers", params).await;
        let rows = found["customers"].as_array().unwrap().iter();
        let numbers: String = rows
            .map(|row| row["lastname"].as_str().unwrap().replace("Last", ""))
            .collect();
        assert_eq!(numbers, expected, "{params}");
    }
    for (params, expected) in [
        (
            "datecreatedfrom=x",
            "invalid value of parameter datecreatedfrom",
        ),
        (
            "datecreatedto=x",
            "invalid value of parameter datecreatedto",
        ),
        ("limitcount=-1", "invalid value of parameter limitcount"),
        ("limitfrom=a", "invalid value of parameter limitfrom"),
    ] {
        assert_eq!(
            desk.fails("GET", "customers", params).await,
            (500, expected.to_owned())
        );
    }
}

#[tokio::test]
async fn fields_of_customers() {
    for desk in both().await {
        desk.jane().await;
        let path = "customers/jane%40example.com/fields";
        let told = desk.changes("POST", path, FIELD).await;
        assert_eq!(types(&told), ["update_contact"]);
        let one = json!([{"code": "varsymbol", "value": "423874698"}]);
        assert_eq!(
            (&told[0].1["custom_fields"], &told[0].1["changed"]),
            (&one, &json!(["custom_fields"]))
        );
        let told = desk.changes("POST", path, FIELD).await;
        assert_eq!(told[0].1["custom_fields"].as_array().unwrap().len(), 2);
        assert!(desk.changes("DELETE", path, "code=none").await.is_empty());
        assert_eq!(
            types(&desk.changes("DELETE", path, "code=varsymbol").await),
            ["update_contact"]
        );
        assert!(desk.changes("DELETE", path, "").await.is_empty());
        assert_eq!(
            desk.refuses("POST", path, "customfields=").await,
            (500, "parameter customfields is missing".to_owned())
        );
        assert_eq!(
            desk.refuses("POST", path, "customfields=%5B%7B%7D%5D")
                .await,
            (500, "invalid value of parameter customfields".to_owned())
        );
        let field = r#"{"code":"a","value":"b"}"#;
        let many = format!("customfields=[{}]", vec![field; 150].join(","));
        desk.changes("POST", path, &many).await;
        assert_eq!(
            desk.refuses("POST", path, &many).await,
            (500, "invalid value of parameter customfields".to_owned())
        );
    }
}

#[tokio::test]
async fn groups_of_customers() {
    for desk in both().await {
        let jane = desk.jane().await;
        let vip = desk.does("POST", "customersgroups", "name=VIP").await["id"].clone();
        let path = "customers/jane%40example.com/groups";
        let told = desk.changes("POST", path, "name=vip").await;
        assert_eq!(
            told,
            [(
                "list_member_added".to_owned(),
                json!({"list_id": vip, "list_name": "VIP", "contact_id": 1001, "contact_ref": jane})
            )]
        );
        assert!(desk.changes("POST", path, "name=VIP").await.is_empty());
        assert_eq!(
            desk.does("GET", path, "").await,
            json!({"groups": [{"groupid": vip, "groupname": "VIP"}]})
        );
        let told = desk.changes("DELETE", path, "name=VIP").await;
        assert_eq!(types(&told), ["list_member_removed"]);
        assert!(desk.changes("DELETE", path, "name=VIP").await.is_empty());
        assert_eq!(desk.does("GET", path, "").await, json!({"groups": ""}));
        for method in ["POST", "DELETE"] {
            assert_eq!(
                desk.refuses(method, path, "").await,
                (500, "parameter name is missing".to_owned())
            );
            assert_eq!(
                desk.refuses(method, path, "name=none").await,
                (404, "group with name none not found".to_owned())
            );
        }
    }
}

#[tokio::test]
async fn unknown_customers() {
    for desk in both().await {
        for (method, below, params) in [
            ("DELETE", "/fields", ""),
            ("POST", "/fields", "customfields=%5B%5D"),
            ("GET", "", ""),
            ("DELETE", "/groups", "name=x"),
            ("GET", "/groups", ""),
            ("POST", "/groups", "name=x"),
        ] {
            for (named, by) in [
                ("nobody@x.example", "email"),
                ("000000000000", "id"),
                ("alice", "id"),
            ] {
                let expected = (404, format!("customer with {by} {named} not found"));
                let path = format!("customers/{named}{below}");
                assert_eq!(
                    desk.refuses(method, &path, params).await,
                    expected,
                    "{method} {path}"
                );
            }
        }
    }
}

#[tokio::test]
async fn two_registrations_of_one_address_at_once() {
    let desk = Desk::open().await;
    let before = desk.world.logged().await;
    let call = || {
        desk.call(
            "POST",
            "customers",
            "email=jane%40example.com&name=Jane&role=R",
        )
    };
    let (one, other, third) = tokio::join!(call(), call(), call());
    let id =
        |reply: &crate::world::Reply| -> Value { reply.json()["response"]["contactid"].clone() };
    assert_eq!((id(&one), id(&one)), (id(&other), id(&third)));
    assert_eq!(
        types(&desk.told(before).await),
        ["new_contact", "new_user", "password_setup"]
    );
}
