//! What workers print: captured whole, line by line, up to the last instant before a crash.

mod last_lines;
mod pipe;
mod splitter;

use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::JoinHandle;

pub(super) use self::last_lines::{LINES, LastLines};
use self::pipe::{Pipe, Turn};
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use self::splitter::{Piece, Splitter};
use crate::log::{Sink, Source, Stream};

/// Reads a worker's standard output and standard error until [`OutputCapture::finish`]. Dropped without
/// it, it closes both pipes and forgets what is in them.
pub(crate) struct OutputCapture {
    pipes: [Arc<SharedPipe>; 2],
    tasks: [JoinHandle<()>; 2],
}

/// A pipe, shared by the task that reads it and the capture that ends it.
type SharedPipe = Mutex<Option<Pipe>>;

impl OutputCapture {
    /// Takes over the read ends of the pipes a worker prints to and starts reading them on the current
    /// runtime. Both must be ours alone: they become non-blocking.
    ///
    /// # Errors
    /// When the runtime cannot watch them; they are closed then.
    pub(crate) fn start(
        source: Source,
        stdout: OwnedFd,
        stderr: OwnedFd,
        sink: Arc<dyn Sink>,
    ) -> io::Result<Self> {
        let stdout = Pipe::open(source, Stream::Stdout, stdout, Arc::clone(&sink))?;
        let stderr = Pipe::open(source, Stream::Stderr, stderr, sink)?;
        let pipes = [stdout, stderr].map(|pipe| Arc::new(Mutex::new(Some(pipe))));
        let tasks = pipes
            .each_ref()
            .map(|pipe| tokio::spawn(read_on(Arc::clone(pipe))));
        Ok(Self { pipes, tasks })
    }

    /// Call it when the worker's process is dead: reads what it printed last, closes both pipes and
    /// returns the last lines of its standard error. Bounded, whoever else still holds the pipes.
    pub(crate) fn finish(self) -> Vec<String> {
        self.pipes
            .iter()
            .filter_map(|pipe| lock(pipe).take())
            .flat_map(|mut pipe| {
                pipe.finish();
                pipe.last_lines()
            })
            .collect()
    }
}

impl OutputCapture {
    /// The last lines that a living worker has printed to standard error so far. What waits in the pipes is
    /// read first. Bounded.
    pub(crate) fn last_lines(&self) -> Vec<String> {
        let lines = |pipe: &Arc<SharedPipe>| {
            let mut pipe = lock(pipe);
            let pipe = pipe.as_mut()?;
            pipe.read_waiting();
            Some(pipe.last_lines())
        };
        self.pipes.iter().filter_map(lines).flatten().collect()
    }
}

impl Drop for OutputCapture {
    fn drop(&mut self) {
        for (pipe, task) in self.pipes.iter().zip(&self.tasks) {
            lock(pipe).take();
            task.abort();
        }
    }
}

/// Reads a pipe turn by turn until it ends. Between two turns everything else that is ready has its own.
async fn read_on(pipe: Arc<SharedPipe>) {
    loop {
        let turn = poll_fn(|context| match lock(&pipe).as_mut() {
            Some(pipe) => pipe.poll_turn(context),
            None => std::task::Poll::Ready(Turn::Ended),
        });
        match turn.await {
            Turn::More => tokio::task::yield_now().await,
            Turn::Ended => return,
        }
    }
}

fn lock(pipe: &SharedPipe) -> MutexGuard<'_, Option<Pipe>> {
    // A sink that panicked leaves a pipe that can still be read.
    pipe.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
