//! A cluster within the test, which reads its entries as values.

use std::collections::{BTreeMap, HashMap};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime};

use everport::log::{Entry, Level, Notice, Record, Records, Sink, Value};
use everport::watcher::{Builder, ExitReason, Handle, Program, RunError};
use everport::{Watcher, WorkerId};
use everport_tests::{Answer, Kind, PATIENCE, get_unix, program, worker};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

/// A running cluster whose workers log, and what it has told.
pub(super) struct Scene {
    pub(super) handle: Handle,
    pub(super) told: Arc<Told>,
    directory: tempfile::TempDir,
    runtime: Runtime,
    running: Option<JoinHandle<Result<ExitReason, RunError>>>,
}

/// Everything that was told. While it is stuck, no records are done with.
#[derive(Default)]
pub(super) struct Told {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
pub(super) struct State {
    /// The numbers of numbered records in the order in which they came: by worker and thread.
    pub(super) numbers: BTreeMap<(u64, u64), Vec<u64>>,
    /// All other records.
    pub(super) records: Vec<Said>,
    pub(super) notices: Vec<String>,
    pub(super) lines: Vec<String>,
    /// By worker.
    pub(super) lost: HashMap<u64, u64>,
    /// The processes of workers that have been told of.
    pub(super) pids: HashMap<u64, u32>,
    /// Bytes of text in numbered records, by worker.
    pub(super) volume: HashMap<u64, usize>,
    /// The same when each of the notices came.
    volumes: Vec<HashMap<u64, usize>>,
    /// The numbered records as they came.
    order: Vec<Numbered>,
    is_stuck: bool,
    kept: Vec<Arc<Records>>,
}

/// When a numbered record came, and how long its text was.
struct Numbered {
    worker: u64,
    made: SystemTime,
    told: SystemTime,
    bytes: usize,
}

/// A record as it was told.
#[derive(Debug, Clone)]
pub(super) struct Said {
    pub(super) worker: u64,
    pub(super) level: Level,
    pub(super) target: String,
    pub(super) thread: String,
    pub(super) message: String,
    pub(super) fields: HashMap<String, String>,
}

impl Scene {
    /// Starts a cluster of test workers that are processes, and waits until they are ready.
    pub(super) fn new(arguments: &str, configure: impl FnOnce(Builder) -> Builder) -> Self {
        Self::of(Kind::Processes, arguments, configure)
    }

    /// The same of either kind; threads are this test's own.
    pub(super) fn of(
        kind: Kind,
        arguments: &str,
        configure: impl FnOnce(Builder) -> Builder,
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("socket");
        let arguments = format!("--logging --unix {} {arguments}", socket.display());
        let builder = match kind {
            Kind::Processes => {
                let worker = Program::find(program("test-worker")).unwrap();
                Watcher::builder(worker.args(arguments.split_whitespace())).workers(1)
            }
            Kind::Threads => {
                let serve = async move |cluster| worker::serve_as_told(cluster, &arguments).await;
                Watcher::threads(1, serve)
            }
        };
        let told = Arc::new(Told::default());
        let builder = configure(builder.settle(Duration::ZERO));
        let watcher = builder.sink(told.clone()).build().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let handle = watcher.handle();
        let running = Some(runtime.spawn(watcher.run()));
        let scene = Self {
            handle,
            told,
            directory,
            runtime,
            running,
        };
        scene.told.wait_for("the cluster is ready");
        scene
    }

    /// Gets a path from one of the workers.
    pub(super) fn get(&self, path: &str) -> Answer {
        get_unix(&self.directory.path().join("socket"), path)
    }

    /// A file that workers can write to.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// How many records each thread had handed over at least, as the worker wrote it down.
    pub(super) fn acks(&self, name: &str, threads: u64) -> Vec<u64> {
        let file = std::fs::File::open(self.file(name)).unwrap();
        let ack = |thread: u64| {
            let mut bytes = [0; 8];
            // A thread that has not logged yet has written nothing.
            let read = file.read_at(&mut bytes, thread * 8).unwrap();
            if read == 8 {
                u64::from_le_bytes(bytes)
            } else {
                0
            }
        };
        (0..threads).map(ack).collect()
    }

    /// Stops the cluster; then everything has been told.
    pub(super) fn stop(mut self) -> Arc<Told> {
        self.handle.stop();
        let running = self.running.take().unwrap();
        let ended = self.runtime.block_on(running).unwrap();
        assert_eq!(ended.unwrap(), ExitReason::Stopped);
        self.told.clone()
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            self.handle.force_stop();
            // A test that has failed already says why.
            let _ended = self.runtime.block_on(running);
        }
    }
}

impl Told {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Waits for a notice that contains the text.
    pub(super) fn wait_for(&self, text: &str) -> String {
        self.wait_until(text, |state| {
            let found = state.notices.iter().find(|notice| notice.contains(text));
            found.cloned()
        })
    }

    /// Waits for a record with this message.
    pub(super) fn wait_for_record(&self, message: &str) -> Said {
        self.wait_until(message, |state| {
            let found = state
                .records
                .iter()
                .find(|record| record.message == message);
            found.cloned()
        })
    }

