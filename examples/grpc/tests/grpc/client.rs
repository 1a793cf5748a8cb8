//! Clients of the example that make call after call, by tonic's own client.

use std::error::Error as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use everport_tests::{PATIENCE, wait_until};
use h2::Reason;
use tokio::runtime::Runtime;
use tonic::transport::{Channel, Error};
use tonic::{Code, Status};
use tonic_health::ServingStatus;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

pub(crate) async fn connect(address: SocketAddr) -> Result<HealthClient<Channel>, Error> {
    let endpoint = Channel::from_shared(format!("http://{address}")).expect("an address");
    Ok(HealthClient::new(
        endpoint.timeout(PATIENCE / 3).connect().await?,
    ))
}

/// One call, which has the answer that it should have.
pub(crate) async fn call(client: &mut HealthClient<Channel>) -> Result<(), Status> {
    let answer = client.check(about("shop")).await?.into_inner();
    match answer.status == ServingStatus::Serving as i32 {
        true => Ok(()),
        false => Err(Status::internal(format!("another answer: {answer:?}"))),
    }
}

pub(crate) fn about(service: &str) -> HealthCheckRequest {
    let service = service.to_owned();
    HealthCheckRequest { service }
}

/// What the clients have seen together.
#[derive(Default)]
struct Tally {
    answered: AtomicU64,
    is_over: AtomicBool,
    lost: Mutex<Vec<Status>>,
}

/// Many clients with calls that overlap.
pub(crate) struct Clients {
    tally: Arc<Tally>,
    /// They run in it, and end with it.
    _runtime: Runtime,
}

impl Clients {
    /// Four connections, and four clients that share each of them.
    pub(crate) fn start(address: SocketAddr) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let tally = Arc::new(Tally::default());
        for _ in 0..4 {
            let client = runtime.block_on(connect(address));
            let client = client.expect("a connection");
            for _ in 0..4 {
                runtime.spawn(go_on_calling(client.clone(), Arc::clone(&tally)));
            }
        }
        Self {
            tally,
            _runtime: runtime,
        }
    }

    /// Waits for so many answers more.
    pub(crate) fn go_on(&self, more: u64) {
        let answered = || self.tally.answered.load(Ordering::Relaxed);
        let wanted = answered() + more;
        wait_until("more answers", || answered() >= wanted);
    }

    pub(crate) fn lost(&self) -> Vec<Status> {
        self.tally.lost.lock().expect("no client panics").clone()
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        self.tally.is_over.store(true, Ordering::Relaxed);
    }
}

/// Whether the server has sent the client away before it accepted this call: it was not sent yet, or its stream is a
/// later one than the last that the server named.
fn was_never_accepted(status: &Status) -> bool {
    let mut cause = status.source();
    while let Some(error) = cause {
        let unsent = error.downcast_ref().is_some_and(hyper::Error::is_canceled);
        let late = error.downcast_ref().is_some_and(|error: &h2::Error| {
            error.is_go_away() && error.is_remote() && error.reason() == Some(Reason::NO_ERROR)
        });
        if unsent || late {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Whether the connection broke.
pub(crate) fn is_broken(status: &Status) -> bool {
    status.code() == Code::Unknown && status.message() == "transport error"
}

async fn go_on_calling(mut client: HealthClient<Channel>, tally: Arc<Tally>) {
    while !tally.is_over.load(Ordering::Relaxed) {
        match call(&mut client).await {
            Ok(()) => _ = tally.answered.fetch_add(1, Ordering::Relaxed),
            // It may be made again, and this is what the next turn does.
            Err(status) if was_never_accepted(&status) => {}
            Err(status) => tally.lost.lock().expect("no client panics").push(status),
        }
    }
}
