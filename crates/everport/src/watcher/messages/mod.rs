//! The watcher's side of messages: gives workers their sockets, and passes frames on between them.

mod handle;
mod line;
mod socket;
mod switch;
mod switchboard;

#[cfg(test)]
mod tests;

use std::io;
use std::os::fd::AsFd;

use super::event_loop::EventLoop;
use super::input::Input;
use crate::WorkerId;
use crate::link::FromWatcher;
use crate::log::Notice;
use crate::messages::Peer;

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use self::switch::{MOST_REMAINS, Switch};
pub(crate) use self::switchboard::Switchboard;

impl EventLoop {
    /// Gives a worker its socket for messages. It is told so when it gets none.
    pub(super) fn open_messages(&mut self, worker: WorkerId) {
        let Some(record) = self.workers.get(&worker).filter(|it| it.has_joined) else {
            return;
        };
        let slot = record.slot;
        if let Err(error) = self.start_line(worker) {
            self.links
                .send(worker, &FromWatcher::Messages { limit: 0 }, None);
            self.tell(Notice::MessagesRefused {
                worker,
                slot,
                error: error.to_string(),
            });
        }
    }

    fn start_line(&mut self, worker: WorkerId) -> io::Result<()> {
        let (ours, theirs) = socket::pair()?;
        let peer = Peer::Worker(worker);
        self.switchboard.attach(peer, ours, self.sender.clone())?;
        let limit = self.switchboard.limit();
        let answer = FromWatcher::Messages { limit };
        self.links.send(worker, &answer, Some(theirs.as_fd()));
        Ok(())
    }

    /// Attaches the application that the watcher is embedded in, which has asked for it.
    pub(super) fn attach_application(&mut self) {
        self.messages.run_on(&tokio::runtime::Handle::current());
        let opened = socket::pair().and_then(|(ours, theirs)| {
            let inbox = self.sender.clone();
            self.switchboard.attach(Peer::Watcher, ours, inbox)?;
            Ok(theirs)
        });
        match opened {
            Ok(theirs) => self.messages.open(theirs, self.switchboard.limit()),
            Err(error) => self.messages.refuse(&error.to_string()),
        }
    }

    /// A worker has lost its socket for messages, and lives on without.
    pub(super) fn tell_of_broken_messages(&mut self, worker: WorkerId, error: String) {
        if let Some(record) = self.workers.get(&worker) {
            let slot = record.slot;
            self.tell(Notice::MessagesBroken {
                worker,
                slot,
                error,
            });
        }
    }
}

/// What the loop is told when a worker has lost its socket.
fn broken(worker: WorkerId, error: &dyn std::error::Error) -> Input {
    let error = error.to_string();
    Input::MessagesBroken { worker, error }
}
