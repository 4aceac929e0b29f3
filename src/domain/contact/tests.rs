//! Contacts, their link and their lists against a store in memory.

use super::find::{Searched, Wanted, find};
use super::*;
use crate::domain::fixture::{World, types};
use crate::domain::list;
use crate::error::Kind;

// As the fields want it.
#[allow(clippy::unnecessary_wraps)]
fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn person(phone: Option<&str>, email: Option<&str>) -> NewContact {
    NewContact {
        first_name: "Jane".to_owned(),
        last_name: "Smith".to_owned(),
        phone: phone.map(str::to_owned),
        email: email.map(str::to_owned),
        ..NewContact::default()
    }
}

async fn made(world: &World, new: &NewContact) -> (Contact, bool) {
    let account = world.account;
    let run = world.run(|tx| async move { create(&tx, account, new).await });
    run.await.unwrap()
}

async fn linked(world: &World, person: Person<'_>) -> Option<Contact> {
    let account = &world.account().await;
    let run = world.run(|tx| async move { link(&tx, account, &person).await });
    run.await.unwrap()
}

fn identity(channel: &str, external_id: &str) -> Identity {
    Identity {
        channel: channel.to_owned(),
        external_id: external_id.to_owned(),
    }
}

const JANE: &str = "+15551234567";

#[tokio::test]
async fn a_phone_or_else_an_email_finds_the_contact_that_is_there() {
    let world = World::new(0).await;
    let (jane, new) = made(&world, &person(Some(JANE), Some("jane@example.com"))).await;
    assert!(new);
    assert_eq!((jane.id, jane.is_bot_active), (1001, true));
    assert_eq!(types(&world.told().await), ["new_contact"]);
    for (again, known) in [
        (person(Some(JANE), None), true),
        (person(None, Some("JANE@example.com")), true),
        // A phone is given, so the email does not matter.
        (
            person(Some("+15551234568"), Some("jane@example.com")),
            false,
        ),
    ] {
        let (found, new) = made(&world, &again).await;
        assert_eq!(!new, known, "{again:?}");
        assert_eq!(found == jane, known);
        assert_eq!(world.told().await.is_empty(), known);
    }
    // Of two with this email, the lowest id.
    let view = world.db.view();
    let found = by_email(&view, world.account, "jane@example.com").await;
    assert_eq!(found.unwrap().unwrap().id, jane.id);
    let found = by_reference(&view, world.account, jane.reference).await;
    assert_eq!(found.unwrap().unwrap(), jane);
    let elsewhere = by_phone(&view, world.agency, JANE).await.unwrap();
    assert_eq!(elsewhere, None);
}

#[tokio::test]
async fn an_update_replaces_what_is_given_and_says_what_changed() {
    let world = World::new(0).await;
    let account = world.account;
    let (jane, _) = made(&world, &person(Some(JANE), Some("jane@example.com"))).await;
    let (other, _) = made(&world, &person(Some("+15551234568"), None)).await;
    world.told().await;
    let change = async |id: u64, changes: Changes| {
        let changes = &changes;
        let run = world.run(|tx| async move { update(&tx, account, id, changes).await });
        run.await
    };
    let same = Changes {
        first_name: text("Jane"),
        phone: Some(text(JANE)),
        ..Changes::default()
    };
    assert_eq!(change(jane.id, same).await.unwrap(), jane);
    assert_eq!(world.told().await, []);
    let new = Changes {
        last_name: text("Stone"),
        phone: Some(None),
        do_not_disturb: Some(true),
        ..Changes::default()
    };
    let after = change(jane.id, new).await.unwrap();
    assert_eq!(
        (after.phone.as_ref(), after.last_name.as_str()),
        (None, "Stone")
    );
    let told = world.told().await;
    assert_eq!(types(&told), ["update_contact"]);
    let changed = serde_json::json!(["do_not_disturb", "last_name", "phone"]);
    assert_eq!(told[0].1["changed"], changed);
    // The phone is free now, the other's is taken, and something must stay.
    for (id, changes, expected) in [
        (
            other.id,
            Changes {
                phone: Some(text(JANE)),
                ..Changes::default()
            },
            None,
        ),
        (
            jane.id,
            Changes {
                phone: Some(text(JANE)),
                ..Changes::default()
            },
            Some(Kind::Conflict),
        ),
        (
            jane.id,
            Changes {
                email: Some(None),
                ..Changes::default()
            },
            Some(Kind::Invalid),
        ),
        (7, Changes::default(), Some(Kind::NotFound)),
    ] {
        let found = change(id, changes.clone()).await;
        assert_eq!(found.err().map(|error| error.kind), expected, "{changes:?}");
    }
    // The old number finds nobody.
    let view = world.db.view();
    assert_eq!(
        by_phone(&view, account, "+15551234568").await.unwrap(),
        None
    );
}

