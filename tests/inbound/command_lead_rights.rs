//! `protocols/domain.md` section 7 for leads and appointments: what users may with their tokens.

use serde_json::json;

use crate::command_leads::{call, said, types};
use crate::people::{DENIED, NO_RECORD, SUCCESS, add_with_password, field, open, token, world};
use crate::world::{LOGIN, PASSWORD, World};

const TAKEN: &str = "status=1&status_message=Appointment+schedule+exists+for+this+time.";
const PAST: &str = "status=1&status_message=Please+Specify+a+date+in+the+future.";

/// Start and end on a day to come.
fn at(from: &str, to: &str) -> String {
    format!("start_date=2026-02-01+{from}&end_date=2026-02-01+{to}")
}

fn made(id: u64) -> String {
    format!("{SUCCESS}&event_id={id}")
}

/// A call of a user.
async fn by(world: &World, token: &str, pairs: &str) -> String {
    open(world, &format!("ai_token={token}&{pairs}")).await.body
}

/// Tokens of the users 1001 to 1004 (owner of the account, two agents, a customer), and leads:
/// 1001 of the first agent, 1002 of nobody.
async fn team(world: &World) -> [String; 4] {
    let mut tokens = Vec::new();
    for (name, kind) in [
        ("olga", "Owner"),
        ("alice", "Agent"),
        ("bob", "Agent"),
        ("carl", "Customer"),
    ] {
        add_with_password(world, name, kind).await;
        tokens.push(token(world, name).await);
    }
    world
        .command("ai_command=create_lead&city=x&user_id=1002")
        .await;
    world.command("ai_command=create_lead&city=y").await;
    let pool = "ai_command=leads_multi_transfer&lead_list=1002&to_pool=east&user_id=1001";
    world.command(pool).await;
    tokens.try_into().unwrap()
}

#[tokio::test]
async fn a_user_owns_the_leads_that_it_creates() {
    let world = &world().await;
    let [_, alice, _, carl] = team(world).await;
    let create = "ai_command=create_lead&city=z&user_id=1001";
    for (token, name) in [(&alice, "alice"), (&carl, "carl")] {
        let seen = world.logged().await;
        by(world, token, create).await;
        let said = said(world, seen).await;
        assert_eq!(types(&said), ["new_lead"]);
        assert_eq!(said[0].1["owner"], name);
        assert_eq!(said[0].1["actor"], name);
    }
    // Beside an API login the token only names who acts.
    let login = format!("ai_login_id={LOGIN}&ai_login_password={PASSWORD}&{create}");
    let seen = world.logged().await;
    by(world, &alice, &login).await;
    let said = said(world, seen).await;
    assert_eq!(said[0].1["owner"], "olga");
    assert_eq!(said[0].1["actor"], "alice");
}

#[tokio::test]
async fn only_owners_and_leaders_change_a_lead() {
    let world = &world().await;
    let [olga, alice, bob, carl] = team(world).await;
    let updated = "status=0&status_message=Lead+Update+Successful";
    let update = "ai_command=update_lead&lead_id=1001&city=";
    let tags = "ai_command=leads_multi_manage_tags&tags_add=t&lead_list=1001,1009";
    let tagged = |changed: u8| {
        format!(
            "{SUCCESS}&result_totals%5Bchanged%5D={changed}&result_totals%5Bunchanged%5D={}\
             &result_totals%5Bmissing%5D=1&result_totals%5Btags_added%5D={changed}\
             &result_totals%5Btags_removed%5D=0",
            1 - changed
        )
    };
    let merge = "ai_command=leads_merge&merge_to_lead=1001&merge_lead_list=1002";
    for token in [&bob, &carl] {
        for pairs in [
            &format!("{update}1"),
            "ai_command=update_lead&lead_id=1001&note=n",
            "ai_command=lead_set&mode=update&lead_id=1001&tag_append=t",
            tags,
            merge,
            "ai_command=leads_multi_transfer&lead_list=1001&to_userid=1003",
        ] {
            assert_eq!(by(world, token, pairs).await, DENIED, "{pairs}");
        }
        let unknown = "ai_command=update_lead&lead_id=1009&city=x";
        assert_eq!(by(world, token, unknown).await, NO_RECORD);
    }
    assert_eq!(by(world, &alice, &format!("{update}a")).await, updated);
    assert_eq!(by(world, &alice, tags).await, tagged(1));
    assert_eq!(by(world, &alice, merge).await, DENIED, "1002 is not hers");
    assert_eq!(by(world, &olga, &format!("{update}b")).await, updated);
    assert_eq!(by(world, &olga, tags).await, tagged(0));
    // Whoever is named besides, the token's user acts.
    let seen = world.logged().await;
    let named = format!("{update}c&user_id=1003");
    assert_eq!(by(world, &alice, &named).await, updated);
    assert_eq!(said(world, seen).await[0].1["actor"], "alice");
    let transfer = "ai_command=leads_multi_transfer&lead_list=1001&to_username=bob";
    let moved = by(world, &alice, transfer).await;
    assert_eq!(field(&moved, "result_totals[moved]"), "1");
    assert_eq!(by(world, &alice, &format!("{update}d")).await, DENIED);
    let merged = by(world, &olga, merge).await;
    assert_eq!(field(&merged, "result_totals[merged]"), "1");
}

