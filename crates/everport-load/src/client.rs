//! One client: sends a request, waits for its answer, and says what it saw.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};

use crate::connection::{ClosedBy, Connection, Idle};
use crate::failure::{Failure, Phase, Seen};
use crate::http1::{self, Answer, Fault};
use crate::random::Random;
use crate::recorder::Finished;
use crate::running::Shared;

/// One client. It has at most one request on its way and never sends one twice.
pub(crate) struct Client {
    shared: Arc<Shared>,
    request: Vec<u8>,
    source: Option<Ipv4Addr>,
    random: Random,
    /// The connection kept for the next request.
    kept: Option<Connection>,
}

/// When a request should start and when it does.
pub(crate) struct Start {
    pub(crate) intended: Instant,
    pub(crate) actual: Instant,
}

impl Client {
    pub(crate) fn new(shared: Arc<Shared>, number: usize) -> Self {
        let plan = &shared.plan;
        let host = match plan.target {
            crate::Target::Tcp(address) => address.to_string(),
            _ => "localhost".to_owned(),
        };
        let request = http1::request(&plan.path, &host, !plan.keep_alive);
        let turn = number % usize::from(plan.source_addresses);
        // The remainder is below 254.
        let last_byte = u8::try_from(turn + 1).unwrap_or(1);
        let source = (plan.source_addresses > 1).then_some(Ipv4Addr::new(127, 0, 0, last_byte));
        let random = Random::new(plan.seed, number as u64);
        Self {
            shared,
            request,
            source,
            random,
            kept: None,
        }
    }

    /// Sends requests until the load ends.
    pub(crate) async fn run(mut self) {
        while let Some(start) = self.shared.next_start().await {
            let (result, ended) = self.send_one().await;
            let failed = result.is_err();
            self.shared.record(Finished {
                intended: start.intended,
                started: start.actual,
                ended,
                result,
            });
            self.pause(failed).await;
        }
    }

    /// One request, from its connection to its verdict, and when that was clear.
    async fn send_one(&mut self) -> (Result<Option<String>, Failure>, Instant) {
        let mut connection = match self.take_connection().await {
            Ok(connection) => connection,
            Err(failure) => return (Err(failure), Instant::now()),
        };
        let result = self.exchange(&mut connection).await;
        let ended = Instant::now();
        let verdict = match result {
            Ok(answer) => self.judge_and_keep(connection, &answer).await,
            Err(failure) => Err(failure),
        };
        (verdict, ended)
    }

    /// The kept connection if it is still open, or a fresh one.
    async fn take_connection(&mut self) -> Result<Connection, Failure> {
        match self.kept.take() {
            Some(kept) => match kept.idle() {
                Idle::Open => Ok(kept),
                Idle::ClosedByServer => {
                    drop(kept);
                    self.shared.recorder().connections().closed_while_idle += 1;
                    self.connect().await
                }
                Idle::Talking => Err(Failure::bad_answer("bytes came on an idle connection")),
            },
            None => self.connect().await,
        }
    }

    async fn connect(&self) -> Result<Connection, Failure> {
        let plan = &self.shared.plan;
        let begin = Instant::now();
        let opening = Connection::open(&plan.target, self.source);
        let opened = timeout(plan.connect_timeout, opening).await;
        let mut recorder = self.shared.recorder();
        let connections = recorder.connections();
        connections.longest_wait = connections.longest_wait.max(begin.elapsed());
        match opened {
            Ok(Ok(connection)) => {
                connections.opened += 1;
                Ok(connection)
            }
            Ok(Err(error)) => Err(Failure::connecting(&error)),
            Err(_) => {
                let detail = format!("no connection within {:?}", plan.connect_timeout);
                Err(Failure::timed_out(Phase::Connect, detail))
            }
        }
    }

    async fn exchange(&self, connection: &mut Connection) -> Result<Answer, Failure> {
        let limit = self.shared.plan.answer_timeout;
        let exchanged = timeout(limit, http1::exchange(connection, &self.request)).await;
        let seen = Seen {
            reused: connection.answers > 0,
            bytes: connection.received.len(),
        };
        let failure = match exchanged {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(Fault::Broken(error))) => Failure::broken(error.as_ref(), seen),
            Ok(Err(Fault::Malformed(detail))) => Failure::bad_answer(detail),
            Err(_) => {
                let detail = format!("{} bytes of the answer within {limit:?}", seen.bytes);
                Failure::timed_out(Phase::Answer, detail)
            }
        };
        let number = connection.answers + 1;
        let detail = format!("request {number} of its connection: {}", failure.detail);
        Err(Failure { detail, ..failure })
    }

    /// Whether the answer is the expected one, and who gave it.
    fn judge(&self, connection: &Connection, answer: &Answer) -> Result<Option<String>, Failure> {
        let plan = &self.shared.plan;
        let response = answer.response(&connection.received);
        let body = http1::excerpt(response.body);
        if response.status != plan.expected_status {
            let (status, expected) = (response.status, plan.expected_status);
            let detail = format!("status {status} with body {body}, expected {expected}");
            return Err(Failure::bad_answer(detail));
        }
        if let Some(expected) = &plan.expected_body
            && response.body != expected
        {
            let detail = format!("body {body}, expected {}", http1::excerpt(expected));
            return Err(Failure::bad_answer(detail));
        }
        if connection.received.len() > answer.length {
            let excess = http1::excerpt(&connection.received[answer.length..]);
            return Err(Failure::bad_answer(format!(
                "{excess} after the answer's end"
            )));
        }
        Ok((plan.identify)(&response))
    }

    /// Judges the answer, then keeps the connection if all is well and both sides want that, or sees it
    /// closed.
    async fn judge_and_keep(
        &mut self,
        mut connection: Connection,
        answer: &Answer,
    ) -> Result<Option<String>, Failure> {
        let verdict = self.judge(&connection, answer);
        connection.answers += 1;
        if verdict.is_ok() && self.shared.plan.keep_alive && answer.keeps_alive {
            self.kept = Some(connection);
            return verdict;
        }
        match connection.close().await {
            ClosedBy::Server => verdict,
            ClosedBy::Us => {
                self.shared.recorder().connections().closed_by_client += 1;
                verdict
            }
            ClosedBy::Excess => verdict.and(Err(Failure::bad_answer(
                "bytes came after the answer's end",
            ))),
        }
    }

    /// The pause before the next request, ended early by the end of the load.
    async fn pause(&mut self, failed: bool) {
        let plan = &self.shared.plan;
        let length = if failed && plan.rate.is_none() {
            PAUSE_AFTER_FAILURE
        } else if plan.longest_pause.is_zero() {
            return;
        } else {
            self.random.duration_up_to(plan.longest_pause)
        };
        tokio::select! {
            () = sleep(length) => {}
            () = self.shared.ended() => {}
        }
    }
}

/// A server that refuses everybody must not be asked so often that it has no time to come back.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(1);
