//! One bucket per key over all surfaces (`protocols/transport.md` section 4).

use hookrelay::clock::Millis;
use hookrelay::limit::Settings;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::calls::{PATH, body, call, error, told};
use crate::world::{KEY, NOW, Options, Reply, World, exchange, request};

const SEARCH: &str = r#"{"type":"SEARCH","idContact":1}"#;

async fn limited(per_minute: u32) -> World {
    World::with(Options {
        limits: Settings {
            per_minute,
            ..Settings::default()
        },
        ..Options::default()
    })
    .await
}

/// Limit, remaining, reset: both spellings.
fn figures(reply: &Reply) -> Option<[String; 3]> {
    let get = |name: &str| {
        let value = reply.header(name).map(str::to_owned);
        let twin = reply.header(&format!("x-{name}"));
        assert_eq!(value.as_deref(), twin, "twins differ");
        value
    };
    Some([
        get("ratelimit-limit")?,
        get("ratelimit-remaining")?,
        get("ratelimit-reset")?,
    ])
}

fn numbers(limit: u32, remaining: u32, reset: u32) -> [String; 3] {
    [limit, remaining, reset].map(|number| number.to_string())
}

#[tokio::test]
async fn the_documented_figures_in_the_surfaces_own_words() {
    let world = limited(120).await;
    for left in (0..120_u32).rev() {
        // An array costs one, and an error costs one too.
        let reply = match left % 3 {
            0 => call(&world, &[SEARCH; 3].join(",")).await,
            1 => call(&world, r#"{"type":"TRASH","idContact":1}"#).await,
            _ => call(&world, SEARCH).await,
        };
        let reset = (120 - left).div_ceil(2);
        assert_eq!(figures(&reply), Some(numbers(120, left, reset)), "{left}");
    }
    let refused = call(&world, r#"{"type":"NEW","Number":"+15551234567"}"#).await;
    assert_eq!(told(&refused), (429, error("Rate limit exceeded").as_str()));
    assert_eq!(figures(&refused), Some(numbers(120, 0, 60)));
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(world.logged().await, 0, "it changed nothing");
    world.clock.set(NOW.after(Millis(500)));
    assert_eq!(call(&world, SEARCH).await.status, 200);
}

#[tokio::test]
async fn no_figures_without_a_key_or_a_limit() {
    let world = limited(120).await;
    let wrong = body(SEARCH).replace(KEY, &"0".repeat(32));
    for _ in 0..20 {
        let reply = world.send("POST", PATH, &[], &wrong).await;
        assert_eq!((reply.status, figures(&reply)), (401, None));
    }
    let barred = world.send("POST", PATH, &[], &wrong).await;
    assert_eq!(told(&barred), (429, error("Rate limit exceeded").as_str()));
    assert_eq!(
        (figures(&barred), barred.header("retry-after")),
        (None, Some("60"))
    );
    // Nor does a bar keep out who has the right key, or ask who has none.
    assert_eq!(call(&world, SEARCH).await.status, 200);
    assert_eq!(world.send("POST", PATH, &[], "[{}]").await.status, 401);
    let unlimited = limited(0).await;
    let reply = call(&unlimited, SEARCH).await;
    assert_eq!((reply.status, figures(&reply)), (200, None));
}

#[tokio::test]
async fn surfaces_share_the_bucket_of_a_key_and_not_of_another() {
    let world = limited(4).await;
    let key = [("x-api-key", KEY)];
    let lookup = "/v1/contacts?email=a@b.example";
    let reply = world.send("GET", lookup, &key, "").await;
    assert_eq!(figures(&reply), Some(numbers(4, 3, 15)));
    assert_eq!(
        figures(&call(&world, SEARCH).await),
        Some(numbers(4, 2, 30))
    );
    let reply = world.manage("GET", "endpoints", "").await;
    assert_eq!(figures(&reply), Some(numbers(4, 1, 45)));
    assert_eq!(figures(&call(&world, "7").await), Some(numbers(4, 0, 60)));
    let refused = world.manage("GET", "endpoints", "").await;
    assert_eq!(
        (refused.status, refused.error().0.as_str()),
        (429, "RATE_LIMIT_EXCEEDED")
    );
    assert_eq!(refused.header("retry-after"), Some("15"));
    assert_eq!(call(&world, SEARCH).await.status, 429);
    let refused = world.send("GET", lookup, &key, "").await;
    assert_eq!(
        (refused.status, refused.error().0.as_str()),
        (429, "RATE_LIMIT_EXCEEDED")
    );
    // The API login and another key of the account are other subjects.
    let ping = world.command("ai_command=ping").await;
    assert_eq!(figures(&ping), Some(numbers(4, 3, 15)));
    let keys = format!("/admin/v1/accounts/{}/keys", world.account);
    let made = world
        .admin("POST", &keys, r#"{"per_minute":2}"#)
        .await
        .json();
    let other = body(SEARCH).replace(KEY, made["api_key"].as_str().unwrap());
    let reply = world.send("POST", PATH, &[], &other).await;
    assert_eq!(figures(&reply), Some(numbers(2, 1, 30)));
    // A rotated secret is the same key.
    let path = format!("{keys}/{}/rotate", made["key"].as_str().unwrap());
    let rotated = world.admin("POST", &path, "").await.json();
    let fresh = body(SEARCH).replace(KEY, rotated["api_key"].as_str().unwrap());
    let reply = world.send("POST", PATH, &[], &fresh).await;
    assert_eq!(figures(&reply), Some(numbers(2, 0, 60)));
}

#[tokio::test]
async fn of_one_too_many_at_once_exactly_one_is_refused() {
    const LIMIT: usize = 40;
    let world = limited(u32::try_from(LIMIT).unwrap()).await;
    let key = [("x-api-key", KEY)];
    let requests = [
        request("POST", PATH, &[], &body(SEARCH)),
        request("GET", "/relay/v1/endpoints", &key, ""),
        // Nobody has this address: an error costs as much.
        request("GET", "/v1/contacts?email=a@b.example", &key, ""),
    ];
    let mut calls = JoinSet::new();
    for number in 0..=LIMIT {
        let bytes = requests[number % requests.len()].clone();
        let address = world.address;
        calls.spawn(async move {
            let stream = TcpStream::connect(address).await.unwrap();
            exchange(stream, &bytes).await
        });
    }
    let replies = calls.join_all().await;
    let (refused, passed): (Vec<&Reply>, Vec<&Reply>) =
        replies.iter().partition(|reply| reply.status == 429);
    assert_eq!((passed.len(), refused.len()), (LIMIT, 1));
    assert!(passed.iter().all(|reply| matches!(reply.status, 200 | 404)));
    let mut left: Vec<usize> = passed
        .iter()
        .map(|reply| figures(reply).unwrap()[1].parse().unwrap())
        .collect();
    left.sort_unstable();
    assert_eq!(
        left,
        (0..LIMIT).collect::<Vec<usize>>(),
        "each took its own token"
    );
}
