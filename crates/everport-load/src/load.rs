//! What a load is to do, and its checking before it starts.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::http1::Response;
use crate::running::RunningLoad;
use crate::target::{Target, TargetError};

/// A load to be started: a number of clients that send requests to one server.
///
/// Unless said otherwise: 8 clients, one connection per request, each as fast as it can, `GET /`, status
/// 200 expected with any body, time-out 10 s, until stopped or for 60 s.
#[derive(Debug, Clone)]
pub struct Load {
    plan: Plan,
}

/// Why a load cannot start.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The target is not one a load may go to.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// A number is out of its range.
    #[error("{what} is {value}: it must be {range}")]
    OutOfRange {
        /// Which number.
        what: &'static str,
        /// What was given.
        value: String,
        /// What would be right.
        range: &'static str,
    },
    /// Two settings exclude each other.
    #[error("{0}")]
    Contradiction(&'static str),
    /// The load's threads could not be started.
    #[error("cannot start the load's threads: {0}")]
    Start(#[source] io::Error),
}

/// Finds out from an answer which worker gave it.
pub(crate) type Identify = Arc<dyn Fn(&Response<'_>) -> Option<String> + Send + Sync>;

/// What the clients need to know.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) target: Target,
    pub(crate) clients: usize,
    pub(crate) keep_alive: bool,
    /// Requests per second of all clients together; `None`: as fast as they can.
    pub(crate) rate: Option<f64>,
    pub(crate) longest_pause: Duration,
    pub(crate) seed: u64,
    pub(crate) path: String,
    pub(crate) connect_timeout: Duration,
    pub(crate) answer_timeout: Duration,
    pub(crate) expected_status: u16,
    pub(crate) expected_body: Option<Vec<u8>>,
    pub(crate) identify: Identify,
    pub(crate) duration: Duration,
    pub(crate) requests: u64,
    pub(crate) source_addresses: u8,
    pub(crate) examples: usize,
    /// How many requests are kept one by one.
    pub(crate) traces: usize,
}

impl Load {
    /// A load on `target`.
    #[must_use]
    pub fn new(target: impl Into<Target>) -> Self {
        Self {
            plan: Plan {
                target: target.into(),
                clients: 8,
                keep_alive: false,
                rate: None,
                longest_pause: Duration::ZERO,
                seed: 1,
                path: "/".to_owned(),
                connect_timeout: Duration::from_secs(10),
                answer_timeout: Duration::from_secs(10),
                expected_status: 200,
                expected_body: None,
                identify: Arc::new(|response| response.header("x-worker").map(str::to_owned)),
                duration: Duration::from_secs(60),
                requests: MOST_REQUESTS,
                source_addresses: 1,
                examples: 10,
                traces: 0,
            },
        }
    }

    /// How many clients there are; each has at most one request on its way.
    #[must_use]
    pub fn clients(mut self, clients: usize) -> Self {
        self.plan.clients = clients;
        self
    }

    /// One connection per request, asking for `Connection: close`.
    #[must_use]
    pub fn one_shot(mut self) -> Self {
        self.plan.keep_alive = false;
        self
    }

    /// A connection carries requests until the server says `Connection: close`, or closes it while it is
    /// idle and before the next request is sent.
    #[must_use]
    pub fn keep_alive(mut self) -> Self {
        self.plan.keep_alive = true;
        self
    }

    /// A constant rate of requests per second, of all clients together. Latency then counts from each
    /// request's intended start.
    #[must_use]
    pub fn rate(mut self, requests_per_second: impl Into<f64>) -> Self {
        self.plan.rate = Some(requests_per_second.into());
        self
    }

    /// Each client sends its next request as soon as the one before has ended.
    #[must_use]
    pub fn as_fast_as_possible(mut self) -> Self {
        self.plan.rate = None;
        self
    }

    /// Keep-alive clients pause before each further request, at random for zero to this long (to the
    /// millisecond).
    #[must_use]
    pub fn pause_up_to(mut self, longest: Duration) -> Self {
        self.plan.longest_pause = longest;
        self
    }

    /// The seed of the random pauses.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.plan.seed = seed;
        self
    }

    /// The path to ask for, with its query.
    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.plan.path = path.into();
        self
    }

    /// How long to wait for a connection, and how long for a whole answer: each up to this.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.plan.connect_timeout = timeout;
        self.plan.answer_timeout = timeout;
        self
    }

    /// How long to wait for a connection.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.plan.connect_timeout = timeout;
        self
    }

    /// How long to wait for a whole answer, from the beginning of sending the request.
    #[must_use]
    pub fn answer_timeout(mut self, timeout: Duration) -> Self {
        self.plan.answer_timeout = timeout;
        self
    }

    /// The status that answers must have.
    #[must_use]
    pub fn expect_status(mut self, status: u16) -> Self {
        self.plan.expected_status = status;
        self
    }

    /// The body that answers must have, to the byte.
    #[must_use]
    pub fn expect_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.plan.expected_body = Some(body.into());
        self
    }

    /// How to find out from an answer which worker gave it. Unless set, its `x-worker` header says so.
    #[must_use]
    pub fn identify(
        mut self,
        identify: impl Fn(&Response<'_>) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.plan.identify = Arc::new(identify);
        self
    }

    /// The load ends by itself after this long; requests on their way are finished.
    #[must_use]
    pub fn duration(mut self, duration: Duration) -> Self {
        self.plan.duration = duration;
        self
    }

    /// The load ends by itself after this many requests.
    #[must_use]
    pub fn requests(mut self, requests: u64) -> Self {
        self.plan.requests = requests;
        self
    }

    /// Connects from `127.0.0.1` to `127.0.0.n` in turn, so that each has port numbers of its own.
    #[must_use]
    pub fn source_addresses(mut self, n: u8) -> Self {
        self.plan.source_addresses = n;
        self
    }

    /// How many failures the report shows in full: the first ones.
    #[must_use]
    pub fn examples(mut self, examples: usize) -> Self {
        self.plan.examples = examples;
        self
    }

    /// Keeps the first `most` requests one by one, for a plot of latency over time: 40 bytes each. Unless
    /// set, none.
    #[must_use]
    pub fn traces(mut self, most: usize) -> Self {
        self.plan.traces = most;
        self
    }

    /// Starts the load on a thread of its own, so that the caller can do things meanwhile.
    ///
    /// # Errors
    /// When the target is not on this machine, a number is out of its range, two settings contradict each
    /// other, or no thread can be started.
    pub fn start(self) -> Result<RunningLoad, LoadError> {
        self.plan.check()?;
        RunningLoad::start(self.plan).map_err(LoadError::Start)
    }
}

