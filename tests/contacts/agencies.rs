//! Sub-accounts, credits and their export: sections 2.6 and 3.1, and `protocols/domain.md`
//! section 8.

use hookrelay::auth::caller::Secrets;
use hookrelay::auth::sitecom_token::login_hash;
use hookrelay::clock::{Millis, Timestamp};
use hookrelay::domain::api_login::{self, NewLogin};
use hookrelay::domain::credit::AutoRecharge;
use hookrelay::domain::secret::Context;
use hookrelay::error::{Error, Kind};
use hookrelay::id::AccountId;

use crate::shop::{
    AGENCY_KEY, Agency, SUB_KEY, credits, example, logged, set, set_balance, text, told, types,
    with_key,
};
use crate::world::{KEY, NOW, PASSWORD, PlainSecrets, World};

const GRANT: &str =
    r#"{"email":"sub@agency.example","amount":500,"description":"Auto-recharge via webhook"}"#;
const SHOWN: &str = r#"{"success":true,"data":{"email":"sub@agency.example","first_name":"Sue","last_name":"Bird","role":"Sub Account","is_agency_sub_account":true,"business_name":"","description":"","address_line":"","city":"","country":"","postal_code":"","state":"","time_zone_id":"America/Los_Angeles","language":"","usage_limits":{"monthly_credits":0,"monthly_credits_used":458,"credits":42,"roll_over_to_next_month":false},"sub_account_id":"0zbgj09tqm83"}}"#;
const NEW: &str = r#"{"sub_account_id":"0zbgj09tqm83","email":"sub@agency.example","first_name":"Sue","last_name":"Bird","business_name":"","credits":42}"#;
const GRANTED: &str = r#"{"sub_account_id":"0zbgj09tqm83","email":"sub@agency.example","credits_added":500,"new_balance":542,"description":"Auto-recharge via webhook","idempotency_key":"9f86d081884c7d659a2feaa0c55ad015"}"#;
const RECHARGE: &str = r#"{"idempotency_key":"9f86d081884c7d659a2feaa0c55ad015","sub_account_id":"0zbgj09tqm83","email":"sub@agency.example","current_balance":42,"threshold":50,"amount":500,"requested_at":"2026-01-15T10:30:00Z"}"#;
const SENT: &str = r#"{"customData":{"fromId":"x","customChannel":"c","body":"b"}}"#;
const SEND: &str = "send_custom_channel_message";
const CREDITS: &str = "subaccounts/credits";

/// Gives an account an API login, as an operator would.
async fn login(world: &World, account: AccountId, id: &str) -> Result<(), Error> {
    let secrets = PlainSecrets::default();
    let new = &NewLogin {
        ai_login_id: id.to_owned(),
        hash: login_hash(id),
        password: secrets.seal(Context::Password(id), PASSWORD)?,
        comm_key: secrets.seal(Context::CommKey(id), "comm-key-of-a-test")?,
    };
    let accounts = [account];
    let made = world.db.transact(&accounts, |tx| async move {
        api_login::create(&tx, account, new).await
    });
    made.await.map(drop)
}

