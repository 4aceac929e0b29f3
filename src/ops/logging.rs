//! Log lines: their form, their level, and their repetition.
//!
//! Owns the set-up of `tracing`. Lines go to standard error, or to the journal. Does not know
//! what is logged; that payloads and secrets never are is the duty of who writes a line.

use std::env;
use std::fmt;
use std::fs::File;
use std::io::{self, IsTerminal as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Context, Filter, Layer, SubscriberExt as _};
use tracing_subscriber::{Registry, fmt as lines, reload};

use super::repetition::{Kind, Repetition};
use crate::clock::Stopwatch;

/// How often held back repetitions are told.
const SUMMARY_EVERY: Duration = Duration::from_secs(10);
/// Longest line text kept for a summary, in bytes.
const MAX_LINE: usize = 200;
/// Fields that tell one occurrence of a warning from another.
const TELLING_FIELDS: [&str; 5] = ["message", "account", "endpoint", "class", "error"];

/// The form of lines, decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// For eyes; coloured on a terminal.
    Human {
        /// With colours.
        colour: bool,
    },
    /// One object per line.
    Json,
    /// The journal's own protocol.
    Journald,
}

/// What decides about the form when the operator does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Surroundings {
    /// Standard error is the journal (systemd's `JOURNAL_STREAM` names it).
    pub journal: bool,
    /// Standard error is a terminal.
    pub terminal: bool,
}

impl Surroundings {
    /// Those of this process.
    pub fn detect() -> Self {
        Self {
            journal: env::var("JOURNAL_STREAM")
                .is_ok_and(|stream| standard_error().is_some_and(|here| here == stream)),
            terminal: io::stderr().is_terminal(),
        }
    }

    /// journald under systemd, human on a terminal, JSON otherwise.
    pub fn form(self) -> Form {
        match self {
            Self { journal: true, .. } => Form::Journald,
            Self { terminal: true, .. } => Form::Human { colour: true },
            _ => Form::Json,
        }
    }
}

/// Standard error as `JOURNAL_STREAM` would write it: device and inode.
fn standard_error() -> Option<String> {
    let duplicate = io::stderr().as_fd().try_clone_to_owned().ok()?;
    let file = File::from(duplicate).metadata().ok()?;
    Some(format!("{}:{}", file.dev(), file.ino()))
}

/// The set-up, which can change its level and tells of what it held back.
#[derive(Clone)]
pub struct Logging {
    level: reload::Handle<Targets, Registry>,
    limit: RepetitionLimit,
}

/// Why there is no log.
#[derive(Debug)]
pub struct LoggingError(String);

impl fmt::Display for LoggingError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for LoggingError {}

/// Our own lines from `level` on, and warnings of the libraries below.
fn targets(level: Level) -> Targets {
    Targets::new()
        .with_default(LevelFilter::WARN.min(level.into()))
        .with_target("hookrelay", level)
}

impl Logging {
    /// Sets up the log of this process; can be done once.
    pub fn install(level: Level, form: Form) -> Result<Self, LoggingError> {
        let (subscriber, logging) = Self::build(level, form, io::stderr)?;
        tracing::subscriber::set_global_default(subscriber)
            .map_err(|error| LoggingError(error.to_string()))?;
        Ok(logging)
    }

    /// The subscriber with lines to `writer`, and the hold on it.
    fn build<W>(
        level: Level,
        form: Form,
        writer: W,
    ) -> Result<(impl Subscriber + Send + Sync, Self), LoggingError>
    where
        W: for<'a> lines::MakeWriter<'a> + Send + Sync + 'static,
    {
        let (filter, handle) = reload::Layer::new(targets(level));
        let limit = RepetitionLimit::default();
        // A log that cannot be written must not stop the daemon, so failures stay silent.
        let written = lines::layer()
            .with_writer(writer)
            .log_internal_errors(false);
        let layer: Box<dyn Layer<_> + Send + Sync> = match form {
            Form::Human { colour } => written.with_ansi(colour).boxed(),
            Form::Json => written
                .json()
                .flatten_event(true)
                // There is one span at most: the request's.
                .with_span_list(false)
                .boxed(),
            Form::Journald => tracing_journald::layer()
                .map_err(|error| LoggingError(format!("the journal cannot be reached: {error}")))?
                .with_syslog_identifier("hookrelay".to_owned())
                .boxed(),
        };
        let subscriber = Registry::default()
            .with(filter)
            .with(layer.with_filter(limit.clone()));
        Ok((
            subscriber,
            Self {
                level: handle,
                limit,
            },
        ))
    }

    /// Logs from this level on, from now on.
    pub fn set_level(&self, level: Level) -> Result<(), LoggingError> {
        self.level
            .reload(targets(level))
            .map_err(|error| LoggingError(error.to_string()))
    }

    /// Tells now and then what was held back; runs as long as the daemon.
    pub async fn tell_repetitions(&self) {
        loop {
            tokio::time::sleep(SUMMARY_EVERY).await;
            self.tell(self.limit.state.started.elapsed());
        }
    }