#[tokio::test]
async fn users_see_their_own_leads_and_events_and_leaders_all() {
    let world = &world().await;
    let [olga, alice, bob, carl] = team(world).await;
    let event = "ai_command=event_set&mode=insert&lead_id=1001&start_date=2026-02-01\
        &end_date=2026-02-01&user_id=1002";
    world.command(event).await;
    for (token, leads, events) in [
        (&olga, "2", "1"),
        (&alice, "1", "1"),
        (&bob, "0", "0"),
        (&carl, "0", "0"),
    ] {
        // The parameter is ignored: it would show what is not theirs.
        for (command, expected) in [("leads_get", leads), ("events_get", events)] {
            let pairs = format!("ai_command={command}&user_id=1002");
            let answer = by(world, token, &pairs).await;
            assert_eq!(field(&answer, "total_results"), expected, "{command}");
        }
    }
}

#[tokio::test]
async fn users_take_free_times_to_come_with_leads_they_see() {
    let world = &world().await;
    let [olga, alice, bob, _] = team(world).await;
    let insert = "ai_command=event_set&mode=insert&lead_id=1001&user_id=1003";
    let order = "status=1&status_message=End+Date+Can%27t+be+prior+to+Start+Date.";
    let now = "start_date=2026-01-15+02:30&end_date=2026-01-15+03:00";
    for (token, pairs, expected) in [
        (
            &bob,
            format!("{insert}&{}", at("10:00", "10:30")),
            DENIED.to_owned(),
        ),
        (
            &alice,
            format!("{insert}&{}", at("10:00", "10:30")),
            made(1001),
        ),
        (
            &alice,
            format!("{insert}&{}", at("10:29", "11:00")),
            TAKEN.to_owned(),
        ),
        (
            &alice,
            format!("{insert}&{}", at("09:00", "10:01")),
            TAKEN.to_owned(),
        ),
        (
            &alice,
            format!("{insert}&{}", at("10:00", "10:00")),
            TAKEN.to_owned(),
        ),
        (
            &alice,
            format!("{insert}&{}", at("10:30", "11:00")),
            made(1002),
        ),
        (
            &alice,
            format!("{insert}&{}", at("09:00", "10:00")),
            made(1003),
        ),
        // What does not occupy may be beside it; another calendar is another one.
        (
            &alice,
            format!("{insert}&status=cancelled&{}", at("10:00", "10:30")),
            made(1004),
        ),
        (
            &olga,
            format!("{insert}&{}", at("10:00", "10:30")),
            made(1005),
        ),
        (&alice, format!("{insert}&{now}"), PAST.to_owned()),
        (
            &alice,
            format!("{insert}&{}", at("12:00", "11:59")),
            order.to_owned(),
        ),
    ] {
        assert_eq!(by(world, token, &pairs).await, expected, "{pairs}");
    }
}

#[tokio::test]
async fn users_change_their_own_events_within_the_rules() {
    let world = &world().await;
    let [olga, alice, bob, _] = team(world).await;
    let insert = "ai_command=event_set&mode=insert&lead_id=1001";
    for (token, pairs) in [
        (&alice, at("10:00", "10:30")),
        (&alice, at("10:30", "11:00")),
        (&alice, at("09:00", "10:00")),
        (&alice, format!("status=cancelled&{}", at("10:00", "10:30"))),
        (&olga, at("10:00", "10:30")),
    ] {
        let answer = by(world, token, &format!("{insert}&{pairs}")).await;
        assert!(answer.starts_with(SUCCESS), "{answer}");
    }
    let update = "ai_command=event_set&mode=update&event_id=";
    let delete = "ai_command=event_set&mode=delete&event_id=1001";
    for (token, pairs, expected) in [
        (&bob, format!("{update}1001&note=x"), DENIED.to_owned()),
        (&alice, format!("{update}1005&note=x"), DENIED.to_owned()),
        (&olga, format!("{update}1001&note=x"), made(1001)),
        (
            &alice,
            format!("{update}1002&{}", at("10:15", "11:00")),
            TAKEN.to_owned(),
        ),
        (
            &alice,
            format!("{update}1004&status=confirmed"),
            TAKEN.to_owned(),
        ),
        (
            &alice,
            format!("{update}1002&{}", at("10:45", "11:00")),
            made(1002),
        ),
        (
            &alice,
            format!("{update}1002&start_date=2026-01-01"),
            PAST.to_owned(),
        ),
        (&bob, delete.to_owned(), DENIED.to_owned()),
        (&alice, delete.to_owned(), made(1001)),
        (&alice, format!("{update}1004&status=confirmed"), made(1004)),
    ] {
        assert_eq!(by(world, token, &pairs).await, expected, "{pairs}");
    }
    // An event of the past keeps its time when something else of it changes.
    let (_, said) = call(
        world,
        "ai_command=event_set&mode=update&event_id=1003&start_date=2026-01-01&user_id=1002",
    )
    .await;
    assert_eq!(said[0].1["changed"], json!(["start_at"]));
    let done = format!("{update}1003&status=fullfilled");
    assert_eq!(by(world, &alice, &done).await, made(1003));
}

#[tokio::test]
async fn two_users_at_once_do_not_get_one_time_twice() {
    let world = &world().await;
    let [_, alice, ..] = team(world).await;
    let insert = "ai_command=event_set&mode=insert&lead_id=1001&start_date=2026-02-01&\
        end_date=2026-02-02";
    let (one, two) = tokio::join!(by(world, &alice, insert), by(world, &alice, insert));
    let made = [&one, &two]
        .into_iter()
        .filter(|body| body.starts_with(SUCCESS));
    assert_eq!(made.count(), 1, "{one} {two}");
}