#[tokio::test]
async fn a_sub_account_is_made_shown_and_deleted() {
    let shop = Agency::new().await;
    let (world, id) = (&shop.world, shop.sub.to_string());
    let own = [("0zbgj09tqm83", id.as_str())];
    let made = told(world, shop.owner, 0).await;
    assert_eq!(made, [("new_subaccount".to_owned(), example(NEW, &own))]);
    let found = shop
        .call("GET", "subaccounts?email=SUB@agency.example", "")
        .await;
    let shown = example(SHOWN, &own).replace("458", "0");
    assert_eq!((found.status, found.body), (200, shown));
    // It has no key of its own until the operator gives it one, and then it works for itself.
    assert_eq!(
        shop.sub_call("POST", "contacts", r#"{"email":"a@b.example"}"#)
            .await
            .status,
        201
    );
    let endpoint = format!("/admin/v1/accounts/{id}/endpoints");
    login(world, shop.sub, "sub").await.unwrap();
    let ping = format!("ai_command=ping&ai_login_id=sub&ai_login_password={PASSWORD}");
    let answered = world.send("POST", "/service", &[], &ping).await;
    assert!(answered.body.starts_with("status=0"), "{}", answered.body);
    let made = world
        .admin("POST", &endpoint, r#"{"url":"https://c.example/"}"#)
        .await;
    assert_eq!(made.status, 201, "{}", made.body);
    let gone = shop
        .call("DELETE", "subaccounts?email=sub@agency.example", "")
        .await;
    let expected = r#"{"success":true,"message":"Sub-account deleted successfully"}"#;
    assert_eq!((gone.status, gone.body.as_str()), (200, expected));
    let events = told(world, shop.owner, 1).await;
    let expected = format!(r#"{{"sub_account_id":"{id}","email":"sub@agency.example"}}"#);
    assert_eq!(events, [("delete_subaccount".to_owned(), expected)]);
    // Key, login and endpoint stopped, and nothing new can be made.
    let refused = shop
        .sub_call("POST", "contacts", r#"{"email":"c@b.example"}"#)
        .await;
    assert_eq!(
        (refused.status, refused.error().0.as_str()),
        (401, "UNAUTHORIZED")
    );
    let ping = world.send("POST", "/service", &[], &ping).await;
    assert!(ping.body.contains("Authentication+failed"), "{}", ping.body);
    let endpoints = world.admin("GET", &endpoint, "").await.json();
    assert_eq!(
        endpoints["endpoints"][0]["order"]["state"], "disabled",
        "{endpoints}"
    );
    for (path, body) in [
        (format!("/admin/v1/accounts/{id}/keys"), "{}".to_owned()),
        (
            endpoint.clone(),
            r#"{"url":"https://c.example/"}"#.to_owned(),
        ),
    ] {
        assert_eq!(
            world.admin("POST", &path, &body).await.status,
            409,
            "{path}"
        );
    }
    let refused = login(world, shop.sub, "again").await.unwrap_err();
    assert_eq!(refused.kind, Kind::Conflict);
    // Again: 404. Its address is free.
    for (method, path) in [
        ("DELETE", "subaccounts"),
        ("GET", "subaccounts?email=sub@agency.example"),
    ] {
        let body = if method == "DELETE" {
            r#"{"email":"sub@agency.example"}"#
        } else {
            ""
        };
        let reply = shop.call(method, path, body).await;
        assert_eq!((reply.status, reply.error().0.as_str()), (404, "NOT_FOUND"));
    }
    let again = shop.call("POST", "subaccounts", crate::shop::SUE).await;
    assert_eq!(again.status, 201);
    assert_ne!(text(&again.json()["data"], "sub_account_id"), id);
}

#[tokio::test]
async fn every_parameter_of_a_new_sub_account() {
    let shop = Agency::new().await;
    let body = r#"{"email":"B@agency.example","first_name":"A","last_name":"B","business_name":"Acme","description":"x\ny","address_line":"1 Road","city":"C","country":"US","postal_code":97477,"state":"OR","language":"en","time_zone_id":"europe/berlin","usage_limits":{"monthly_credits":"100","credits":7.0,"roll_over_to_next_month":"yes"}}"#;
    let made = shop.call("POST", "subaccounts", body).await;
    let id = text(&made.json()["data"], "sub_account_id");
    let expected = format!(
        r#"{{"success":true,"data":{{"email":"B@agency.example","first_name":"A","last_name":"B","role":"Sub Account","is_agency_sub_account":true,"business_name":"Acme","description":"x\ny","address_line":"1 Road","city":"C","country":"US","postal_code":"97477","state":"OR","time_zone_id":"Europe/Berlin","language":"en","usage_limits":{{"monthly_credits":100,"monthly_credits_used":0,"credits":7,"roll_over_to_next_month":true}},"sub_account_id":"{id}"}}}}"#
    );
    assert_eq!((made.status, made.body), (201, expected));
    let shown = shop
        .call("GET", "subaccounts?email=b@AGENCY.example", "")
        .await;
    assert_eq!(shown.status, 200);
    let plain = r#"{"email":"c@agency.example","first_name":"A","last_name":"B","usage_limits":null,"city":""}"#;
    let made = shop.call("POST", "subaccounts", plain).await.json();
    assert_eq!(made["data"]["usage_limits"]["credits"], 0);
    // Another agency may have the same address.
    let other = "otherotherotherotherotherother01";
    let second = shop.world.add_account("second", "second", other).await;
    set(&shop.world, second, |account| account.is_agency = true).await;
    let made = with_key(&shop.world, other, "POST", "subaccounts", crate::shop::SUE).await;
    assert_eq!(made.status, 201);
    // Nor does one see the other's.
    let path = format!("agencies/usage/export?subAccountId={id}");
    assert_eq!(
        with_key(&shop.world, other, "GET", &path, "").await.status,
        404
    );
    let body = r#"{"email":"b@agency.example","amount":1}"#;
    assert_eq!(
        with_key(&shop.world, other, "POST", CREDITS, body)
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn only_agencies_may() {
    let shop = Agency::new().await;
    let grant = r#"{"email":"sub@agency.example","amount":5}"#;
    for (method, path, body) in [
        ("POST", CREDITS, grant),
        ("GET", "subaccounts?email=sub@agency.example", ""),
        ("POST", "subaccounts", crate::shop::SUE),
        ("DELETE", "subaccounts?email=sub@agency.example", ""),
        ("GET", "agencies/usage/export", ""),
    ] {
        // A sub-account is none, and an account without agency neither.
        for key in [SUB_KEY, KEY] {
            let reply = with_key(&shop.world, key, method, path, body).await;
            let expected = r#"{"error":{"code":"AGENCY_REQUIRED","message":"This operation is available to agency accounts only."}}"#;
            assert_eq!(
                (reply.status, reply.body.as_str()),
                (400, expected),
                "{method} {path}"
            );
        }
    }
    // What is wrong with the parameters is told first.
    let reply = with_key(&shop.world, KEY, "POST", CREDITS, "{}").await;
    assert_eq!(reply.json()["error"]["message"], "email is required.");
}

#[tokio::test]
async fn the_examples_of_granting_credits() {
    let shop = Agency::new().await;
    let id = shop.sub.to_string();
    let reply = shop.call("POST", CREDITS, GRANT).await;
    let expected = format!(
        r#"{{"success":true,"sub_account_id":"{id}","credits_added":500,"new_balance":542}}"#
    );
    assert_eq!(
        (reply.status, reply.body.as_str()),
        (200, expected.as_str())
    );
    let own = [("0zbgj09tqm83", id.as_str())];
    let keyless = example(GRANTED, &own).replace(r#""9f86d081884c7d659a2feaa0c55ad015""#, "null");
    for (account, before) in [(shop.owner, 1), (shop.sub, 0)] {
        let events = told(&shop.world, account, before).await;
        assert_eq!(events, [("credits_granted".to_owned(), keyless.clone())]);
    }
    // Without a key of its own, the same again is another grant.
    let again = shop.call("POST", CREDITS, GRANT).await.json();
    assert_eq!(again["new_balance"], 1042);
    // The key counts once, for ever, whatever else is said.
    let keyed = GRANT.replace(
        '}',
        r#","idempotency_key":"9f86d081884c7d659a2feaa0c55ad015"}"#,
    );
    let first = shop.call("POST", CREDITS, &keyed).await;
    assert_eq!(first.json()["new_balance"], 1542);
    shop.world.clock.set(NOW.after(Millis::days(400)));
    let logs = [
        logged(&shop.world, shop.owner).await,
        logged(&shop.world, shop.sub).await,
    ];
    for body in [
        keyed.clone(),
        keyed.replace("500", "7"),
        keyed.replace("Auto", "auto"),
    ] {
        let again = shop.call("POST", CREDITS, &body).await;
        assert_eq!((again.status, &again.body), (200, &first.body));
    }
    assert_eq!(
        logs,
        [
            logged(&shop.world, shop.owner).await,
            logged(&shop.world, shop.sub).await
        ]
    );
    assert_eq!(credits(&shop.world, shop.sub).await, 1542);
    for (amount, added) in [("\"5\"", 5), ("5.0", 5), ("1000000000", 1_000_000_000)] {
        let body = format!(r#"{{"email":"Sub@Agency.example","amount":{amount}}}"#);
        let reply = shop.call("POST", CREDITS, &body).await;
        assert_eq!(reply.json()["credits_added"], added, "{amount}");
    }
}

#[tokio::test]
async fn the_key_of_the_credits_call_is_taken_from_the_header_only() {
    let shop = Agency::new().await;
    let world = &shop.world;
    let path = format!("/v1/subaccounts/credits?apiKey={AGENCY_KEY}");
    let refused = world.send("POST", &path, &[], GRANT).await;
    assert_eq!(
        (refused.status, refused.error().0.as_str()),
        (401, "UNAUTHORIZED")
    );
    let path = format!("/v1//subaccounts/credits/?apiKey={AGENCY_KEY}");
    assert_eq!(world.send("POST", &path, &[], GRANT).await.status, 401);
    let headers = [("x-api-key", AGENCY_KEY)];
    assert_eq!(world.send("POST", &path, &headers, GRANT).await.status, 200);
    // Everywhere else the query will do.
    let path = format!("/v1/subaccounts?apiKey={AGENCY_KEY}&email=sub@agency.example");
    assert_eq!(world.send("GET", &path, &[], "").await.status, 200);
}

#[tokio::test]
async fn messages_cost_credits_and_the_last_ones_are_asked_for_once() {
    let shop = Agency::new().await;
    let auto = |threshold| AutoRecharge {
        enabled: true,
        threshold,
        amount: 500,
        open_key: None,
    };
    set_balance(&shop.world, shop.sub, 43, auto(50)).await;
    assert_eq!(shop.sub_call("POST", SEND, SENT).await.status, 200);
    let sent = told(&shop.world, shop.sub, 0).await;
    assert!(sent[2].1.contains(r#""credits":42,"#), "{}", sent[2].1);
    let asked = told(&shop.world, shop.owner, 1).await;
    assert_eq!(types(&asked), ["auto_recharge"]);
    let data: serde_json::Value = serde_json::from_str(&asked[0].1).unwrap();
    let (key, id) = (text(&data, "idempotency_key"), shop.sub.to_string());
    let own = [
        ("9f86d081884c7d659a2feaa0c55ad015", key.as_str()),
        ("0zbgj09tqm83", id.as_str()),
    ];
    assert_eq!(asked[0].1, example(RECHARGE, &own));
    // While it is open there is no second one.
    shop.sub_call("POST", SEND, SENT).await;
    assert_eq!(logged(&shop.world, shop.owner).await, 2);
    // The agency does what the example says.
    let grant = GRANT.replace('}', &format!(r#","idempotency_key":"{key}"}}"#));
    assert_eq!(
        shop.call("POST", CREDITS, &grant).await.json()["new_balance"],
        541
    );
    set_balance(&shop.world, shop.sub, 1, auto(0)).await;
    let before = logged(&shop.world, shop.owner).await;
    assert_eq!(shop.sub_call("POST", SEND, SENT).await.status, 200);
    assert_eq!(
        types(&told(&shop.world, shop.owner, before).await),
        ["auto_recharge"]
    );
    let before = logged(&shop.world, shop.sub).await;
    let fresh = SENT.replace(r#""x""#, r#""somebody new""#);
    for body in [SENT, fresh.as_str()] {
        let reply = shop.sub_call("POST", SEND, body).await;
        let expected =
            r#"{"error":{"code":"INSUFFICIENT_CREDITS","message":"Not enough credits."}}"#;
        assert_eq!((reply.status, reply.body.as_str()), (400, expected));
    }
    assert_eq!(
        logged(&shop.world, shop.sub).await,
        before,
        "not even a contact"
    );
    // What comes in costs nothing.
    let received = r#"{"customData":{"messageSid":"1","fromId":"x","toId":"y","body":"b"}}"#;
    let reply = shop
        .sub_call("POST", "incoming_custom_channel_message", received)
        .await;
    assert_eq!(
        (reply.status, credits(&shop.world, shop.sub).await),
        (200, 0)
    );
}

#[tokio::test]
async fn usage_is_exported_by_local_day_and_address() {
    let shop = Agency::new().await;
    let (world, sub) = (&shop.world, shop.sub.to_string());
    let columns =
        "date,sub_account_id,email,sms,calls,custom_channel,credits_used,credits_granted\r\n";
    let export = async |query: &str| {
        let reply = shop
            .call("GET", &format!("agencies/usage/export{query}"), "")
            .await;
        assert_eq!(reply.status, 200, "{query} {}", reply.body);
        assert_eq!(
            reply.header("content-type"),
            Some("text/csv; charset=utf-8")
        );
        reply.body
    };
    assert_eq!(export("").await, columns);
    let second = r#"{"email":"\"a,b\"@agency.example","first_name":"A","last_name":"B"}"#;
    let made = shop.call("POST", "subaccounts", second).await;
    let other = text(&made.json()["data"], "sub_account_id");
    shop.call(
        "POST",
        CREDITS,
        r#"{"email":"\"a,b\"@agency.example","amount":9}"#,
    )
    .await;
    shop.call("POST", CREDITS, GRANT).await;
    shop.sub_call("POST", SEND, SENT).await;
    shop.sub_call("POST", SEND, SENT).await;
    // 23:59 of the same day in Los Angeles, then the next one.
    world.clock.set(Timestamp(NOW.0 + 77_340_000));
    shop.sub_call("POST", SEND, SENT).await;
    world.clock.set(Timestamp(NOW.0 + 77_460_000));
    shop.sub_call("POST", SEND, SENT).await;
    let rows = [
        format!("2026-01-15,{other},\"\"\"a,b\"\"@agency.example\",0,0,0,0,9\r\n"),
        format!("2026-01-15,{sub},sub@agency.example,0,0,3,3,500\r\n"),
        format!("2026-01-16,{sub},sub@agency.example,0,0,1,1,0\r\n"),
    ];
    for (query, expected) in [
        (String::new(), vec![0, 1, 2]),
        ("?from=2026-01-15&to=2026-01-15".to_owned(), vec![0, 1]),
        ("?from=2026-01-16".to_owned(), vec![2]),
        ("?to=2026-01-14".to_owned(), vec![]),
        ("?from=2025-01-16&to=2026-01-16".to_owned(), vec![0, 1, 2]),
        (format!("?subAccountId={sub}"), vec![1, 2]),
        (format!("?subAccountId={other}&from=2026-01-15"), vec![0]),
    ] {
        let rows = expected.iter().map(|n: &usize| rows[*n].as_str());
        let expected: String = std::iter::once(columns).chain(rows).collect();
        assert_eq!(export(&query).await, expected, "{query}");
    }
    // The month counts, the day before it does not.
    let shown = shop
        .call("GET", "subaccounts?email=sub@agency.example", "")
        .await;
    assert_eq!(
        shown.json()["data"]["usage_limits"]["monthly_credits_used"],
        4
    );
    world.clock.set(NOW.after(Millis::days(20)));
    let shown = shop
        .call("GET", "subaccounts?email=sub@agency.example", "")
        .await;
    assert_eq!(
        shown.json()["data"]["usage_limits"]["monthly_credits_used"],
        0
    );
    // A closed sub-account's days are still told.
    shop.call("DELETE", "subaccounts?email=sub@agency.example", "")
        .await;
    let found = export(&format!("?subAccountId={sub}")).await;
    assert_eq!(found.lines().count(), 3);
}
