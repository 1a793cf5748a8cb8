//! The owner of a service: a child process, and a successor whenever it dies.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use everport::transfer::{Received, Receiver, Sender};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::time::sleep;

/// How many connections may wait in the parent for a child that does not take them.
const MOST_WAITING: usize = 64;
/// A child that dies sooner than this is not replaced sooner than this.
const SHORT_LIFE: Duration = Duration::from_secs(1);

/// Where connections for a service go.
pub(crate) struct Owner {
    queue: mpsc::Sender<(TcpStream, Vec<u8>)>,
}

impl Owner {
    /// Starts a child for the service, and another one when it dies, as long as this is there.
    pub(crate) fn of(service: &'static str) -> Self {
        let (queue, connections) = mpsc::channel(MOST_WAITING);
        tokio::spawn(keep(service, connections));
        Self { queue }
    }

    /// Hands a connection over, with what was read of it. Gives it back when too many wait already.
    pub(crate) fn hand_over(&self, connection: TcpStream, read: Vec<u8>) -> Result<(), TcpStream> {
        let queued = self.queue.try_send((connection, read));
        queued.map_err(|refused| refused.into_inner().0)
    }
}

async fn keep(service: &str, mut connections: mpsc::Receiver<(TcpStream, Vec<u8>)>) {
    let mut waiting = VecDeque::new();
    loop {
        let start = Instant::now();
        match Serving::start(service) {
            Ok(serving) => match serving.feed(&mut connections, &mut waiting).await {
                Ok(()) => return,
                Err(error) => eprintln!("{service}: {error}"),
            },
            Err(error) => eprintln!("{service}: cannot start its process: {error}"),
        }
        sleep(SHORT_LIFE.saturating_sub(start.elapsed())).await;
    }
}

/// A child, and the stream that leads to it.
struct Serving {
    process: Child,
    sender: Sender,
    /// The child's end. It keeps what the child has not taken, even when the child is dead.
    untaken: UnixStream,
}

impl Serving {
    fn start(service: &str) -> io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        let untaken = theirs.try_clone()?;
        let process = Command::new(std::env::current_exe()?)
            .args(["serve", service])
            .stdin(OwnedFd::from(theirs))
            .spawn()?;
        println!(
            "{service} is served by process {}",
            process.id().unwrap_or_default()
        );
        Ok(Self {
            process,
            sender: Sender::from_std(ours)?,
            untaken,
        })
    }

    /// Sends connections to the child until it dies, and then takes back what it has not taken. Ends well when there will be
    /// no more connections.
    async fn feed(
        mut self,
        connections: &mut mpsc::Receiver<(TcpStream, Vec<u8>)>,
        waiting: &mut VecDeque<Received>,
    ) -> anyhow::Result<()> {
        let status = loop {
            if let Some(next) = waiting.front() {
                let before = self.sender.sent();
                tokio::select! {
                    sent = self.sender.send(&next.socket, &next.data) => sent?,
                    status = self.process.wait() => break status,
                }
                if self.sender.sent() > before {
                    waiting.pop_front();
                }
                continue;
            }
            tokio::select! {
                next = connections.recv() => match next {
                    Some((connection, data)) => waiting.push_back(Received {
                        socket: connection.into_std()?.into(),
                        data,
                    }),
                    None => return Ok(()),
                },
                status = self.process.wait() => break status,
            }
        };
        self.take_back(waiting).await?;
        anyhow::bail!("its process died: {}", status?)
    }

    /// What the child has not taken goes to the next one, before what has not been sent.
    async fn take_back(self, waiting: &mut VecDeque<Received>) -> anyhow::Result<()> {
        drop(self.sender);
        let mut receiver = Receiver::from_std(self.untaken)?;
        let mut untaken = VecDeque::new();
        let end = loop {
            match receiver.receive().await {
                Ok(Some(received)) => untaken.push_back(received),
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        untaken.append(waiting);
        *waiting = untaken;
        Ok(end?)
    }
}
