//! Every port of the cluster: the one owner of its sockets.

mod armed;
mod asking;
mod channels;
mod dispatch;
mod filter;
mod group;
mod lending;
mod open;
mod passed;
mod port;
mod queues;
mod socket_watch;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use everport_core::{PortId, Serving};
use tokio::time::Instant;

pub(crate) use asking::{Answer, Asker, PortKey};
pub(crate) use dispatch::Dispatching;
use open::by_one_socket;
pub(crate) use open::{Opened, open};
pub(crate) use passed::PassedSockets;
use port::Port;
pub(crate) use socket_watch::Seen;
use socket_watch::{SocketName, SocketWatch};

use super::OpenPort;
use super::links::Links;
use crate::bind::BindCause;
use crate::link::FromWatcher;
use crate::log::Notice;
use crate::{BindError, ListenOptions, PortAddress, Sharing, SlotId, WorkerId};

/// How long a socket that gets no new connections stays open: a handshake that began before may still
/// complete, after the first retransmission of a lost packet (1 s, RFC 6298) and a slow way there and back.
const LATE_HANDSHAKES: Duration = Duration::from_secs(3);

/// How often the closing of a port is put off because somebody still has to accept what waits there.
const MOST_POSTPONEMENTS: u32 = 10;

/// How many ports a cluster may have, so that no worker can use up the watcher's descriptors.
const MOST_PORTS: usize = 1024;

/// The ports, open and opening.
#[derive(Debug)]
pub(crate) struct PortTable {
    ports: BTreeMap<PortId, Port>,
    keys: HashMap<PortKey, PortId>,
    opening: HashMap<PortKey, Opening>,
    /// Slots that were scaled away and since when.
    retired: BTreeMap<SlotId, Instant>,
    watch: SocketWatch,
    default_sharing: Sharing,
    dispatching: Dispatching,
    passed: PassedSockets,
    last_id: u32,
    refused_steering: Vec<PortId>,
    /// Whether who serves has changed since sockets were armed.
    arming_is_due: bool,
    /// Nothing is opened any more.
    is_stopping: bool,
}

#[derive(Debug)]
struct Opening {
    options: ListenOptions,
    askers: Vec<Asker>,
}

impl PortTable {
    pub(crate) fn new(
        default_sharing: Sharing,
        dispatching: Dispatching,
        passed: PassedSockets,
    ) -> io::Result<Self> {
        Ok(Self {
            ports: BTreeMap::new(),
            keys: HashMap::new(),
            opening: HashMap::new(),
            retired: BTreeMap::new(),
            watch: SocketWatch::new()?,
            default_sharing,
            dispatching,
            passed,
            last_id: 0,
            refused_steering: Vec::new(),
            arming_is_due: false,
            is_stopping: false,
        })
    }

    /// Answers a worker's request from the port that is there, or says what has to be done first.
    pub(crate) fn request(
        &mut self,
        key: &PortKey,
        options: ListenOptions,
        asker: Asker,
        links: &mut Links,
    ) -> Answer {
        if self.is_stopping {
            return Answer::Denied(BindError::new(&key.address, BindCause::Stopping));
        }
        if let Some(opening) = self.opening.get_mut(key) {
            opening.askers.push(asker);
            return Answer::Wait;
        }
        match self.usable(key) {
            Some(id) => match self.grant(id, &options, &asker, links) {
                Ok(()) => Answer::Granted(id),
                Err(error) => Answer::Denied(error),
            },
            None if self.ports.len() + self.opening.len() >= MOST_PORTS => {
                Answer::Denied(BindError::new(&key.address, BindCause::TooMany))
            }
            None => self.begin_opening(key, options, asker),
        }
    }

