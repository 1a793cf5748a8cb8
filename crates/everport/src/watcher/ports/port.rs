//! One port: its address, its sockets, who serves it and who borrows from it.

mod channels;
mod queues;

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use everport_core::{PortId, Serving};
use tokio::time::Instant;

pub(crate) use self::channels::Source;
use super::armed::Armed;
use super::dispatch::{Dispatch, Dispatching};
use super::filter::{self, Filter};
use super::group::Group;
use super::lending::{Lending, LoanChange, unserved};
use super::open::Opened;
use super::socket_watch::SocketWatch;
use crate::bind::{BindCause, Bound, tcp};
use crate::link::FromWatcher;
use crate::listener::has_waiting;
use crate::watcher::OpenPort;
use crate::watcher::links::Links;
use crate::{BindError, ListenOptions, PortAddress, Sharing, SlotId, WorkerId};

/// An open port.
#[derive(Debug)]
pub(crate) struct Port {
    pub(crate) id: PortId,
    pub(crate) address: PortAddress,
    options: ListenOptions,
    sockets: Sockets,
    serving: Vec<Serving>,
    lending: Lending,
    /// The slots at whose sockets connections may wait: those that were served once, and those whose socket
    /// listened before anybody served. Others get none before their worker is ready.
    exposed: BTreeSet<SlotId>,
    /// The slots whose own sockets are armed.
    armed: Armed<SlotId>,
    steering_refused: Option<io::Error>,
    /// Whether connections waited when its queues were last looked at.
    had_queue: bool,
    /// Who was last asked to look at the shared socket.
    last_to_look: Option<WorkerId>,
    /// Since when it is being closed.
    pub(crate) closing_since: Option<Instant>,
    /// How often that was put off.
    pub(crate) postponed: u32,
    /// Whether the one socket was shut down and can't listen again: nobody can connect to it any more.
    pub(crate) is_dead: bool,
    /// The name by which its socket was passed in, if it was.
    pub(crate) passed_in_as: Option<String>,
}

#[derive(Debug)]
enum Sockets {
    Reuseport {
        group: Group,
        /// Bound and not yet any slot's: it keeps the address ours until the first slot takes it.
        spare: Option<OwnedFd>,
    },
    Transfer(Bound),
    Dispatch(Bound, Dispatch),
}

impl Port {
    pub(crate) fn new(
        id: PortId,
        opened: Opened,
        options: ListenOptions,
        watch: &SocketWatch,
        dispatching: &Dispatching,
    ) -> io::Result<Self> {
        let mut passed_in_as = None;
        let (address, sockets) = match opened {
            Opened::Reuseport { address, first } => {
                let group = Group::default();
                let spare = Some(first);
                (
                    PortAddress::Tcp(address),
                    Sockets::Reuseport { group, spare },
                )
            }
            Opened::One {
                bound,
                sharing,
                name,
            } => {
                passed_in_as = name;
                watch.add(&bound.socket, (id, None))?;
                let address = bound.address.clone();
                let sockets = match sharing {
                    Sharing::Dispatch => {
                        let dispatching = dispatching.clone();
                        let dispatch =
                            Dispatch::start(address.clone(), &bound.socket, dispatching)?;
                        Sockets::Dispatch(bound, dispatch)
                    }
                    Sharing::Reuseport | Sharing::Transfer => Sockets::Transfer(bound),
                };
                (address, sockets)
            }
        };
        Ok(Self {
            id,
            address,
            options,
            sockets,
            serving: Vec::new(),
            lending: Lending::default(),
            exposed: BTreeSet::new(),
            armed: Armed::default(),
            steering_refused: None,
            had_queue: false,
            last_to_look: None,
            closing_since: None,
            postponed: 0,
            is_dead: false,
            passed_in_as,
        })
    }

    pub(crate) fn sharing(&self) -> Sharing {
        match self.sockets {
            Sockets::Reuseport { .. } => Sharing::Reuseport,
            Sockets::Transfer(_) => Sharing::Transfer,
            Sockets::Dispatch(..) => Sharing::Dispatch,
        }
    }

    pub(crate) fn describe(&self, asked: PortAddress) -> OpenPort {
        OpenPort {
            asked,
            address: self.address.clone(),
            sharing: self.sharing(),
            passed_in_as: self.passed_in_as.clone(),
        }
    }

