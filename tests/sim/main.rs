//! The simulation: the real engine, the real records and transactions and the memory store in a
//! world of scripted consumers, callers, operators, crashes, store failures and clock steps.
//!
//! `cargo test --test sim` runs a fixed number of seeds; `SIM_SEEDS=100000` runs more, and
//! `SIM_SEED=n` runs one with its trace. Seeds that ever failed stand in `seeds.txt` and run
//! first. A failing seed prints the broken invariant and the end of its trace.

mod audit;
mod consumer;
mod ledger;
mod operator;
mod population;
mod shell;
mod world;

use std::time::Duration;

use world::{Bug, Summary, World};

/// Seeds of an ordinary run; the fault kinds of each are drawn from it.
const SEEDS: u64 = 2_000;

fn run(seed: u64, bug: Option<Bug>) -> Result<Summary, String> {
    World::new(seed, bug).run()
}

fn environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

fn kept_seeds() -> impl Iterator<Item = u64> {
    let lines = include_str!("seeds.txt").lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let seed = line.split_whitespace().next().unwrap_or_default();
            match seed.parse() {
                Ok(seed) => seed,
                Err(error) => panic!("seeds.txt: {line}: {error}"),
            }
        })
}

#[test]
fn nothing_is_lost_whatever_happens() {
    let seeds: Vec<u64> = match environment("SIM_SEED") {
        Some(seed) => vec![seed],
        None => kept_seeds()
            .chain(0..environment("SIM_SEEDS").unwrap_or(SEEDS))
            .collect(),
    };
    let mut total = Summary::default();
    for seed in &seeds {
        match run(*seed, None) {
            Ok(summary) => total.add(&summary),
            Err(violation) => panic!("seed {seed}: {violation}"),
        }
    }
    println!(
        "{} seeds, {} simulated hours, {} messages, {} attempts, {} crashes, {} failed commits, \
         {} dead, {} splits, {} trimmed",
        seeds.len(),
        Duration::from_millis(total.simulated_ms).as_secs() / 3600,
        total.messages,
        total.attempts,
        total.crashes,
        total.failed_commits,
        total.dead,
        total.splits,
        total.trimmed,
    );
    if seeds.len() > 100 {
        // A world in which nothing goes wrong proves nothing.
        assert!(
            total.crashes > 100 && total.failed_commits > 100,
            "the faults do not happen"
        );
        assert!(
            total.dead > 100 && total.splits > 100,
            "nothing dies or is split"
        );
        assert!(total.trimmed > 100, "nothing is trimmed");
    }
}

#[test]
fn two_runs_of_a_seed_are_the_same() {
    for seed in 0..50 {
        let first = run(seed, None).expect("the seed holds").trace_hash;
        let second = run(seed, None).expect("the seed holds").trace_hash;
        assert_eq!(first, second, "seed {seed}");
        assert_ne!(first, 0);
    }
}

/// The harness is itself tested: each of these bugs, planted between the engine and its world,
/// must be found within a few hundred seeds.
#[test]
fn planted_bugs_are_found() {
    let mut missed = Vec::new();
    for bug in Bug::ALL {
        match (0..600).find(|seed| run(*seed, Some(bug)).is_err()) {
            Some(seed) => println!("{bug:?}: found by seed {seed}"),
            None => missed.push(bug),
        }
    }
    assert!(missed.is_empty(), "not found: {missed:?}");
}
