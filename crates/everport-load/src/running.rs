//! A load that runs: its thread, its progress, its end.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use std::{io, panic, thread};

use tokio::runtime::Runtime;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::sleep_until;

use crate::client::{Client, Start};
use crate::load::Plan;
use crate::pace::{Pacer, Schedule};
use crate::recorder::{Finished, Recorder};
use crate::report::Report;

/// A load that runs on a thread of its own. Dropped without [`stop`](Self::stop), it is given up.
#[derive(Debug)]
pub struct RunningLoad {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Report>>,
}

/// A load has not come as far as it was waited for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{completed} of {wanted} requests were completed within {waited:?}{}", if *.ended { ", and the load has ended" } else { "" })]
pub struct NotReached {
    /// How many had ended, failed ones included.
    pub completed: u64,
    /// How many were waited for.
    pub wanted: u64,
    /// Whether the load has ended, so that waiting longer would not help.
    pub ended: bool,
    waited: Duration,
}

impl RunningLoad {
    pub(crate) fn start(plan: Plan) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let shared = Arc::new(Shared::new(plan));
        let pacer = shared.start_pacer()?;
        let of_thread = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("load".to_owned())
            .spawn(move || run(&runtime, &of_thread, pacer))?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// When it began: every time in its report counts from here.
    #[must_use]
    pub fn begin(&self) -> Instant {
        self.shared.begin
    }

    /// How many requests have ended, failed ones included.
    #[must_use]
    pub fn completed(&self) -> u64 {
        self.shared.progress().completed
    }

    /// What was found out so far.
    #[must_use]
    pub fn report_so_far(&self) -> Report {
        self.shared.recorder().report(0)
    }

    /// Waits until `wanted` requests have ended since the load's begin, failed ones included.
    ///
    /// # Errors
    /// When that has not happened within `limit`, or the load ended before.
    pub fn wait_for_completed(&self, wanted: u64, limit: Duration) -> Result<(), NotReached> {
        self.shared.wait_for_completed(wanted, limit)
    }

    /// Waits until `more` requests have ended from now on, failed ones included.
    ///
    /// # Errors
    /// When that has not happened within `limit`, or the load ended before.
    pub fn wait_for_more(&self, more: u64, limit: Duration) -> Result<(), NotReached> {
        self.wait_for_completed(self.completed().saturating_add(more), limit)
    }

    /// Sends no further request, lets those on their way end, and reports. It takes at most as long as a
    /// request can: the time-outs of connecting and of the answer.
    ///
    /// # Panics
    /// When the closure that identifies workers has panicked: with the same payload.
    #[must_use]
    pub fn stop(self) -> Report {
        self.shared.order(Order::Finish);
        self.wait()
    }

    /// Waits until the load has ended by itself, by its duration or number of requests, and reports.
    ///
    /// # Panics
    /// When the closure that identifies workers has panicked: with the same payload.
    #[must_use]
    pub fn wait(mut self) -> Report {
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(report)) => report,
            Some(Err(payload)) => panic::resume_unwind(payload),
            None => self.report_so_far(),
        }
    }
}

impl Drop for RunningLoad {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.shared.order(Order::GiveUp);
            // Whoever drops it wants no report; a panic has been printed by its own thread.
            drop(thread.join());
        }
    }
}

/// What a running load is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Order {
    Run,
    Finish,
    GiveUp,
}

/// What the clients, the pacer and the owner of a load share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) plan: Plan,
    schedule: Option<Schedule>,
    begin: Instant,
    order: watch::Sender<Order>,
    /// How many requests have been started.
    started: AtomicU64,
    /// One permit for each request that is due and not started, at a constant rate.
    due: Arc<Semaphore>,
    recorder: Mutex<Recorder>,
    progress: Mutex<Progress>,
    progressed: Condvar,
}

/// What somebody may be waiting for.
#[derive(Debug, Default)]
struct Progress {
    completed: u64,
    ended: bool,
    /// The least number anybody waits for; nobody is woken before.
    wake_at: Option<u64>,
}

impl Shared {
    fn new(plan: Plan) -> Self {
        let begin = match plan.rate {
            Some(_) => Instant::now() + THREADS_COME_UP,
            None => Instant::now(),
        };
        let schedule = plan.rate.map(|rate| Schedule {
            begin,
            rate,
            limit: plan.requests,
        });
        let recorder = Recorder::new(&plan, begin);
        Self {
            plan,
            schedule,
            begin,
            order: watch::Sender::new(Order::Run),
            started: AtomicU64::new(0),
            due: Arc::new(Semaphore::new(0)),
            recorder: Mutex::new(recorder),
            progress: Mutex::default(),
            progressed: Condvar::new(),
        }
    }

