//! What one surface writes the others read: a contact made through each of them is one and the same
//! for all.

use serde_json::{Value, json};

use crate::calls::{call, since, world};
use crate::people::{escaped, field};
use crate::world::{KEY, Reply, World};

/// How a contact comes to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writer {
    CommandCustomer,
    CommandLead,
    Contacts,
    Flex,
    FlexMessage,
    Management,
}

const WRITERS: [Writer; 6] = [
    Writer::CommandCustomer,
    Writer::CommandLead,
    Writer::Contacts,
    Writer::Flex,
    Writer::FlexMessage,
    Writer::Management,
];

async fn contacts(world: &World, method: &str, path: &str, body: &str) -> Reply {
    let headers = [("x-api-key", KEY)];
    world
        .send(method, &format!("/v1/{path}"), &headers, body)
        .await
}

async fn import(world: &World, row: Value) -> Value {
    let path = format!("/admin/v1/accounts/{}/contacts", world.account);
    let body = json!({ "contacts": [row] }).to_string();
    let reply = world.admin("POST", &path, &body).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply.json()["contacts"][0].clone()
}

impl Writer {
    /// Makes `First Last` with this number and address; a text message knows the number only.
    async fn write(self, world: &World, number: &str, mail: &str) {
        let person = format!(
            "first_name=First&last_name=Last&phone={}&email={}",
            escaped(number),
            escaped(mail)
        );
        match self {
            Self::CommandCustomer => {
                let username = mail.split('@').next().unwrap();
                let pairs = format!("ai_command=create_customer&username={username}&{person}");
                let reply = world.command(&pairs).await;
                assert!(reply.body.starts_with("status=0"), "{}", reply.body);
            }
            Self::CommandLead => {
                let pairs = format!("ai_command=create_lead&company=x&{person}");
                let reply = world.command(&pairs).await;
                assert!(reply.body.starts_with("status=0"), "{}", reply.body);
            }
            Self::Contacts => {
                let body = json!({"phone": number, "email": mail, "firstName": "First", "lastName": "Last"});
                let reply = contacts(world, "POST", "contacts", &body.to_string()).await;
                assert_eq!(reply.status, 201, "{}", reply.body);
            }
            Self::Flex => {
                let operation = json!({"type": "NEW", "Number": number, "Email": mail, "Fname": "First", "Lname": "Last"});
                assert_eq!(call(world, &operation.to_string()).await.status, 200);
            }
            Self::FlexMessage => {
                let operation = json!({"type": "SMS", "number": number, "text": "x"});
                assert_eq!(call(world, &operation.to_string()).await.status, 200);
            }
            Self::Management => {
                let row = json!({"phone": number, "email": mail, "first_name": "First", "last_name": "Last"});
                assert_eq!(import(world, row).await["created"], true);
            }
        }
    }
}

/// Every surface's look at the contact of this number: its integer id and its reference as far as
/// the surface says, with nothing created.
async fn readers_agree(world: &World, writer: Writer, number: &str, told: &Value) {
    let (id, reference) = (&told["contact_id"], &told["contact_ref"]);
    let (first, last) = (&told["first_name"], &told["last_name"]);
    let before = world.logged().await;
    let search = json!({"type": "SEARCH", "idContact": id}).to_string();
    let found = call(world, &search).await.json();
    assert_eq!(
        (&found[0]["Number"], &found[0]["Fname"], &found[0]["Lname"]),
        (&json!(number), first, last),
        "{writer:?}"
    );
    let again = json!({"type": "NEW", "Number": number}).to_string();
    assert_eq!(
        call(world, &again).await.json(),
        json!({"idContact": id}),
        "{writer:?}"
    );
    let path = format!("contacts?phoneNumber={}", escaped(number));
    let found = contacts(world, "GET", &path, "").await;
    assert_eq!(found.status, 200, "{writer:?}: {}", found.body);
    let found = found.json();
    assert_eq!(
        (&found["id"], &found["firstName"], &found["lastName"]),
        (reference, first, last),
        "{writer:?}"
    );
    let body = json!({ "phone": number }).to_string();
    let again = contacts(world, "POST", "contacts", &body).await;
    assert_eq!(
        (again.status, &again.json()["id"]),
        (200, reference),
        "{writer:?}"
    );
    let row = json!({ "phone": number });
    assert_eq!(
        import(world, row).await,
        json!({"contact": id, "created": false}),
        "{writer:?}"
    );
    assert_eq!(
        world.logged().await,
        before,
        "{writer:?}: nothing was created"
    );
    // A lead and a customer of the command surface are linked to it.
    let pairs = format!(
        "ai_command=create_lead&first_name=A&last_name=B&company=x&phone={}",
        escaped(number)
    );
    world.command(&pairs).await;
    let told = since(world, before).await;
    assert_eq!(told.len(), 1, "{writer:?}");
    assert_eq!(
        (told[0].0.as_str(), &told[0].1["contact_id"]),
        ("new_lead", id),
        "{writer:?}"
    );
    let id = id.as_u64().unwrap();
    let pairs = format!(
        "ai_command=create_customer&username=again{id}&first_name=A&last_name=B&phone={}&email=again{id}%40b.example",
        escaped(number)
    );
    world.command(&pairs).await;
    let user = world
        .command(&format!("ai_command=user_get&username=again{id}"))
        .await;
    assert_eq!(
        field(&user.body, "contact_id"),
        id.to_string(),
        "{writer:?}"
    );
}

#[tokio::test]
async fn a_contact_is_one_for_all_surfaces_whoever_makes_it() {
    let world = world().await;
    for (at, writer) in WRITERS.into_iter().enumerate() {
        let (number, mail) = (format!("+1555123456{at}"), format!("n{at}@b.example"));
        let before = world.logged().await;
        writer.write(&world, &number, &mail).await;
        let told = since(&world, before).await;
        let (name, told) = &told[0];
        assert_eq!(
            (name.as_str(), &told["phone"]),
            ("new_contact", &json!(number)),
            "{writer:?}"
        );
        if writer != Writer::FlexMessage {
            assert_eq!(
                (&told["first_name"], &told["email"]),
                (&json!("First"), &json!(mail))
            );
        }
        readers_agree(&world, writer, &number, told).await;
    }
}

#[tokio::test]
async fn a_change_by_one_surface_is_seen_by_the_others() {
    let world = world().await;
    Writer::Contacts
        .write(&world, "+15551234567", "a@b.example")
        .await;
    let told = since(&world, 0).await;
    let (id, reference) = (
        told[0].1["contact_id"].clone(),
        told[0].1["contact_ref"].clone(),
    );
    let edit = json!({"type": "EDIT", "idContact": id, "Number": "+15551234999", "Fname": "Flex"});
    assert_eq!(call(&world, &edit.to_string()).await.status, 200);
    let path = format!("contacts?phoneNumber={}", escaped("+15551234999"));
    let found = contacts(&world, "GET", &path, "").await.json();
    assert_eq!(
        (&found["id"], &found["firstName"]),
        (&reference, &json!("Flex"))
    );
    let old = format!("contacts?phoneNumber={}", escaped("+15551234567"));
    assert_eq!(contacts(&world, "GET", &old, "").await.status, 404);
    let trash = json!({"type": "TRASH", "idContact": id}).to_string();
    assert_eq!(call(&world, &trash).await.status, 200);
    assert_eq!(contacts(&world, "GET", &path, "").await.status, 404);
    // The operator's import finds nobody either, and makes a new one.
    let row = json!({"phone": "+15551234999"});
    assert_eq!(import(&world, row).await["created"], true);
}