impl Plan {
    fn check(&self) -> Result<(), LoadError> {
        self.target.check()?;
        self.check_numbers()?;
        self.check_path()?;
        let is_v4 = matches!(self.target, Target::Tcp(address) if address.is_ipv4());
        if self.source_addresses > 1 && !is_v4 {
            return Err(LoadError::Contradiction(
                "several source addresses need an IPv4 target: [::1] is alone, Unix sockets have no ports",
            ));
        }
        if self.longest_pause.is_zero() {
            return Ok(());
        }
        if !self.keep_alive {
            return Err(LoadError::Contradiction(
                "pauses are between the requests of a connection: they need keep-alive",
            ));
        }
        if self.rate.is_some() {
            return Err(LoadError::Contradiction(
                "pauses and a constant rate exclude each other: a pausing client would make requests late \
                 and the server would be blamed",
            ));
        }
        Ok(())
    }

    fn check_numbers(&self) -> Result<(), LoadError> {
        let in_range = |holds: bool, what, value: &dyn fmt::Debug, range| {
            holds.then_some(()).ok_or_else(|| LoadError::OutOfRange {
                what,
                value: format!("{value:?}"),
                range,
            })
        };
        let clients = (1..=MOST_CLIENTS).contains(&self.clients);
        in_range(
            clients,
            "the number of clients",
            &self.clients,
            "1 to 20000",
        )?;
        let rate = self.rate.unwrap_or(1.0);
        let possible = (SLOWEST_RATE..=FASTEST_RATE).contains(&rate);
        in_range(
            possible,
            "the rate",
            &rate,
            "0.001 to 1000000 requests a second",
        )?;
        let requests = (1..=MOST_REQUESTS).contains(&self.requests);
        in_range(
            requests,
            "the number of requests",
            &self.requests,
            "1 to 10^12",
        )?;
        let day = Duration::from_millis(1)..=LONGEST_DURATION;
        let range = "1 ms to 24 h";
        in_range(
            day.contains(&self.duration),
            "the duration",
            &self.duration,
            range,
        )?;
        for timeout in [self.connect_timeout, self.answer_timeout] {
            in_range(day.contains(&timeout), "a time-out", &timeout, range)?;
        }
        let pause = self.longest_pause <= LONGEST_DURATION;
        in_range(
            pause,
            "the longest pause",
            &self.longest_pause,
            "up to 24 h",
        )?;
        let sources = (1..=254).contains(&self.source_addresses);
        in_range(
            sources,
            "the number of source addresses",
            &self.source_addresses,
            "1 to 254",
        )
    }

    fn check_path(&self) -> Result<(), LoadError> {
        let is_path = self.path.starts_with('/') && self.path.bytes().all(|b| b.is_ascii_graphic());
        is_path.then_some(()).ok_or_else(|| LoadError::OutOfRange {
            what: "the path",
            value: format!("{:?}", self.path),
            range: "printable ASCII beginning with a slash",
        })
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan")
            .field("target", &self.target)
            .field("clients", &self.clients)
            .field("keep_alive", &self.keep_alive)
            .field("rate", &self.rate)
            .finish_non_exhaustive()
    }
}

/// The begin of a report: what was done.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} clients, ", self.target, self.clients)?;
        f.write_str(if self.keep_alive {
            "keep-alive"
        } else {
            "one connection per request"
        })?;
        match self.rate {
            Some(rate) => write!(f, ", {rate} requests/s")?,
            None => f.write_str(", as fast as possible")?,
        }
        if !self.longest_pause.is_zero() {
            write!(
                f,
                ", pauses up to {:?} (seed {})",
                self.longest_pause, self.seed
            )?;
        }
        Ok(())
    }
}

/// Each client holds one descriptor and needs one port number; there are 28,000 by default.
const MOST_CLIENTS: usize = 20_000;
/// Below one request in a quarter of an hour nobody needs a load generator.
const SLOWEST_RATE: f64 = 0.001;
/// Far beyond what one thread can send, and still exact in the schedule's arithmetic.
const FASTEST_RATE: f64 = 1e6;
/// A day at ten times the fastest rate; it fits a semaphore's permits.
const MOST_REQUESTS: u64 = 1_000_000_000_000;
/// It bounds the time series' memory: 864,000 buckets.
const LONGEST_DURATION: Duration = Duration::from_secs(24 * 60 * 60);
