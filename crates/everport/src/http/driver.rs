//! Drives one connection: through its life, and through the drain at its end.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use everport_core::DrainReason;
use hyper::body::{Body, Incoming};
use hyper::rt::{Read, Write};
use hyper::service::Service;
use hyper::{Request, Response};
use hyper_util::rt::TokioExecutor;
use hyper_util::server::conn::auto::{HttpServerConnExec, UpgradeableConnection};
use tokio::time::Sleep;

use super::exchange::Exchange;
use super::service::AnyError;
use crate::cluster::{Phase, State};
use crate::listener::Connections;

/// For how long a client's end is waited for at most when ours has come. It needs a round trip, whatever pauses between
/// requests it is granted.
const FAREWELL: Duration = Duration::from_secs(5);

/// How long clients are given.
#[derive(Debug, Clone)]
pub(super) struct Patience {
    pub(super) idle_minimum_on_rollout: Duration,
    pub(super) idle_minimum_on_stop: Duration,
    pub(super) header_read_timeout: Duration,
}

/// A connection of hyper's, in motion.
pub(super) trait Serving: Future<Output = Result<(), AnyError>> {
    /// Ends it: at once when hyper takes it for idle, with `GOAWAY` when it is HTTP/2.
    fn shut_down(self: Pin<&mut Self>);
}

impl<I, S, B> Serving for UpgradeableConnection<'_, I, S, TokioExecutor>
where
    S: Service<Request<Incoming>, Response = Response<B>>,
    S::Future: 'static,
    S::Error: Into<AnyError>,
    B: Body + 'static,
    B::Error: Into<AnyError>,
    I: Read + Write + Unpin + Send + 'static,
    TokioExecutor: HttpServerConnExec<S::Future, B>,
{
    fn shut_down(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// Serves a connection until it ends, is upgraded, or is cut at the deadline of a drain.
pub(super) async fn drive<C: Serving>(
    connection: Pin<&mut C>,
    exchange: &Exchange,
    state: &State,
    patience: &Patience,
) {
    let alarm = pin!(tokio::time::sleep(Duration::ZERO));
    let mut driver = Driver {
        connection,
        exchange,
        patience,
        alarm,
        head: AwaitedHead::default(),
    };
    if !driver.serve(&state.connections).await {
        driver.drain(state).await;
    }
}

struct Driver<'a, C> {
    connection: Pin<&'a mut C>,
    exchange: &'a Exchange,
    patience: &'a Patience,
    alarm: Pin<&'a mut Sleep>,
    head: AwaitedHead,
}

impl<C: Serving> Driver<'_, C> {
    /// Serves until a drain begins, or until the connection ends: then it returns `true`.
    async fn serve(&mut self, connections: &Connections) -> bool {
        let drain = pin!(connections.drain_began());
        let mut drain = Seldom::new(drain);
        poll_fn(|cx| {
            if self.connection.as_mut().poll(cx).is_ready() {
                return Poll::Ready(true); // a client's fault is no error of the server's
            }
            if self.exchange.is_draining() || drain.poll(cx).is_ready() {
                return Poll::Ready(false);
            }
            let due = self.head.due(self.exchange, self.patience);
            self.poll_alarm(due, cx).map(|()| true)
        })
        .await
    }

    /// Serves until the connection has ended, or the drain's deadline is over.
    async fn drain(&mut self, state: &State) {
        let mut phase = state.watch_phase();
        let mut idle = Idle::since_now(self.exchange);
        while *phase.borrow_and_update() < Phase::Expired {
            let reason = state.drain().map(|drain| drain.reason);
            let minimum = self.patience.idle_minimum(reason);
            tokio::select! {
                biased;
                () = poll_fn(|cx| self.poll_draining(&mut idle, minimum, cx)) => return,
                // The drain has become shorter, or its deadline is over. An error cannot be: the state lives.
                _ = phase.changed() => {}
            }
        }
    }

    fn poll_draining(
        &mut self,
        idle: &mut Idle,
        minimum: Duration,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        loop {
            if self.connection.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            if self.exchange.is_http2() {
                if self.exchange.is_told() {
                    // The protocol does the rest, if the client has its part in it.
                    let due = idle.due_if_mute(self.exchange, minimum);
                    return self.poll_alarm(due, cx);
                }
            } else if let Some(due) = idle.due(self.exchange, minimum) {
                std::task::ready!(self.poll_alarm(Some(due), cx));
            } else {
                let due = self.head.due(self.exchange, self.patience);
                return self.poll_alarm(due, cx);
            }
            self.exchange.tell();
            self.connection.as_mut().shut_down();
        }
    }

    /// Ready when the moment has come.
    fn poll_alarm(&mut self, due: Option<Instant>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(due) = due else { return Poll::Pending };
        if self.alarm.deadline() != due.into() {
            self.alarm.as_mut().reset(due.into());
        }
        self.alarm.as_mut().poll(cx)
    }
}