    fn begin_opening(&mut self, key: &PortKey, options: ListenOptions, asker: Asker) -> Answer {
        let found = self.passed.find(&key.address, &options);
        let wanted = options.sharing.unwrap_or(self.default_sharing);
        let sharing = match key.address {
            PortAddress::Tcp(_) if found.is_none() => wanted,
            _ => by_one_socket(wanted),
        };
        let opening = Opening {
            options: options.clone(),
            askers: vec![asker],
        };
        self.opening.insert(key.clone(), opening);
        match found {
            Some(Ok((bound, name))) => Answer::Found(Ok(Opened::One {
                bound,
                sharing,
                name: Some(name),
            })),
            Some(Err(cause)) => Answer::Found(Err(BindError::new(&key.address, cause))),
            None => Answer::Open(options, sharing),
        }
    }

    /// The port under this key, taken into use again if it was being closed.
    fn usable(&mut self, key: &PortKey) -> Option<PortId> {
        let id = *self.keys.get(key)?;
        let port = self.ports.get_mut(&id)?;
        if !port.is_dead && (port.closing_since.is_none() || port.reopen()) {
            return Some(id);
        }
        self.drop_port(id);
        None
    }

    fn grant(
        &mut self,
        id: PortId,
        options: &ListenOptions,
        asker: &Asker,
        links: &mut Links,
    ) -> Result<(), BindError> {
        let Some(port) = self.ports.get_mut(&id) else {
            return Ok(());
        };
        let sharing = port.sharing();
        let wanted = options.sharing.map(|wanted| match port.address {
            PortAddress::Tcp(_) if !port.is_passed_in() => wanted,
            _ => by_one_socket(wanted),
        });
        if wanted.is_some_and(|wanted| wanted != sharing) {
            return Err(BindError::new(&port.address, BindCause::SharedAs(sharing)));
        }
        self.retired.remove(&asker.slot);
        self.arming_is_due = true;
        let granted = FromWatcher::Granted {
            request: asker.request,
            port: id,
            address: port.address.clone(),
            sharing: Some(sharing),
        };
        let source = port.source_for(asker.worker, asker.slot, &self.watch)?;
        links.send(asker.worker, &granted, Some(source.as_fd()));
        drop(source);
        port.adapt_loans(links);
        Ok(())
    }

    /// A port was opened, or not: answers everybody who waits for it.
    pub(crate) fn opened(
        &mut self,
        key: &PortKey,
        result: Result<Opened, BindError>,
        links: &mut Links,
    ) -> Vec<(Asker, Result<PortId, BindError>)> {
        let Some(opening) = self.opening.remove(key) else {
            return Vec::new();
        };
        let result = match result {
            // What was bound meanwhile closes again, before anybody could connect in vain.
            Ok(_) if self.is_stopping => Err(BindError::new(&key.address, BindCause::Stopping)),
            Ok(opened) => self.add_port(key, opened, &opening.options),
            Err(error) => Err(error),
        };
        let mut answers = Vec::new();
        for asker in opening.askers {
            let answer = result.clone().and_then(|id| {
                self.grant(id, &opening.options, &asker, links)?;
                Ok(id)
            });
            answers.push((asker, answer));
        }
        if let Ok(id) = result
            && !answers.iter().any(|(_, answer)| answer.is_ok())
        {
            // Nobody waits for it any more, and nobody would accept from it.
            self.drop_port(id);
        }
        answers
    }

    fn add_port(
        &mut self,
        key: &PortKey,
        opened: Opened,
        options: &ListenOptions,
    ) -> Result<PortId, BindError> {
        self.last_id += 1;
        let id = PortId(self.last_id);
        let port = Port::new(id, opened, options.clone(), &self.watch, &self.dispatching)
            .map_err(|error| BindError::new(&key.address, error.into()))?;
        self.ports.insert(id, port);
        self.keys.insert(key.clone(), id);
        Ok(id)
    }

    /// What is told of the port under this key, if it is open.
    pub(crate) fn describe(&self, key: &PortKey) -> Option<Notice> {
        let port = self.ports.get(self.keys.get(key)?)?;
        Some(Notice::PortOpened {
            address: port.address.clone(),
            sharing: port.sharing(),
            passed_in_as: port.passed_in_as.clone(),
        })
    }

