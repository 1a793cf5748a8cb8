//! Where one sink's entries go, and the thread that takes them there.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::Notice;
use super::queue::{Item, Queue, Turn};
use super::stream::Stream;
use crate::place::{UnsafePath, way_out_of};

/// The thread formats and writes; 128 KiB are more than it uses.
const STACK: usize = 128 * 1024;

/// What the batch of items keeps when it is empty.
const SMALL_BATCH: usize = 64;

/// Why a log could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenLogError {
    /// The log file could not be opened.
    #[error("cannot open the log file {}{}", .path.display(), way_out(.source))]
    File {
        /// Its path, with the process id in place of `*`.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Somebody whom the log must be kept from could make it lead elsewhere.
    #[error("cannot keep the log file out of the workers' reach")]
    Unsafe(#[source] UnsafePath),
    /// What is no regular file cannot be rotated.
    #[error("cannot rotate {}, which is not a regular file (leave the rotation out, or name another file)", .path.display())]
    NotRotatable {
        /// Its path.
        path: PathBuf,
    },
    /// The log file could not be given another name.
    #[error("cannot rotate the log file {}", .path.display())]
    Rotate {
        /// Its path.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Nobody takes messages at a socket.
    #[error("cannot log to {what}: nobody takes messages at {} (start it, or log elsewhere)", .path.display())]
    Socket {
        /// Who should: `journald` or `syslog`.
        what: &'static str,
        /// The socket.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Standard output is not open.
    #[error("cannot write to standard output")]
    Stdout(#[source] io::Error),
    /// The thread that writes could not be started.
    #[error("cannot start the thread that writes the log")]
    Thread(#[source] io::Error),
}

/// What a sink has to say about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Remark {
    pub(super) text: String,
    /// Whether it is told to other sinks alone: this one tells it in its own way, or cannot.
    pub(super) for_others: bool,
}

impl Remark {
    pub(super) fn for_all(text: String) -> Self {
        Self {
            text,
            for_others: false,
        }
    }

    pub(super) fn for_others(text: String) -> Self {
        Self {
            text,
            for_others: true,
        }
    }
}

/// Where one sink's entries go.
pub(super) trait Destination: Send {
    /// Writes a batch and empties it, however long that takes. What cannot be written is counted, and told where it is
    /// missing once something can be written again.
    fn write(&mut self, batch: &mut Vec<Item>);

    /// Opens anew what others may have exchanged: the path of the file that is open now.
    fn reopen(&mut self) -> Option<PathBuf> {
        None
    }

    /// What there is to be said about it.
    fn take_remarks(&mut self) -> Vec<Remark>;
}

/// Starts the thread that writes what comes into the queue until that is closed and empty.
pub(super) fn start(
    mut destination: Box<dyn Destination>,
    queue: Arc<Queue>,
    stream: Arc<Stream>,
) -> Result<(), OpenLogError> {
    let write = move || {
        let mut batch = Vec::new();
        loop {
            match queue.take(&mut batch) {
                Turn::Write => destination.write(&mut batch),
                Turn::Reopen => {
                    if let Some(path) = destination.reopen() {
                        stream.tell(Notice::LogReopened { path }, None);
                    }
                }
                Turn::End => break,
            }
            batch.shrink_to(SMALL_BATCH);
            for Remark { text, for_others } in destination.take_remarks() {
                let but = for_others.then_some(&queue);
                stream.tell(Notice::LogTrouble { error: text }, but);
            }
        }
        queue.written();
    };
    std::thread::Builder::new()
        .name("everport-log".to_owned())
        .stack_size(STACK)
        .spawn(write)
        .map_err(OpenLogError::Thread)?;
    Ok(())
}

fn way_out(error: &io::Error) -> &'static str {
    match rustix::io::Errno::from_io_error(error) {
        Some(rustix::io::Errno::LOOP) => {
            " (it is a symbolic link, which is never followed: name the file itself)"
        }
        Some(rustix::io::Errno::NXIO) => {
            " (it is a fifo that nobody reads: start its reader first)"
        }
        _ => way_out_of(error),
    }
}