    fn tell(&self, now: Duration) {
        // Taken before the lines are written, which pass through the same limit.
        let over = self.limit.repetition().take_over(now);
        for suppressed in over {
            tracing::info!(line = %suppressed.line, "{} similar lines suppressed", suppressed.count);
        }
    }
}

/// Passes warnings and errors at a bounded rate per kind; everything less important passes.
#[derive(Clone, Default)]
struct RepetitionLimit {
    state: Arc<LimitState>,
}

struct LimitState {
    started: Stopwatch,
    repetition: Mutex<Repetition>,
}

impl Default for LimitState {
    fn default() -> Self {
        Self {
            started: Stopwatch::start(),
            repetition: Mutex::default(),
        }
    }
}

impl RepetitionLimit {
    fn repetition(&self) -> std::sync::MutexGuard<'_, Repetition> {
        self.state
            .repetition
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S> Filter<S> for RepetitionLimit {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        true
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        let metadata = event.metadata();
        if *metadata.level() > Level::WARN {
            return true;
        }
        let mut telling = Telling::default();
        event.record(&mut telling);
        let place = (
            metadata.file().unwrap_or_default(),
            metadata.line().unwrap_or_default(),
        );
        let kind = Kind::of(place, &telling.0);
        let now = self.state.started.elapsed();
        self.repetition().admit(now, kind, || telling.line())
    }
}

/// The parts of an event that tell it from others of its place.
#[derive(Default)]
struct Telling(Vec<String>);

impl Telling {
    fn line(&self) -> String {
        let mut line = self.0.join(" ");
        if line.len() > MAX_LINE {
            let cut = (0..=MAX_LINE)
                .rev()
                .find(|at| line.is_char_boundary(*at))
                .unwrap_or(0);
            line.truncate(cut);
        }
        line
    }
}

impl Visit for Telling {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0.push(format!("{value:?}"));
        } else if TELLING_FIELDS.contains(&field.name()) {
            self.0.push(format!("{}={value:?}", field.name()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Runs `work` with a log of this form and gives what it wrote.
    fn logged(level: Level, form: Form, work: impl FnOnce(&Logging)) -> String {
        let page = Page::default();
        let writer = page.clone();
        let (subscriber, logging) = Logging::build(level, form, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, || work(&logging));
        String::from_utf8(page.0.lock().unwrap().clone()).unwrap()
    }

    const HUMAN: Form = Form::Human { colour: false };

    #[test]
    fn json_lines_are_objects_with_their_fields() {
        let text = logged(Level::INFO, Form::Json, |_| {
            tracing::info!(endpoint = "e1", took_ms = 7, "delivered");
        });
        let line: serde_json::Value = serde_json::from_str(text.trim()).unwrap();
        assert_eq!(line["message"], "delivered");
        assert_eq!(
            (&line["endpoint"], &line["took_ms"]),
            (&"e1".into(), &7.into())
        );
    }

    #[test]
    fn the_level_changes_at_run_time_and_libraries_stay_at_warnings() {
        let text = logged(Level::INFO, HUMAN, |logging| {
            tracing::debug!("before");
            logging.set_level(Level::DEBUG).unwrap();
            tracing::debug!("after");
            tracing::debug!(target: "hyper::proto", "library detail");
            tracing::warn!(target: "hyper::proto", "library warning");
            logging.set_level(Level::ERROR).unwrap();
            tracing::warn!("quiet");
            tracing::warn!(target: "hyper::proto", "quiet too");
        });
        assert!(!text.contains("before") && text.contains("after"));
        assert!(!text.contains("library detail") && text.contains("library warning"));
        assert!(!text.contains("quiet"));
    }

    #[test]
    fn repeated_warnings_are_held_back_counted_and_told() {
        let warn = |endpoint: &str| tracing::warn!(%endpoint, "unreachable");
        let text = logged(Level::INFO, HUMAN, |logging| {
            for _ in 0..50 {
                warn("e1");
            }
            warn("e2");
            for _ in 0..50 {
                tracing::info!("delivered");
            }
            logging.tell(Duration::from_hours(1));
        });
        assert_eq!(text.matches("unreachable endpoint=e1").count(), 6, "{text}");
        assert_eq!(text.matches("unreachable endpoint=e2").count(), 1);
        assert_eq!(text.matches("delivered").count(), 50);
        assert!(text.contains("45 similar lines suppressed"), "{text}");
    }

    #[test]
    fn surroundings_decide_the_form() {
        for (journal, terminal, form) in [
            (true, true, Form::Journald),
            (true, false, Form::Journald),
            (false, true, Form::Human { colour: true }),
            (false, false, Form::Json),
        ] {
            assert_eq!(Surroundings { journal, terminal }.form(), form);
        }
    }

    #[test]
    fn a_summary_line_is_cut_at_a_character() {
        let telling = Telling(vec!["ü".repeat(MAX_LINE)]);
        assert!(telling.line().len() <= MAX_LINE && telling.line().ends_with('ü'));
    }
}
