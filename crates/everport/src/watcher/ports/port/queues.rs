//! The queues of one port: who should take what waits there, and who is asked when they do not.

use std::os::fd::{AsFd, BorrowedFd};

use everport_core::Serving;

use super::{Port, Sockets};
use crate::link::FromWatcher;
use crate::watcher::links::Links;
use crate::watcher::ports::dispatch::Dispatch;
use crate::watcher::ports::group::Group;
use crate::watcher::ports::lending::server_of;
use crate::watcher::ports::queues::Queue;
use crate::watcher::ports::socket_watch::SocketWatch;
use crate::{SlotId, WorkerId};

impl Port {
    /// The workers that are to serve it.
    pub(in crate::watcher::ports) fn servers(&self) -> impl Iterator<Item = WorkerId> + '_ {
        let is_open = self.closing_since.is_none();
        let serving = self.serving.iter().filter(move |_| is_open);
        serving.map(|server| server.worker)
    }

    /// Its sockets, each with those who should accept from it; without those nobody could.
    pub(in crate::watcher::ports) fn queues(
        &self,
        is_well: &impl Fn(WorkerId) -> bool,
    ) -> Vec<Queue<'_>> {
        let mut queues = Vec::new();
        if self.is_dead {
            return queues;
        }
        if let Sockets::Dispatch(_, dispatch) = &self.sockets {
            return self.placed(dispatch, is_well);
        }
        for (slot, socket) in self.sockets_by_slot() {
            let takers: Vec<WorkerId> = self
                .takers(slot)
                .into_iter()
                .filter(|worker| is_well(*worker))
                .collect();
            if !takers.is_empty() {
                queues.push(Queue {
                    name: (self.id, slot),
                    socket,
                    takers,
                });
            }
        }
        queues
    }

    /// What was placed at each worker. What waits in the kernel's queue is nobody's yet.
    fn placed<'port>(
        &self,
        dispatch: &'port Dispatch,
        is_well: &impl Fn(WorkerId) -> bool,
    ) -> Vec<Queue<'port>> {
        let is_open = self.closing_since.is_none();
        let servers = self.serving.iter().filter(|_| is_open);
        let well = servers.filter(|server| is_well(server.worker));
        let queue = |server: &Serving| {
            Some(Queue {
                name: (self.id, Some(server.slot)),
                socket: dispatch.queue(server.worker)?,
                takers: vec![server.worker],
            })
        };
        well.filter_map(queue).collect()
    }

    /// Who should accept from a slot's socket: its own worker, else those it is lent to. From the shared one
    /// everybody should.
    fn takers(&self, slot: Option<SlotId>) -> Vec<WorkerId> {
        let Some(slot) = slot else {
            return self.servers().collect();
        };
        if self.closing_since.is_some() {
            return Vec::new();
        }
        match server_of(slot, &self.serving) {
            Some(server) => vec![server.worker],
            None => self.lending.borrowers(slot).collect(),
        }
    }

    /// Has the next connection that somebody should accept reported.
    pub(in crate::watcher::ports) fn arm(
        &mut self,
        watch: &SocketWatch,
        is_well: &impl Fn(WorkerId) -> bool,
    ) {
        match &self.sockets {
            Sockets::Reuseport { .. } => self.arm_slots(watch, is_well),
            Sockets::Dispatch(..) => self.arm_channels(watch, is_well),
            Sockets::Transfer(bound) => {
                watch.disarm(&bound.socket, (self.id, None));
                for queue in self.queues(is_well) {
                    watch.arm(queue.socket, queue.name);
                }
            }
        }
    }

    fn arm_slots(&mut self, watch: &SocketWatch, is_well: &impl Fn(WorkerId) -> bool) {
        let mut armed = std::mem::take(&mut self.armed);
        let is_due = |slot| !self.is_dead && self.has_taker(slot, is_well);
        armed.fit(
            self.slots()
                .map(|(slot, socket)| (slot, socket, is_due(slot))),
            |slot, socket| watch.arm(socket, (self.id, Some(slot))),
            |slot, socket| watch.disarm(socket, (self.id, Some(slot))),
        );
        self.armed = armed;
    }

    fn arm_channels(&mut self, watch: &SocketWatch, is_well: &impl Fn(WorkerId) -> bool) {
        let is_open = !self.is_dead && self.closing_since.is_none();
        if let Sockets::Dispatch(_, dispatch) = &mut self.sockets {
            dispatch.arm(self.id, watch, |worker, slot| {
                let server = server_of(slot, &self.serving).map(|server| server.worker);
                is_open && server == Some(worker) && is_well(worker)
            });
        }
    }

    /// Whether anybody who is well should accept from a slot's own socket.
    fn has_taker(&self, slot: SlotId, is_well: &impl Fn(WorkerId) -> bool) -> bool {
        let is_open = self.closing_since.is_none();
        is_open
            && match server_of(slot, &self.serving) {
                Some(server) => is_well(server.worker),
                None => self.lending.borrowers(slot).any(is_well),
            }
    }

    /// Has no connection reported.
    pub(in crate::watcher::ports) fn disarm(&mut self, watch: &SocketWatch) {
        let armed = self.armed.take();
        match &mut self.sockets {
            Sockets::Reuseport { group, .. } => {
                for slot in armed {
                    if let Some(socket) = group.socket(slot) {
                        watch.disarm(socket, (self.id, Some(slot)));
                    }
                }
            }
            Sockets::Dispatch(_, dispatch) => dispatch.disarm(self.id, watch),
            Sockets::Transfer(bound) => watch.disarm(&bound.socket, (self.id, None)),
        }
    }

    /// Takes note of whether connections wait. When they did so the last time, too, one worker after the other
    /// is asked to look at the shared socket.
    pub(in crate::watcher::ports) fn note_queue(
        &mut self,
        is_waiting: bool,
        is_well: &impl Fn(WorkerId) -> bool,
        links: &mut Links,
    ) {
        let has_waited = std::mem::replace(&mut self.had_queue, is_waiting);
        if let (Sockets::Transfer(_), true) = (&self.sockets, has_waited && is_waiting)
            && let Some(worker) = self.next_to_look(is_well)
        {
            self.last_to_look = Some(worker);
            links.suggest(worker, &FromWatcher::Look, None);
        }
    }

    fn next_to_look(&self, is_well: &impl Fn(WorkerId) -> bool) -> Option<WorkerId> {
        let well = || self.servers().filter(|worker| is_well(*worker));
        let later = well().filter(|worker| Some(*worker) > self.last_to_look);
        later.min().or_else(|| well().min())
    }

    fn sockets_by_slot(&self) -> Vec<(Option<SlotId>, BorrowedFd<'_>)> {
        match &self.sockets {
            Sockets::Transfer(bound) => vec![(None, bound.socket.as_fd())],
            Sockets::Reuseport { group, .. } => group
                .sockets()
                .map(|(slot, socket)| (Some(slot), socket))
                .collect(),
            // What waits there is nobody's yet.
            Sockets::Dispatch(..) => Vec::new(),
        }
    }

    /// The sockets that are a slot's own.
    fn slots(&self) -> impl Iterator<Item = (SlotId, BorrowedFd<'_>)> {
        let group = match &self.sockets {
            Sockets::Reuseport { group, .. } => Some(group),
            Sockets::Transfer(_) | Sockets::Dispatch(..) => None,
        };
        group.into_iter().flat_map(Group::sockets)
    }
}

