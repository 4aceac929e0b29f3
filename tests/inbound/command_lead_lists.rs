//! `protocols/command-api.md` 4.14 to 4.17: calls about several leads.

use serde_json::{Value, json};

use crate::command_leads::{call, expect, types, user};
use crate::people::{NO_RECORD, SUCCESS, invalid, missing, set, world};
use crate::world::World;

/// What a search answers: how many are shown, how many there are, and which.
async fn got(world: &World, pairs: &str) -> (String, String, Vec<u64>) {
    let call = format!("ai_command=leads_get&limit_fields=lead_id{pairs}");
    let reply = world.command(&call).await;
    let answer: std::collections::HashMap<String, String> =
        form_urlencoded::parse(reply.body.as_bytes())
            .into_owned()
            .collect();
    let leads: Vec<Value> = serde_json::from_str(&answer["leads"]).unwrap();
    let ids = leads.iter().map(|lead| lead["lead_id"].as_u64().unwrap());
    let (shown, total) = (&answer["num_results"], &answer["total_results"]);
    (shown.clone(), total.clone(), ids.collect())
}

#[tokio::test]
async fn leads_get_finds_by_status_tag_and_text() {
    let world = &world().await;
    set(world, |account| {
        let own = json!([{"id": 3, "name": "Hot"}]);
        account.settings.custom_statuses = serde_json::from_value(own).unwrap();
    })
    .await;
    let alice = user(world, "alice", "Agent").await;
    let bob = user(world, "bob", "Agent").await;
    for (n, pairs) in [
        "first_name=Jane&last_name=Smith&email=jane@example.com&tag_append=vip,east".to_owned(),
        format!("first_name=John&last_name=Smithers&company=ACME&status=3&user_id={alice}"),
        format!("first_name=JÜRGEN&phone=15551234567&cell=777&status=customer&user_id={bob}"),
        "company=Smith+%26+Sons&custom_status=Hot&tag_append=VIP".to_owned(),
        "city=Smithville&status=closed".to_owned(),
    ]
    .iter()
    .enumerate()
    {
        let reply = world
            .command(&format!("ai_command=create_lead&{pairs}"))
            .await;
        assert!(
            reply.body.ends_with(&format!("lead_id={}", 1001 + n)),
            "{}",
            reply.body
        );
    }
    let all = [1005, 1004, 1003, 1002, 1001];
    for (search, expected) in [
        ("", &all[..]),
        (" / , ", &all),
        ("smith", &[1004, 1002, 1001]),
        ("SMITHERS", &[1002]),
        ("smith/jane", &[1001]),
        ("smith, ACME", &[1002]),
        ("smith/nobody", &[]),
        ("jürgen", &[1003]),
        ("5123", &[1003]),
        ("777", &[1003]),
        ("example.com", &[1001]),
        ("sm", &[1004, 1002, 1001]),
        ("j", &[1003, 1002, 1001]),
        ("& sons", &[1004]),
        ("Received", &[1004, 1001]),
        ("prospect", &[1004, 1001]),
        ("1", &[1004, 1001]),
        ("1/customer", &[1004, 1003, 1001]),
        ("3/6/smith", &[1002]),
        ("hot", &[1004]),
        ("hot/closed", &[]),
        ("tag:vip", &[1004, 1001]),
        ("TAG: Vip", &[1004, 1001]),
        ("vip", &[1004, 1001]),
        ("vip/east", &[1001]),
        ("tag:none", &[]),
        ("vi", &[]),
        ("deleted", &[]),
    ] {
        let encoded = form_urlencoded::byte_serialize(search.as_bytes()).collect::<String>();
        let (shown, total, ids) = got(world, &format!("&search_params={encoded}")).await;
        assert_eq!(ids, expected, "{search}");
        let count = expected.len().to_string();
        assert_eq!((shown, total), (count.clone(), count), "{search}");
    }
}

