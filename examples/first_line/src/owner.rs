//! The owner of a service: a child process, and a successor whenever it dies.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use everport::transfer::{ReceiveError, Received, Receiver, SendError, Sender};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::time::sleep;

/// How many connections may wait in the parent for a child that does not take them.
const MOST_WAITING: usize = 64;
/// A child that dies sooner than this is not replaced sooner than this.
const SHORT_LIFE: Duration = Duration::from_secs(1);
/// How long the parent waits for descriptors to become free.
const PAUSE: Duration = Duration::from_millis(50);

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
        let why = loop {
            let step = match waiting.is_empty() {
                true => self.wait_for_one(connections, waiting).await,
                false => self.pass_one_on(waiting).await,
            };
            match step {
                Ok(Step::Done) => {}
                Ok(Step::NoMore) => return Ok(()),
                Err(why) => break why,
            }
        };
        // Two who read the same stream would each get a part of a connection. Most often it is dead already.
        self.process.kill().await.ok();
        if let Err(error) = self.take_back(waiting).await {
            return Err(why.context(error));
        }
        Err(why)
    }

    async fn wait_for_one(
        &mut self,
        connections: &mut mpsc::Receiver<(TcpStream, Vec<u8>)>,
        waiting: &mut VecDeque<Received>,
    ) -> anyhow::Result<Step> {
        let next = tokio::select! {
            next = connections.recv() => next,
            status = self.process.wait() => return Err(died(status)),
        };
        let Some((connection, data)) = next else {
            return Ok(Step::NoMore);
        };
        match connection.into_std() {
            Ok(connection) => waiting.push_back(Received {
                socket: connection.into(),
                data,
            }),
            Err(error) => eprintln!("a connection is lost: {error}"),
        }
        Ok(Step::Done)
    }

    async fn pass_one_on(&mut self, waiting: &mut VecDeque<Received>) -> anyhow::Result<Step> {
        let Some(next) = waiting.front() else {
            return Ok(Step::Done);
        };
        let before = self.sender.sent();
        let sent = tokio::select! {
            sent = self.sender.send(&next.socket, &next.data) => Ok(sent),
            status = self.process.wait() => Err(died(status)),
        };
        // Whatever else has happened: what has left is not sent to another child, too.
        if self.sender.sent() > before {
            waiting.pop_front();
        }
        match sent? {
            Ok(()) => {}
            Err(SendError::TooManyOnTheWay) => sleep(PAUSE).await,
            Err(error @ (SendError::TooLong { .. } | SendError::Unsupported(_))) => {
                eprintln!("a connection is lost: {error}");
                waiting.pop_front();
            }
            Err(error) => return Err(error.into()),
        }
        Ok(Step::Done)
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
                // After these the next one can still be had.
                Err(ReceiveError::NoDescriptorFree) => sleep(PAUSE).await,
                Err(error @ (ReceiveError::SocketLost { .. } | ReceiveError::Unsupported(_))) => {
                    eprintln!("a connection is lost: {error}");
                }
                Err(error) => break Err(error),
            }
        };
        untaken.append(waiting);
        *waiting = untaken;
        Ok(end?)
    }
}

/// What became of a step.
enum Step {
    Done,
    /// There will be no more connections.
    NoMore,
}

fn died(status: io::Result<ExitStatus>) -> anyhow::Error {
    match status {
        Ok(status) => anyhow::anyhow!("its process died: {status}"),
        Err(error) => error.into(),
    }
}
