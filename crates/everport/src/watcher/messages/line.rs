//! One task per message socket: passes what comes to the switch, and what the switch has to the peer.

use std::sync::Arc;

use tokio::sync::{Notify, mpsc};

use super::super::input::Input;
use super::socket::MessageSocket;
use super::switch::Breach;
use super::switchboard::{Exchange, State};
use crate::link::LinkError;
use crate::messages::{LONGEST_FRAME, Peer};

/// How many frames go one way before everybody else has a turn.
const TURN_FRAMES: usize = 32;

/// The same in bytes.
const TURN_BYTES: usize = 4 * LONGEST_FRAME;

/// A peer's socket, attended to until it is closed.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) peer: Peer,
    pub(super) socket: Arc<MessageSocket>,
    /// Rings when there is something for the peer and was nothing before.
    pub(super) bell: Arc<Notify>,
    pub(super) exchange: Arc<Exchange>,
}

/// Why a socket is closed.
#[derive(Debug, thiserror::Error)]
enum Broken {
    /// The peer has closed it, or is dead.
    #[error("it is closed")]
    Closed,
    #[error("it sent {0}")]
    Breach(#[from] Breach),
    #[error(transparent)]
    Socket(LinkError),
}

impl From<LinkError> for Broken {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::Closed => Self::Closed,
            LinkError::Violation(error) => Self::Breach(error.into()),
            error => Self::Socket(error),
        }
    }
}

/// What a turn has left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// There may be more to do.
    More,
    /// There is nothing to do.
    Idle,
    /// There is something to send and no room for it.
    Full,
    /// Nothing is to be done for now.
    Paused,
    /// Nothing will be to do any more.
    Over,
}

/// What is on its way to the peer.
#[derive(Debug, Default)]
struct Outlet {
    /// A frame that found no room.
    unsent: Option<Vec<u8>>,
    /// Whether the peer does not read any more, though what it has sent may still be there, and it may send more. What is
    /// for it is dropped then: it would grow with what the peer goes on to ask for.
    is_closed: bool,
}

impl Line {
    /// Attends to the socket until it is closed. Tells when that is the peer's fault.
    pub(super) async fn attend(self, inbox: mpsc::Sender<Input>) {
        let broken = self.pass_on().await;
        self.exchange.change(|state| state.switch.part(self.peer));
        let Self { peer, socket, .. } = self;
        drop(socket);
        if let Peer::Worker(worker) = peer
            && !matches!(broken, Broken::Closed)
        {
            // The loop is gone when it takes nothing any more: then there is nobody to be told.
            let _loop_is_gone = inbox.send(super::broken(worker, &broken)).await;
        }
    }

    async fn pass_on(&self) -> Broken {
        let mut outlet = Outlet::default();
        loop {
            let sent = match self.send_turn(&mut outlet) {
                Ok(turn) => turn,
                Err(error) => return error.into(),
            };
            if sent == Turn::Over {
                return Broken::Closed;
            }
            let received = match self.receive_turn() {
                Ok(turn) => turn,
                Err(broken) => return broken,
            };
            if sent == Turn::More || received == Turn::More {
                // A flood of messages must not keep everybody else from their turn.
                tokio::task::yield_now().await;
                continue;
            }
            tokio::select! {
                () = self.socket.readable(), if received == Turn::Idle => {}
                () = self.socket.writable(), if sent == Turn::Full => {}
                () = self.bell.notified(), if sent == Turn::Idle => {}
            }
        }
    }

    /// Sends a turn's share of what waits for the peer.
    fn send_turn(&self, outlet: &mut Outlet) -> Result<Turn, LinkError> {
        let turn = self
            .exchange
            .change(|state| outlet.send(state, self.peer, &self.socket));
        match turn {
            // What it had sent before is still to be received.
            Err(LinkError::Closed) => {
                outlet.is_closed = true;
                Ok(Turn::More)
            }
            turn => turn,
        }
    }

    /// Receives a turn's share of what the peer has sent.
    fn receive_turn(&self) -> Result<Turn, Broken> {
        self.exchange.change(|state| {
            let mut bytes = 0;
            for _ in 0..TURN_FRAMES {
                if state.switch.is_paused(self.peer) || state.is_over {
                    return Ok(Turn::Paused);
                }
                let Some(frame) = self.socket.try_receive(&mut state.buffer)? else {
                    return Ok(Turn::Idle);
                };
                bytes += frame.len();
                state.switch.receive(self.peer, frame)?;
                if bytes >= TURN_BYTES {
                    break;
                }
            }
            Ok(Turn::More)
        })
    }
}

impl Outlet {
    fn send(
        &mut self,
        state: &mut State,
        peer: Peer,
        socket: &MessageSocket,
    ) -> Result<Turn, LinkError> {
        let mut bytes = 0;
        for _ in 0..TURN_FRAMES {
            let Some(frame) = self.unsent.take().or_else(|| state.switch.next(peer)) else {
                let is_over = state.is_over;
                return Ok(if is_over { Turn::Over } else { Turn::Idle });
            };
            bytes += frame.len();
            if self.is_closed {
                continue;
            }
            if !socket.try_send(&frame)? {
                self.unsent = Some(frame);
                return Ok(Turn::Full);
            }
            if bytes >= TURN_BYTES {
                break;
            }
        }
        Ok(Turn::More)
    }
}
