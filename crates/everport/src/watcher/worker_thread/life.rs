//! The life of a worker that is a thread, as the thread itself lives it.

use std::future::Future;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::runtime::{Builder, Runtime};

use super::main_function::ThreadMain;
use super::{Shared, panics};
use crate::cluster::{State, enter, join_on_thread};
use crate::log::ThreadEnding;
use crate::watcher::pinning::Cpu;
use crate::{Cluster, JoinError, WorkerId};

/// What a worker's thread is given.
pub(super) struct Life {
    pub(super) worker: WorkerId,
    pub(super) shared: Arc<Shared>,
    pub(super) cpu: Option<Cpu>,
    pub(super) link: OwnedFd,
    pub(super) main: ThreadMain,
}

impl Life {
    /// Joins, runs the main function to its end, and lets go of all that belongs to the worker.
    pub(super) fn live(self) -> ThreadEnding {
        note_system_id(&self.shared);
        panics::watch_this_thread();
        // Before anything else is started, which runs there, too.
        if let Some(Err(error)) = self.cpu.map(Cpu::take_this_thread) {
            return ThreadEnding::Failed(format!("cannot be pinned to its CPU: {error}"));
        }
        let runtime = match runtime(self.worker, &self.shared) {
            Ok(runtime) => runtime,
            Err(error) => {
                return ThreadEnding::Failed(format!("cannot start its runtime: {error}"));
            }
        };
        let shared = Arc::clone(&self.shared);
        let (ending, guard) = run(self, &runtime);
        shut_down(runtime, &shared, guard);
        ending
    }
}

/// What the system calls this thread.
#[cfg(all(target_os = "linux", not(everport_portable)))]
fn note_system_id(shared: &Shared) {
    let id = rustix::thread::gettid().as_raw_nonzero().get();
    shared.system_id.get_or_init(|| id.unsigned_abs());
}

#[cfg(any(not(target_os = "linux"), everport_portable))]
fn note_system_id(_shared: &Shared) {}

/// A runtime on this thread. Its blocking threads are known by their worker, too.
fn runtime(worker: WorkerId, shared: &Arc<Shared>) -> std::io::Result<Runtime> {
    let shared = Arc::clone(shared);
    let enter_if_joined = move || {
        let state = shared.state().clone();
        if let Some(state) = state {
            enter(&Cluster { state });
        }
    };
    Builder::new_current_thread()
        .enable_all()
        .thread_name(format!("blocking-{worker}"))
        .on_thread_start(enter_if_joined)
        .build()
}

/// The main function's life, or that of a join that fails.
fn run(life: Life, runtime: &Runtime) -> (ThreadEnding, Option<JoinHandle<()>>) {
    let Life {
        shared, link, main, ..
    } = life;
    let overdue = {
        let shared = Arc::clone(&shared);
        move || shared.end(ThreadEnding::Failed("did not end in time".to_owned()))
    };
    let met = {
        let shared = Arc::clone(&shared);
        move |state: &Arc<State>| *shared.state() = Some(Arc::clone(state))
    };
    let joining = join_on_thread(link, overdue, met);
    let joined = runtime.block_on(unless_ended(&shared, joining));
    let (cluster, guard) = match joined {
        Ok(Ok(joined)) => joined,
        Ok(Err(error)) => return (cannot_join(&error), None),
        Err(ending) => return (ending, None),
    };
    enter(&cluster);
    let serve = || runtime.block_on(unless_ended(&shared, async { main.call(cluster).await }));
    let ending = match catch_unwind(AssertUnwindSafe(serve)) {
        Ok(Ok(Ok(()))) => ThreadEnding::Returned,
        Ok(Ok(Err(error))) => ThreadEnding::Failed(error),
        Ok(Err(ending)) => ending,
        Err(payload) => panicked(&shared, panics::describe(payload)),
    };
    (ending, Some(guard))
}

fn panicked(shared: &Shared, panic: panics::Described) -> ThreadEnding {
    if let Some(backtrace) = panic.backtrace {
        shared.backtrace.get_or_init(|| backtrace);
    }
    ThreadEnding::Panicked(panic.text)
}

fn cannot_join(error: &JoinError) -> ThreadEnding {
    ThreadEnding::Failed(error.to_string())
}

/// What the future resolves to, or how the thread is to end if that comes first.
async fn unless_ended<T>(
    shared: &Shared,
    future: impl Future<Output = T>,
) -> Result<T, ThreadEnding> {
    let mut must_end = shared.must_end.subscribe();
    tokio::select! {
        biased;
        // The sender lives as long as what is borrowed here.
        Ok(must_end) = must_end.wait_for(Option::is_some) => {
            Err(must_end.clone().unwrap_or(ThreadEnding::Killed))
        }
        output = future => Ok(output),
    }
}

/// Drops every task of the runtime and what they own. What runs on its blocking threads goes on, and is not waited for.
fn shut_down(runtime: Runtime, shared: &Shared, guard: Option<JoinHandle<()>>) {
    shared.abandon_ports();
    // A task may panic as it is dropped; it is one of a worker that has ended.
    drop(catch_unwind(AssertUnwindSafe(|| {
        runtime.shutdown_background()
    })));
    let state = shared.state().take();
    if let Some(state) = state {
        state.retire();
        // What the application's hooks hold is dropped here, on the worker's own thread, and may panic, too.
        let forget = move || state.hooks.forget();
        drop(catch_unwind(AssertUnwindSafe(forget)));
    }
    if let Some(guard) = guard {
        // It ends at once, and does nothing else that could fail.
        drop(guard.join());
    }
}
