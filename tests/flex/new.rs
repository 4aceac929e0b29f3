//! NEW of `protocols/flex-api.md` section 2: its table, `Custom`, and whom it finds.

use serde_json::json;

use crate::calls::{call, contact, custom, error, set, since, stored, told, types, world};

/// Members, and what they come to; `LONG` stands for 255 characters.
const CELLS: &[(&str, &str)] = &[
    // Number, Email: one of them.
    (r#""Number":"+16193596440""#, ""),
    (r#""Email":"a@b.example""#, ""),
    (r#""Fname":"Jane""#, "Number is required"),
    (r#""Number":"","Email":" ""#, "Number is required"),
    (r#""Number":null,"Email":null"#, "Number is required"),
    (r#""Number":"","Email":"c@b.example""#, ""),
    // Number: international, after cleaning.
    (r#""Number":"0031 20 123 4567""#, ""),
    (r#""Number":"+1 (555) 123-45.67""#, ""),
    (r#""Number":"5551234567""#, "Number is not valid"),
    (r#""Number":16193596441"#, "Number is not valid"),
    (r#""Number":"+9995551234""#, "Number is not valid"),
    (r#""Number":"+1555""#, "Number is not valid"),
    (r#""Number":"+1555123456789012""#, "Number is not valid"),
    (
        r#""Number":"x","Email":"a@b.example""#,
        "Number is not valid",
    ),
    (r#""Number":true"#, "Number is not valid"),
    (r#""Number":["+16193596440"]"#, "Number is not valid"),
    (r#""Number":"+1619359\u00006440""#, "Number is not valid"),
    (
        r#""Number":"+11111111111111111111111111111111""#,
        "Number is too long",
    ),
    // Email.
    (r#""Email":"jane""#, "Email is not valid"),
    (
        r#""Number":"+16193596442","Email":"jane@""#,
        "Email is not valid",
    ),
    (r#""Email":{}"#, "Email is not valid"),
    (r#""Email":"a@LONG.example""#, "Email is too long"),
    // Fname, Lname: at most 255.
    (
        r#""Number":"+16193596443","Fname":"LONG","Lname":"LONG""#,
        "",
    ),
    (
        r#""Number":"+16193596444","Fname":"LONGx""#,
        "Fname is too long",
    ),
    (
        r#""Number":"+16193596444","Lname":"LONGx""#,
        "Lname is too long",
    ),
    (
        r#""Number":"+16193596444","Fname":[]"#,
        "Fname is not valid",
    ),
    (
        r#""Number":"+16193596444","Lname":false"#,
        "Lname is not valid",
    ),
    (r#""Number":"+16193596444","Fname":7"#, ""),
    // Opportunitie: a truth value in any spelling.
    (
        r#""Number":"+16193596445","Opportunitie":"maybe""#,
        "Opportunitie is not valid",
    ),
    (
        r#""Number":"+16193596445","Opportunitie":2"#,
        "Opportunitie is not valid",
    ),
    (r#""Number":"+16193596445","Opportunitie":false"#, ""),
    (r#""Number":"+16193596446","Opportunitie":"""#, ""),
    (r#""Number":"+16193596447","Opportunitie":"n""#, ""),
    // What is not known is ignored.
    (r#""Number":"+16193596448","Note":{"a":[1]}"#, ""),
];

#[tokio::test]
async fn new_takes_what_its_table_says() {
    let world = world().await;
    for (members, expected) in CELLS {
        let members = members.replace("LONG", &"x".repeat(255));
        let before = world.logged().await;
        let reply = call(&world, &format!(r#"{{"type":"NEW",{members}}}"#)).await;
        if expected.is_empty() {
            assert_eq!(reply.status, 200, "{members}: {}", reply.body);
            let id = reply.json()["idContact"].as_u64().unwrap();
            assert_eq!(reply.body, format!(r#"{{"idContact":{id}}}"#), "{members}");
            // Some of them find a contact that is there.
            assert!(types(&world, before).await.len() <= 1, "{members}");
        } else {
            assert_eq!(told(&reply), (400, error(expected).as_str()), "{members}");
            assert_eq!(world.logged().await, before, "{members}");
        }
    }
}

#[tokio::test]
async fn custom_takes_what_its_table_says() {
    let world = world().await;
    let many = |count: usize| {
        let members: Vec<String> = (0..count).map(|n| format!(r#""c{n}":{n}"#)).collect();
        format!("{{{}}}", members.join(","))
    };
    let code = "c".repeat(64);
    let value = "v".repeat(10_000);
    for (number, (given, expected)) in [
        (
            r#"{"12":"blue","13":"large"}"#.to_owned(),
            Ok(vec![("12", "blue"), ("13", "large")]),
        ),
        (
            r#"["blue",7,true,null,"x"]"#.to_owned(),
            Ok(vec![("0", "blue"), ("1", "7"), ("2", "true"), ("4", "x")]),
        ),
        ("[]".to_owned(), Ok(vec![])),
        ("{}".to_owned(), Ok(vec![])),
        ("null".to_owned(), Ok(vec![])),
        (r#""""#.to_owned(), Ok(vec![])),
        (r#"" ""#.to_owned(), Ok(vec![])),
        (
            r#"{"a":1.5,"b":false,"c":-3,"d":null,"e":""," f ":"g"}"#.to_owned(),
            Ok(vec![("f", "g"), ("a", "1.5"), ("b", "false"), ("c", "-3")]),
        ),
        (
            r#"{"a":" two\r\nlines "}"#.to_owned(),
            Ok(vec![("a", "two lines")]),
        ),
        (
            format!(r#"{{"{code}":"{value}"}}"#),
            Ok(vec![(code.as_str(), value.as_str())]),
        ),
        (format!(r#"{{"{code}c":"x"}}"#), Err("Custom is too long")),
        (format!(r#"{{"a":"{value}v"}}"#), Err("Custom is too long")),
        (many(201), Err("Custom is too long")),
        (r#"{"":"x"}"#.to_owned(), Err("Custom is not valid")),
        (r#"{"a\n":"x"}"#.to_owned(), Ok(vec![("a", "x")])),
        (r#"{"a\nb":"x"}"#.to_owned(), Err("Custom is not valid")),
        (r#"{"a":"\u0000"}"#.to_owned(), Err("Custom is not valid")),
        (r#"{"a":{"b":1}}"#.to_owned(), Err("Custom is not valid")),
        (r#"{"a":[1]}"#.to_owned(), Err("Custom is not valid")),
        (r#""blue""#.to_owned(), Err("Custom is not valid")),
        ("7".to_owned(), Err("Custom is not valid")),
        ("true".to_owned(), Err("Custom is not valid")),
    ]
    .into_iter()
    .enumerate()
    {
        let operation =
            format!(r#"{{"type":"NEW","Email":"c{number}@b.example","Custom":{given}}}"#);
        let reply = call(&world, &operation).await;
        let short = &given[..given.len().min(60)];
        match expected {
            Ok(fields) => {
                assert_eq!(reply.status, 200, "{short}: {}", reply.body);
                let id = reply.json()["idContact"].as_u64().unwrap();
                let expected: Vec<(String, String)> = fields
                    .into_iter()
                    .map(|(code, value)| (code.to_owned(), value.to_owned()))
                    .collect();
                assert_eq!(custom(&world, id).await, expected, "{short}");
            }
            Err(text) => assert_eq!(told(&reply), (400, error(text).as_str()), "{short}"),
        }
    }
    let operation = format!(
        r#"{{"type":"NEW","Email":"m@b.example","Custom":{}}}"#,
        many(200)
    );
    let id = call(&world, &operation).await.json()["idContact"]
        .as_u64()
        .unwrap();
    assert_eq!(custom(&world, id).await.len(), 200);
    let edit = format!(r#"{{"type":"EDIT","idContact":{id},"Custom":{{"more":1}}}}"#);
    let reply = call(&world, &edit).await;
    assert_eq!(told(&reply), (400, error("Custom is too long").as_str()));
}

#[tokio::test]
async fn new_creates_a_contact_and_tells_of_it() {
    let world = world().await;
    let before = world.logged().await;
    let id = contact(
        &world,
        r#""Number":"+16193596440","Email":"example@example.com","Fname":" first\tName ","Lname":"lastName","Custom":{"12":"blue"}"#,
    )
    .await;
    assert_eq!(id, 1001);
    let told = since(&world, before).await;
    let stored = stored(&world, id).await;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].0, "new_contact");
    assert_eq!(
        told[0].1,
        json!({
            "contact_id": 1001, "contact_ref": stored.reference.to_string(),
            "first_name": "first Name", "last_name": "lastName", "phone": "+16193596440",
            "email": "example@example.com", "gender": null, "note": null, "external_id": null,
            "is_bot_active": true, "do_not_disturb": false,
            "custom_fields": [{"code": "12", "value": "blue"}], "lists": [], "identities": [],
            "created_at": "2026-01-15T10:30:00Z",
        })
    );
}

#[tokio::test]
async fn new_finds_by_number_or_without_one_by_email() {
    let world = world().await;
    let jane = contact(
        &world,
        r#""Number":"+15551234567","Email":"jane@example.com","Fname":"Jane""#,
    )
    .await;
    let mail = contact(&world, r#""Email":"mail@example.com""#).await;
    let before = world.logged().await;
    for (members, expected) in [
        (
            r#""Number":"+1 555 123 4567","Fname":"Other","Custom":{"a":1}"#,
            jane,
        ),
        (
            r#""Number":"+15551234567","Email":"other@example.com""#,
            jane,
        ),
        (r#""Email":"JANE@example.com""#, jane),
        (r#""Email":"Mail@Example.com","Lname":"x""#, mail),
    ] {
        assert_eq!(contact(&world, members).await, expected, "{members}");
    }
    assert_eq!(world.logged().await, before, "what is found is not changed");
    assert_eq!(stored(&world, jane).await.first_name, "Jane");
    // With a number, only the number decides.
    let other = contact(
        &world,
        r#""Number":"+15551234568","Email":"jane@example.com""#,
    )
    .await;
    assert!(other > mail);
    // A trashed one is found by nobody, and its number is free.
    call(&world, &format!(r#"{{"type":"TRASH","idContact":{jane}}}"#)).await;
    let again = contact(&world, r#""Number":"+15551234567""#).await;
    assert!(again > other);
}

#[tokio::test]
async fn a_national_number_is_completed_by_the_accounts_code() {
    let world = world().await;
    set(&world, json!({"default_country_code": "1"})).await;
    let id = contact(&world, r#""Number":"(800) 555-1234""#).await;
    assert_eq!(
        stored(&world, id).await.phone.as_deref(),
        Some("+18005551234")
    );
    assert_eq!(contact(&world, r#""number":18005551234"#).await, id);
    let edit = format!(r#"{{"type":"EDIT","idContact":{id},"Number":"8005551235"}}"#);
    assert_eq!(call(&world, &edit).await.status, 200);
    assert_eq!(
        stored(&world, id).await.phone.as_deref(),
        Some("+18005551235")
    );
}