    /// Whether its socket is somebody else's, who passed it in: it is not shut down, and goes on taking connections
    /// when we are gone.
    pub(crate) fn is_passed_in(&self) -> bool {
        self.passed_in_as.is_some()
    }

    /// What a slot's worker accepts from. A slot gets its own socket, listening, when its worker first asks.
    pub(crate) fn source_for(
        &mut self,
        worker: WorkerId,
        slot: SlotId,
        watch: &SocketWatch,
    ) -> Result<Source<'_>, BindError> {
        if let Sockets::Reuseport { group, .. } = &self.sockets
            && group.socket(slot).is_none()
        {
            let joined = self.add_slot(slot, watch);
            joined.map_err(|cause| BindError::new(&self.address, cause))?;
        }
        let serves = self.servers().any(|server| server == worker);
        match &mut self.sockets {
            Sockets::Transfer(bound) => Ok(Source::Socket(bound.socket.as_fd())),
            Sockets::Reuseport { group, .. } => group
                .socket(slot)
                .map(Source::Socket)
                .ok_or_else(|| BindError::new(&self.address, BindCause::NotAvailable)),
            Sockets::Dispatch(_, dispatch) => dispatch
                .join((worker, slot), serves, watch)
                .map(Source::Channel)
                .map_err(|error| BindError::new(&self.address, error.into())),
        }
    }

    fn add_slot(&mut self, slot: SlotId, watch: &SocketWatch) -> Result<(), BindCause> {
        let serving = self.serving_slots();
        if let (PortAddress::Tcp(address), Sockets::Reuseport { group, spare }) =
            (&self.address, &mut self.sockets)
        {
            let socket = match spare.take() {
                Some(socket) => socket,
                None => tcp::bind_shared(*address, &self.options)?,
            };
            self.armed.forget(slot);
            let steered = group.add(slot, socket, &self.options, &serving)?;
            if serving.is_empty() || steered.is_err() {
                self.exposed.insert(slot);
            }
            if let Some(socket) = group.socket(slot) {
                // One that can't be watched serves all the same.
                let _unwatched = watch.add(socket, (self.id, Some(slot)));
            }
            self.note_refusal(steered);
        }
        Ok(())
    }

    /// Takes note of who serves; steers new connections to them and has them rescue what is queued at
    /// slots that nobody serves.
    pub(crate) fn steer(&mut self, serving: Vec<Serving>, links: &mut Links) {
        self.serving = serving;
        let slots = self.serving_slots();
        self.exposed.extend(&slots);
        match &mut self.sockets {
            Sockets::Reuseport { group, .. } => {
                let steered = group.steer(&slots);
                self.note_refusal(steered);
            }
            Sockets::Dispatch(_, dispatch) => dispatch.serve(&self.serving),
            Sockets::Transfer(_) => {}
        }
        self.adapt_loans(links);
        self.look(links);
    }

    /// Lends and recalls sockets until the loans fit those who serve.
    pub(crate) fn adapt_loans(&mut self, links: &mut Links) {
        let Sockets::Reuseport { group, .. } = &self.sockets else {
            return;
        };
        // Of a thousand slots hardly any is left to look for.
        let unserved = unserved(group.slots(), &self.serving);
        let exposed = unserved.filter(|slot| self.exposed.contains(slot));
        let changes = self.lending.adapt(exposed, &self.serving);
        self.carry_out(&changes, links);
    }

    /// A worker whose link is full at the moment is passed over; it is asked again with the next change.
    fn carry_out(&mut self, changes: &[LoanChange], links: &mut Links) {
        let Sockets::Reuseport { group, .. } = &self.sockets else {
            return;
        };
        let port = self.id;
        for change in changes {
            match *change {
                LoanChange::Lend(slot, worker) => {
                    let socket = group.socket(slot);
                    if !links.suggest(worker, &FromWatcher::Lend { port, slot }, socket) {
                        self.lending.not_taken(slot, worker);
                    }
                }
                LoanChange::Recall(slot, worker) => {
                    // Not told, it goes on accepting from there, which does no harm.
                    links.suggest(worker, &FromWatcher::Recall { port, slot }, None);
                }
            }
        }
    }

    /// While the cluster stops nobody serves any more, but some still empty their sockets: they get that of a
    /// slot whose worker has died, too.
    pub(crate) fn rescue_at_stop(
        &mut self,
        slot: SlotId,
        rescuers: &[WorkerId],
        links: &mut Links,
    ) {
        let lend = |worker: &WorkerId| LoanChange::Lend(slot, *worker);
        let changes: Vec<LoanChange> = rescuers.iter().map(lend).collect();
        match &self.sockets {
            Sockets::Reuseport { group, .. } if group.socket(slot).is_some() => {
                self.carry_out(&changes, links);
            }
            // What is taken back from a channel goes to those who still take something.
            Sockets::Reuseport { .. } | Sockets::Dispatch(..) => {}
            Sockets::Transfer(_) => {
                for worker in rescuers {
                    links.suggest(*worker, &FromWatcher::Look, None);
                }
            }
        }
    }

    /// With one socket for all, a worker that stopped may have taken a wake-up along: somebody else looks.
    fn look(&self, links: &mut Links) {
        if let (Sockets::Transfer(_), Some(server)) = (&self.sockets, self.serving.first()) {
            links.suggest(server.worker, &FromWatcher::Look, None);
        }
    }

    /// A worker is gone, or told to drain, and no longer serves.
    pub(crate) fn forget_worker(&mut self, worker: WorkerId) {
        self.serving.retain(|server| server.worker != worker);
        self.lending.forget(worker);
        if let Sockets::Dispatch(_, dispatch) = &self.sockets {
            dispatch.stop_serving(worker);
        }
    }

    /// Whether anybody but this worker goes on serving the port. While it is being closed everybody who still
    /// accepts from it is about to stop.
    pub(crate) fn is_served_without(&self, worker: WorkerId) -> bool {
        self.closing_since.is_none() && self.serving.iter().any(|server| server.worker != worker)
    }

    /// Closes a slot's socket, once it is empty; `false` while it is not. One that new connections can't be
    /// kept away from stays open until the port closes.
    pub(crate) fn close_slot(
        &mut self,
        slot: SlotId,
        watch: &SocketWatch,
        links: &mut Links,
    ) -> bool {
        let Sockets::Reuseport { group, .. } = &self.sockets else {
            return true;
        };
        let Some(socket) = group.socket(slot) else {
            return true;
        };
        if group.is_beyond_steering() {
            // New connections still go there, so it stays, and those who borrow it go on accepting them.
            return true;
        }
        if has_waiting(&socket) {
            return false;
        }
        watch.remove(socket);
        self.armed.forget(slot);
        self.exposed.remove(&slot);
        let unserved = unserved(group.slots(), &self.serving);
        let exposed = unserved.filter(|slot| self.exposed.contains(slot));
        let changes = self.lending.adapt(exposed, &self.serving);
        self.carry_out(&changes, links);
        let serving = self.serving_slots();
        if let Sockets::Reuseport { group, .. } = &mut self.sockets {
            let steered = group.remove(slot, &serving);
            self.note_refusal(steered);
        }
        true
    }

    /// Lets no new connection in while those that have begun are still accepted; `false` if some still get in. At a
    /// socket that was passed in they wait for whoever serves it next, so nothing is refused there.
    pub(crate) fn refuse_new_connections(&mut self) -> bool {
        if self.is_passed_in() {
            if let Sockets::Dispatch(_, dispatch) = &self.sockets {
                dispatch.open(false);
            }
            return true;
        }
        if let Sockets::Transfer(bound) | Sockets::Dispatch(bound, _) = &mut self.sockets {
            // Dropping the guard removes the file: nobody can connect to a Unix socket without it.
            drop(bound.path.take());
        }
        match self.address {
            PortAddress::Tcp(_) => self.listening().iter().fold(true, |all_refuse, socket| {
                let filter = Filter::drop_new_connections();
                filter.attach_to_socket(socket).is_ok() && all_refuse
            }),
            PortAddress::UnixPath(_) => true,
            PortAddress::UnixAbstract(_) => false,
        }
    }

    /// Takes the port into use again that was being closed; `false` when it can't be.
    pub(crate) fn reopen(&mut self) -> bool {
        if let PortAddress::UnixPath(_) = self.address {
            return false;
        }
        self.closing_since = None;
        self.postponed = 0;
        self.serving.clear();
        if let Sockets::Dispatch(_, dispatch) = &self.sockets {
            dispatch.serve(&[]);
            dispatch.open(true);
        }
        if self.is_passed_in() {
            return true; // nothing was refused
        }
        // A filter that cannot be taken away leaves the socket deaf, so it has to be bound anew.
        self.listening().iter().all(|socket| match self.address {
            PortAddress::Tcp(_) => filter::detach_from_socket(socket).is_ok(),
            _ => true,
        })
    }

    /// Whether a connection waits at any of its sockets.
    pub(crate) fn has_queue(&self) -> bool {
        let is_placed = match &self.sockets {
            Sockets::Dispatch(_, dispatch) => dispatch.has_untaken(),
            Sockets::Reuseport { .. } | Sockets::Transfer(_) => false,
        };
        let is_ours = !self.is_passed_in();
        is_placed || is_ours && self.listening().iter().any(has_waiting)
    }

    /// Takes every socket out of the kernel's hands, whoever still holds a copy, so that the address is free.
    pub(crate) fn shut_down(&self) {
        for socket in self.listening() {
            // One that a worker has shut down already is what is wanted.
            let _shut = rustix::net::shutdown(socket, rustix::net::Shutdown::Both);
        }
    }

    /// Stops watching its sockets, which has to come before they are closed.
    pub(crate) fn unwatch(&self, watch: &SocketWatch) {
        for socket in self.listening() {
            watch.remove(socket);
        }
        if let Sockets::Dispatch(_, dispatch) = &self.sockets {
            dispatch.unwatch(watch);
        }
    }

    /// Lets a socket listen again that a worker has shut down. One that can't is no longer watched: it would
    /// be reported without end.
    pub(crate) fn mend(
        &mut self,
        slot: Option<SlotId>,
        watch: &SocketWatch,
    ) -> Result<(), BindCause> {
        let serving = self.serving_slots();
        let options = self.options_to_listen_again();
        match (&mut self.sockets, slot) {
            (Sockets::Transfer(bound) | Sockets::Dispatch(bound, _), _) => {
                let listens = match bound.address {
                    PortAddress::Tcp(address) => {
                        tcp::listen_again(&bound.socket, address, &options)
                    }
                    // The kernel has no way back for these.
                    PortAddress::UnixPath(_) | PortAddress::UnixAbstract(_) => {
                        Err(BindCause::System(libc::ESHUTDOWN))
                    }
                };
                match &listens {
                    Ok(()) => watch.disarm(&bound.socket, (self.id, None)),
                    Err(_) => {
                        watch.remove(&bound.socket);
                        self.is_dead = true;
                    }
                }
                if let (Ok(()), Sockets::Dispatch(bound, dispatch)) = (&listens, &mut self.sockets)
                {
                    dispatch.accept_from(&bound.socket)?;
                }
                listens
            }
            (Sockets::Reuseport { group, .. }, Some(slot)) => {
                // Before it may be closed, because it can be taken off the watch by this descriptor only.
                if let Some(socket) = group.socket(slot) {
                    watch.remove(socket);
                }
                self.armed.forget(slot);
                let steered = group.listen_again(slot, &options, &serving)?;
                if let Some(socket) = group.socket(slot) {
                    let _unwatched = watch.add(socket, (self.id, Some(slot)));
                }
                self.note_refusal(steered);
                Ok(())
            }
            (Sockets::Reuseport { .. }, None) => Ok(()),
        }
    }

    /// How many connections may wait at a socket that was passed in is its owner's to say, and a socket that is shut down
    /// does not tell it any more: as many as the kernel allows, which is what systemd has unless it is told otherwise.
    fn options_to_listen_again(&self) -> ListenOptions {
        let options = self.options.clone();
        match self.is_passed_in() {
            true => options.backlog(u32::MAX),
            false => options,
        }
    }

    /// The kernel's refusal to steer, if there was one since the last call.
    pub(crate) fn take_steering_refusal(&mut self) -> Option<io::Error> {
        self.steering_refused.take()
    }

    fn note_refusal(&mut self, steered: io::Result<()>) {
        match steered {
            // A system that can't steer at all is no news.
            Err(error) if error.kind() != io::ErrorKind::Unsupported => {
                self.steering_refused = Some(error);
            }
            Ok(()) | Err(_) => {}
        }
    }

    fn listening(&self) -> Vec<BorrowedFd<'_>> {
        match &self.sockets {
            Sockets::Transfer(bound) | Sockets::Dispatch(bound, _) => vec![bound.socket.as_fd()],
            Sockets::Reuseport { group, .. } => group.sockets().map(|(_, socket)| socket).collect(),
        }
    }

    fn serving_slots(&self) -> Vec<SlotId> {
        self.serving.iter().map(|server| server.slot).collect()
    }
}
