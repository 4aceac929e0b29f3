//! What is wrong with a configuration, told so that the operator can mend it at once.
//!
//! Owns [`Mistake`], where a value came from, and the search for what was meant. Does not know
//! the keys.

use std::fmt;

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The defaults that are compiled in.
    Default,
    /// A configuration file, with the line (1 = first) where one is known.
    File {
        /// The path as it was given.
        path: String,
        /// The line.
        line: Option<usize>,
    },
    /// An environment variable.
    Environment {
        /// Its name.
        name: String,
    },
    /// The command line.
    Flag,
}

impl fmt::Display for Source {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => out.write_str("default"),
            Self::File { path, line: None } => out.write_str(path),
            Self::File {
                path,
                line: Some(line),
            } => write!(out, "{path}:{line}"),
            Self::Environment { name } => write!(out, "environment {name}"),
            Self::Flag => out.write_str("flag --set"),
        }
    }
}

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Where it was written.
    pub source: Source,
    /// `section.key`; empty when the mistake concerns no single key.
    pub key: String,
    /// What is wrong.
    pub reason: String,
    /// What to write instead, or what to do.
    pub instead: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: ", self.source)?;
        if !self.key.is_empty() {
            write!(out, "{}: ", self.key)?;
        }
        write!(out, "{}", self.reason)?;
        if !self.instead.is_empty() {
            write!(out, "; {}", self.instead)?;
        }
        Ok(())
    }
}

/// Every mistake of one configuration, in the order of its layers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError(pub Vec<Mistake>);

impl fmt::Display for ConfigError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let noun = if self.0.len() == 1 {
            "mistake"
        } else {
            "mistakes"
        };
        write!(out, "{} {noun} in the configuration:", self.0.len())?;
        for mistake in &self.0 {
            write!(out, "\n  {mistake}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// Longest word that is compared; what is longer resembles no key.
const MAX_WORD: usize = 64;

/// The candidate that `word` was probably meant to be: at most a third of its letters differ, and
/// never all of them; two swapped letters count as two.
pub fn meant<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > MAX_WORD {
        return None;
    }
    candidates
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, candidate)| {
            *distance <= (candidate.len() / 3).max(2) && *distance < candidate.len()
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance without regard to ASCII case.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, l) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, r) in right.iter().enumerate() {
            let substitute = diagonal + usize::from(!l.eq_ignore_ascii_case(r));
            diagonal = row[j + 1];
            row[j + 1] = substitute.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_edits() {
        for (left, right, edits) in [
            ("", "abc", 3),
            ("listen", "listen", 0),
            ("LISTEN", "listen", 0),
            ("lisen", "listen", 1),
            ("lsiten", "listen", 2),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(left, right), edits, "{left} {right}");
        }
    }

    #[test]
    fn the_nearest_candidate_is_offered_and_a_far_one_is_not() {
        let known = ["http.listen", "http.tls_listen", "log.level"];
        assert_eq!(meant("http.listn", known), Some("http.listen"));
        assert_eq!(meant("http.tls_lisen", known), Some("http.tls_listen"));
        assert_eq!(meant("delivery.colour", known), None);
        assert_eq!(meant(&"x".repeat(100_000), known), None);
    }

    #[test]
    fn a_mistake_reads_source_key_reason_remedy() {
        let mistake = Mistake {
            source: Source::File {
                path: "h.toml".into(),
                line: Some(3),
            },
            key: "http.listn".into(),
            reason: "unknown key".into(),
            instead: "did you mean http.listen?".into(),
        };
        assert_eq!(
            mistake.to_string(),
            "h.toml:3: http.listn: unknown key; did you mean http.listen?"
        );
    }
}