#[tokio::test]
async fn a_trashed_contact_is_found_by_nobody_and_frees_what_it_had() {
    let world = World::new(0).await;
    let account = world.account;
    let mut new = person(Some(JANE), Some("jane@example.com"));
    new.identity = Some(identity("c", "x"));
    let (jane, _) = made(&world, &new).await;
    world.told().await;
    let gone = world.run(|tx| async move { trash(&tx, account, jane.id).await });
    gone.await.unwrap();
    let told = world.told().await;
    assert_eq!(types(&told), ["delete_contact"]);
    assert_eq!(told[0].1["contact_id"], 1001);
    let again = world.run(|tx| async move { trash(&tx, account, jane.id).await });
    assert_eq!(again.await.unwrap_err().kind, Kind::NotFound);
    let view = world.db.view();
    assert!(
        by_id(&view, account, jane.id)
            .await
            .unwrap()
            .unwrap()
            .trashed
    );
    assert_eq!(active(&view, account, jane.id).await.unwrap(), None);
    assert_eq!(by_phone(&view, account, JANE).await.unwrap(), None);
    assert_eq!(
        by_email(&view, account, "jane@example.com").await.unwrap(),
        None
    );
    assert_eq!(
        by_reference(&view, account, jane.reference).await.unwrap(),
        None
    );
    assert_eq!(
        by_identity(&view, account, &identity("c", "x"))
            .await
            .unwrap(),
        None
    );
    let named = Wanted {
        texts: vec![(Searched::FirstName, "jan".to_owned())],
        ..Wanted::default()
    };
    assert_eq!(find(&view, account, named, 0, 10).await.unwrap(), []);
    let (fresh, is_new) = made(&world, &new).await;
    assert!(is_new && fresh.id != jane.id);
    assert_eq!(fresh.identities, [identity("c", "x")]);
}

#[tokio::test]
async fn a_person_is_linked_step_by_step() {
    let world = World::new(0).await;
    let (a, _) = made(&world, &person(Some(JANE), Some("a@example.com"))).await;
    let (b, _) = made(&world, &person(None, Some("b@example.com"))).await;
    world.told().await;
    let of = |phone, email| Person {
        phone,
        email,
        ..Person::default()
    };
    for (phone, email, expected) in [
        // By phone, whatever the email.
        (Some(JANE), Some("b@example.com"), Some(a.id)),
        // By email, if nothing is said against it.
        (None, Some("A@example.com"), Some(a.id)),
        (Some("not a number"), Some("a@example.com"), Some(a.id)),
        (Some("+15550000000"), Some("b@example.com"), Some(b.id)),
        (None, None, None),
        (Some("555"), Some("nobody"), None),
    ] {
        let found = linked(&world, of(phone, email)).await;
        assert_eq!(found.map(|found| found.id), expected, "{phone:?} {email:?}");
        assert_eq!(world.told().await, []);
    }
    // The contact with this email has another phone, so this is somebody else.
    let other = linked(&world, of(Some("+15550000001"), Some("a@example.com"))).await;
    assert_eq!(other.map(|found| found.id), Some(1003));
    assert_eq!(types(&world.told().await), ["new_contact"]);
}

#[tokio::test]
async fn a_custom_channel_knows_people_by_name() {
    let world = World::new(0).await;
    let (a, _) = made(&world, &person(None, Some("a@example.com"))).await;
    world.told().await;
    let known = |identity, email| Person {
        email,
        first_name: "Unknown",
        identity: Some(identity),
        ..Person::default()
    };
    // Nobody, so the email; and the identity is added quietly.
    let (one, two, three) = (
        identity("one", "x"),
        identity("two", "x"),
        identity("one", "y"),
    );
    let found = linked(&world, known(&one, Some("a@example.com")))
        .await
        .unwrap();
    assert_eq!((found.id, found.name_in("one")), (a.id, Some("x")));
    assert_eq!(world.told().await, []);
    // Another channel knows one person of this name: it is the same.
    let found = linked(&world, known(&two, Some("nobody@example.com")))
        .await
        .unwrap();
    assert_eq!((found.id, found.identities.len()), (a.id, 2));
    // Nobody is known by this name.
    let found = linked(&world, known(&three, None)).await.unwrap();
    assert_eq!(found.identities, std::slice::from_ref(&three));
    let told = world.told().await;
    assert_eq!(types(&told), ["new_contact"]);
    assert_eq!(told[0].1["identities"][0]["external_id"], "y");
    // Two people have this name elsewhere: it is neither.
    let (named, _) = made(
        &world,
        &NewContact {
            identity: Some(identity("three", "x")),
            ..person(None, Some("c@example.com"))
        },
    )
    .await;
    assert_eq!(named.identities.len(), 1);
    let four = identity("four", "x");
    let found = linked(&world, known(&four, None)).await.unwrap();
    assert!(![a.id, named.id].contains(&found.id));
    // An identity that somebody has is not given to another.
    let (taken, _) = made(
        &world,
        &NewContact {
            identity: Some(one),
            ..person(None, Some("d@example.com"))
        },
    )
    .await;
    assert_eq!(taken.identities, []);
}

