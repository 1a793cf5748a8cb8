//! Which records are logged: by `RUST_LOG`, by the watcher, or by the program itself, whoever spoke last.

use std::env;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use tracing_core::subscriber::Interest;
use tracing_core::{LevelFilter, Metadata, Subscriber};
use tracing_subscriber::Registry;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Filter, Layer};

use super::FilterError;
use super::misspelling::level_resembling;
use super::telling::{tell, tell_soon};
use crate::cluster::{LogLevel, State};
use crate::log::Level;

/// The environment variable that says what is to be logged.
const VARIABLE: &str = "RUST_LOG";

/// What a filter consists of that some other filters know and this one does not.
const FOREIGN: [char; 5] = ['[', ']', '{', '}', '/'];

/// Decides which of a worker's records are logged. Cheap to clone; all clones are the same filter. It can be used for
/// one layer ([`Layer::with_filter`]), or as a layer for all of them.
#[derive(Debug, Clone)]
pub struct LogFilter {
    shared: Arc<Shared>,
}

/// A cluster's filter, made when it is asked for first.
#[derive(Debug, Default)]
pub(crate) struct SharedFilter(Mutex<Option<LogFilter>>);

#[derive(Debug)]
struct Shared {
    targets: RwLock<Targets>,
}

impl LogFilter {
    /// Lets through from now on what the directives say, whatever `RUST_LOG` or the watcher has said so far: a level,
    /// targets with levels, or both, as in `warn,shop::db=debug`. A target stands for all that begin with it.
    ///
    /// # Errors
    /// When that is no filter. Then nothing changes.
    pub fn set(&self, directives: &str) -> Result<(), FilterError> {
        let targets = parse(directives).map_err(|reason| FilterError::Given {
            value: directives.to_owned(),
            reason,
        })?;
        self.replace(targets);
        tell();
        Ok(())
    }

    /// Lets through from now on what is of this level or more urgent.
    pub fn set_level(&self, level: Level) {
        self.replace(only(level));
        tell();
    }

    /// As [`LogFilter::set_level`], for a thread that must not wait: subscribers of the program's own are asked, too.
    fn set_level_soon(&self, level: Level) {
        // Workers that are threads share a filter that each of their watchers' words comes to.
        if self.replace(only(level)) {
            tell_soon();
        }
    }

    pub(super) fn new(targets: Targets) -> Self {
        let shared = Shared {
            targets: RwLock::new(targets),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Another filter that lets through what this one does now.
    pub(super) fn copy(&self) -> Self {
        Self::new(self.targets().clone())
    }

    /// Obeys this watcher from now on.
    pub(super) fn follow(&self, watcher: &LogLevel) {
        let following = self.clone();
        watcher.subscribe(Box::new(move |level| following.set_level_soon(level)));
    }

    /// Whether that changes anything.
    fn replace(&self, targets: Targets) -> bool {
        let current = self.shared.targets.write();
        let mut current = current.unwrap_or_else(PoisonError::into_inner);
        let changes = *current != targets;
        *current = targets;
        changes
    }

    fn lets_through(&self, metadata: &Metadata<'_>) -> bool {
        self.targets()
            .would_enable(metadata.target(), metadata.level())
    }

    fn interest(&self, metadata: &'static Metadata<'static>) -> Interest {
        match self.lets_through(metadata) {
            true => Interest::always(),
            false => Interest::never(),
        }
    }

    fn most_detailed(&self) -> Option<LevelFilter> {
        Filter::<Registry>::max_level_hint(&*self.targets())
    }

    fn targets(&self) -> RwLockReadGuard<'_, Targets> {
        let targets = self.shared.targets.read();
        targets.unwrap_or_else(PoisonError::into_inner)
    }
}

impl SharedFilter {
    /// The filter, which begins with what `RUST_LOG` or the watcher says.
    pub(super) fn get(&self, state: &State) -> Result<LogFilter, FilterError> {
        let mut current = self.lock();
        match &*current {
            Some(filter) => Ok(filter.clone()),
            None => {
                let wished = from_environment(env::var_os(VARIABLE))?;
                Ok(current.insert(begin(state, wished)).clone())
            }
        }
    }

    pub(super) fn set_level(&self, state: &State, level: Level) {
        let mut current = self.lock();
        let filter = current.get_or_insert_with(|| begin(state, None)).clone();
        drop(current);
        filter.set_level(level);
    }

    fn lock(&self) -> MutexGuard<'_, Option<LogFilter>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A filter that follows the watcher from now on. At the beginning the program's wish counts more, unless the watcher's
/// level was changed while it ran.
fn begin(state: &State, wished: Option<Targets>) -> LogFilter {
    let watchers = &state.log_level;
    let filter = LogFilter::new(only(watchers.get().level));
    filter.follow(watchers);
    loop {
        let wish = watchers.get();
        let ours = wished.clone().filter(|_| !wish.overrides);
        filter.replace(ours.unwrap_or_else(|| only(wish.level)));
        // A change that came meanwhile may have been overwritten just now; later ones are not.
        if watchers.get() == wish {
            return filter;
        }
    }
}

/// What the environment wishes, if anything.
pub(super) fn from_environment(
    value: Option<std::ffi::OsString>,
) -> Result<Option<Targets>, FilterError> {
    let Some(value) = value else { return Ok(None) };
    let parsed = match value.to_str() {
        Some(text) if text.trim().is_empty() => return Ok(None),
        Some(text) => parse(text),
        None => Err("there is something that is not UTF-8".to_owned()),
    };
    let failed = |reason| FilterError::Environment {
        value: value.to_string_lossy().into_owned(),
        reason,
    };
    parsed.map(Some).map_err(failed)
}

fn only(level: Level) -> Targets {
    let level = match level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    };
    Targets::new().with_default(level)
}

/// Stricter than the parser of [`Targets`], which takes what it does not know for a target that never comes.
pub(super) fn parse(directives: &str) -> Result<Targets, String> {
    let mut targets = Targets::new();
    let directives = directives.split(',').map(str::trim);
    for directive in directives.filter(|directive| !directive.is_empty()) {
        if directive.contains(FOREIGN) {
            return Err(format!(
                "{directive:?} is about spans, fields or patterns, which are not supported"
            ));
        }
        targets = match directive.split_once('=') {
            Some((target, level)) => targets.with_target(target.trim(), parse_level(level.trim())?),
            None => match directive.parse::<LevelFilter>() {
                Ok(level) => targets.with_default(level),
                Err(_) => targets.with_target(bare_target(directive)?, LevelFilter::TRACE),
            },
        };
    }
    Ok(targets)
}

/// A word without a level, which is a target: unless a level was meant, whose misspelling would silence everything.
fn bare_target(word: &str) -> Result<&str, String> {
    match level_resembling(word) {
        None => Ok(word),
        Some(level) => Err(format!(
            "{word:?} looks like the level {level}: write {level}, or {word}=trace for a target of that name"
        )),
    }
}

fn parse_level(level: &str) -> Result<LevelFilter, String> {
    let parsed = level.parse().ok().filter(|_| !level.is_empty());
    parsed.ok_or_else(|| {
        format!("{level:?} is none of the levels off, error, warn, info, debug and trace")
    })
}

impl<S> Filter<S> for LogFilter {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        self.lets_through(metadata)
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        self.interest(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        self.most_detailed()
    }
}

impl<S: Subscriber> Layer<S> for LogFilter {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.lets_through(metadata)
    }

    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        self.interest(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        self.most_detailed()
    }
}

impl fmt::Display for LogFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.targets().fmt(f)
    }
}