#[tokio::test]
async fn leads_get_shows_a_page_of_what_it_finds() {
    let world = &world().await;
    let alice = user(world, "alice", "Agent").await;
    let bob = user(world, "bob", "Agent").await;
    for pairs in [
        "first_name=Jane&last_name=Smith&email=jane@example.com".to_owned(),
        format!("last_name=Smithers&user_id={alice}"),
        format!("first_name=Bob&user_id={bob}"),
        "company=Smith".to_owned(),
        "city=x".to_owned(),
    ] {
        world
            .command(&format!("ai_command=create_lead&{pairs}"))
            .await;
    }
    let found = async |pairs: &str| got(world, pairs).await;
    let page =
        |shown: &str, total: &str, ids: &[u64]| (shown.to_owned(), total.to_owned(), ids.to_vec());
    assert_eq!(found("&page_size=2").await, page("2", "5", &[1005, 1004]));
    assert_eq!(
        found("&page_size=2&page_number=3").await,
        page("1", "5", &[1001])
    );
    assert_eq!(
        found("&page_size=2&page_number=4").await,
        page("0", "5", &[])
    );
    assert_eq!(
        found("&page_size=1&page_number=2&search_params=smith").await,
        page("1", "3", &[1002])
    );
    assert_eq!(
        found(&format!("&user_id={alice}")).await,
        page("1", "1", &[1002])
    );
    assert_eq!(
        found(&format!("&user_id={bob}&search_params=smith")).await,
        page("0", "0", &[])
    );
    assert_eq!(found("&user_id=7").await, page("0", "0", &[]));
    let get = "ai_command=leads_get";
    let too_long = "status=1&status_message=Value+of+parameter+%22search_params%22+is+too+long";
    expect(
        world,
        &[
            (
                &format!("{get}&search_params=jane&limit_fields=email,unknown"),
                "status=0&status_message=Success&num_results=1&total_results=1&leads=%5B%7B%22lead_id%22%3A1001%2C%22email%22%3A%22jane%40example.com%22%7D%5D",
            ),
            (&format!("{get}&page_size=0"), &invalid("page_size")),
            (&format!("{get}&page_number=x"), &invalid("page_number")),
            (&format!("{get}&user_id=x"), &invalid("user_id")),
            (&format!("{get}&search_params={}", "x".repeat(256)), too_long),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_changed_lead_is_found_by_what_it_is_now() {
    let world = &world().await;
    world
        .command("ai_command=create_lead&first_name=Jane&email=jane@example.com")
        .await;
    let update = "ai_command=update_lead&lead_id=1001";
    world
        .command(&format!("{update}&first_name=Joan&email=&status=2"))
        .await;
    for (search, is_found) in [
        ("jane", false),
        ("joan", true),
        ("example", false),
        ("prospect", false),
        ("tentative", true),
    ] {
        let (_, total, _) = got(world, &format!("&search_params={search}")).await;
        assert_eq!(total == "1", is_found, "{search}");
    }
}

#[tokio::test]
async fn the_lead_object_is_whole_and_in_order() {
    let world = &world().await;
    let alice = user(world, "alice", "Agent").await;
    let pairs = format!(
        "ai_command=create_lead&first_name=Jane&lat=45.5&ok_to_text=Y&followup_date=2026-02-01\
         &gmt_offset=-800&tag_append=b,a&user_id={alice}&external_id=7"
    );
    world.command(&pairs).await;
    let reply = world.command("ai_command=leads_get").await;
    let expected = r#"[{"lead_id":1001,"slug":"jane-1001","external_id":"7","user_id":1001,"assignee_id":null,"contact_id":null,"first_name":"Jane","last_name":null,"company":null,"address":null,"address_2":null,"city":null,"state":null,"zip":null,"country":null,"lat":45.5,"lng":null,"phone":null,"cell":null,"ok_to_text":"Y","fax":null,"skype":null,"ip":null,"followup_date":"2026-02-01 00:00:00","besttime":null,"status":1,"status_name":"prospect","priority":null,"custom_status":0,"gmt_offset":-800,"email":null,"admin_notes":null,"govt_id":null,"source":"manual","sub_id":null,"sub_id2":null,"birth_date":null,"location":null,"message":null,"pool":null,"tags":["a","b"],"date_added":"2026-01-15 02:30:00","date_updated":"2026-01-15 02:30:00"}]"#;
    let leads = form_urlencoded::parse(reply.body.as_bytes()).find(|(name, _)| name == "leads");
    assert_eq!(leads.unwrap().1, expected);
}

#[tokio::test]
async fn leads_merge_unites_leads() {
    let world = &world().await;
    let alice = user(world, "alice", "Owner").await;
    for pairs in [
        "first_name=Jane&last_name=Smith&admin_notes=one&tag_append=a",
        "first_name=J.&last_name=Smith&cell=1&company=ACME&note=n&admin_notes=two&tag_append=a,b\
         &external_id=X",
        "cell=2&fax=3&note=m&note2=x&external_id=Y",
    ] {
        world
            .command(&format!("ai_command=create_lead&{pairs}"))
            .await;
    }
    let event = format!(
        "ai_command=event_set&mode=insert&lead_id=1002&start_date=2026-02-01&end_date=2026-02-01\
         &user_id={alice}"
    );
    world.command(&event).await;
    let merge =
        format!("ai_command=leads_merge&merge_to_lead=1001&user_id={alice}&merge_lead_list=");
    let seen = world.logged().await;
    expect(
        world,
        &[
            (&format!("{merge}1002,1009"), NO_RECORD),
            (&format!("{merge}1002,1001"), &invalid("merge_lead_list")),
            (&format!("{merge}1002,x"), &invalid("merge_lead_list")),
            (&merge, &missing("merge_lead_list")),
            (&format!("{merge}+,+"), &invalid("merge_lead_list")),
            (
                "ai_command=leads_merge&merge_lead_list=1002&user_id=1001",
                &missing("merge_to_lead"),
            ),
            (
                "ai_command=leads_merge&merge_to_lead=1&merge_lead_list=1002",
                &missing("user_id"),
            ),
            (
                "ai_command=leads_merge&merge_to_lead=1&merge_lead_list=1002&user_id=9",
                NO_RECORD,
            ),
            (
                "ai_command=leads_merge&merge_to_lead=9&merge_lead_list=1002&user_id=1001",
                NO_RECORD,
            ),
        ],
    )
    .await;
    assert_eq!(
        world.logged().await,
        seen,
        "a failed call leaves nothing behind"
    );
    let (reply, said) = call(world, &format!("{merge}1002,+1003,1002")).await;
    assert_eq!(
        reply.body,
        "status=0&status_message=Success&result_totals%5Bmerged%5D=2\
         &result_totals%5Bfields_filled%5D=4&result_totals%5Bnotes_moved%5D=2\
         &result_totals%5Bevents_moved%5D=1&result_totals%5Btags_added%5D=1"
    );
    let merged =
        json!([{"lead_id": 1002, "slug": "j-smith-1002"}, {"lead_id": 1003, "slug": "lead-1003"}]);
    let expected = json!({"lead_id": 1001, "slug": "jane-smith-1001", "merged": merged,
        "fields_filled": ["cell", "company", "external_id", "fax"], "actor": "alice"});
    assert_eq!(said, [("leads_merged".to_owned(), expected)]);
    // The survivor has it all, and the others are gone.
    let reply = world
        .command("ai_command=leads_get&limit_fields=external_id,cell,admin_notes,tags")
        .await;
    let leads = form_urlencoded::parse(reply.body.as_bytes()).find(|(name, _)| name == "leads");
    let expected = r#"[{"lead_id":1001,"external_id":"X","cell":"1","admin_notes":"one\ntwo","tags":["a","b"]}]"#;
    assert_eq!(leads.unwrap().1, expected);
    let events = world
        .command("ai_command=events_get&limit_fields=lead_id&lead_id=1001")
        .await;
    assert!(events.body.contains("total_results=1"), "{}", events.body);
    expect(
        world,
        &[
            ("ai_command=update_lead&lead_id=1002&city=x", NO_RECORD),
            ("ai_command=update_lead&external_id=Y&city=x", NO_RECORD),
            (
                "ai_command=update_lead&external_id=X&city=x",
                "status=0&status_message=Lead+Update+Successful",
            ),
            (&format!("{merge}1002"), NO_RECORD),
        ],
    )
    .await;
    assert_eq!(got(world, "&search_params=ACME").await.2, [1001]);
}

#[tokio::test]
async fn leads_multi_manage_tags_changes_tags() {
    let world = &world().await;
    let alice = user(world, "alice", "Owner").await;
    for pairs in ["tag_append=prospect-2026,old", "tag_append=old", "city=x"] {
        world
            .command(&format!("ai_command=create_lead&{pairs}"))
            .await;
    }
    let manage = format!("ai_command=leads_multi_manage_tags&user_id={alice}");
    let totals = |numbers: [u64; 5]| {
        let names = [
            "changed",
            "unchanged",
            "missing",
            "tags_added",
            "tags_removed",
        ];
        let pairs = names.iter().zip(numbers);
        pairs.fold(SUCCESS.to_owned(), |text, (name, number)| {
            format!("{text}&result_totals%5B{name}%5D={number}")
        })
    };
    let (reply, said) = call(world, &format!("{manage}&lead_list=1001,1002,1003,1009")).await;
    assert_eq!(reply.body, missing("tags_add"));
    assert!(said.is_empty());
    let (reply, said) = call(
        world,
        &format!("{manage}&tags_add=new&tags_remove=OLD,none&lead_list=1001,1002,1001,1009"),
    )
    .await;
    assert_eq!(reply.body, totals([2, 0, 1, 2, 2]));
    assert_eq!(types(&said), ["new_tag", "lead_tags", "lead_tags"]);
    assert_eq!(
        said[1].1,
        json!({"lead_id": 1001, "slug": "lead-1001", "added": ["new"], "removed": ["old"],
            "tags": ["new", "prospect-2026"], "actor": "alice"})
    );
    let (reply, said) = call(world, &format!("{manage}&tags_add=NEW&lead_list=1001,1003")).await;
    assert_eq!(reply.body, totals([1, 1, 0, 1, 0]));
    assert_eq!(types(&said), ["lead_tags"]);
    // Removal precedes adding, so what is in both stays.
    let both = format!("{manage}&tags_add=new&tags_remove=new&lead_list=1001");
    let (reply, said) = call(world, &both).await;
    assert_eq!((reply.body, said.len()), (totals([0, 1, 0, 0, 0]), 0));
    let many = (1..=501)
        .map(|n| n.to_string())
        .collect::<Vec<_>>()
        .join(",");
    let no_lead = format!("{manage}&tags_add=fresh&lead_list=7,8");
    expect(
        world,
        &[
            (&no_lead, &totals([0, 0, 2, 0, 0])),
            (
                &format!("{manage}&tags_add=new&lead_list={many}"),
                &invalid("lead_list"),
            ),
            (
                &format!("{manage}&tags_add=new&lead_list=1001;1002"),
                &invalid("lead_list"),
            ),
            (&format!("{manage}&tags_add=new"), &missing("lead_list")),
            (
                &format!("{manage}&tags_add=,&lead_list=1001"),
                &invalid("tags_add"),
            ),
            (
                "ai_command=leads_multi_manage_tags&tags_add=a&lead_list=1001",
                &missing("user_id"),
            ),
        ],
    )
    .await;
    let (_, said) = call(world, &format!("{manage}&tags_add=fresh&lead_list=1003")).await;
    assert_eq!(
        types(&said),
        ["new_tag", "lead_tags"],
        "a tag comes with its first lead"
    );
}

#[tokio::test]
async fn leads_multi_transfer_gives_leads_away() {
    let world = &world().await;
    let alice = user(world, "alice", "Owner").await;
    let bob = user(world, "bob", "Agent").await;
    for pairs in [
        "note=a&first_name=Jane&last_name=Smith",
        "note=b&notes=[{\"Notes\":\"c\"}]",
        "city=x",
    ] {
        world
            .command(&format!("ai_command=create_lead&{pairs}"))
            .await;
    }
    let transfer = format!("ai_command=leads_multi_transfer&user_id={alice}");
    let totals = |numbers: [u64; 4]| {
        let names = ["moved", "unchanged", "missing", "notes_erased"];
        let pairs = names.iter().zip(numbers);
        pairs.fold(SUCCESS.to_owned(), |text, (name, number)| {
            format!("{text}&result_totals%5B{name}%5D={number}")
        })
    };
    let to_bob = format!("{transfer}&to_userid={bob}&lead_list=1001,1002,1009");
    let (reply, said) = call(world, &to_bob).await;
    assert_eq!(reply.body, totals([2, 0, 1, 0]));
    assert_eq!(types(&said), ["lead_transferred", "lead_transferred"]);
    assert_eq!(
        said[0].1,
        json!({"lead_id": 1001, "slug": "jane-smith-1001", "from_owner": "alice", "to_owner": "bob",
            "to_pool": null, "notes_erased": 0, "actor": "alice"})
    );
    let (reply, said) = call(world, &format!("{to_bob}&reset_leads=1")).await;
    assert_eq!(
        (reply.body, said.len()),
        (totals([0, 2, 1, 0]), 0),
        "their notes stay"
    );
    let to_pool = format!("{transfer}&to_pool=east&lead_list=1002,1003&reset_leads=yes");
    let (reply, said) = call(world, &to_pool).await;
    assert_eq!(reply.body, totals([2, 0, 0, 2]));
    assert_eq!(said[0].1["to_pool"], "east");
    assert_eq!(said[0].1["to_owner"], json!(null));
    assert_eq!(said[0].1["notes_erased"], 2);
    let get = "ai_command=leads_get&limit_fields=user_id,pool";
    let leads = "status=0&status_message=Success&num_results=3&total_results=3&leads=%5B%7B%22lead_id%22%3A1003%2C%22user_id%22%3Anull%2C%22pool%22%3A%22east%22%7D%2C%7B%22lead_id%22%3A1002%2C%22user_id%22%3Anull%2C%22pool%22%3A%22east%22%7D%2C%7B%22lead_id%22%3A1001%2C%22user_id%22%3A1002%2C%22pool%22%3Anull%7D%5D";
    expect(
        world,
        &[
            (&to_pool, &totals([0, 2, 0, 0])),
            (get, leads),
            // The first given name wins.
            (
                &format!("{transfer}&to_pool=west&to_username=ALICE&lead_list=1002"),
                &totals([1, 0, 0, 0]),
            ),
            (
                &format!("{transfer}&to_userid=9&to_pool=west&lead_list=1002"),
                NO_RECORD,
            ),
            (
                &format!("{transfer}&to_username=nobody&lead_list=1002"),
                NO_RECORD,
            ),
            (&format!("{transfer}&lead_list=1002"), &missing("to_userid")),
            (&format!("{transfer}&to_pool=west"), &missing("lead_list")),
            (
                &format!("{transfer}&to_userid=x&lead_list=1"),
                &invalid("to_userid"),
            ),
            (
                "ai_command=leads_multi_transfer&to_pool=x&lead_list=1002",
                &missing("user_id"),
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn leads_of_another_account_are_not_there() {
    let world = &world().await;
    world
        .command("ai_command=create_lead&first_name=Jane")
        .await;
    let key = "ffffffffffffffffffffffffffffffff";
    world.add_account("other", "stranger", key).await;
    let foreign = async |pairs: &str| {
        let body = format!("ai_login_id=stranger&ai_login_password=APIuser123&{pairs}");
        world.send("POST", "/service", &[], &body).await.body
    };
    assert_eq!(
        foreign("ai_command=update_lead&lead_id=1001&city=x").await,
        NO_RECORD
    );
    let none = format!("{SUCCESS}&num_results=0&total_results=0&leads=%5B%5D");
    assert_eq!(
        foreign("ai_command=leads_get&search_params=jane").await,
        none
    );
    let first = "status=0&status_message=Lead+Creation+Successful&lead_id=1001";
    assert_eq!(foreign("ai_command=create_lead&city=x").await, first);
}
