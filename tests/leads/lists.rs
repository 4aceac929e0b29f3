//! `protocols/leads-api.md` 3.2 to 3.4: lists and details.

use serde_json::{Value, json};

use crate::people::{escaped, world};
use crate::site::{Caller, caller, expect, field, login, pair};
use crate::world::{KEY, World};

/// Ids of a list, and how many there are.
async fn ids(caller: &Caller<'_>, query: &str) -> Value {
    let data = caller.seen("list", query).await;
    let results = data["results"].as_array().unwrap().iter();
    let ids: Vec<&Value> = results.map(|lead| &lead["id"]).collect();
    json!([ids, data["count"]])
}

async fn command(world: &World, pairs: &str) {
    let reply = world.command(pairs).await;
    assert!(
        reply.body.starts_with("status=0"),
        "{pairs}: {}",
        reply.body
    );
}

/// Alice (1001) owns 1001 to 1003, Bob (1002) 1004, Olga the owner (1003) 1005, nobody 1006.
async fn leads(world: &World) {
    for (name, account_type) in [("alice", "Agent"), ("bob", "Agent"), ("olga", "Owner")] {
        crate::site::user(world, name, account_type).await;
    }
    for (owner, more) in [
        (
            "1001",
            "first_name=Jane&last_name=Smith&email=jane@example.com&phone=%2B1+(555)+123-4567&sub_id=Spring",
        ),
        (
            "1001",
            "first_name=Janet&last_name=Jones&email=JJ@Example.org&phone=5559876543&status=closed",
        ),
        (
            "1001",
            "first_name=Öz&last_name=Li&sub_id=Spring&status=closed",
        ),
        ("1002", "first_name=Bob&last_name=Stone&sub_id=Spring"),
        ("1003", "first_name=Ann&last_name=Smithers"),
        ("1001", "first_name=Zoe"),
        ("1001", "first_name=Gone"),
    ] {
        command(
            world,
            &format!("ai_command=create_lead&{more}&user_id={owner}"),
        )
        .await;
    }
    let pool = "ai_command=leads_multi_transfer&user_id=1001&lead_list=1006&to_pool=east";
    command(world, pool).await;
    let alice = login(world, "alice").await;
    alice.done("delete/lead", "slug=gone-1007").await;
    let jane = "&first_name=Ann&last_name=Smithers&email=ann@example.com&phone=555000111";
    let assigned = format!("slug=ann-smithers-1005{jane}&assignee=alice");
    login(world, "olga")
        .await
        .done("update/lead", &assigned)
        .await;
}

#[tokio::test]
async fn leads_are_listed_by_every_filter() {
    let world = &world().await;
    leads(world).await;
    let alice = login(world, "alice").await;
    let none = || json!([[], 0]);
    for (query, expected) in [
        ("", json!([[1003, 1002, 1001], 3])),
        (
            "list_type=+&status=&owner=&phone=+",
            json!([[1003, 1002, 1001], 3]),
        ),
        ("list_type=assigned", json!([[1005], 1])),
        ("list_type=assigned&owner=olga", json!([[1005], 1])),
        ("list_type=assigned&owner=alice", none()),
        ("list_type=assigned&status=prospect", json!([[1005], 1])),
        ("list_type=assigned&campaign_slug=Spring", none()),
        ("first_name=an", json!([[1002, 1001], 2])),
        ("first_name=JANE", json!([[1002, 1001], 2])),
        ("first_name=janet", json!([[1002], 1])),
        ("first_name=%C3%96", json!([[1003], 1])),
        ("first_name=smith", none()),
        ("last_name=smi", json!([[1001], 1])),
        ("last_name=O", json!([[1002], 1])),
        ("email=example", json!([[1002, 1001], 2])),
        ("email=jj%40example.ORG", json!([[1002], 1])),
        ("phone=555", json!([[1002, 1001], 2])),
        ("phone=5551234567", json!([[1001], 1])),
        ("phone=555-123", json!([[1001], 1])),
        ("phone=9", json!([[1002], 1])),
        ("phone=x", none()),
        ("status=closed", json!([[1003, 1002], 2])),
        ("status=Closed&first_name=jan", json!([[1002], 1])),
        ("status=tentative", none()),
        ("campaign_slug=Spring", json!([[1003, 1001], 2])),
        ("campaign_slug=Spring&status=closed", json!([[1003], 1])),
        ("campaign_slug=spring", none()),
        // Another's leads are not listed, whatever is asked.
        ("owner=bob", none()),
        ("owner=ALICE", json!([[1003, 1002, 1001], 3])),
        ("owner=nobody", none()),
        ("limit=2", json!([[1003, 1002], 3])),
        ("limit=2&offset=2", json!([[1001], 3])),
        ("offset=9", json!([[], 3])),
    ] {
        assert_eq!(ids(&alice, query).await, expected, "{query}");
    }
    // Roles O and D: also those without an owner, and all of a named owner.
    let olga = login(world, "olga").await;
    for (query, expected) in [
        ("", json!([[1006, 1005], 2])),
        ("status=prospect", json!([[1006, 1005], 2])),
        ("first_name=zo", json!([[1006], 1])),
        ("owner=alice", json!([[1003, 1002, 1001], 3])),
        ("owner=bob&campaign_slug=Spring", json!([[1004], 1])),
        ("owner=nobody", none()),
        ("list_type=assigned", none()),
    ] {
        assert_eq!(ids(&olga, query).await, expected, "{query}");
    }
}

