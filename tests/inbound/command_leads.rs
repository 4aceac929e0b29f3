//! `protocols/command-api.md` 3 and 4.8, 4.10, 4.11, 4.13 to 4.17, 4.21: leads and appointments.

use hookrelay::domain::user::Changes;
use hookrelay::id::Seq;
use hookrelay::store::Store;
use serde_json::{Value, json};

use crate::people::{NO_RECORD, add, invalid, missing, set, too_long, world};
use crate::world::{Reply, World};

/// A user of the account; its notification is part of the log.
pub async fn user(world: &World, username: &str, account_type: &str) -> u64 {
    add(world, username, account_type, Changes::default())
        .await
        .id
}

/// Types and data of the messages behind the first `seen`.
pub async fn said(world: &World, seen: u64) -> Vec<(String, Value)> {
    let page = world
        .store
        .read_log(world.account, Seq(seen + 1), 10_000, 1 << 30)
        .await
        .unwrap();
    let messages = page.messages.iter();
    messages
        .map(|message| {
            let data = serde_json::from_slice(&message.data).unwrap();
            (message.event_type.to_string(), data)
        })
        .collect()
}

/// A call, and what it made the log say.
pub async fn call(world: &World, pairs: &str) -> (Reply, Vec<(String, Value)>) {
    let seen = world.logged().await;
    let reply = world.command(pairs).await;
    let said = said(world, seen).await;
    (reply, said)
}

pub fn types(said: &[(String, Value)]) -> Vec<&str> {
    said.iter().map(|(kind, _)| kind.as_str()).collect()
}

const CREATED: &str = "status=0&status_message=Lead+Creation+Successful&lead_id=";
const UPDATED: &str = "status=0&status_message=Lead+Update+Successful";

#[tokio::test]
async fn create_lead_stores_and_says_what_is_documented() {
    let world = &world().await;
    set(world, |account| {
        account.settings.default_country_code = Some("1".to_owned());
    })
    .await;
    let alice = user(world, "alice", "Owner").await;
    assert_eq!(alice, 1001);
    let pairs = "ai_command=create_lead&first_name=Jane&last_name=Smith&city=Springfield&state=OR\
        &zip=97477&country=US&phone=15551234567&ok_to_text=Y&besttime=Morning&priority=Warm\
        &gmt_offset=-800&email=jane@example.com&source=website&tag_append=prospect-2026";
    let seen = world.logged().await;
    let reply = world.command(pairs).await;
    assert_eq!(reply.body, format!("{CREATED}1001"));
    let page = world
        .store
        .read_log(world.account, Seq(seen + 1), 9, 1 << 20)
        .await
        .unwrap();
    let texts: Vec<&str> = page
        .messages
        .iter()
        .map(|message| std::str::from_utf8(&message.data).unwrap())
        .collect();
    let messages = said(world, seen).await;
    assert_eq!(types(&messages), ["new_contact", "new_tag", "new_lead"]);
    let reference = messages[0].1["contact_ref"].as_str().unwrap();
    assert_eq!(
        texts[0],
        format!(
            r#"{{"contact_id":1001,"contact_ref":"{reference}","first_name":"Jane","last_name":"Smith","phone":"+15551234567","email":"jane@example.com","gender":null,"note":null,"external_id":null,"is_bot_active":true,"do_not_disturb":false,"custom_fields":[],"lists":[],"identities":[],"created_at":"2026-01-15T10:30:00Z"}}"#
        )
    );
    let tag = messages[1].1["tag_id"].as_str().unwrap();
    assert_eq!(
        texts[1],
        format!(
            r#"{{"tag_id":"{tag}","name":"prospect-2026","color":"FFFFFF","bg_color":"0000FF"}}"#
        )
    );
    assert_eq!(
        texts[2],
        r#"{"lead_id":1001,"slug":"jane-smith-1001","external_id":null,"contact_id":1001,"owner":"alice","assignee":null,"pool":null,"first_name":"Jane","last_name":"Smith","company":"","address":"","address_2":"","city":"Springfield","state":"OR","zip":"97477","country":"US","lat":null,"lng":null,"phone":"15551234567","cell":"","ok_to_text":true,"fax":"","skype":"","ip":"","followup_at":null,"besttime":"Morning","status":"prospect","priority":"Warm","custom_status":0,"gmt_offset":-800,"email":"jane@example.com","admin_notes":"","govt_id":"","source":"website","sub_id":"","sub_id2":"","birth_date":"","location":"","message":"","tags":["prospect-2026"],"created_at":"2026-01-15T10:30:00Z","updated_at":"2026-01-15T10:30:00Z","actor":null}"#
    );
    // The same person and the same tag, whatever the case: neither is new.
    let (reply, messages) = call(world, &pairs.replace("prospect", "Prospect")).await;
    assert_eq!(reply.body, format!("{CREATED}1002"));
    assert_eq!(types(&messages), ["new_lead"]);
    assert_eq!(messages[0].1["contact_id"], 1001);
    assert_eq!(messages[0].1["tags"], json!(["prospect-2026"]));
}

