//! The figures: a table for people, JSON for machines.
//!
//! Owns what a row is and whether it meets its target. Does not know how it was measured.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::Outcome;

#[derive(Debug, Clone, Copy)]
enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

impl Bound {
    fn met(self, value: f64) -> bool {
        match self {
            Self::AtLeast(bound) => value >= bound,
            Self::AtMost(bound) => value <= bound,
        }
    }

    fn text(self) -> String {
        match self {
            Self::AtLeast(bound) => format!("≥ {}", number(bound)),
            Self::AtMost(bound) => format!("≤ {}", number(bound)),
        }
    }
}

/// One figure.
#[derive(Debug, Clone)]
pub struct Row {
    what: String,
    value: f64,
    unit: &'static str,
    /// What it stands beside: the yardstick, or the same without the burden.
    beside: Option<f64>,
    /// Of the ratio where it stands beside something, else of the value.
    target: Option<Bound>,
}

impl Row {
    pub fn new(what: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self {
            what: what.into(),
            value,
            unit,
            beside: None,
            target: None,
        }
    }

    pub fn beside(mut self, other: f64) -> Self {
        self.beside = Some(other);
        self
    }

    pub fn at_least(mut self, bound: f64) -> Self {
        self.target = Some(Bound::AtLeast(bound));
        self
    }

    pub fn at_most(mut self, bound: f64) -> Self {
        self.target = Some(Bound::AtMost(bound));
        self
    }

    fn ratio(&self) -> Option<f64> {
        self.beside.map(|other| self.value / other)
    }

    fn met(&self) -> Option<bool> {
        let judged = self.ratio().unwrap_or(self.value);
        self.target.map(|bound| bound.met(judged))
    }

    fn line(&self) -> String {
        let beside = self.beside.map(number).unwrap_or_default();
        let ratio = self.ratio().map(|it| format!("{it:.2} ×"));
        let target = self.target.map(Bound::text).unwrap_or_default();
        let met = match self.met() {
            Some(true) => "met",
            Some(false) => "MISSED",
            None => "",
        };
        format!(
            "  {:<58} {:>11} {:<6} {:>11} {:>8}  {:<9} {met}",
            self.what,
            number(self.value),
            self.unit,
            beside,
            ratio.unwrap_or_default(),
            target,
        )
    }

    fn json(&self) -> Value {
        json!({
            "what": self.what,
            "value": self.value,
            "unit": self.unit,
            "beside": self.beside,
            "ratio": self.ratio(),
            "target": self.target.map(Bound::text),
            "met": self.met(),
        })
    }
}

fn number(value: f64) -> String {
    if value.abs() >= 1000.0 {
        format!("{value:.0}")
    } else if value.abs() >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.3}")
    }
}

/// All figures of a run.
#[derive(Debug, Default)]
pub struct Report {
    figures: Vec<Value>,
}

impl Report {
    /// Prints a figure's rows and keeps them.
    pub fn add(&mut self, name: &str, rows: &Outcome<Vec<Row>>) {
        match rows {
            Ok(rows) => {
                println!(
                    "  {:<58} {:>11} {:<6} {:>11} {:>8}  target",
                    "", "value", "", "beside", "ratio"
                );
                for row in rows {
                    println!("{}", row.line());
                }
                let rows: Vec<Value> = rows.iter().map(Row::json).collect();
                self.figures.push(json!({"figure": name, "rows": rows}));
            }
            Err(error) => {
                println!("  FAILED: {error}");
                let error = error.to_string();
                self.figures.push(json!({"figure": name, "error": error}));
            }
        }
    }

    /// Writes everything as JSON, and says where.
    pub fn write(self) -> Outcome<()> {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-relay.json");
        let text = serde_json::to_string_pretty(&json!({"figures": self.figures}))?;
        fs::write(&path, text)?;
        println!("\nwritten to {}", path.display());
        Ok(())
    }
}
