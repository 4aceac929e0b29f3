//! Long work shows how far it is, on a terminal.
//!
//! Owns one line of standard error that is written over. Where that is no terminal it says
//! nothing. Does not know what the work is.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use crate::clock::Stopwatch;

/// Between two drawings.
const REST: Duration = Duration::from_millis(100);
/// Characters of a full bar.
const WIDTH: u64 = 30;

/// A line of progress. Dropping it wipes it away.
#[derive(Debug)]
pub struct Bar {
    terminal: bool,
    drawn: Option<Stopwatch>,
}

impl Default for Bar {
    fn default() -> Self {
        Self {
            terminal: io::stderr().is_terminal(),
            drawn: None,
        }
    }
}

impl Bar {
    /// Shows `what` with a bar for `done` of `all`, ten times a second at most.
    pub fn show(&mut self, what: &str, done: u64, all: u64) {
        if self.is_due() {
            self.draw(&line(what, done, all));
        }
    }

    /// Shows a text, ten times a second at most.
    pub fn tell(&mut self, text: &str) {
        if self.is_due() {
            self.draw(text);
        }
    }

    fn is_due(&self) -> bool {
        self.terminal && self.drawn.is_none_or(|drawn| drawn.elapsed() >= REST)
    }

    fn draw(&mut self, text: &str) {
        self.drawn = Some(Stopwatch::start());
        let mut err = io::stderr().lock();
        // Without standard error there is nobody to show it to.
        let _ = write!(err, "\r\x1b[K{text}").and_then(|()| err.flush());
    }

    /// Wipes the line away, so that something else can be printed.
    pub fn clear(&mut self) {
        if self.drawn.take().is_some() {
            let mut err = io::stderr().lock();
            let _ = write!(err, "\r\x1b[K").and_then(|()| err.flush());
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.clear();
    }
}

fn line(what: &str, done: u64, all: u64) -> String {
    let all = all.max(1);
    let done = done.min(all);
    let parts = |whole: u64| {
        let share = u128::from(done) * u128::from(whole) / u128::from(all);
        usize::try_from(share).unwrap_or_default()
    };
    let (full, percent) = (parts(WIDTH), parts(100));
    let rest = usize::try_from(WIDTH).unwrap_or_default() - full;
    format!(
        "{what} [{}{}] {percent:>3} %",
        "#".repeat(full),
        ".".repeat(rest)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_fills_and_never_overflows() {
        assert_eq!(
            line("copy", 0, 0),
            format!("copy [{}]   0 %", ".".repeat(30))
        );
        assert!(line("copy", 1, 2).ends_with(" 50 %"));
        assert_eq!(
            line("copy", 9, 3),
            format!("copy [{}] 100 %", "#".repeat(30))
        );
        assert!(line("copy", u64::MAX, u64::MAX).ends_with("100 %"));
    }
}