    fn start_pacer(&self) -> io::Result<Option<Pacer>> {
        let pacer = |schedule| Pacer::start(schedule, Arc::clone(&self.due));
        self.schedule.map(pacer).transpose()
    }

    /// Waits until a client may send its next request; `None` when the load ends.
    pub(crate) async fn next_start(&self) -> Option<Start> {
        if self.schedule.is_some() && !self.is_due().await {
            return None;
        }
        if *self.order.borrow() != Order::Run {
            return None;
        }
        // Only this thread's clients count here, so that nothing depends on the order of memory.
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        if number >= self.plan.requests {
            self.started.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        if number + 1 == self.plan.requests {
            // No permit will come any more: the other clients must not wait for one.
            self.due.close();
        }
        let actual = Instant::now();
        let intended = self
            .schedule
            .map(|schedule| schedule.intended_start(number));
        Some(Start {
            intended: intended.unwrap_or(actual),
            actual,
        })
    }

    /// Resolves when no further request is to be sent. Cancellation safe.
    pub(crate) async fn ended(&self) {
        self.ordered(Order::Finish).await;
    }

    pub(crate) fn recorder(&self) -> MutexGuard<'_, Recorder> {
        self.recorder.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn record(&self, finished: Finished) {
        self.recorder().record(finished);
        let mut progress = self.progress();
        progress.completed += 1;
        if progress
            .wake_at
            .is_some_and(|wanted| progress.completed >= wanted)
        {
            progress.wake_at = None;
            self.progressed.notify_all();
        }
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_for_completed(&self, wanted: u64, limit: Duration) -> Result<(), NotReached> {
        let begin = Instant::now();
        let mut progress = self.progress();
        loop {
            if progress.completed >= wanted {
                return Ok(());
            }
            let left = limit.saturating_sub(begin.elapsed());
            if progress.ended || left.is_zero() {
                return Err(NotReached {
                    completed: progress.completed,
                    wanted,
                    ended: progress.ended,
                    waited: begin.elapsed(),
                });
            }
            progress.wake_at = Some(progress.wake_at.map_or(wanted, |least| least.min(wanted)));
            let woken = self.progressed.wait_timeout(progress, left);
            progress = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Orders are only ever made stricter.
    fn order(&self, order: Order) {
        self.order.send_if_modified(|current| {
            let stricter = order > *current;
            *current = order.max(*current);
            stricter
        });
    }

    async fn ordered(&self, order: Order) {
        // The sender lives as long as this, so that waiting cannot fail.
        drop(self.order.subscribe().wait_for(|now| *now >= order).await);
    }

    /// Waits until a request is due; false when the load ends first.
    async fn is_due(&self) -> bool {
        match self.due.acquire().await {
            Ok(permit) => {
                permit.forget();
                true
            }
            Err(_closed) => false,
        }
    }

    fn unsent(&self) -> u64 {
        let due = self
            .schedule
            .map_or(0, |schedule| schedule.due(Instant::now()));
        due.saturating_sub(self.started.load(Ordering::Relaxed))
    }
}

/// Says that the load has ended to whoever waits, whether it ended well or by a panic.
struct SayEnded<'a>(&'a Shared);

impl Drop for SayEnded<'_> {
    fn drop(&mut self) {
        self.0.progress().ended = true;
        self.0.progressed.notify_all();
    }
}

fn run(runtime: &Runtime, shared: &Arc<Shared>, pacer: Option<Pacer>) -> Report {
    let _ended = SayEnded(shared);
    let unsent = runtime.block_on(conduct(shared, pacer));
    shared.recorder().report(unsent)
}

/// Runs all clients to their end, and says how many requests were due and not sent.
async fn conduct(shared: &Arc<Shared>, pacer: Option<Pacer>) -> u64 {
    let mut clients = JoinSet::new();
    for number in 0..shared.plan.clients {
        clients.spawn(Client::new(Arc::clone(shared), number).run());
    }
    let deadline = shared.begin + shared.plan.duration;
    tokio::select! {
        () = sleep_until(deadline.into()) => {}
        () = shared.ended() => {}
        () = all_ended(&mut clients) => {}
    }
    let unsent = shared.unsent();
    shared.order(Order::Finish);
    shared.due.close();
    drop(pacer);
    tokio::select! {
        () = all_ended(&mut clients) => {}
        () = shared.ordered(Order::GiveUp) => {}
    }
    unsent
}

/// Cancellation safe.
async fn all_ended(clients: &mut JoinSet<()>) {
    while let Some(ended) = clients.join_next().await {
        if let Err(error) = ended
            && error.is_panic()
        {
            panic::resume_unwind(error.into_panic());
        }
    }
}

/// Both threads run by then, so that the first requests are not late through us.
const THREADS_COME_UP: Duration = Duration::from_millis(5);
