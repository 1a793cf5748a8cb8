//! The watcher and its run: waits for whatever comes next.

use std::io;
use std::sync::Arc;

use everport_core::ExitReason;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::event_loop::EventLoop;
use super::handle::Desk;
use super::rehearsal::rehearse;
use super::{Builder, Handle, Program, StartError};
use crate::messages::{Endpoint, Peer};

/// Holds every port of a cluster and keeps its workers running.
///
/// It installs no signal handlers and waits for no child but its workers, so that any program can embed
/// it. Dropped while it runs, it closes the links: the workers drain and leave by themselves.
pub struct Watcher {
    builder: Builder,
    open_files: Rlimit,
    desk: Arc<Desk>,
    messages: Endpoint,
    end: End,
}

/// Tells those who wait for the watcher that it has ended, or never will run.
struct End {
    desk: Arc<Desk>,
    messages: Endpoint,
}

impl Drop for End {
    fn drop(&mut self) {
        self.desk.close();
        self.messages.give_up_waiting();
    }
}

/// Why a watcher ended other than by the supervisor's decision.
#[derive(Debug, thiserror::Error)]
#[error("the watcher failed")]
pub struct RunError(#[from] io::Error);

impl Watcher {
    /// A watcher for workers that run `program`.
    pub fn builder(program: Program) -> Builder {
        Builder::new(program)
    }

    pub(crate) fn new(builder: Builder) -> Result<Self, StartError> {
        if builder.workers == 0 {
            return Err(StartError::NoWorkers);
        }
        rehearse(&builder.privileges, &builder.program)?;
        let desk: Arc<Desk> = Arc::default();
        let messages = application(&desk);
        Ok(Self {
            builder,
            open_files: raise_open_files()?,
            end: End {
                desk: Arc::clone(&desk),
                messages: messages.clone(),
            },
            desk,
            messages,
        })
    }

    /// What commands go through.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle::new(Arc::clone(&self.desk), self.messages.clone())
    }

    /// Runs the cluster until it ends. Needs a tokio runtime with I/O and time. Not cancel safe: when it is
    /// dropped the workers are left to drain by themselves.
    ///
    /// # Errors
    /// When the system refuses something without which the watcher cannot go on.
    pub async fn run(self) -> Result<ExitReason, RunError> {
        let _end = self.end;
        let event_loop = EventLoop::new(self.builder, self.open_files, self.desk, self.messages)?;
        Ok(event_loop.run().await?)
    }
}

/// The endpoint of the application that the watcher is embedded in, which asks for its socket when it is used.
fn application(desk: &Arc<Desk>) -> Endpoint {
    let desk = Arc::clone(desk);
    let open = move || {
        desk.ask_for_messages();
        Ok(())
    };
    Endpoint::of_runtime_to_come(Peer::Watcher, Box::new(open))
}

/// A worker needs at least four descriptors of the watcher, and two more for its records, so the soft limit on
/// open files goes up to the hard one. Returns the limit as it was, which workers start with.
fn raise_open_files() -> io::Result<Rlimit> {
    let before = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: before.maximum,
        maximum: before.maximum,
    };
    setrlimit(Resource::Nofile, raised)?;
    Ok(before)
}
