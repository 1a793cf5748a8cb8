//! Requests to listen that wait for the watcher's answer.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};

use tokio::sync::oneshot;

use super::membership::Membership;
use crate::{BindError, PortAddress, Sharing};

/// A port that the watcher has granted. Dropping it gives the port back.
#[derive(Debug)]
pub(crate) struct Grant {
    pub(crate) membership: Membership,
    pub(crate) address: PortAddress,
    pub(crate) sharing: Sharing,
    pub(crate) socket: OwnedFd,
}

pub(crate) type Answer = Result<Grant, BindError>;

/// The requests by their numbers.
#[derive(Debug)]
pub(crate) struct Requests {
    waiting: Mutex<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    next: u32,
    answers: BTreeMap<u32, oneshot::Sender<Answer>>,
}

impl Requests {
    pub(crate) fn new() -> Self {
        let waiting = Waiting {
            next: 1,
            answers: BTreeMap::new(),
        };
        Self {
            waiting: Mutex::new(waiting),
        }
    }

    /// A new request's number, and where its answer will be.
    pub(crate) fn open(&self) -> (u32, oneshot::Receiver<Answer>) {
        let (sender, receiver) = oneshot::channel();
        let mut waiting = self.waiting();
        // Requests that were given up wait for nothing.
        waiting.answers.retain(|_, answer| !answer.is_closed());
        let request = waiting.next;
        waiting.next = request.wrapping_add(1);
        waiting.answers.insert(request, sender);
        (request, receiver)
    }

    /// Hands an answer to who waits for it. If nobody does any more, dropping it gives the port back.
    pub(crate) fn answer(&self, request: u32, answer: Answer) {
        let sender = self.waiting().answers.remove(&request);
        if let Some(sender) = sender {
            drop(sender.send(answer));
        }
    }

    /// No answer will come any more.
    pub(crate) fn give_up(&self) {
        let abandoned = std::mem::take(&mut self.waiting().answers);
        drop(abandoned);
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