// What they show is what the kernel reports.
#[cfg(test)]
#[cfg(all(target_os = "linux", not(everport_portable)))]
mod tests {
    use std::net::{SocketAddr, TcpStream};
    use std::time::Duration;

    use everport_core::PortId;

    use super::*;
    use crate::ListenOptions;
    use crate::bind::tcp;
    use crate::watcher::Placement;
    use crate::watcher::ports::dispatch::Dispatching;
    use crate::watcher::ports::open::Opened;
    use crate::watcher::ports::socket_watch::Seen;

    struct Fixture {
        port: Port,
        watch: SocketWatch,
        address: SocketAddr,
    }

    impl Fixture {
        fn new() -> Self {
            let options = ListenOptions::new();
            let address = tcp::probe("127.0.0.1:0".parse().unwrap(), &options).unwrap();
            let first = tcp::bind_shared(address, &options).unwrap();
            let opened = Opened::Reuseport { address, first };
            let watch = SocketWatch::new().unwrap();
            let (inbox, _) = tokio::sync::mpsc::channel(1);
            let dispatching = Dispatching::new(Placement::default(), inbox);
            let port = Port::new(PortId(1), opened, options, &watch, &dispatching).unwrap();
            Self {
                port,
                watch,
                address,
            }
        }

        /// These slots serve, each by the worker with its number.
        fn serve(&mut self, slots: &[u32]) {
            let serving: Vec<Serving> = slots
                .iter()
                .map(|slot| Serving {
                    slot: SlotId(*slot),
                    worker: WorkerId(u64::from(*slot)),
                })
                .collect();
            for Serving { slot, worker } in &serving {
                self.port.source_for(*worker, *slot, &self.watch).unwrap();
            }
            self.port.steer(serving, &mut Links::default());
            self.port.arm(&self.watch, &|_| true);
        }

        async fn next(&self) -> Seen {
            let seen = tokio::time::timeout(Duration::from_secs(10), self.watch.wait()).await;
            seen.expect("something is soon seen").unwrap()
        }
    }

    #[tokio::test]
    async fn slots_that_come_are_armed_and_those_that_were_stay_so() {
        let mut fixture = Fixture::new();
        for serving in [&[0][..], &[0, 1], &[0, 1, 2]] {
            fixture.serve(serving);
        }
        for only in [0, 2] {
            fixture.serve(&[only]);
            assert_eq!(
                fixture.port.armed.names(),
                [SlotId(only)],
                "nobody would take from others"
            );
            let _client = TcpStream::connect(fixture.address).unwrap();
            assert!(fixture.next().await.has_connection);
            // As the loop does: it looks by itself for a while, then it rests again.
            fixture.port.disarm(&fixture.watch);
            fixture.serve(&[only]);
            assert!(fixture.next().await.has_connection, "it still waits");
            fixture.port.disarm(&fixture.watch);
        }
    }

    #[tokio::test]
    async fn a_socket_that_listens_again_is_armed_again() {
        let mut fixture = Fixture::new();
        fixture.serve(&[0, 1]);
        let slot = SlotId(1);
        let shut = fixture.port.slots().find(|(it, _)| *it == slot).unwrap().1;
        rustix::net::shutdown(shut, rustix::net::Shutdown::Both).unwrap();
        let seen = fixture.next().await;
        assert_eq!(seen.shut, [(PortId(1), Some(slot))]);
        fixture.port.mend(Some(slot), &fixture.watch).unwrap();
        fixture.serve(&[1]);
        let _client = TcpStream::connect(fixture.address).unwrap();
        assert!(fixture.next().await.has_connection);
    }
}