    /// Every port that is open and not about to close, in the order in which they were opened.
    pub(crate) fn open(&self) -> Vec<OpenPort> {
        let mut open: Vec<(PortId, OpenPort)> = Vec::new();
        for (key, id) in &self.keys {
            let Some(port) = self.ports.get(id) else {
                continue;
            };
            if port.closing_since.is_none() && !port.is_dead {
                let asked = key.address.clone();
                open.push((*id, port.describe(asked)));
            }
        }
        open.sort_by_key(|(id, _)| *id);
        open.into_iter().map(|(_, port)| port).collect()
    }

    /// Whether what waits at the port is left to whoever serves it next, because it stays open without us.
    pub(crate) fn outlives_us(&self, id: PortId) -> bool {
        self.ports.get(&id).is_some_and(Port::outlives_us)
    }

    /// The sockets that were passed in and that no worker has asked for.
    pub(crate) fn unused(&self) -> impl Iterator<Item = Notice> {
        self.passed
            .unused()
            .map(|socket| Notice::PassedSocketUnused {
                name: socket.name().to_owned(),
                address: socket.address().clone(),
            })
    }

    /// New connections of a port go to these slots only.
    pub(crate) fn steer(&mut self, id: PortId, serving: Vec<Serving>, links: &mut Links) {
        self.arm_soon();
        if let Some(port) = self.ports.get_mut(&id) {
            port.steer(serving, links);
        }
    }

    /// The worker is gone or told to drain: it serves nothing and borrows nothing any more.
    pub(crate) fn forget_worker(&mut self, worker: WorkerId) {
        self.arm_soon();
        for port in self.ports.values_mut() {
            port.forget_worker(worker);
        }
    }

    /// Takes the requests of this worker that still wait, with the address each is for.
    pub(crate) fn take_requests(&mut self, worker: WorkerId) -> Vec<(Asker, PortAddress)> {
        let mut taken = Vec::new();
        for (key, opening) in &mut self.opening {
            let is_its = |asker: &mut Asker| asker.worker == worker;
            let requests = opening.askers.extract_if(.., is_its);
            taken.extend(requests.map(|asker| (asker, key.address.clone())));
        }
        taken
    }

    /// Whether somebody else accepts from the port once this worker stops.
    pub(crate) fn is_served_without(&self, id: PortId, worker: WorkerId) -> bool {
        self.ports
            .get(&id)
            .is_some_and(|port| port.is_served_without(worker))
    }

    /// Nobody wants the port any more: no new connection gets in, and it closes once late ones are in. One that was
    /// passed in stays open elsewhere, and what comes to it waits for the next who wants it.
    pub(crate) fn close(&mut self, id: PortId, now: Instant) -> Option<Notice> {
        let port = self.ports.get_mut(&id)?;
        let closed = Notice::PortClosed {
            address: port.address.clone(),
            passed_in_as: port.passed_in_as.clone(),
        };
        if port.outlives_us() {
            self.drop_port(id);
        } else {
            port.closing_since = Some(now);
            // Without the filter it is the closing itself that refuses them.
            let _still_open = port.refuse_new_connections();
        }
        Some(closed)
    }

    /// The slot was scaled away: its sockets close once late handshakes are through and taken.
    pub(crate) fn retire_slot(&mut self, slot: SlotId, now: Instant) {
        self.retired.insert(slot, now);
    }

    /// The cluster stops: what is queued is served, nothing new gets in. `false` if something still does,
    /// because the kernel takes no filter; then it is the closing itself that refuses it.
    pub(crate) fn refuse_new_connections(&mut self) -> bool {
        self.is_stopping = true;
        let mut all_refuse = true;
        for port in self.ports.values_mut() {
            let refuses = port.refuse_new_connections();
            if !refuses {
                port.close_when_empty();
            }
            all_refuse &= refuses;
        }
        all_refuse
    }

