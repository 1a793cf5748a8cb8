//! Connections of a dispatched port that come out of the channels of its workers.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use everport_core::{PortId, Serving};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::*;
use crate::link::take;
use crate::watcher::Placement;
use crate::watcher::input::Input;
use crate::watcher::links::Links;
use crate::watcher::ports::dispatch::Dispatching;
use crate::watcher::ports::open::open;
use crate::{ListenOptions, PortAddress, Sharing};

// What they show is what the kernel reports.
#[cfg(all(target_os = "linux", not(everport_portable)))]
mod arming;

/// How long anything may take on a busy machine before a test fails.
const BOUND: Duration = Duration::from_secs(60);

const FIRST: (WorkerId, SlotId) = (WorkerId(1), SlotId(0));

/// A dispatched port, and what it needs.
struct Fixture {
    port: Port,
    watch: SocketWatch,
    links: Links,
    _inbox: mpsc::Receiver<Input>,
}

impl Fixture {
    async fn new() -> Self {
        let (sender, inbox) = mpsc::channel(16);
        let dispatching = Dispatching::new(Placement::RoundRobin, sender);
        let watch = SocketWatch::new().unwrap();
        let address: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let options = ListenOptions::new();
        let opened = open(address.into(), options.clone(), Sharing::Dispatch);
        let opened = opened.await.unwrap();
        let port = Port::new(PortId(1), opened, options, &watch, &dispatching).unwrap();
        Self {
            port,
            watch,
            links: Links::default(),
            _inbox: inbox,
        }
    }

    /// The worker asks for the port: its end of the channel.
    fn join(&mut self, (worker, slot): (WorkerId, SlotId)) -> OwnedFd {
        let source = self.port.source_for(worker, slot, &self.watch).unwrap();
        source.as_fd().try_clone_to_owned().unwrap()
    }

    fn steer(&mut self, (worker, slot): (WorkerId, SlotId)) {
        let serving = vec![Serving { slot, worker }];
        self.port.steer(serving, &mut self.links);
    }

    async fn connect(&self) -> TcpStream {
        let PortAddress::Tcp(address) = self.port.address else {
            panic!("not the address of a TCP port");
        };
        TcpStream::connect(address).await.unwrap()
    }
}

/// Waits until a connection comes through the channel.
async fn arrives_at(end: &OwnedFd) {
    let arriving = async {
        while take(end.as_fd()).unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(BOUND, arriving).await.unwrap();
}

#[tokio::test]
async fn one_that_gives_the_port_back_and_listens_again_serves_again() {
    let mut fixture = Fixture::new().await;
    let end = fixture.join(FIRST);
    fixture.steer(FIRST);
    let _client = fixture.connect().await;
    arrives_at(&end).await;
    // While nobody else serves the port nothing is announced: neither that it has stopped nor that it serves again.
    fixture.port.close_channel(FIRST.0, &fixture.watch);
    let _early_client = fixture.connect().await;
    let end = fixture.join(FIRST);
    arrives_at(&end).await;
    let _client = fixture.connect().await;
    arrives_at(&end).await;
}

#[tokio::test]
async fn one_that_does_not_serve_yet_gets_nothing() {
    let mut fixture = Fixture::new().await;
    let end = fixture.join(FIRST);
    let _client = fixture.connect().await;
    let arrival = tokio::time::timeout(Duration::from_millis(60), arrives_at(&end));
    assert!(arrival.await.is_err());
    fixture.steer(FIRST);
    arrives_at(&end).await;
}

#[tokio::test]
async fn what_waits_when_the_port_closes_without_a_filter_is_placed_and_nothing_later() {
    let mut fixture = Fixture::new().await;
    let end = fixture.join(FIRST);
    fixture.steer(FIRST);
    let _clients = [fixture.connect().await, fixture.connect().await];
    fixture.port.close_when_empty();
    arrives_at(&end).await;
    arrives_at(&end).await;
    // The accepting task looks once more, finds nothing, and closes.
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    let _late = fixture.connect().await;
    let arrival = tokio::time::timeout(Duration::from_millis(60), arrives_at(&end));
    assert!(arrival.await.is_err());
}