#[tokio::test]
async fn the_list_of_the_document_and_its_pages() {
    let world = &world().await;
    let alice = caller(world, "alice", "Agent").await;
    let create = "ai_command=create_lead&first_name=Jane&last_name=Smith&email=jane@example.com\
        &phone=15551234567&source=website&city=Springfield&state=OR&country=US&user_id=1001";
    command(world, create).await;
    let reply = alice.get("list", "").await;
    assert_eq!(
        reply.body,
        r#"{"status_code":200,"errors":{},"data":{"results":[{"id":1001,"slug":"jane-smith-1001","first_name":"Jane","last_name":"Smith","email":"jane@example.com","phone":"15551234567","status":"prospect","source":"website","location":"Springfield, OR, US","message":"","campaign_slug":"","assignee":null,"owner":"alice","created":"2026-01-15 02:30","updated":"2026-01-15 02:30"}],"count":1,"previous":null,"next":null}}"#
    );
    for _ in 0..24 {
        command(world, create).await;
    }
    let url = "https://relay/crm/v1/leads/list/?";
    let link = |rest: &str| json!(format!("{url}{rest}"));
    let null = || Value::Null;
    for (query, shown, previous, next) in [
        ("", 10, null(), link("offset=10&limit=10")),
        (
            "offset=10",
            10,
            link("offset=0&limit=10"),
            link("offset=20&limit=10"),
        ),
        ("offset=20", 5, link("offset=10&limit=10"), null()),
        ("offset=15&limit=10", 10, link("offset=5&limit=10"), null()),
        ("limit=25", 25, null(), null()),
        ("limit=24", 24, null(), link("offset=24&limit=24")),
        ("limit=1000", 25, null(), null()),
        (
            "offset=3&limit=5",
            5,
            link("offset=0&limit=5"),
            link("offset=8&limit=5"),
        ),
        ("offset=30", 0, link("offset=20&limit=10"), null()),
        // What cannot be used is the default.
        ("offset=x&limit=0", 10, null(), link("offset=10&limit=10")),
        ("offset=-1&limit=-5", 10, null(), link("offset=10&limit=10")),
        ("offset=+&limit=1.5", 10, null(), link("offset=10&limit=10")),
        (
            "offset=99999999999999999999",
            10,
            null(),
            link("offset=10&limit=10"),
        ),
        (
            "status=prospect&first_name=%6Aane",
            10,
            null(),
            link("status=prospect&first_name=%6Aane&offset=10&limit=10"),
        ),
    ] {
        let data = alice.seen("list", query).await;
        assert_eq!(data["results"].as_array().unwrap().len(), shown, "{query}");
        assert_eq!(data["count"], 25, "{query}");
        assert_eq!(
            (&data["previous"], &data["next"]),
            (&previous, &next),
            "{query}"
        );
    }
    // The path stays as it came.
    let bearer = format!("Bearer {}", alice.token);
    let headers = [("apikey", KEY), ("authorization", bearer.as_str())];
    let reply = world
        .send("GET", "/crm/v1/v1//list?limit=1", &headers, "")
        .await;
    let next = "https://relay/crm/v1/v1//list?offset=1&limit=1";
    assert_eq!(reply.json()["data"]["next"], next);
}

