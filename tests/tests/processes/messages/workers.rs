//! The workers of these tests, of either kind, and the reins that they are held by.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, mpsc};

use everport::watcher::{Builder, Program};
use everport::{Cluster, Watcher, WorkerId};
use everport_tests::{Kind, PATIENCE, program, worker};
use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::scene::Told;

/// What the workers are told.
pub(super) const ARGUMENTS: &str = "--listen 127.0.0.1:0 --messages";

/// A watcher of so many workers, who are told this, and what they are held by.
pub(super) fn workers_of(kind: Kind, workers: u32, arguments: &str) -> (Builder, Reins) {
    match kind {
        Kind::Processes => {
            let worker = Program::find(program("test-worker")).unwrap();
            let worker = worker.args(arguments.split_whitespace());
            let builder = Watcher::builder(worker).workers(workers);
            (builder, Reins::Processes)
        }
        Kind::Threads => {
            let threads = Threads::default();
            let reins = Reins::Threads(threads.clone());
            let arguments = arguments.to_owned();
            let serve = async move |cluster| serve_by(&threads, cluster, &arguments).await;
            (Watcher::threads(workers, serve), reins)
        }
    }
}

/// What makes a worker die or stand still, which no message could that has to wait behind others.
pub(super) enum Reins {
    /// Signals.
    Processes,
    /// Words to the threads, which are in this process.
    Threads(Threads),
}

#[derive(Clone, Default)]
pub(super) struct Threads {
    words: Arc<Mutex<HashMap<WorkerId, UnboundedSender<Word>>>>,
    /// Dropping one ends the halt, as the end of a test that has failed does.
    halted: Arc<Mutex<HashMap<WorkerId, mpsc::Sender<()>>>>,
}

/// What a thread is to do.
enum Word {
    Panic,
    /// It says that it stands still, and does so until the other channel ends.
    Halt(mpsc::Sender<()>, mpsc::Receiver<()>),
}

/// Serves until the reins say otherwise.
async fn serve_by(threads: &Threads, cluster: Cluster, arguments: &str) -> Result<(), String> {
    let id = cluster.id().expect("a worker");
    let (words, mut said) = unbounded_channel();
    threads.words.lock().unwrap().insert(id, words);
    tokio::select! {
        served = worker::serve_as_told(cluster, arguments) => served.map_err(|error| error.to_string()),
        () = obey(&mut said) => panic!("killed by the test"),
    }
}

/// Returns when the worker is to die.
async fn obey(said: &mut UnboundedReceiver<Word>) {
    while let Some(Word::Halt(standing, over)) = said.recv().await {
        // A test that has failed waits for it no more.
        let _heard = standing.send(());
        let _over = over.recv();
    }
}

impl Reins {
    pub(super) fn kill(&self, worker: WorkerId, told: &Told) {
        match self {
            Self::Processes => signal(told.pid_of(worker), Signal::KILL),
            Self::Threads(threads) => threads.say(worker, Word::Panic),
        }
    }

    pub(super) fn halt(&self, worker: WorkerId, told: &Told) {
        match self {
            Self::Processes => signal(told.pid_of(worker), Signal::STOP),
            Self::Threads(threads) => threads.halt(worker),
        }
    }

    pub(super) fn go_on(&self, worker: WorkerId, told: &Told) {
        match self {
            Self::Processes => signal(told.pid_of(worker), Signal::CONT),
            Self::Threads(threads) => drop(threads.halted.lock().unwrap().remove(&worker)),
        }
    }
}

impl Threads {
    fn say(&self, worker: WorkerId, word: Word) {
        let words = self.words.lock().unwrap();
        assert!(words[&worker].send(word).is_ok(), "{worker} has ended");
    }

    /// Returns when the thread stands still, as a process does that was sent the signal.
    fn halt(&self, worker: WorkerId) {
        let (standing, stands) = mpsc::channel();
        let (on, over) = mpsc::channel();
        self.halted.lock().unwrap().insert(worker, on);
        self.say(worker, Word::Halt(standing, over));
        stands.recv_timeout(PATIENCE).unwrap();
    }
}

fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}