impl Patience {
    /// How long a connection must have been idle. Only a stop is in a hurry.
    fn idle_minimum(&self, reason: Option<DrainReason>) -> Duration {
        match reason {
            Some(DrainReason::Stop) => self.idle_minimum_on_stop,
            _ => self.idle_minimum_on_rollout,
        }
    }
}

/// A head of a request that has not come in whole.
#[derive(Debug, Default)]
struct AwaitedHead {
    /// Its number, and when it is given up.
    awaited: Option<(u32, Instant)>,
}

impl AwaitedHead {
    /// When to give up the head that is being waited for, if one is. Most heads come in whole, and then no
    /// clock is looked at.
    fn due(&mut self, exchange: &Exchange, patience: &Patience) -> Option<Instant> {
        let number = exchange.awaited_head();
        self.awaited = match (number, self.awaited) {
            (Some(number), Some(awaited)) if awaited.0 == number => Some(awaited),
            (Some(number), _) => {
                let due = Instant::now().checked_add(patience.header_read_timeout)?;
                Some((number, due))
            }
            (None, _) => None,
        };
        self.awaited.map(|(_, due)| due)
    }
}

/// Since when a connection has been idle. Nobody looks at the clock before a drain: then all of them count as
/// having been active until it began.
#[derive(Debug)]
struct Idle {
    activity: u32,
    since: Instant,
}

impl Idle {
    fn since_now(exchange: &Exchange) -> Self {
        Self {
            activity: exchange.activity(),
            since: Instant::now(),
        }
    }

    /// When the connection will have been idle for the minimum, if it is idle and was not closed for it.
    fn due(&mut self, exchange: &Exchange, minimum: Duration) -> Option<Instant> {
        self.look_at(exchange);
        let may_close = exchange.is_idle() && !exchange.is_told();
        self.since.checked_add(minimum).filter(|_| may_close)
    }

    /// When a client that does not reply any more will have been silent for the minimum.
    fn due_if_mute(&mut self, exchange: &Exchange, minimum: Duration) -> Option<Instant> {
        self.look_at(exchange);
        let may_close = exchange.is_mute();
        let minimum = match exchange.is_leaving() {
            true => minimum.min(FAREWELL),
            false => minimum,
        };
        self.since.checked_add(minimum).filter(|_| may_close)
    }

    fn look_at(&mut self, exchange: &Exchange) {
        if exchange.activity() != self.activity {
            *self = Self::since_now(exchange);
        }
    }
}

/// Polls a future only when the task that waits for it is another one than the last time: polling one that waits
/// for a signal takes a lock, and a connection is polled for each of its requests. The future must wake whoever
/// waits only when it is ready.
struct Seldom<F> {
    future: F,
    waiting: Option<Waker>,
}

impl<F: Future + Unpin> Seldom<F> {
    fn new(future: F) -> Self {
        Self {
            future,
            waiting: None,
        }
    }

    /// Ready only when it is polled for the first time or by another task: whoever is woken looks at what it
    /// was woken for.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<F::Output> {
        let is_known = self
            .waiting
            .as_ref()
            .is_some_and(|waker| waker.will_wake(cx.waker()));
        if is_known {
            return Poll::Pending;
        }
        self.waiting = Some(cx.waker().clone());
        Pin::new(&mut self.future).poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_farewell_has_the_minimum_and_a_limit_of_its_own() {
        let exchange = Exchange::new(Arc::new(Connections::new()));
        let mut idle = Idle::since_now(&exchange);
        let since = idle.since;
        let mut due = |minimum| idle.due_if_mute(&exchange, minimum);
        exchange.tell();
        assert_eq!(due(FAREWELL * 9), Some(since + FAREWELL * 9));
        exchange.leave();
        assert_eq!(due(FAREWELL * 9), Some(since + FAREWELL));
        assert_eq!(due(FAREWELL / 9), Some(since + FAREWELL / 9));
    }
}
