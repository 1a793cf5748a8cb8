//! Clients of HTTP/2 that keep their connections, and retry nothing that the server may have accepted.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use everport_tests::{Kind, PATIENCE, take_turn};
use h2::RecvStream;
use h2::client::SendRequest;
use hyper::body::Bytes;
use hyper::{Request, Response};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Interval, MissedTickBehavior};

const LONGEST_PAUSE: Duration = Duration::from_secs(3);
/// How many clients pause, in loads of their own.
const PAUSING: [u32; 3] = [1, 32, 300];
/// How many clients are busy, and how often each of them sends a request: 2,000 a second in all.
const BUSY: u32 = 32;
const BEAT: Duration = Duration::from_millis(16);
/// How long an answer is waited for.
const ANSWER: Duration = Duration::from_secs(20);

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What the clients of one load have seen together.
#[derive(Default)]
struct Tally {
    answered: AtomicU64,
    connections: AtomicU64,
    is_over: AtomicBool,
    lost: Mutex<Vec<Failure>>,
}

impl Tally {
    fn assert_lossless(&self) {
        let lost = self.lost.lock().unwrap();
        assert!(lost.is_empty(), "lost: {lost:?}");
    }
}

/// When a client sends its next request.
enum Pace {
    /// After a pause; the number makes the next one.
    Pausing(u64),
    /// At each beat.
    Busy(Interval),
}

impl Pace {
    async fn wait(&mut self) {
        match self {
            Self::Pausing(number) => {
                // The constants of Knuth's generator, whose high bits are the good ones.
                *number = number
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                let most = u64::try_from(LONGEST_PAUSE.as_millis()).unwrap();
                tokio::time::sleep(Duration::from_millis((*number >> 33) % most)).await;
            }
            Self::Busy(beat) => _ = beat.tick().await,
        }
    }
}

/// One client and its connection.
struct Client {
    address: SocketAddr,
    uri: String,
    tally: Arc<Tally>,
    sender: SendRequest<Bytes>,
}

impl Client {
    async fn connect(address: SocketAddr, path: &str, tally: Arc<Tally>) -> Result<Self, Failure> {
        Ok(Self {
            address,
            uri: format!("http://{address}{path}"),
            sender: open(address, &tally).await?,
            tally,
        })
    }

    /// Sends requests until all is over; the first one that is lost ends it.
    async fn run(mut self, mut pace: Pace) {
        while !self.tally.is_over.load(Ordering::Relaxed) {
            pace.wait().await;
            if let Err(failure) = self.ask_in_time().await {
                self.tally.lost.lock().unwrap().push(failure);
                return;
            }
            self.tally.answered.fetch_add(1, Ordering::Relaxed);
        }
    }

    async fn ask_in_time(&mut self) -> Result<(), Failure> {
        tokio::time::timeout(ANSWER, self.ask()).await?
    }

