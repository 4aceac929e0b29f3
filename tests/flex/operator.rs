//! The operator's side: automations, lists, agencies, credits and keys, over the admin API.

use serde_json::{Value, json};

use crate::calls::{self, automation, call, contact, since, types, world};
use crate::world::World;

#[tokio::test]
async fn automations_are_made_changed_listed_and_removed() {
    let world = world().await;
    let path = format!("/admin/v1/accounts/{}/automations", world.account);
    let made = world.admin("POST", &path, r#"{"name":" Welcome "}"#).await;
    let first = json!({
        "automation": 1001, "name": "Welcome", "is_on": true, "nodes": 1,
        "created_at": "2026-01-15T10:30:00Z",
    });
    assert_eq!((made.status, made.json()), (201, first.clone()));
    let second = automation(
        &world,
        json!({"name": "Welcome", "is_on": false, "nodes": 0}),
    )
    .await;
    assert_eq!(second, 1002, "names are not unique");
    for (body, field) in [
        ("{}", "name"),
        (r#"{"name":""}"#, "name"),
        (r#"{"name":"a\nb"}"#, "name"),
        (&format!(r#"{{"name":"{}"}}"#, "x".repeat(256)), "name"),
    ] {
        let reply = world.admin("POST", &path, body).await;
        let expected = ("INVALID_REQUEST".to_owned(), Some(field.to_owned()));
        assert_eq!((reply.status, reply.error()), (400, expected), "{body}");
    }
    for body in [
        r#"{"name":"a","nodes":-1}"#,
        r#"{"name":"a","on":true}"#,
        "[]",
    ] {
        assert_eq!(world.admin("POST", &path, body).await.status, 400, "{body}");
    }
    let one = format!("{path}/1001");
    let changed = world
        .admin("PATCH", &one, r#"{"is_on":false,"nodes":4}"#)
        .await;
    let expected = json!({
        "automation": 1001, "name": "Welcome", "is_on": false, "nodes": 4,
        "created_at": "2026-01-15T10:30:00Z",
    });
    assert_eq!((changed.status, changed.json()), (200, expected.clone()));
    let list = world.admin("GET", &path, "").await.json();
    assert_eq!(list["automations"][0], expected);
    assert_eq!(
        (list["automations"].as_array().unwrap().len(), &list["next"]),
        (2, &Value::Null)
    );
    let behind = world
        .admin("GET", &format!("{path}?after=1001"), "")
        .await
        .json();
    assert_eq!(behind["automations"][0]["automation"], 1002);
    for wrong in ["4711", "x", "-1"] {
        let reply = world
            .admin("PATCH", &format!("{path}/{wrong}"), r#"{"nodes":1}"#)
            .await;
        assert_eq!(
            (reply.status, reply.error().0.as_str()),
            (404, "NOT_FOUND"),
            "{wrong}"
        );
        assert_eq!(
            world
                .admin("DELETE", &format!("{path}/{wrong}"), "")
                .await
                .status,
            404
        );
    }
    assert_eq!(
        world.admin("DELETE", &one, "").await.json(),
        json!({"automation": 1001, "removed": true})
    );
    assert_eq!(world.admin("DELETE", &one, "").await.status, 404);
    assert_eq!(
        world.logged().await,
        0,
        "consumers are told of contacts only"
    );
}

#[tokio::test]
async fn an_automation_with_many_contacts_goes_with_all_of_them() {
    let world = world().await;
    let id = automation(&world, json!({"name": "Many"})).await;
    for hundred in 0..12 {
        let people: Vec<String> = (0..100)
            .map(|n| format!(r#"{{"type":"NEW","Email":"n{hundred}-{n}@b.example"}}"#))
            .collect();
        call(&world, &people.join(",")).await;
        let from = 1001 + hundred * 100;
        let into: Vec<String> = (from..from + 100)
            .map(|contact| format!(r#"{{"idContact":{contact},"idAuto":{id}}}"#))
            .collect();
        let reply = call(&world, &into.join(",")).await;
        assert!(!reply.body.contains("false"), "{}", reply.body);
    }
    let path = format!("/admin/v1/accounts/{}/automations/{id}", world.account);
    assert_eq!(
        world.admin("DELETE", &path, "").await.json()["removed"],
        true
    );
    let range = hookrelay::store::keys::parts("enrollment", world.account, id);
    assert!(world.db.view().scan(&range, 1).await.unwrap().is_empty());
}

#[tokio::test]
async fn lists_are_made_changed_listed_and_removed_and_told() {
    let world = world().await;
    let path = format!("/admin/v1/accounts/{}/lists", world.account);
    let before = world.logged().await;
    let made = world.admin("POST", &path, r#"{"name":"VIP"}"#).await;
    let list = made.json()["list"].as_str().unwrap().to_owned();
    let expected = json!({"list": list, "name": "VIP", "color": "FFFFFF", "bg_color": "0000FF"});
    assert_eq!((made.status, made.json()), (201, expected));
    let again = world.admin("POST", &path, r#"{"name":"vip"}"#).await;
    assert_eq!((again.status, again.error().0.as_str()), (409, "CONFLICT"));
    for (body, field) in [
        ("{}", "name"),
        (r#"{"name":" "}"#, "name"),
        (r#"{"name":"a","color":"red"}"#, "color"),
        (r##"{"name":"a","bg_color":"#12345"}"##, "bg_color"),
    ] {
        let reply = world.admin("POST", &path, body).await;
        assert_eq!(
            (reply.status, reply.error().1.as_deref()),
            (400, Some(field)),
            "{body}"
        );
    }
    let by_name = format!("{path}/vip");
    let changed = world
        .admin("PATCH", &by_name, r##"{"color":"#00ff00"}"##)
        .await;
    assert_eq!(changed.json()["color"], "00FF00");
    let by_reference = format!("{path}/{list}");
    let changed = world
        .admin("PATCH", &by_reference, r#"{"name":"Best"}"#)
        .await;
    assert_eq!(changed.json()["name"], "Best");
    assert_eq!(
        world
            .admin("PATCH", &by_name, r#"{"name":"x"}"#)
            .await
            .status,
        404
    );
    world.admin("POST", &path, r#"{"name":"Ärger"}"#).await;
    let lists = world.admin("GET", &path, "").await.json();
    let names: Vec<&Value> = lists["lists"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["name"])
        .collect();
    assert_eq!(names, ["Best", "Ärger"]);
    let escaped = format!("{path}/%C3%A4rger");
    assert_eq!(world.admin("DELETE", &escaped, "").await.status, 200);
    assert_eq!(world.admin("DELETE", &escaped, "").await.status, 404);
    assert_eq!(
        types(&world, before).await,
        [
            "new_list",
            "update_list",
            "update_list",
            "new_list",
            "delete_list"
        ]
    );
}

/// Orders for an account that are refused, each with its status and field.
async fn refused(world: &World, path: &str, orders: &[(Value, u16, &str)]) {
    for (order, status, field) in orders {
        let reply = world.admin("PATCH", path, &order.to_string()).await;
        let found = reply.json()["error"]["field"].clone();
        let found = found.as_str().unwrap_or_default();
        let told = (reply.status, found);
        assert_eq!(told, (*status, *field), "{order}: {}", reply.body);
    }
}

#[tokio::test]
async fn what_is_refused_of_agencies_and_credits_changes_nothing() {
    let world = world().await;
    let sub = world.add_account("sub", "sublogin", &"s".repeat(32)).await;
    let path = format!("/admin/v1/accounts/{sub}");
    let agency = json!({"agency": "acme", "email": "s@b.example"});
    let orders = [
        (json!({"credits": 5}), 400, "credits"),
        (json!({"auto_recharge": {"enabled": true}}), 400, "credits"),
        (
            json!({"agency": "nobody", "email": "s@b.example"}),
            400,
            "agency",
        ),
        (agency.clone(), 400, "agency"),
        (json!({"email": "s@b.example"}), 400, "email"),
        (json!({"auto_recharge": {"enbled": true}}), 400, ""),
        (json!({"agencies": "acme"}), 400, ""),
    ];
    refused(&world, &path, &orders).await;
    calls::set(&world, json!({"is_agency": true})).await;
    let with_zone = json!({"agency": "acme", "email": "s@b.example", "time_zone": "Mars/Base"});
    let orders = [
        (json!({"agency": "acme"}), 400, "email"),
        (json!({"agency": "acme", "email": "x"}), 400, "email"),
        (with_zone, 400, "time_zone"),
    ];
    refused(&world, &path, &orders).await;
    let shown = world.admin("GET", &path, "").await.json();
    assert_eq!(
        (&shown["agency"], &shown["credits"]),
        (&Value::Null, &Value::Null)
    );
    let reply = world.admin("PATCH", &path, &agency.to_string()).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let orders = [
        (
            json!({"auto_recharge": {"enabled": true}}),
            400,
            "auto_recharge",
        ),
        (json!({"is_agency": true}), 409, ""),
        (json!({"credits": 1_000_000_000_001_u64}), 400, "credits"),
    ];
    refused(&world, &path, &orders).await;
    // An agency with sub-accounts stays one, and knows each address once.
    let own = format!("/admin/v1/accounts/{}", world.account);
    refused(&world, &own, &[(json!({"is_agency": false}), 409, "")]).await;
    let reply = world.admin("PATCH", &own, r#"{"is_agency":true}"#).await;
    assert_eq!(reply.status, 200);
    let other = world
        .add_account("other", "otherlogin", &"o".repeat(32))
        .await;
    let path = format!("/admin/v1/accounts/{other}");
    let same = json!({"agency": "acme", "email": "S@b.example"});
    refused(&world, &path, &[(same, 409, "")]).await;
}

#[tokio::test]
async fn agencies_and_credits_are_set_with_the_account() {
    let world = world().await;
    calls::set(&world, json!({"is_agency": true})).await;
    let sub = world.add_account("sub", "sublogin", &"s".repeat(32)).await;
    let path = format!("/admin/v1/accounts/{sub}");
    let settings = json!({
        "agency": world.account.to_string(), "email": "s@b.example", "credits": 7,
        "auto_recharge": {"enabled": true, "threshold": 5, "amount": 10},
        "time_zone": "Europe/Berlin",
    });
    let reply = world.admin("PATCH", &path, &settings.to_string()).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let shown = world.admin("GET", &path, "").await.json();
    let recharge = json!({"enabled": true, "threshold": 5, "amount": 10, "is_open": false});
    for (member, expected) in [
        ("agency", json!(world.account.to_string())),
        ("email", json!("s@b.example")),
        ("credits", json!(7)),
        ("is_agency", json!(false)),
        ("closed", json!(false)),
        ("auto_recharge", recharge),
    ] {
        assert_eq!(shown[member], expected, "{member}");
        assert_eq!(reply.json()[member], expected, "{member}");
    }
    assert_eq!(shown["settings"]["time_zone"], "Europe/Berlin");
    let threshold = r#"{"auto_recharge":{"threshold":1}}"#;
    let reply = world.admin("PATCH", &path, threshold).await;
    let recharge = json!({"enabled": true, "threshold": 1, "amount": 10, "is_open": false});
    assert_eq!(reply.json()["auto_recharge"], recharge);
}

#[tokio::test]
async fn a_rotated_key_keeps_all_but_its_secret() {
    let world = world().await;
    let keys = format!("/admin/v1/accounts/{}/keys", world.account);
    let made = world
        .admin(
            "POST",
            &keys,
            r#"{"name":"shop","surfaces":["flex"],"per_minute":7}"#,
        )
        .await
        .json();
    let (id, old) = (
        made["key"].as_str().unwrap(),
        made["api_key"].as_str().unwrap(),
    );
    let rotated = world
        .admin("POST", &format!("{keys}/{id}/rotate"), "")
        .await;
    assert_eq!(rotated.status, 200);
    let rotated = rotated.json();
    let fresh = rotated["api_key"].as_str().unwrap();
    assert_ne!(fresh, old);
    for member in [
        "key",
        "name",
        "surfaces",
        "per_minute",
        "enabled",
        "created_at",
    ] {
        assert_eq!(rotated[member], made[member], "{member}");
    }
    let status = async |key: &str| {
        let body =
            calls::body(r#"{"type":"SEARCH","idContact":1}"#).replace(crate::world::KEY, key);
        world.send("POST", calls::PATH, &[], &body).await.status
    };
    assert_eq!((status(old).await, status(fresh).await), (401, 200));
    let listed = world.admin("GET", &keys, "").await;
    assert!(!listed.body.contains(fresh), "it is shown once");
    assert_eq!(listed.json()["keys"].as_array().unwrap().len(), 2);
    for wrong in ["nothere", "37e3s3e28jt9"] {
        let reply = world
            .admin("POST", &format!("{keys}/{wrong}/rotate"), "")
            .await;
        assert_eq!(reply.status, 404, "{wrong}");
    }
    let path = format!("{keys}/{id}");
    assert_eq!(world.admin("DELETE", &path, "").await.status, 200);
    assert_eq!(status(fresh).await, 401);
}

#[tokio::test]
async fn rows_of_an_import_stand_alone() {
    let world = world().await;
    let known = contact(&world, r#""Number":"+15551234567","Fname":"Jane""#).await;
    let path = format!("/admin/v1/accounts/{}/contacts", world.account);
    let before = world.logged().await;
    let long = "x".repeat(256);
    let rows = [
        (
            json!({"phone": "+15551234567", "first_name": "Other"}),
            Ok((known, false)),
        ),
        (
            json!({"phone": "+1 555 123 4568", "email": "a@b.example", "first_name": " A ", "gender": "f",
                "note": "two\nlines", "external_id": "E1", "custom": [["x", "1"], ["y", ""]]}),
            Ok((1002, true)),
        ),
        (json!({"email": "A@B.example"}), Ok((1002, false))),
        (
            json!({"phone": "5551234567"}),
            Err("phone: is no international phone number"),
        ),
        (json!({"email": "x"}), Err("email: is no e-mail address")),
        (
            json!({"first_name": "x"}),
            Err("there is neither a phone nor an email"),
        ),
        (
            json!({"email": "b@b.example", "gender": "x"}),
            Err("gender: must be M or F"),
        ),
        (
            json!({"email": "b@b.example", "first_name": long}),
            Err("first_name: must have at most 255"),
        ),
        (
            json!({"email": "b@b.example", "custom": [["", "1"]]}),
            Err("custom:: has a code"),
        ),
        (json!({"email": "b@b.example"}), Ok((1003, true))),
        (json!({"email": "b@b.example"}), Ok((1003, false))),
    ];
    let body = json!({"contacts": rows.iter().map(|(row, _)| row).collect::<Vec<_>>()});
    let reply = world.admin("POST", &path, &body.to_string()).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    for (outcome, (row, expected)) in reply.json()["contacts"]
        .as_array()
        .unwrap()
        .iter()
        .zip(&rows)
    {
        match expected {
            Ok((contact, created)) => {
                assert_eq!(
                    *outcome,
                    json!({"contact": contact, "created": created}),
                    "{row}"
                );
            }
            Err(why) => assert!(
                outcome["error"].as_str().unwrap().starts_with(why),
                "{outcome}"
            ),
        }
    }
    let told = since(&world, before).await;
    assert_eq!(told.len(), 2);
    for (member, expected) in [
        ("first_name", json!("A")),
        ("gender", json!("F")),
        ("note", json!("two\nlines")),
        ("external_id", json!("E1")),
        ("custom_fields", json!([{"code": "x", "value": "1"}])),
    ] {
        assert_eq!(told[0].1[member], expected, "{member}");
    }
    for wrong in [r#"{"contacts":[{"telefone":"1"}]}"#, "{}", "[]"] {
        assert_eq!(
            world.admin("POST", &path, wrong).await.status,
            400,
            "{wrong}"
        );
    }
    let many = json!({"contacts": vec![json!({}); 1001]});
    let reply = world.admin("POST", &path, &many.to_string()).await;
    assert_eq!(
        (reply.status, reply.error().1.as_deref()),
        (400, Some("contacts"))
    );
}