#[tokio::test]
async fn filters_that_are_wrong_are_told() {
    let world = &world().await;
    let alice = caller(world, "alice", "Agent").await;
    let nul = "Null characters are not allowed.";
    for (query, errors) in [
        ("list_type=mine", field("list_type", "Invalid list type.")),
        (
            "status=deleted",
            field("status", "deleted is not a valid choice."),
        ),
        ("status=1", field("status", "1 is not a valid choice.")),
        ("first_name=%00", field("first_name", nul)),
        ("phone=1%002", field("phone", nul)),
        (
            "owner=%00&status=x&list_type=x",
            json!([
                ["list_type", "Invalid list type."],
                ["status", "x is not a valid choice."],
                ["owner", nul]
            ]),
        ),
    ] {
        expect(&alice.get("list", query).await, 400, &errors, query);
    }
    for (query, errors) in [
        (
            "datesetting=around",
            field("datesetting", "Invalid date setting."),
        ),
        ("datesetting=on", field("ondate", "This field is required.")),
        (
            "datesetting=on&ondate=+",
            field("ondate", "This field is required."),
        ),
        (
            "datesetting=on&ondate=2026-02-01",
            field("ondate", "Invalid date format."),
        ),
        (
            "datesetting=on&ondate=02/30/2026",
            field("ondate", "Invalid date format."),
        ),
        (
            "datesetting=on&ondate=2/1/2026",
            field("ondate", "Invalid date format."),
        ),
        (
            "status=done",
            field("status", "Invalid appointment status."),
        ),
        (
            "lead=%00&status=x&datesetting=x&ondate=x",
            json!([
                ["datesetting", "Invalid date setting."],
                ["ondate", "Invalid date format."],
                ["status", "Invalid appointment status."],
                ["lead", nul]
            ]),
        ),
    ] {
        expect(
            &alice.get("appointments/list", query).await,
            400,
            &errors,
            query,
        );
    }
    let slug = "This field is required and this may not be blank.";
    for (query, text) in [
        ("", slug),
        ("slug=", slug),
        ("slug=+%0A", slug),
        ("slug=nobody", "Requested slug is invalid."),
        ("slug=jane-smith-1009", "Requested slug is invalid."),
        ("slug=%00", nul),
    ] {
        expect(
            &alice.get("view/lead", query).await,
            400,
            &field("slug", text),
            query,
        );
    }
}