    pub(super) fn wait_until<T>(
        &self,
        what: &str,
        mut condition: impl FnMut(&State) -> Option<T>,
    ) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.lock();
        loop {
            if let Some(found) = condition(&state) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "waited in vain for {what}: {}",
                state.summary()
            );
            state = self.changed.wait_timeout(state, left).unwrap().0;
        }
    }

    /// Is done with no records any more, like a disk that takes nothing, until told otherwise.
    pub(super) fn be_stuck(&self, is_stuck: bool) {
        let mut state = self.lock();
        state.is_stuck = is_stuck;
        let kept = match is_stuck {
            true => Vec::new(),
            false => std::mem::take(&mut state.kept),
        };
        drop(state);
        drop(kept);
    }
}

impl State {
    /// How many numbered records of a worker have come.
    pub(super) fn received(&self, worker: u64) -> u64 {
        let of_worker = self.numbers.iter().filter(|((who, _), _)| *who == worker);
        of_worker.map(|(_, numbers)| numbers.len() as u64).sum()
    }

    /// Checks that the numbers of each thread came in their order, each once.
    #[track_caller]
    pub(super) fn check_order(&self) {
        for (whose, numbers) in &self.numbers {
            let is_sorted = numbers.is_sorted_by(|one, next| one < next);
            assert!(is_sorted, "worker and thread {whose:?}");
        }
    }

    /// Checks that no number of any thread is missing up to its last one, and that none is there twice.
    #[track_caller]
    pub(super) fn check_gapless(&self) {
        for (whose, numbers) in &self.numbers {
            for (expected, number) in (1..).zip(numbers) {
                assert_eq!(*number, expected, "worker and thread {whose:?}");
            }
        }
        assert!(self.lost.is_empty(), "{:?}", self.lost);
    }

    /// Bytes of text of a worker that had been told when the first notice with this text came.
    pub(super) fn volume_at(&self, notice: &str, worker: u64) -> usize {
        let is_it = |told: &String| told.contains(notice);
        let position = self.notices.iter().position(is_it).unwrap();
        self.volumes[position].get(&worker).copied().unwrap_or(0)
    }

    /// For each record of a worker, how much text of another was told between its being made and its being told.
    pub(super) fn told_meanwhile(&self, calm: u64, flooding: u64) -> Vec<usize> {
        let of_calm = self.order.iter().enumerate();
        let of_calm = of_calm.filter(|(_, numbered)| numbered.worker == calm);
        let meanwhile = |(position, record): (usize, &Numbered)| {
            let before = self.order[..position].iter();
            let before = before.filter(|it| it.worker == flooding && it.told > record.made);
            before.map(|it| it.bytes).sum()
        };
        of_calm.map(meanwhile).collect()
    }

    fn summary(&self) -> String {
        let numbers = self.numbers.iter();
        let counts: Vec<_> = numbers.map(|(whose, all)| (whose, all.len())).collect();
        format!(
            "{counts:?}, lost {:?}, {:#?}\n{:#?}\n{:#?}",
            self.lost, self.notices, self.lines, self.records
        )
    }

    fn note(&mut self, worker: WorkerId, record: &Record<'_>) {
        let fields: HashMap<String, String> = record
            .fields
            .map(|(name, value)| (name.to_owned(), text(value)))
            .collect();
        if record.target == "numbered" {
            let number = |name: &str| fields[name].parse::<u64>().unwrap();
            let text = &fields["text"];
            assert!(
                text.bytes().all(|byte| byte == b'x') && !record.is_cut,
                "{record:?}"
            );
            *self.volume.entry(worker.0).or_default() += text.len();
            self.order.push(Numbered {
                worker: worker.0,
                made: record.time,
                told: SystemTime::now(),
                bytes: text.len(),
            });
            let whose = (worker.0, number("thread"));
            self.numbers
                .entry(whose)
                .or_default()
                .push(number("number"));
            return;
        }
        self.records.push(Said {
            worker: worker.0,
            level: record.level,
            target: record.target.to_owned(),
            thread: record.thread.to_owned(),
            message: record.message.to_owned(),
            fields,
        });
    }
}

impl Sink for Told {
    fn write(&self, entry: Entry) {
        let mut state = self.lock();
        match entry {
            Entry::Notice(notice, _) => {
                if let Notice::Spawned { worker, pid, .. } = &notice {
                    state.pids.insert(worker.0, *pid);
                }
                state.notices.push(notice.to_string());
                let volume = state.volume.clone();
                state.volumes.push(volume);
            }
            Entry::Line(line) => state.lines.push(line.text),
            Entry::Records(records) => {
                for record in records.iter() {
                    state.note(records.source().worker, &record);
                }
                if state.is_stuck {
                    state.kept.push(records);
                }
            }
            Entry::Lost(lost) => {
                *state.lost.entry(lost.source.worker.0).or_default() += lost.count;
            }
            _ => {}
        }
        drop(state);
        self.changed.notify_all();
    }
}

/// Numbers and texts are all that the test workers log.
fn text(value: Value<'_>) -> String {
    match value {
        Value::Text(text) => text.to_owned(),
        Value::Unsigned(number) => number.to_string(),
        other => format!("{other:?}"),
    }
}
