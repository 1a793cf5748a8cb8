//! The thread that owns the link and enforces the drain's deadline, even when the runtime hangs.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::drain::Drain;
use super::ending::{End, OVERDUE};
use super::handshake::Received;
use super::membership::Membership;
use super::messages::open_messages;
use super::outbox::Outgoing;
use super::requests::Grant;
use super::state::State;
use crate::link::{FromWatcher, FromWorker, LinkError, WorkerEnd};
use crate::ring::never_wait_here;
use crate::{BindCause, BindError};

/// Enough for a frame's buffer, its strings and what the runtime does when a port is lent, with room for
/// unoptimised builds.
const STACK: usize = 128 * 1024;

/// How long the watcher may leave its end unread when it is full. It reads whenever it lives.
const FULL_FOR: Duration = Duration::from_secs(5);

/// For how long an accept answers for the runtime. So much longer it can take to find one that hangs since then; one with
/// more to do than it can accepts more often.
const JUST_NOW: Duration = Duration::from_millis(2);

/// How many beats in a row accepts may answer. They may be another runtime's, while the one that is asked hangs.
const MOST_ANSWERS: u32 = 7;

/// How many frames are received before other things have their turn.
const FRAMES_PER_TURN: usize = 64;

/// What the thread owns.
pub(crate) struct Guard {
    state: Arc<State>,
    link: Option<WorkerEnd>,
    end: End,
    /// How many of the last beats an accept has answered.
    answers_in_a_row: u32,
}

/// Starts a thread that guards this worker.
pub(crate) fn spawn(work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    thread::Builder::new()
        .name("everport-guard".to_owned())
        .stack_size(STACK)
        .spawn(work)
}

impl Guard {
    pub(crate) fn new(state: Arc<State>, link: Option<WorkerEnd>, end: End) -> Self {
        Self {
            state,
            link,
            end,
            answers_in_a_row: 0,
        }
    }

    /// Returns when there is nothing to guard any more.
    pub(crate) fn run(mut self, early: Vec<Received>) {
        // What we call may log. A deadline comes first.
        never_wait_here();
        for (frame, fds) in early {
            self.obey(frame, fds);
        }
        while self.link.is_some() || !self.state.has_left() {
            if self.state.is_over() {
                self.state.messages.end();
                return self.give_up();
            }
            let now = Instant::now();
            let left = match self.state.must_end_at() {
                Some(end) if end <= now => return self.end_overdue(),
                Some(end) => Some(end - now),
                None => None,
            };
            let waits_for_log = self.state.waits_for_log_until();
            let waits_for_log = waits_for_log.map(|until| until.saturating_duration_since(now));
            if waits_for_log == Some(Duration::ZERO) {
                self.state.stop_waiting_for_log();
                continue;
            }
            self.wait(left.into_iter().chain(waits_for_log).min());
            self.state.outbox.hush();
            self.send_queued();
            self.receive_waiting();
        }
        self.enforce_deadline();
    }

    /// The drain and the hooks had their time. A process is gone with that; a thread may go on for a while, and whatever
    /// it waits for never comes.
    fn end_overdue(mut self) {
        let end = std::mem::replace(&mut self.end, Box::new(|_code| {}));
        end(OVERDUE);
        self.state.messages.end();
        self.give_up();
    }

    /// Nobody answers this worker any more, and who waits for an answer learns that. Its messages end by themselves, when
    /// everything that came is read.
    fn give_up(&mut self) {
        self.link = None;
        self.state.outbox.close();
        self.state.requests.give_up();
        self.state.messages.give_up_waiting();
        self.state.close_log();
    }

    /// A worker whose watcher is gone and who has left must still end in time.
    fn enforce_deadline(self) {
        while let Some(end) = self.state.must_end_at()
            && !self.state.is_over()
        {
            let now = Instant::now();
            if end <= now {
                return self.end_overdue();
            }
            self.wait(Some(end - now));
            self.state.outbox.hush();
        }
        if self.state.is_over() {
            self.state.messages.end();
        }
    }

    /// Waits for the link, for the doorbell, or until the time is over; for ever when there is none.
    fn wait(&self, left: Option<Duration>) {
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        let bell = self.state.outbox.bell();
        let mut fds = vec![PollFd::from_borrowed_fd(bell, PollFlags::IN)];
        if let Some(link) = &self.link {
            fds.push(PollFd::from_borrowed_fd(link.as_fd(), PollFlags::IN));
        }
        // Whatever it returns, the caller looks at everything.
        poll(&mut fds, left.as_ref()).ok();
    }