#[tokio::test]
async fn details_have_the_form_of_the_document() {
    let world = &world().await;
    let alice = caller(world, "alice", "Agent").await;
    let create = "ai_command=create_lead&first_name=Jane&last_name=Smith&email=jane@example.com\
        &phone=15551234567&source=website&city=Springfield&state=OR&country=US&user_id=1001";
    command(world, create).await;
    let slug = "slug=jane-smith-1001";
    alice
        .done("create/leadnote", &format!("{slug}&note=Called,+no+answer"))
        .await;
    let reply = alice.get("view/lead", slug).await;
    let lead = r#"{"status_code":200,"errors":{},"data":{"id":1001,"slug":"jane-smith-1001","first_name":"Jane","last_name":"Smith","email":"jane@example.com","phone":"15551234567","status":"prospect","source":"website","location":"Springfield, OR, US","message":"","campaign_slug":"","assignee":null,"owner":"alice","created":"2026-01-15 02:30","updated":"2026-01-15 02:30","notes":[{"note_id":1001,"note":"Called, no answer","author":"alice","created":"2026-01-15 02:30"}],"appointments":["#;
    assert_eq!(reply.body, format!("{lead}]}}}}"));
    // Notes newest first, appointments by start; deleted ones are gone.
    alice
        .done("create/leadnote", &format!("{slug}&note=Again"))
        .await;
    for (start, note) in [("12:00", "second"), ("10:00", "first"), ("14:00", "gone")] {
        let time = escaped(&format!("2026-02-01 {start}"));
        let body =
            format!("{slug}&appointment_date={time}&appointment_to={time}&appointment_note={note}");
        alice.done("create/appointment", &body).await;
    }
    alice
        .done("delete/appointment", "appointment_id=1003")
        .await;
    let data = alice.seen("view/lead", slug).await;
    let of = |list: &str, name: &str| {
        let list = data[list].as_array().unwrap().iter();
        list.map(|it| it[name].as_str().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(of("notes", "note"), ["Again", "Called, no answer"]);
    assert_eq!(of("appointments", "appointment_note"), ["first", "second"]);
    let shown = json!({"appointment_id": 1002, "slug": "jane-smith-1001", "lead": "Jane Smith",
        "appointment_date": "2026-02-01 10:00", "appointment_to": "2026-02-01 10:00",
        "appointment_note": "first", "appointment_status": "pending", "user": "alice"});
    assert_eq!(data["appointments"][0], shown);
}

#[tokio::test]
async fn who_sees_a_lead() {
    let world = &world().await;
    leads(world).await;
    let no = field("slug", "Requested slug is invalid.");
    for (name, slug, sees) in [
        ("alice", "jane-smith-1001", true),
        ("alice", "ann-smithers-1005", true),
        ("alice", "bob-stone-1004", false),
        ("alice", "zoe-1006", false),
        ("alice", "gone-1007", false),
        ("olga", "jane-smith-1001", true),
        ("olga", "zoe-1006", true),
        ("olga", "gone-1007", false),
        ("olga", "jane-1001", false),
    ] {
        let reply = login(world, name)
            .await
            .get("view/lead", &format!("slug={slug}"))
            .await;
        if sees {
            assert_eq!(reply.json()["data"]["slug"], slug, "{name}");
        } else {
            expect(&reply, 400, &no, slug);
        }
    }
}

#[tokio::test]
async fn appointments_are_listed_by_every_filter() {
    let world = &world().await;
    leads(world).await;
    let alice = login(world, "alice").await;
    let olga = login(world, "olga").await;
    for (caller, slug, day, status) in [
        (&alice, "jane-smith-1001", "02-01", "pending"),
        (&alice, "janet-jones-1002", "02-02", "confirmed"),
        (&alice, "ann-smithers-1005", "01-31", "cancelled"),
        (&olga, "bob-stone-1004", "02-01", "pending"),
    ] {
        let time = escaped(&format!("2026-{day} 10:00"));
        let body = format!(
            "slug={slug}&appointment_date={time}&appointment_to={time}&appointment_status={status}"
        );
        caller.done("create/appointment", &body).await;
    }
    let found = async |caller: &Caller<'_>, query: &str| {
        let data = caller.seen("appointments/list", query).await;
        let results = data["results"].as_array().unwrap().iter();
        let ids: Vec<&Value> = results.map(|it| &it["appointment_id"]).collect();
        json!([ids, data["count"]])
    };
    let day = |setting: &str, day: &str| format!("datesetting={setting}&{}", pair("ondate", day));
    for (query, expected) in [
        (String::new(), json!([[1003, 1001, 1002], 3])),
        // Without a setting the day says nothing, not even a bad one.
        ("ondate=x".to_owned(), json!([[1003, 1001, 1002], 3])),
        (
            "datesetting=+&status=&lead=".to_owned(),
            json!([[1003, 1001, 1002], 3]),
        ),
        (day("on", "02/01/2026"), json!([[1001], 1])),
        (day("before", "02/01/2026"), json!([[1003], 1])),
        (day("after", "02/01/2026"), json!([[1002], 1])),
        (day("after", "02/02/2026"), json!([[], 0])),
        (day("before", "01/01/1970"), json!([[], 0])),
        ("status=pending".to_owned(), json!([[1001], 1])),
        ("status=Confirmed".to_owned(), json!([[1002], 1])),
        ("status=fulfilled".to_owned(), json!([[], 0])),
        ("lead=jane".to_owned(), json!([[1001, 1002], 2])),
        ("lead=NN".to_owned(), json!([[1003], 1])),
        ("lead=smith".to_owned(), json!([[], 0])),
        (
            format!("lead=jane&{}", day("on", "02/02/2026")),
            json!([[1002], 1]),
        ),
        ("limit=1&offset=1".to_owned(), json!([[1001], 3])),
    ] {
        assert_eq!(found(&alice, &query).await, expected, "{query}");
    }
    assert_eq!(found(&olga, "").await, json!([[1003, 1001, 1004, 1002], 4]));
    assert_eq!(found(&olga, "lead=bob").await, json!([[1004], 1]));
    let reply = alice.get("appointments/list", "limit=1").await;
    assert_eq!(
        reply.body,
        r#"{"status_code":200,"errors":{},"data":{"results":[{"appointment_id":1003,"slug":"ann-smithers-1005","lead":"Ann Smithers","appointment_date":"2026-01-31 10:00","appointment_to":"2026-01-31 10:00","appointment_note":"","appointment_status":"cancelled","user":"alice"}],"count":3,"previous":null,"next":"https://relay/crm/v1/leads/appointments/list/?offset=1&limit=1"}}"#
    );
}

/// More leads of a name than are looked through one by one.
#[tokio::test]
async fn appointments_are_found_by_a_name_that_many_leads_have() {
    let world = &world().await;
    let alice = caller(world, "alice", "Agent").await;
    for _ in 0..600 {
        command(world, "ai_command=create_lead&first_name=Jane&user_id=1001").await;
    }
    for slug in ["jane-1001", "jane-1600"] {
        let time = if slug == "jane-1001" {
            "2026-02-02"
        } else {
            "2026-02-01"
        };
        let body = format!("slug={slug}&appointment_date={time}&appointment_to={time}");
        alice.done("create/appointment", &body).await;
    }
    let data = alice.seen("appointments/list", "lead=jane&limit=1").await;
    let shown = &data["results"][0];
    assert_eq!(
        (&shown["slug"], &data["count"]),
        (&json!("jane-1600"), &json!(2))
    );
    assert_eq!(
        alice.seen("appointments/list", "lead=joan").await["count"],
        0
    );
}