#[tokio::test]
async fn contacts_are_found_by_contained_texts() {
    let world = World::new(0).await;
    for (n, (first, last)) in [("Jane", "Smith"), ("Janet", "Stone"), ("Bob", "Smithers")]
        .into_iter()
        .enumerate()
    {
        let mut new = person(None, Some(&format!("p{n}@example.com")));
        (new.first_name, new.last_name) = (first.to_owned(), last.to_owned());
        made(&world, &new).await;
    }
    let view = world.db.view();
    for (wanted, expected) in [
        (vec![(Searched::LastName, "SMI")], vec![1001, 1003]),
        (
            vec![(Searched::LastName, "smi"), (Searched::FirstName, "jan")],
            vec![1001],
        ),
        (vec![(Searched::FirstName, "ja")], vec![1001, 1002]),
        (vec![(Searched::Email, "p2@")], vec![1003]),
        (vec![(Searched::FirstName, "nobody")], vec![]),
        (vec![], vec![1001, 1002, 1003]),
    ] {
        let texts = wanted
            .iter()
            .map(|(field, text)| (*field, (*text).to_owned()));
        let question = Wanted {
            texts: texts.collect(),
            ..Wanted::default()
        };
        let found = find(&view, world.account, question.clone(), 0, 10)
            .await
            .unwrap();
        let ids: Vec<u64> = found.iter().map(|contact| contact.id).collect();
        assert_eq!(ids, expected, "{wanted:?}");
        let second = find(&view, world.account, question, 1, 1).await.unwrap();
        assert_eq!(second.first(), found.get(1));
    }
    let only = Wanted {
        id: Some(1002),
        texts: vec![(Searched::FirstName, "jane".to_owned())],
        ..Wanted::default()
    };
    let found = find(&view, world.account, only, 0, 10).await.unwrap();
    assert_eq!(found.len(), 1);
}

#[tokio::test]
async fn lists_have_members_until_they_go() {
    let world = World::new(0).await;
    let account = world.account;
    let (jane, _) = made(&world, &person(Some(JANE), None)).await;
    world.told().await;
    let named = &list::Changes {
        name: text("VIP"),
        ..list::Changes::default()
    };
    let make = async || {
        let run = world.run(|tx| async move { list::create(&tx, account, named).await });
        run.await
    };
    let vip = &make().await.unwrap();
    assert_eq!(make().await.unwrap_err().kind, Kind::Conflict);
    let colored = &list::Changes {
        color: text("000000"),
        name: text("Vip"),
        bg_color: None,
    };
    for _ in 0..2 {
        let run = world.run(|tx| async move {
            let found = list::by_name(&tx, account, "vip").await?.unwrap();
            list::update(&tx, account, &found, colored).await
        });
        run.await.unwrap();
    }
    for step in [list::add, list::add] {
        let run = world.run(|tx| async move {
            let member = active(&tx, account, jane.id).await?.unwrap();
            step(&tx, account, vip, &member).await
        });
        assert_eq!(run.await.unwrap().lists, BTreeSet::from([vip.id]));
    }
    let told = world.told().await;
    assert_eq!(
        types(&told),
        ["new_list", "update_list", "list_member_added"]
    );
    assert_eq!(told[1].1["changed"], serde_json::json!(["color", "name"]));
    assert_eq!(told[2].1["contact_ref"], jane.reference.to_string());
    for _ in 0..2 {
        let run = world.run(|tx| async move {
            let member = active(&tx, account, jane.id).await?.unwrap();
            list::take_off(&tx, account, vip, &member).await
        });
        run.await.unwrap();
    }
    assert_eq!(types(&world.told().await), ["list_member_removed"]);
    // A list that goes takes its memberships with it.
    world
        .run(|tx| async move {
            let member = active(&tx, account, jane.id).await?.unwrap();
            list::add(&tx, account, vip, &member).await?;
            list::remove(&tx, account, vip).await?;
            let note = Changes {
                first_name: text("Janet"),
                ..Changes::default()
            };
            update(&tx, account, jane.id, &note).await
        })
        .await
        .unwrap();
    let told = world.told().await;
    let expected = ["list_member_added", "delete_list", "update_contact"];
    assert_eq!(types(&told), expected);
    assert_eq!(told[2].1["lists"], serde_json::json!([]));
    assert_eq!(told[2].1["changed"], serde_json::json!(["first_name"]));
    assert!(make().await.is_ok());
    assert_eq!(list::all(&world.db.view(), account).await.unwrap().len(), 1);
}