    /// A worker died while the cluster stops: what waits at its slot goes to those who still accept.
    pub(crate) fn rescue_at_stop(
        &mut self,
        slot: SlotId,
        rescuers: impl Fn(PortId) -> Vec<WorkerId>,
        links: &mut Links,
    ) {
        for port in self.ports.values_mut() {
            port.rescue_at_stop(slot, &rescuers(port.id), links);
        }
    }

    /// When to call [`PortTable::handle_timeout`]: when late handshakes are through.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        let closing = self.ports.values().filter_map(|port| port.closing_since);
        let retired = self.retired.values().copied();
        closing
            .chain(retired)
            .min()
            .map(|since| since + LATE_HANDSHAKES)
    }

    /// Closes what was to be closed and is empty.
    pub(crate) fn handle_timeout(&mut self, now: Instant, links: &mut Links) {
        let is_due = |since: Instant| now >= since + LATE_HANDSHAKES;
        let closed: Vec<PortId> = self
            .ports
            .values()
            .filter(|port| port.closing_since.is_some_and(is_due))
            .map(|port| port.id)
            .collect();
        for id in closed {
            self.drop_when_empty(id, now);
        }
        let due: Vec<SlotId> = self
            .retired
            .iter()
            .filter(|(_, since)| is_due(**since))
            .map(|(slot, _)| *slot)
            .collect();
        for slot in due {
            self.close_retired(slot, now, links);
        }
    }

    fn close_retired(&mut self, slot: SlotId, now: Instant, links: &mut Links) {
        let mut all_closed = true;
        for port in self.ports.values_mut() {
            all_closed &= port.close_slot(slot, &self.watch, links);
        }
        if all_closed {
            self.retired.remove(&slot);
        } else {
            // Its rescuers have not got round to it: look again as late as after a new beginning.
            self.retired.insert(slot, now);
        }
    }

    /// Somebody may still be emptying it: then it is looked at again later, but not for ever.
    fn drop_when_empty(&mut self, id: PortId, now: Instant) {
        if let Some(port) = self.ports.get_mut(&id)
            && port.has_queue()
            && port.postponed < MOST_POSTPONEMENTS
        {
            port.postponed += 1;
            port.closing_since = Some(now);
            return;
        }
        self.drop_port(id);
    }

    fn drop_port(&mut self, id: PortId) {
        self.keys.retain(|_, other| *other != id);
        if let Some(port) = self.ports.remove(&id) {
            port.unwatch(&self.watch);
            if !port.is_passed_in() {
                port.shut_down();
            } else if port.is_dead {
                self.passed.give_up(&port.address);
            }
        }
    }

    /// Waits until a worker has shut a shared socket down, or a connection has come while sockets are armed.
    /// Cancel safe.
    pub(crate) async fn seen(&self) -> io::Result<Seen> {
        self.watch.wait().await
    }

    /// Lets the sockets listen again and says which ports those were. A Unix socket can't; whoever asks for its
    /// port next gets a new one.
    pub(crate) fn mend(&mut self, names: &[SocketName]) -> Vec<Result<PortAddress, BindError>> {
        self.arm_soon();
        let mut mended = Vec::new();
        for (id, slot) in names {
            if let (Some(port), Some(slot)) = (self.ports.get_mut(id), slot)
                && port.ends_shut_channel(*slot, &self.watch)
            {
                continue;
            }
            if let Some(port) = self.ports.get_mut(id) {
                let result = port.mend(*slot, &self.watch);
                let error = |cause| BindError::new(&port.address, cause);
                mended.push(result.map(|()| port.address.clone()).map_err(error));
            }
        }
        mended
    }

    /// Says of each port once that the kernel refuses to steer it.
    pub(crate) fn take_notices(&mut self) -> Vec<Notice> {
        let mut notices = Vec::new();
        for port in self.ports.values_mut() {
            if let Some(error) = port.take_steering_refusal()
                && !self.refused_steering.contains(&port.id)
            {
                self.refused_steering.push(port.id);
                let address = port.address.clone();
                notices.push(Notice::SteeringRefused {
                    address,
                    error: error.to_string(),
                });
            }
        }
        notices
    }
}
