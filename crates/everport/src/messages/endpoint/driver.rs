//! The task that reads an endpoint's socket, and sends on when it takes more.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use tokio::io::Interest;

use super::socket::{Ended, receive};
use super::{Closed, Shared};
use crate::messages::LONGEST_FRAME;
use crate::reactor::{self, Registered};

/// What the task owns.
pub(super) struct Driver {
    closes: Closes,
    socket: Arc<Registered>,
    /// The same socket again: it is watched for room, and only while there is none. Otherwise everybody who reads at the
    /// other end would wake us.
    room: OwnedFd,
}

/// How many frames are received before others on this runtime have their turn, and how many bytes, but for the last frame.
const FRAMES_PER_TURN: usize = 64;
const BYTES_PER_TURN: usize = 4 * LONGEST_FRAME;

impl Driver {
    pub(super) fn new(shared: &Arc<Shared>, socket: Arc<Registered>, room: OwnedFd) -> Self {
        Self {
            closes: Closes(Arc::clone(shared)),
            socket,
            room,
        }
    }

    /// Ends with the socket, or with the endpoint.
    pub(super) async fn run(self) {
        let Self {
            closes,
            socket,
            room,
        } = self;
        let shared = &closes.0;
        tokio::select! {
            () = shared.closed() => {}
            Ended = read(shared, &socket) => {}
            Ended = write(shared, room) => {}
        }
    }
}

/// Closes the endpoint when nobody reads its socket any more, also because the runtime ends before the socket does.
struct Closes(Arc<Shared>);

impl Drop for Closes {
    fn drop(&mut self) {
        self.0
            .change(|state, wakes| state.close(&Closed::WatcherGone, wakes));
    }
}

async fn read(shared: &Arc<Shared>, socket: &Registered) -> Ended {
    let mut buffer = vec![0; LONGEST_FRAME];
    loop {
        let Ok(mut ready) = socket.readable().await else {
            return Ended;
        };
        match read_turn(shared, socket, &mut buffer) {
            Ok(true) => ready.clear_ready(),
            Ok(false) => tokio::task::yield_now().await,
            Err(Ended) => return Ended,
        }
    }
}

/// Reads for a while; `true` when there is nothing more now.
fn read_turn(shared: &Arc<Shared>, socket: &Registered, buffer: &mut [u8]) -> Result<bool, Ended> {
    let mut received = 0;
    for _ in 0..FRAMES_PER_TURN {
        let Some(length) = receive(socket.get_ref().as_fd(), buffer)? else {
            return Ok(true);
        };
        let frame = &buffer[..length];
        let accepted = shared.change(|state, wakes| state.accept(frame, wakes));
        // Whoever talks nonsense is not listened to any more.
        accepted.map_err(|_| Ended)?;
        received += length;
        if received >= BYTES_PER_TURN {
            break;
        }
    }
    Ok(false)
}

async fn write(shared: &Arc<Shared>, mut room: OwnedFd) -> Ended {
    loop {
        shared.blocked.notified().await;
        let Ok(watched) = reactor::register(room, Interest::WRITABLE) else {
            return Ended;
        };
        if watched.writable().await.is_err() {
            return Ended;
        }
        room = watched.into_inner();
        shared.change(|state, wakes| {
            state.is_blocked = false;
            state.send_what_may(wakes);
        });
    }
}
