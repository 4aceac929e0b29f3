//! EDIT, TRASH and SEARCH of `protocols/flex-api.md` section 2.

use serde_json::json;

use crate::calls::{call, contact, custom, error, since, stored, told, world};
use crate::people::later;

#[tokio::test]
async fn edit_takes_what_its_table_says() {
    let world = world().await;
    contact(&world, r#""Number":"+15551234567""#).await;
    let id = contact(&world, r#""Number":"+15551230000","Email":"a@b.example""#).await;
    let long = "x".repeat(256);
    for (members, expected) in [
        (r#""Fname":"x""#.to_owned(), "400 idContact is required"),
        (r#""idContact":0"#.to_owned(), "400 idContact is required"),
        (r#""idContact":"0""#.to_owned(), "400 idContact is required"),
        (r#""idContact":"""#.to_owned(), "400 idContact is required"),
        (
            r#""idContact":null"#.to_owned(),
            "400 idContact is required",
        ),
        (
            r#""idContact":"abc""#.to_owned(),
            "400 idContact is not valid",
        ),
        (r#""idContact":-1"#.to_owned(), "400 idContact is not valid"),
        (
            r#""idContact":1.5"#.to_owned(),
            "400 idContact is not valid",
        ),
        (
            r#""idContact":true"#.to_owned(),
            "400 idContact is not valid",
        ),
        (r#""idContact":4711"#.to_owned(), "404 Contact not found"),
        (r#""idContact":"4711""#.to_owned(), "404 Contact not found"),
        (
            format!(r#""idContact":{id},"Number":"123""#),
            "400 Number is not valid",
        ),
        (
            format!(r#""idContact":{id},"Number":"+15551234567""#),
            "409 Number already belongs to another contact",
        ),
        (
            format!(r#""idContact":{id},"Number":"","Email":"""#),
            "400 Number is required",
        ),
        (
            format!(r#""idContact":{id},"Email":"x""#),
            "400 Email is not valid",
        ),
        (
            format!(r#""idContact":{id},"Fname":"{long}""#),
            "400 Fname is too long",
        ),
        (
            format!(r#""idContact":{id},"Custom":7"#),
            "400 Custom is not valid",
        ),
    ] {
        let before = world.logged().await;
        let reply = call(&world, &format!(r#"{{"type":"EDIT",{members}}}"#)).await;
        let (status, text) = expected.split_once(' ').unwrap();
        assert_eq!(
            told(&reply),
            (status.parse().unwrap(), error(text).as_str()),
            "{members}"
        );
        assert_eq!(world.logged().await, before, "{members}");
    }
    let before = world.logged().await;
    for same in [
        format!(r#""idContact":{id}"#),
        format!(r#""idContact":"{id}","Number":"+1 555 123 0000","Email":null,"Custom":[]"#),
        format!(r#""IDCONTACT":{id},"fname":"","Custom":{{"none":""}}"#),
    ] {
        let reply = call(&world, &format!(r#"{{"type":"EDIT",{same}}}"#)).await;
        assert_eq!(
            told(&reply),
            (200, format!(r#"{{"idContact":{id}}}"#).as_str())
        );
    }
    assert_eq!(world.logged().await, before, "equal values are no change");
}

#[tokio::test]
async fn edit_replaces_clears_and_tells_what_changed() {
    let world = world().await;
    let id = contact(
        &world,
        r#""Number":"+15551230000","Email":"a@b.example","Fname":"A","Lname":"B","Custom":{"x":"1","y":"2","z":"3"}"#,
    )
    .await;
    let before = world.logged().await;
    let steps = [
        (
            r#""Number":"+526600000000","Fname":"","Lname":"C","Custom":{"y":"","x":"9","w":true}"#,
            vec!["custom_fields", "first_name", "last_name", "phone"],
        ),
        (r#""Number":"""#, vec!["phone"]),
        (r#""Email":"new@b.example""#, vec!["email"]),
        (
            r#""Number":"+526600000001","Email":"""#,
            vec!["email", "phone"],
        ),
        (r#""Custom":["0th"]"#, vec!["custom_fields"]),
    ];
    for (at, (members, changed)) in steps.into_iter().enumerate() {
        world.clock.set(later(at as u64 + 1));
        let reply = call(
            &world,
            &format!(r#"{{"type":"edit","idContact":{id},{members}}}"#),
        )
        .await;
        assert_eq!(
            told(&reply),
            (200, format!(r#"{{"idContact":{id}}}"#).as_str()),
            "{members}"
        );
        let told = since(&world, before + at as u64).await;
        assert_eq!(told.len(), 1, "{members}");
        assert_eq!(told[0].0, "update_contact", "{members}");
        assert_eq!(told[0].1["changed"], json!(changed), "{members}");
    }
    let now = stored(&world, id).await;
    assert_eq!(now.updated_at, later(5));
    assert_eq!((now.first_name.as_str(), now.last_name.as_str()), ("", "C"));
    assert_eq!(
        (now.phone.as_deref(), now.email),
        (Some("+526600000001"), None)
    );
    let fields = [("x", "9"), ("z", "3"), ("w", "true"), ("0", "0th")];
    let fields: Vec<(String, String)> = fields
        .map(|(code, value)| (code.to_owned(), value.to_owned()))
        .into();
    assert_eq!(custom(&world, id).await, fields);
    // The number that it had is free for others.
    assert!(contact(&world, r#""Number":"+526600000000""#).await > id);
}

#[tokio::test]
async fn trash_marks_and_tells_once() {
    let world = world().await;
    let id = contact(&world, r#""Number":"+15551230000","Lname":"Smith""#).await;
    let before = world.logged().await;
    let trash = format!(r#"{{"type":"TRASH","idContact":"{id}"}}"#);
    assert_eq!(
        told(&call(&world, &trash).await),
        (200, r#"{"status":true}"#)
    );
    let gone = error("Contact not found");
    assert_eq!(told(&call(&world, &trash).await), (404, gone.as_str()));
    let edit = format!(r#"{{"type":"EDIT","idContact":{id},"Fname":"x"}}"#);
    assert_eq!(told(&call(&world, &edit).await), (404, gone.as_str()));
    for search in [
        format!(r#"{{"type":"SEARCH","idContact":{id}}}"#),
        r#"{"type":"SEARCH","Lname":"smi"}"#.to_owned(),
    ] {
        assert_eq!(told(&call(&world, &search).await), (200, "[]"));
    }
    let told = since(&world, before).await;
    let reference = stored(&world, id).await.reference.to_string();
    let data = json!({"contact_id": id, "contact_ref": reference});
    assert_eq!(told, [("delete_contact".to_owned(), data)]);
    for (members, text) in [
        ("", "idContact is required"),
        (r#","idContact":0"#, "idContact is required"),
        (r#","idContact":{}"#, "idContact is not valid"),
    ] {
        let reply = call(&world, &format!(r#"{{"type":"TRASH"{members}}}"#)).await;
        assert_eq!(reply.body, error(text), "{members}");
        assert_eq!(reply.status, 400);
    }
}

#[tokio::test]
async fn search_ands_what_is_given() {
    let world = world().await;
    let mut ids = Vec::new();
    for members in [
        r#""Number":"+15551234567","Email":"jane@example.com","Fname":"Jane","Lname":"Smith","Custom":{"12":"blue"}"#,
        r#""Email":"john@example.com","Fname":"John","Lname":"Smithers""#,
        r#""Number":"+15551234569","Fname":"JANET","Lname":"Ö'Blacksmith""#,
        r#""Number":"+15551234570","Fname":"Li","Lname":"Xu""#,
    ] {
        ids.push(contact(&world, members).await);
    }
    for (criteria, expected) in [
        (r#""Lname":"smi","Fname":"","idContact":0"#, vec![0, 1, 2]),
        (r#""Lname":"SMITH""#, vec![0, 1, 2]),
        (r#""Lname":"smithe""#, vec![1]),
        (r#""Lname":"ö'b""#, vec![2]),
        (r#""Fname":"jan""#, vec![0, 2]),
        (r#""fname":"jan","LNAME":"black""#, vec![2]),
        (r#""Fname":"john","Lname":"xu""#, vec![]),
        (r#""Fname":"i""#, vec![3]),
        (r#""Lname":"x""#, vec![3]),
        (r#""Lname":"it""#, vec![0, 1, 2]),
        (r#""Fname":"nobody""#, vec![]),
    ] {
        let reply = call(&world, &format!(r#"{{"type":"SEARCH",{criteria}}}"#)).await;
        let found: Vec<u64> = reply
            .json()
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["idContact"].as_u64().unwrap())
            .collect();
        let expected: Vec<u64> = expected.into_iter().map(|at: usize| ids[at]).collect();
        assert_eq!((reply.status, found), (200, expected), "{criteria}");
    }
    let first = ids[0];
    for (criteria, is_there) in [
        (format!(r#""idContact":{first}"#), true),
        (format!(r#""idContact":"{first}","Lname":"smi""#), true),
        (format!(r#""idContact":{first},"Lname":"xu""#), false),
        (r#""idContact":99"#.to_owned(), false),
    ] {
        let reply = call(&world, &format!(r#"{{"type":"SEARCH",{criteria}}}"#)).await;
        assert_eq!(
            reply.json().as_array().unwrap().len(),
            usize::from(is_there),
            "{criteria}"
        );
    }
    for (criteria, text) in [
        (String::new(), "Nothing to search"),
        (
            r#","Fname":" ","Lname":null,"idContact":"0""#.to_owned(),
            "Nothing to search",
        ),
        (r#","idContact":"x""#.to_owned(), "idContact is not valid"),
        (r#","Fname":{}"#.to_owned(), "Fname is not valid"),
        (
            format!(r#","Lname":"{}""#, "x".repeat(256)),
            "Lname is too long",
        ),
    ] {
        let reply = call(&world, &format!(r#"{{"type":"SEARCH"{criteria}}}"#)).await;
        assert_eq!(told(&reply), (400, error(text).as_str()), "{criteria}");
    }
}

#[tokio::test]
async fn a_found_contact_has_six_members() {
    let world = world().await;
    contact(&world, r#""Number":"+15551234567","Email":"jane@example.com","Fname":"Jane","Lname":"Smith","Custom":{"12":"blue"}"#).await;
    contact(&world, r#""Number":"+15551234568""#).await;
    let reply = call(
        &world,
        r#"{"type":"SEARCH","Lname":"smi","Fname":"","idContact":0}"#,
    )
    .await;
    assert_eq!(
        told(&reply),
        (
            200,
            r#"[{"idContact":1001,"Fname":"Jane","Lname":"Smith","Number":"+15551234567","Email":"jane@example.com","Custom":{"12":"blue"}}]"#
        )
    );
    let reply = call(&world, r#"{"type":"SEARCH","idContact":1002}"#).await;
    assert_eq!(
        told(&reply),
        (
            200,
            r#"[{"idContact":1002,"Fname":"","Lname":"","Number":"+15551234568","Email":"","Custom":{}}]"#
        )
    );
    // Of several values of a code, which other surfaces can give, the last.
    let account = world.account;
    let accounts = [account];
    let given = world.db.transact(&accounts, |tx| async move {
        use hookrelay::domain::contact::{self, Changes, CustomField};
        let field = |code: &str, value: &str| CustomField::new(code, value).unwrap();
        let changes = Changes {
            custom_fields: Some(vec![field("a", "1"), field("b", "2"), field("a", "3")]),
            ..Changes::default()
        };
        contact::update(&tx, account, 1002, &changes).await
    });
    given.await.unwrap();
    let reply = call(&world, r#"{"type":"SEARCH","idContact":1002}"#).await;
    assert_eq!(
        reply.json()[0]["Custom"].to_string(),
        r#"{"a":"3","b":"2"}"#
    );
}

#[tokio::test]
async fn search_shows_the_first_hundred_by_id() {
    let world = world().await;
    for from in [0, 100] {
        let some: Vec<String> = (from..from + 60)
            .map(|n| format!(r#"{{"type":"NEW","Email":"n{n}@b.example","Lname":"Many"}}"#))
            .collect();
        assert_eq!(call(&world, &some.join(",")).await.status, 200);
    }
    for criteria in [r#""Lname":"many""#, r#""Lname":"ny""#] {
        let reply = call(&world, &format!(r#"{{"type":"SEARCH",{criteria}}}"#)).await;
        let found: Vec<u64> = reply
            .json()
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["idContact"].as_u64().unwrap())
            .collect();
        assert_eq!(found, (1001..=1100).collect::<Vec<u64>>(), "{criteria}");
    }
}