    fn send_queued(&mut self) {
        while let Some(outgoing) = self.state.outbox.pop() {
            let Some(link) = &self.link else { return };
            match send_patiently(link, &outgoing.frame) {
                Ok(()) => report_sent(outgoing),
                Err(LinkError::TooLong(_)) => self.refuse_too_long(outgoing.frame),
                Err(_) => return self.lose_link(),
            }
        }
    }

    /// Only the address of a request can be too long: no Unix socket has such a path.
    fn refuse_too_long(&self, frame: FromWorker) {
        if let FromWorker::Listen {
            request, address, ..
        } = frame
        {
            let cause = BindCause::System(libc::ENAMETOOLONG);
            let error = BindError { address, cause };
            self.state.requests.answer(request, Err(error));
        }
    }

    fn receive_waiting(&mut self) {
        for _ in 0..FRAMES_PER_TURN {
            let Some(link) = &self.link else { return };
            match link.try_receive() {
                Ok(Some((frame, fds))) => self.obey(frame, fds),
                Ok(None) => return,
                Err(_) => return self.lose_link(),
            }
        }
    }

    fn obey(&mut self, frame: FromWatcher, fds: Vec<OwnedFd>) {
        let state = &self.state;
        let fd = fds.into_iter().next();
        match frame {
            FromWatcher::Granted {
                request,
                port,
                address,
                sharing,
            } => {
                // Dropped, it gives the port back.
                let membership = Membership::new(port, state);
                let answer = match (sharing, fd) {
                    (Some(sharing), Some(socket)) => Ok(Grant {
                        membership,
                        address,
                        sharing,
                        socket,
                    }),
                    // A newer watcher's way of sharing, or a grant without its socket.
                    (None, _) => Err(BindError::new(&address, BindCause::UnknownSharing)),
                    (Some(_), None) => {
                        Err(BindError::new(&address, BindCause::System(libc::EBADMSG)))
                    }
                };
                state.requests.answer(request, answer);
            }
            FromWatcher::Denied { request, error } => state.requests.answer(request, Err(error)),
            FromWatcher::Drain {
                reason,
                timeout,
                empty,
                quiet,
            } => state.begin_drain(Drain::ordered(reason, timeout, empty, quiet)),
            FromWatcher::Lend { port, slot } => {
                if let (Some(port), Some(socket)) = (state.port(port), fd) {
                    let _runtime = state.runtime.enter();
                    // Another worker is asked, too; without descriptors this one cannot help.
                    port.lend(slot, socket).ok();
                }
            }
            FromWatcher::Recall { port, slot } => {
                if let Some(port) = state.port(port) {
                    port.recall(slot);
                }
            }
            FromWatcher::Look => state.ports().iter().for_each(|(_, port)| port.look()),
            FromWatcher::Beat { beat } => self.answer(beat),
            FromWatcher::Announce { delay: _ } => state.announce_leaving(),
            FromWatcher::LogLevel { level } => state.log_level.change(level),
            FromWatcher::Messages { limit } => open_messages(state, limit, fd),
            // They belong to the handshake, which is over.
            FromWatcher::Welcome(_) | FromWatcher::Refused { .. } | FromWatcher::Ring { .. } => {}
        }
    }

    /// It is the runtime that has to answer. One that has just accepted has done so: it serves, and is not disturbed. From time
    /// to time it is asked nevertheless.
    fn answer(&mut self, beat: u32) {
        let answer = |link: &WorkerEnd| link.send(&FromWorker::Alive { beat }).is_ok();
        let may_answer = self.answers_in_a_row < MOST_ANSWERS
            && self.state.connections.accepted_within(JUST_NOW);
        if may_answer && self.link.as_ref().is_some_and(answer) {
            self.answers_in_a_row += 1;
        } else {
            self.answers_in_a_row = 0;
            self.state.beats.send_replace(Some(beat));
        }
    }

    /// The watcher is gone, or no watcher: this worker is alone and drains.
    fn lose_link(&mut self) {
        self.give_up();
        if !self.state.is_draining() {
            self.state
                .begin_drain(Drain::alone(self.state.shutdown_timeout));
        }
    }
}

fn report_sent(outgoing: Outgoing) {
    if let Some(sent) = outgoing.sent {
        // Who waited may have given up.
        sent.send(()).ok();
    }
}

/// Sends a frame, and waits a while when the watcher is busy.
fn send_patiently(link: &WorkerEnd, frame: &FromWorker) -> Result<(), LinkError> {
    let deadline = Instant::now() + FULL_FOR;
    loop {
        match link.send(frame) {
            Err(LinkError::Full) if Instant::now() < deadline => {}
            result => return result,
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).unwrap_or_default();
        let mut fds = [PollFd::from_borrowed_fd(link.as_fd(), PollFlags::OUT)];
        // Whatever it returns, sending is tried again until the deadline.
        poll(&mut fds, Some(&left)).ok();
    }
}