/// What a call must answer.
pub async fn expect(world: &World, rows: &[(&str, &str)]) {
    for (pairs, expected) in rows {
        assert_eq!(world.command(pairs).await.body, *expected, "{pairs}");
    }
}

#[tokio::test]
async fn every_lead_field_has_its_form() {
    let world = &world().await;
    set(world, |account| {
        let hot = json!([{"id": 3, "name": "Hot"}]);
        account.settings.custom_statuses = serde_json::from_value(hot).unwrap();
    })
    .await;
    let long = "x".repeat(256);
    let texts = "first_name last_name company address address_2 city state zip country phone cell \
        fax skype ip besttime priority email govt_id source sub_id sub_id2 location message \
        external_id";
    for name in texts.split_whitespace() {
        let pairs = format!("ai_command=create_lead&{name}=");
        for (value, expected) in [(long.as_str(), too_long(name)), ("a%00", invalid(name))] {
            let reply = world.command(&format!("{pairs}{value}")).await;
            assert_eq!(reply.body, expected, "{name}");
        }
        let reply = world.command(&format!("{pairs}{}", &long[1..])).await;
        assert!(reply.body.starts_with(CREATED), "{name}: {}", reply.body);
    }
    for (name, wrong) in [
        ("lat", vec!["91", "-90.1", "x", "1e1", "1."]),
        ("lng", vec!["181", "-180.5"]),
        (
            "followup_date",
            vec!["tomorrow", "2026-02-30", "2026-01-15 25:00"],
        ),
        ("status", vec!["deleted", "9", "0", "7", "Received"]),
        ("custom_status", vec!["1", "Cold", "-3"]),
        ("gmt_offset", vec!["1401", "-1401", "1.5"]),
        ("birth_date", vec!["1980-02-30", "2-3", "1980"]),
        (
            "notes",
            vec![
                "x",
                "{}",
                "[1]",
                "[{}]",
                r#"[{"Notes":" "}]"#,
                r#"[{"Notes":[]}]"#,
            ],
        ),
        ("user_id", vec!["x", "1.0"]),
    ] {
        for value in wrong {
            let reply = world
                .command(&format!("ai_command=create_lead&city=x&{name}={value}"))
                .await;
            assert_eq!(reply.body, invalid(name), "{name}={value}");
        }
    }
    let note = format!("[{{\"Notes\":\"{}\"}}]", "x".repeat(10_001));
    let many = format!("[{}]", [r#"{"Notes":"x"}"#; 101].join(","));
    let tags = (0..201)
        .map(|n| n.to_string())
        .collect::<Vec<_>>()
        .join(",");
    for (name, value, expected) in [
        ("admin_notes", "x".repeat(10_001), too_long("admin_notes")),
        ("note", "x".repeat(10_001), too_long("note")),
        ("notes", note, too_long("notes")),
        ("notes", many, invalid("notes")),
        ("tag_append", "x".repeat(65), too_long("tag_append")),
        ("tag_append", tags, invalid("tag_append")),
        ("user_id", "7".to_owned(), NO_RECORD.to_owned()),
    ] {
        let pairs = format!("ai_command=create_lead&city=x&{name}={value}");
        assert_eq!(world.command(&pairs).await.body, expected, "{name}");
    }
    let at_least = "status=1&status_message=At+least+one+lead+field+is+required";
    for pairs in ["", "&city=+", "&unknown=x"] {
        let reply = world
            .command(&format!("ai_command=create_lead{pairs}"))
            .await;
        assert_eq!(reply.body, at_least, "{pairs}");
    }
    // Missing, invalid and too long, each in the order of the table.
    let reply = world
        .command(&format!(
            "ai_command=lead_set&status=x&lat=x&city={long}&cell={long}"
        ))
        .await;
    let findings: Vec<String> = form_urlencoded::parse(reply.body.as_bytes())
        .skip(1)
        .map(|(_, text)| text.into_owned())
        .collect();
    assert_eq!(
        findings,
        [
            "ERROR: Required parameter \"mode\" missing",
            "Invalid value for parameter \"lat\"",
            "Invalid value for parameter \"status\"",
            "Value of parameter \"city\" is too long",
            "Value of parameter \"cell\" is too long",
        ]
    );
}

#[tokio::test]
async fn lead_fields_are_stored_as_given() {
    let world = &world().await;
    set(world, |account| {
        let hot = json!([{"id": 3, "name": "Hot"}]);
        account.settings.custom_statuses = serde_json::from_value(hot).unwrap();
    })
    .await;
    let alice = user(world, "alice", "Agent").await;
    let pairs = format!(
        "ai_command=create_lead&lat=45.520&lng=-122&ok_to_text=no&followup_date=2026-02-01\
         &status=Customer&custom_status=hot&birth_date=02-29&location=a%0Ab&city=a%0Ab&user_id={alice}\
         &external_id=A-1&admin_notes=x%0Ay&note=n%0Am\
         &notes=[{{\"status\":\"Message\",\"Notes\":\"test\"}},{{\"notes\":7}}]&tag_append=b, A,,b"
    );
    let (reply, said) = call(world, &pairs).await;
    assert_eq!(reply.body, format!("{CREATED}1001"));
    let expected = [
        "new_tag",
        "new_tag",
        "new_lead",
        "new_lead_note",
        "new_lead_note",
    ];
    assert_eq!(types(&said)[..5], expected);
    let lead = &said[2].1;
    for (name, expected) in [
        ("slug", json!("lead-1001")),
        ("external_id", json!("A-1")),
        ("contact_id", json!(null)),
        ("owner", json!("alice")),
        ("lat", json!(45.52)),
        ("lng", json!(-122)),
        ("ok_to_text", json!(false)),
        ("followup_at", json!("2026-02-01T08:00:00Z")),
        ("status", json!("customer")),
        ("custom_status", json!(3)),
        ("birth_date", json!("02-29")),
        ("location", json!("a\nb")),
        ("city", json!("a b")),
        ("admin_notes", json!("x\ny")),
        ("source", json!("manual")),
        ("tags", json!(["A", "b"])),
        ("actor", json!(null)),
    ] {
        assert_eq!(lead[name], expected, "{name}");
    }
    let notes: Vec<Value> = said[3..].iter().map(|(_, note)| note.clone()).collect();
    let note = |id: u64, kind: &str, text: &str| {
        json!({"note_id": id, "lead_id": 1001, "slug": "lead-1001", "kind": kind, "note": text,
            "created_at": "2026-01-15T10:30:00Z", "actor": null})
    };
    let expected = [
        note(1001, "Message", "test"),
        note(1002, "Note", "7"),
        note(1003, "Note", "n\nm"),
    ];
    assert_eq!(notes, expected);
    // A known external id gives that lead, unchanged; an unknown user is told nevertheless.
    let seen = world.logged().await;
    expect(
        world,
        &[
            (
                "ai_command=create_lead&external_id=A-1&city=y",
                &format!("{CREATED}1001"),
            ),
            (
                "ai_command=lead_set&mode=insert&external_id=A-1",
                &format!("{CREATED}1001"),
            ),
            (
                "ai_command=create_lead&external_id=a-1",
                &format!("{CREATED}1002"),
            ),
            (
                "ai_command=create_lead&external_id=A-1&user_id=1",
                NO_RECORD,
            ),
        ],
    )
    .await;
    assert_eq!(world.logged().await, seen + 1);
}

#[tokio::test]
async fn the_owner_of_a_lead_is_named_or_the_accounts_default() {
    let world = &world().await;
    let owner = async |pairs: &str| {
        let (_, said) = call(world, &format!("ai_command=create_lead&city=x{pairs}")).await;
        said.last().unwrap().1["owner"].clone()
    };
    assert_eq!(owner("").await, json!(null));
    user(world, "agent", "Agent").await;
    assert_eq!(owner("").await, json!(null));
    user(world, "zoe", "owner").await;
    user(world, "adam", "Owner").await;
    assert_eq!(owner("").await, "zoe", "the first active owner");
    set(world, |account| account.settings.default_owner = Some(1003)).await;
    assert_eq!(owner("").await, "adam");
    assert_eq!(owner("&user_id=1001").await, "agent");
}

#[tokio::test]
async fn a_person_is_linked_to_one_contact() {
    let world = &world().await;
    set(world, |account| {
        account.settings.default_country_code = Some("1".to_owned());
    })
    .await;
    let mut known = 1001;
    // In order: pairs, the contact, and whether it is new.
    for (pairs, contact, is_new) in [
        ("phone=8005551234", Some(1001), true),
        (
            "phone=%2B1+800+555-1234&email=a@example.com",
            Some(1001),
            false,
        ),
        ("cell=8005551234&phone=12", Some(1001), false),
        ("phone=0&email=a@example.com", Some(1002), true),
        ("email=A@Example.com", Some(1002), false),
        // The contact of that address has no phone, so it is the one.
        ("phone=8005550000&email=a@example.com", Some(1002), false),
        ("phone=8005550001&email=b@example.com", Some(1003), true),
        // It has another one, so it is not.
        ("phone=8005550002&email=b@example.com", Some(1004), true),
        ("email=b@example.com", Some(1003), false),
        ("email=nobody&phone=5", None, false),
        ("first_name=Jane", None, false),
    ] {
        let (_, said) = call(world, &format!("ai_command=create_lead&{pairs}")).await;
        let expected: &[&str] = if is_new {
            &["new_contact", "new_lead"]
        } else {
            &["new_lead"]
        };
        assert_eq!(types(&said), expected, "{pairs}");
        assert_eq!(
            said.last().unwrap().1["contact_id"],
            json!(contact),
            "{pairs}"
        );
        if is_new {
            assert_eq!(said[0].1["contact_id"], known, "{pairs}");
            known += 1;
        }
    }
}

#[tokio::test]
async fn two_creations_at_once_make_one_lead_of_an_external_id() {
    let world = &world().await;
    let pairs = "ai_command=create_lead&external_id=X&email=x@example.com&tag_append=t";
    let (one, two) = tokio::join!(world.command(pairs), world.command(pairs));
    assert_eq!(one.body, format!("{CREATED}1001"));
    assert_eq!(two.body, one.body);
    assert_eq!(
        types(&said(world, 0).await),
        ["new_contact", "new_tag", "new_lead"]
    );
    // The contact and the tag of two leads at once are one, too.
    let pairs = |n| format!("ai_command=create_lead&email=y@example.com&tag_append=u&city={n}");
    let seen = world.logged().await;
    let (first, second) = (pairs(1), pairs(2));
    tokio::join!(world.command(&first), world.command(&second));
    let said = said(world, seen).await;
    assert_eq!(
        types(&said),
        ["new_contact", "new_tag", "new_lead", "new_lead"]
    );
}

#[tokio::test]
async fn update_lead_changes_what_differs_and_says_so() {
    let world = &world().await;
    let alice = user(world, "alice", "Owner").await;
    let create = "ai_command=create_lead&external_id=A&first_name=Jane&city=x&lat=1&gmt_offset=100\
        &ok_to_text=1&message=m&tag_append=t";
    world.command(create).await;
    world.command("ai_command=create_lead&external_id=B").await;
    world
        .clock
        .set(hookrelay::clock::Timestamp(1_768_473_060_000));
    let update = "ai_command=update_lead&lead_id=1001";
    let update_all = format!(
        "{update}&first_name=June&city=&lat=&gmt_offset=&ok_to_text=&message=+&status=potential\
         &tag_append=T,u&admin_notes_append=called&admin_notes=ignored&user_id={alice}&source="
    );
    let (reply, said) = call(world, &update_all).await;
    assert_eq!(reply.body, UPDATED);
    assert_eq!(types(&said), ["new_tag", "update_lead"]);
    let data = &said[1].1;
    for (name, expected) in [
        ("slug", json!("jane-1001")),
        ("owner", json!("alice")),
        ("first_name", json!("June")),
        ("city", json!("")),
        ("lat", json!(null)),
        ("gmt_offset", json!(null)),
        ("ok_to_text", json!(false)),
        ("message", json!("")),
        ("source", json!("")),
        ("status", json!("potential")),
        ("tags", json!(["t", "u"])),
        ("admin_notes", json!("2026-01-15 02:31:00 called")),
        ("created_at", json!("2026-01-15T10:30:00Z")),
        ("updated_at", json!("2026-01-15T10:31:00Z")),
        ("actor", json!("alice")),
    ] {
        assert_eq!(data[name], expected, "{name}");
    }
    let changed =
        "admin_notes city first_name gmt_offset lat message ok_to_text source status tags";
    assert_eq!(
        data["changed"],
        json!(changed.split(' ').collect::<Vec<_>>())
    );
    // Equal values say nothing.
    let same = format!("{update}&first_name=June&status=3&tag_append=t&city=&external_id=A");
    let (reply, said) = call(world, &same).await;
    assert_eq!((reply.body.as_str(), said.len()), (UPDATED, 0));
    // By external id; beside an id it is a new value.
    let (_, said) = call(world, "ai_command=update_lead&external_id=A&note=n").await;
    assert_eq!(types(&said), ["new_lead_note"]);
    let (_, said) = call(
        world,
        &format!("{update}&external_id=C&admin_notes_send=new"),
    )
    .await;
    assert_eq!(said[0].1["changed"], json!(["admin_notes", "external_id"]));
    let taken = "status=1&status_message=External+id+already+exists";
    let append = format!("{update}&admin_notes_append={}", "x".repeat(9_990));
    let too_much = "status=1&status_message=The+admin+notes+are+too+long";
    expect(
        world,
        &[
            ("ai_command=update_lead&city=x", &missing("lead_id")),
            ("ai_command=update_lead&lead_id=x", &invalid("lead_id")),
            ("ai_command=update_lead&lead_id=7", NO_RECORD),
            ("ai_command=update_lead&lead_id=-1", NO_RECORD),
            ("ai_command=update_lead&external_id=A", NO_RECORD),
            (&format!("{update}&user_id=7"), NO_RECORD),
            (&format!("{update}&external_id=B"), taken),
            (&append, too_much),
            ("ai_command=update_lead&external_id=C&city=z", UPDATED),
        ],
    )
    .await;
}

#[tokio::test]
async fn lead_set_creates_and_updates() {
    let world = &world().await;
    let (reply, said) = call(
        world,
        "ai_command=lead_set&mode=insert&full_name=Mary+Ann+Smith",
    )
    .await;
    assert_eq!(reply.body, format!("{CREATED}1001"));
    assert_eq!(said[0].1["slug"], "mary-ann-smith-1001");
    assert_eq!(said[0].1["first_name"], "Mary Ann");
    let update = "ai_command=lead_set&mode=update";
    let updated = format!("{UPDATED}&lead_id=1001");
    let (reply, said) = call(
        world,
        &format!("{update}&lead_id=1001&full_name=X+Y&first_name=Ann&admin_notes=a"),
    )
    .await;
    assert_eq!(reply.body, updated);
    assert_eq!(
        said[0].1["changed"],
        json!(["admin_notes", "first_name", "last_name"])
    );
    assert_eq!(said[0].1["first_name"], "Ann");
    assert_eq!(said[0].1["last_name"], "Y");
    expect(
        world,
        &[
            (&format!("{update}&lead_id=1001&external_id=A"), &updated),
            (&format!("{update}&external_id=A&full_name=Cher"), &updated),
            (&format!("{update}&external_id=B"), NO_RECORD),
            (update, &missing("lead_id")),
            ("ai_command=lead_set&city=x", &missing("mode")),
            ("ai_command=lead_set&mode=upsert&city=x", &invalid("mode")),
            (
                "ai_command=lead_set&mode=insert",
                "status=1&status_message=At+least+one+lead+field+is+required",
            ),
        ],
    )
    .await;
    let (_, said) = call(world, &format!("{update}&lead_id=1001&note=n")).await;
    assert_eq!(types(&said), ["new_lead_note"]);
}

#[tokio::test]
async fn a_follow_up_in_the_future_becomes_an_appointment() {
    let world = &world().await;
    let alice = user(world, "alice", "Agent").await;
    let bob = user(world, "bob", "Agent").await;
    let update = "ai_command=update_lead&lead_id=1001&followup_date=";
    let create = "ai_command=create_lead&city=x&followup_date=2026-03-01";
    let (_, said) = call(world, create).await;
    assert_eq!(types(&said), ["new_lead"], "not on insert");
    // Neither owner nor acting user: no event.
    let (_, said) = call(world, &format!("{update}2026-02-01+10:00")).await;
    assert_eq!(types(&said), ["update_lead"]);
    let acting = format!("{update}2026-02-02+10:00&user_id={bob}");
    let (_, said) = call(world, &acting).await;
    assert_eq!(types(&said), ["update_lead", "new_appointment"]);
    assert_eq!(
        said[1].1,
        json!({"appointment_id": 1001, "lead_id": 1001, "slug": "lead-1001", "user": "bob",
            "start_at": "2026-02-02T18:00:00Z", "end_at": "2026-02-02T18:30:00Z",
            "note": "Follow-up", "status": "pending", "actor": "bob"})
    );
    // The same time again after another one: the appointment is there already.
    let (_, said) = call(world, &format!("{update}2025-02-02&user_id={bob}")).await;
    assert_eq!(types(&said), ["update_lead"], "not in the past");
    let (_, said) = call(world, &acting).await;
    assert_eq!(types(&said), ["update_lead"]);
    let (_, said) = call(world, &acting).await;
    assert_eq!(types(&said), Vec::<&str>::new(), "it did not change");
    // The owner goes before the acting user.
    let owned = format!("ai_command=create_lead&city=x&user_id={alice}");
    call(world, &owned).await;
    let set = "ai_command=lead_set&mode=update&lead_id=1002&followup_date=2026-02-02+10:00";
    let (_, said) = call(world, &format!("{set}&user_id={bob}")).await;
    assert_eq!(said[1].1["user"], "alice");
    assert_eq!(said[1].1["actor"], "bob");
}
