//! A worker that is a thread: starts it, learns of its end, and gives up on it where it cannot be ended.

mod life;
mod main_function;
mod panics;

use std::io;
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::watch;

use self::life::Life;
pub(crate) use self::main_function::ThreadMain;
pub use self::main_function::{Boxed, Converted, MainError};
#[cfg(feature = "tracing")]
pub(crate) use self::panics::note as note_panic;
use crate::WorkerId;
use crate::cluster::State;
use crate::log::ThreadEnding;
use crate::watcher::pinning::Cpu;

/// What a main thread has on Linux unless told otherwise. It is address space: memory is taken as it is used.
const STACK: usize = 8 << 20;

/// How long a thread that is to be ended may take to come to an await, until it is abandoned: in pieces, of which a
/// time in which this whole process did not run costs one.
const PIECES: u32 = 10;
const PIECE: Duration = Duration::from_millis(100);

/// A worker's thread, as its watcher sees it.
#[derive(Debug)]
pub(crate) struct WorkerThread {
    name: String,
    shared: Arc<Shared>,
}

/// What the thread and its watcher share.
#[derive(Debug)]
struct Shared {
    stage: watch::Sender<Stage>,
    /// How the thread is to end at its next await, once it is to.
    must_end: watch::Sender<Option<ThreadEnding>>,
    /// What the system calls the thread, where that is known.
    system_id: OnceLock<u32>,
    /// The way to the panic that ended it.
    backtrace: OnceLock<String>,
    /// The worker's own side, from when the watcher has greeted it until its thread ends. The thread takes it out, so that
    /// nobody else drops the last of it, and with it what is the application's.
    state: Mutex<Option<Arc<State>>>,
}

/// How far a thread's life has come.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    Running,
    Abandoned,
    Ended(ThreadEnding),
}

impl WorkerThread {
    /// Starts a worker that joins through `link` and calls `main`, on one CPU if it is told which.
    pub(crate) fn start(
        worker: WorkerId,
        link: OwnedFd,
        cpu: Option<Cpu>,
        main: ThreadMain,
    ) -> io::Result<Self> {
        let name = format!("worker-{worker}");
        let shared = Arc::new(Shared {
            stage: watch::Sender::new(Stage::Running),
            must_end: watch::Sender::new(None),
            system_id: OnceLock::new(),
            backtrace: OnceLock::new(),
            state: Mutex::default(),
        });
        panics::note_on_worker_threads();
        let (sender, receiver) = channel();
        let life = Life {
            worker,
            shared: Arc::clone(&shared),
            cpu,
            link,
            main,
        };
        let thread = thread::Builder::new()
            .name(name.clone())
            .stack_size(STACK)
            .spawn({
                let shared = Arc::clone(&shared);
                move || live(life, &shared, receiver)
            })?;
        // The thread receives it as the last thing it does.
        let _always_received = sender.send(thread);
        Ok(Self { name, shared })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What the system calls the thread, where that is known.
    pub(crate) fn system_id(&self) -> Option<u32> {
        self.shared.system_id.get().copied()
    }

    /// Waits until it has ended or is abandoned. Cancel safe.
    pub(crate) async fn died(&self) {
        let mut stage = self.shared.stage.subscribe();
        // The sender is ours.
        let _changed = stage.wait_for(|stage| *stage != Stage::Running).await;
    }

    /// Waits until it has really ended. Cancel safe.
    pub(crate) async fn ended(&self) {
        let mut stage = self.shared.stage.subscribe();
        let is_over = |stage: &Stage| matches!(stage, Stage::Ended(_));
        let _changed = stage.wait_for(is_over).await;
    }

    /// How it ended, once it has.
    pub(crate) fn ending(&self) -> ThreadEnding {
        match &*self.shared.stage.borrow() {
            Stage::Running | Stage::Abandoned => ThreadEnding::Abandoned,
            Stage::Ended(ending) => ending.clone(),
        }
    }

    /// The way to the panic that ended it, if one did whose record does not tell it.
    pub(crate) fn backtrace(&self) -> Option<&str> {
        self.shared.backtrace.get().map(String::as_str)
    }

    /// Has it end at its next await. If it comes to none, it is abandoned after a second. Needs a tokio runtime.
    pub(crate) fn kill(&self) {
        self.shared.end(ThreadEnding::Killed);
        self.shared.abandon_ports();
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move { shared.abandon_if_it_hangs().await });
    }
}

impl Shared {
    /// Has the thread end so, unless it is to end already.
    fn end(&self, how: ThreadEnding) {
        self.must_end.send_if_modified(|must_end| {
            let is_first = must_end.is_none();
            must_end.get_or_insert(how);
            is_first
        });
    }

    async fn abandon_if_it_hangs(&self) {
        let mut stage = self.stage.subscribe();
        for _ in 0..PIECES {
            let ended = stage.wait_for(|stage| *stage != Stage::Running);
            if tokio::time::timeout(PIECE, ended).await.is_ok() {
                return;
            }
        }
        let is_hanging = |stage: &mut Stage| {
            let hangs = *stage == Stage::Running;
            if hangs {
                *stage = Stage::Abandoned;
            }
            hangs
        };
        if !self.stage.send_if_modified(is_hanging) {
            return;
        }
        if let Some(state) = &*self.state() {
            // Its guard has nothing more to guard.
            state.retire();
        }
    }

    /// Nobody serves what it would accept from now on.
    fn abandon_ports(&self) {
        if let Some(state) = &*self.state() {
            state.abandon_ports();
        }
    }

    fn state(&self) -> MutexGuard<'_, Option<Arc<State>>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the thread does. It counts as ended when the system has forgotten it, which another thread waits for: what is
/// still to be done for it may be code of the application's, too (destructors of its thread-local variables).
fn live(life: Life, shared: &Arc<Shared>, own: Receiver<JoinHandle<()>>) {
    let ending = life.live();
    let report = {
        let (shared, ending) = (Arc::clone(shared), ending.clone());
        move || {
            if let Ok(thread) = own.recv() {
                // A panic out of this function is none of the application's: those are caught before.
                drop(thread.join());
            }
            shared.stage.send_replace(Stage::Ended(ending));
        }
    };
    let joining = thread::Builder::new()
        .name("everport-join".to_owned())
        .stack_size(64 * 1024)
        .spawn(report);
    if joining.is_err() {
        // Without that thread it has ended as well as it ever will.
        shared.stage.send_replace(Stage::Ended(ending));
    }
}
