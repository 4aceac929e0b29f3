//! Lists: section 2.3 and its two twins.

use crate::shop::{call, example, jane, list, types, world};

const ADDED: &str = r#"{"list_id":"37e3s3e28jt9","list_name":"VIP","contact_id":1001,"contact_ref":"6q3d25vt4f5v"}"#;

#[tokio::test]
async fn a_contact_is_put_on_a_list_once_and_taken_off_once() {
    let world = world().await;
    let (vip, jane) = (list(&world, "VIP").await, jane(&world).await);
    let contact = format!(r#"{{"contactId":"{jane}"}}"#);
    let both = format!(r#"{{"contactId":"{jane}","listId":"{vip}"}}"#);
    let to_list = format!("lists/{vip}/contacts");
    let in_query = format!("contacts/lists?contactId={jane}&listId={vip}");
    let partly = format!("contacts/lists?listId={vip}&contactId=x");
    // Method, path, body, whether something changes.
    let steps = [
        ("POST", to_list.as_str(), contact.as_str(), true),
        ("POST", &to_list, &contact, false),
        ("POST", "contacts/lists", &both, false),
        ("DELETE", "contacts/lists", &both, true),
        ("DELETE", "contacts/lists", &both, false),
        ("POST", "contacts/lists", &both, true),
        ("DELETE", &in_query, "", true),
        ("DELETE", &in_query, "{}", false),
        ("POST", "contacts/lists", &both, true),
        // The body beats the query.
        ("DELETE", &partly, &contact, true),
    ];
    for (method, path, body, changes) in steps {
        let before = world.logged().await;
        let reply = call(&world, method, path, body).await;
        let (done, event) = match method {
            "POST" => ("added to", "list_member_added"),
            _ => ("removed from", "list_member_removed"),
        };
        let expected =
            format!(r#"{{"success":true,"message":"Contact successfully {done} list VIP"}}"#);
        assert_eq!(
            (reply.status, reply.body),
            (200, expected),
            "{method} {path}"
        );
        let told = world.appended(before).await;
        if changes {
            assert_eq!(types(&told), [event]);
            let own = [
                ("37e3s3e28jt9", vip.as_str()),
                ("6q3d25vt4f5v", jane.as_str()),
            ];
            assert_eq!(told[0].1, example(ADDED, &own));
        } else {
            assert!(told.is_empty(), "{method} {path} {told:?}");
        }
    }
    // The list is looked for first.
    for (list, contact, message) in [
        ("nobody", "nobody", "List not found."),
        (vip.as_str(), "nobody", "Contact not found."),
        ("nobody", jane.as_str(), "List not found."),
    ] {
        let body = format!(r#"{{"contactId":"{contact}","listId":"{list}"}}"#);
        let path = format!("lists/{list}/contacts");
        for (method, path) in [
            ("POST", path.as_str()),
            ("POST", "contacts/lists"),
            ("DELETE", "contacts/lists"),
        ] {
            let reply = call(&world, method, path, &body).await;
            let found = reply.json();
            assert_eq!(
                (reply.status, &found["error"]["message"]),
                (404, &message.into())
            );
        }
    }
}

#[tokio::test]
async fn a_list_of_another_account_is_none() {
    let world = world().await;
    let vip = list(&world, "VIP").await;
    let other = "otherotherotherotherotherother01";
    world.add_account("other", "other", other).await;
    let headers = [("x-api-key", other)];
    let made = world
        .send(
            "POST",
            "/v1/contacts",
            &headers,
            r#"{"phone":"+15551234567"}"#,
        )
        .await;
    let contact = made.json()["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/lists/{vip}/contacts");
    let body = format!(r#"{{"contactId":"{contact}"}}"#);
    let reply = world.send("POST", &path, &headers, &body).await;
    assert_eq!((reply.status, reply.error().0.as_str()), (404, "NOT_FOUND"));
    let mine = call(&world, "GET", &format!("contacts/{contact}"), "").await;
    assert_eq!(mine.status, 404);
}