    /// Sends one request, on another connection if the server has said that it does not accept it on this one.
    async fn ask(&mut self) -> Result<(), Failure> {
        loop {
            match self.send().await {
                Ok(answer) => return read(answer).await,
                Err(error) if was_never_accepted(&error) => {
                    self.sender = open(self.address, &self.tally).await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn send(&self) -> Result<Response<RecvStream>, h2::Error> {
        let request = Request::get(&self.uri).body(()).unwrap();
        let (answer, _) = self
            .sender
            .clone()
            .ready()
            .await?
            .send_request(request, true)?;
        answer.await
    }
}

async fn open(address: SocketAddr, tally: &Tally) -> Result<SendRequest<Bytes>, Failure> {
    let stream = TcpStream::connect(address).await?;
    let (sender, connection) = h2::client::handshake(stream).await?;
    // What goes wrong with it is seen by the requests.
    tokio::spawn(connection);
    tally.connections.fetch_add(1, Ordering::Relaxed);
    Ok(sender)
}

/// Whether the server has named the last stream that it serves, and this request has a later one, or none. A
/// request that crosses the first `GOAWAY` is served. One that the client holds back until it has answered the
/// server's ping is not, and the client knows that. A connection that ends without `GOAWAY`, or before it has
/// answered what it had accepted, gives an error of another kind.
fn was_never_accepted(error: &h2::Error) -> bool {
    error.is_go_away() && error.is_remote() && error.reason() == Some(h2::Reason::NO_ERROR)
}

/// Reads an answer to its end.
async fn read(answer: Response<RecvStream>) -> Result<(), Failure> {
    if answer.status() != 200 {
        return Err(answer.status().as_str().into());
    }
    let mut body = answer.into_body();
    let mut text = Vec::new();
    while let Some(piece) = body.data().await {
        text.extend_from_slice(&piece?);
    }
    match text.as_slice() {
        b"Hello, World!" => Ok(()),
        other => Err(String::from_utf8_lossy(other).into()),
    }
}

/// Clients of one kind.
struct Load {
    tally: Arc<Tally>,
    clients: JoinSet<()>,
    count: u32,
    /// How many answers show something of a restart.
    shown: u64,
}

impl Load {
    async fn start(
        address: SocketAddr,
        count: u32,
        shown: u64,
        pace: impl Fn(u32) -> Pace,
    ) -> Self {
        let tally = Arc::new(Tally::default());
        let mut clients = JoinSet::new();
        for number in 0..count {
            // Some requests are under way whenever a drain begins.
            let path = if number % 8 == 1 { "/slow?ms=10" } else { "/" };
            let client = Client::connect(address, path, Arc::clone(&tally)).await;
            clients.spawn(client.unwrap().run(pace(number)));
        }
        Self {
            tally,
            clients,
            count,
            shown,
        }
    }

    /// Waits until there were so many answers more.
    async fn go_on(&self, more: u64) {
        let wanted = self.tally.answered.load(Ordering::Relaxed) + more;
        self.reach(wanted).await;
    }

    /// Waits until there were so many answers.
    async fn reach(&self, wanted: u64) {
        let enough = async {
            while self.tally.answered.load(Ordering::Relaxed) < wanted {
                self.tally.assert_lossless();
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let reached = tokio::time::timeout(PATIENCE, enough).await;
        reached.expect("the clients get on");
    }

    /// Sends no further request once pauses are over.
    fn stop(&self) {
        self.tally.is_over.store(true, Ordering::Relaxed);
    }

    /// Waits for its end; nothing was lost, and somebody was sent away.
    async fn finish(self) {
        self.clients.join_all().await;
        self.tally.assert_lossless();
        let connections = self.tally.connections.load(Ordering::Relaxed);
        assert!(connections > u64::from(self.count), "nobody was sent away");
    }
}

async fn crowd(address: SocketAddr) -> Vec<Load> {
    let mut loads = Vec::new();
    for count in PAUSING {
        let pace = |number| Pace::Pausing(u64::from(number));
        loads.push(Load::start(address, count, u64::from(count), pace).await);
    }
    let pace = |_| {
        let mut beat = tokio::time::interval(BEAT);
        // A client that is kept so busy that it does not answer a ping for seconds is taken for one that is gone.
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Pace::Busy(beat)
    };
    loads.push(Load::start(address, BUSY, 50 * u64::from(BUSY), pace).await);
    loads
}

async fn restarts_lose_no_request(kind: Kind, share: &str, restarts: usize) {
    let options = format!("-w 4 --settle 0 --share {share}");
    let cluster = Arc::new(kind.ready(&options, "--http --listen 127.0.0.1:0"));
    let loads = crowd(cluster.address()).await;
    for _ in 0..restarts {
        for load in &loads {
            load.go_on(1).await;
        }
        let restarted = Arc::clone(&cluster);
        tokio::task::spawn_blocking(move || restarted.restart())
            .await
            .unwrap();
    }
    for load in &loads {
        // The first of them may still have gone to an old worker.
        load.go_on(2).await;
        load.reach(load.shown * restarts as u64).await;
    }
    loads.iter().for_each(Load::stop);
    for load in loads {
        load.finish().await;
    }
    // Nobody waited for a client that had been sent away.
    cluster.log().wait_for_many(4 * restarts, "has drained: ");
    assert!(cluster.log().matching("timed out").is_empty());
}

#[test]
fn rolling_restarts_lose_no_request_of_http2() {
    let _turn = take_turn();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(restarts_lose_no_request(Kind::Processes, "reuseport", 3));
    runtime.block_on(restarts_lose_no_request(Kind::Processes, "transfer", 2));
    runtime.block_on(restarts_lose_no_request(Kind::Processes, "dispatch", 2));
}

#[test]
fn rolling_restarts_of_threads_lose_no_request_of_http2() {
    let _turn = take_turn();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(restarts_lose_no_request(Kind::Threads, "transfer", 1));
}
