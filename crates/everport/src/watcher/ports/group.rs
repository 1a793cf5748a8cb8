//! One `SO_REUSEPORT` socket per slot: the kernel's order of them, and steering by it.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net;

use super::filter::{self, Filter};
use crate::ListenOptions;
use crate::SlotId;
use crate::bind::{BindCause, tcp};

/// The sockets of a port that is shared by `reuseport`. Slots that serve are always given in their order.
#[derive(Debug, Default)]
pub(crate) struct Group {
    sockets: BTreeMap<SlotId, OwnedFd>,
    /// The slots in the order in which the kernel numbers their sockets: that of `listen`, and when one
    /// leaves, the last one takes its number.
    order: Vec<SlotId>,
    steered: bool,
    /// Whether the kernel last refused to be told who gets new connections.
    was_refused: bool,
}

impl Group {
    /// The slot's socket, if it has one.
    pub(crate) fn socket(&self, slot: SlotId) -> Option<BorrowedFd<'_>> {
        self.sockets.get(&slot).map(AsFd::as_fd)
    }

    /// Every slot's socket, in order of the slots.
    pub(crate) fn sockets(&self) -> impl Iterator<Item = (SlotId, BorrowedFd<'_>)> {
        self.sockets
            .iter()
            .map(|(slot, socket)| (*slot, socket.as_fd()))
    }

    /// The slots that have a socket, in order of their number.
    pub(crate) fn slots(&self) -> impl Iterator<Item = SlotId> + '_ {
        self.sockets.keys().copied()
    }

    /// Whether new connections go to every socket, because the kernel won't be told otherwise.
    pub(crate) fn is_beyond_steering(&self) -> bool {
        self.was_refused
    }

    /// Adds a slot's bound socket and lets it listen, so that none of the connections that go to
    /// `serving` is led astray to it in between.
    pub(crate) fn add(
        &mut self,
        slot: SlotId,
        socket: OwnedFd,
        options: &ListenOptions,
        serving: &[SlotId],
    ) -> Result<io::Result<()>, BindCause> {
        // Attached before the newcomer has a number, the filter can't choose it.
        let before = self.restrict_to(serving);
        tcp::listen(&socket, options)?;
        self.order.push(slot);
        self.sockets.insert(slot, socket);
        Ok(before.and_then(|()| self.steer(serving)))
    }

    /// Takes a slot's socket out of the group. What is queued at it is lost, so it has to be empty.
    ///
    /// It is shut down, not only closed: a worker may still hold it, and the kernel would keep it in the
    /// group, under a number that we no longer know, until that worker lets go.
    pub(crate) fn remove(&mut self, slot: SlotId, serving: &[SlotId]) -> io::Result<()> {
        let Some(index) = self.order.iter().position(|other| *other == slot) else {
            return Ok(());
        };
        let after = order_without(&self.order, index);
        let stable = stable_indices(&self.order, &after, serving);
        // While the kernel renumbers, only those are chosen whose number means the same before and after.
        let between = self.attach(Filter::choose_among(&stable));
        if let Some(socket) = self.sockets.remove(&slot) {
            // One that a worker has shut down already has left by itself.
            let _left = net::shutdown(&socket, net::Shutdown::Both);
        }
        self.order = after;
        between.and_then(|()| self.steer(serving))
    }

    /// A shut down socket listens again and thereby has become the last one. One that can't leaves the group:
    /// the slot gets a new socket when a worker next asks for it.
    pub(crate) fn listen_again(
        &mut self,
        slot: SlotId,
        options: &ListenOptions,
        serving: &[SlotId],
    ) -> Result<io::Result<()>, BindCause> {
        let Some(socket) = self.sockets.get(&slot) else {
            return Err(BindCause::System(Errno::BADF.raw_os_error()));
        };
        let listens = tcp::listen(socket, options);
        // The kernel took it out of the group when it was shut down.
        if let Some(index) = self.order.iter().position(|other| *other == slot) {
            self.order = order_without(&self.order, index);
        }
        match listens {
            Ok(()) => self.order.push(slot),
            Err(_) => drop(self.sockets.remove(&slot)),
        }
        let steered = self.steer(serving);
        listens.map(|()| steered)
    }

    /// New connections go to these slots only, or, when these are all there are, as the kernel hashes.
    pub(crate) fn steer(&mut self, serving: &[SlotId]) -> io::Result<()> {
        if self.order.iter().all(|slot| has(serving, slot)) {
            return self.give_back_to_the_kernel();
        }
        self.restrict_to(serving)
    }

    fn restrict_to(&mut self, serving: &[SlotId]) -> io::Result<()> {
        let indices = indices_of(&self.order, serving);
        self.attach(Filter::choose_among(&indices))
    }

    fn attach(&mut self, filter: Option<Filter>) -> io::Result<()> {
        let (Some(filter), Some(socket)) = (filter, self.sockets.values().next()) else {
            return Ok(());
        };
        let attached = filter.attach_to_group(socket);
        self.was_refused = attached.is_err();
        self.steered |= attached.is_ok();
        attached
    }

    fn give_back_to_the_kernel(&mut self) -> io::Result<()> {
        if !self.steered {
            return Ok(());
        }
        if let Some(socket) = self.sockets.values().next() {
            filter::detach_from_group(socket)?;
        }
        self.steered = false;
        Ok(())
    }
}

fn indices_of(order: &[SlotId], wanted: &[SlotId]) -> Vec<u32> {
    (0u32..)
        .zip(order)
        .filter(|(_, slot)| has(wanted, slot))
        .map(|(index, _)| index)
        .collect()
}

/// Whether something is among those in order: there may be a thousand slots, and each is looked up.
fn has<T: Ord>(ordered: &[T], one: &T) -> bool {
    ordered.binary_search(one).is_ok()
}

fn order_without(order: &[SlotId], index: usize) -> Vec<SlotId> {
    let mut after = order.to_vec();
    after.swap_remove(index);
    after
}

/// The indices that name a serving slot both before and after a change of the order.
fn stable_indices(before: &[SlotId], after: &[SlotId], serving: &[SlotId]) -> Vec<u32> {
    let after = indices_of(after, serving);
    indices_of(before, serving)
        .into_iter()
        .filter(|index| has(&after, index))
        .collect()
}

// What they show is what the kernel's filter does.
#[cfg(test)]
#[cfg(all(target_os = "linux", not(everport_portable)))]
mod tests {
    use super::*;
    use std::net::{SocketAddr, TcpListener, TcpStream};

    struct Fixture {
        group: Group,
        address: SocketAddr,
        options: ListenOptions,
    }

    fn slots(numbers: &[u32]) -> Vec<SlotId> {
        numbers.iter().copied().map(SlotId).collect()
    }

    impl Fixture {
        fn new() -> Self {
            let options = ListenOptions::new();
            let address = tcp::probe("127.0.0.1:0".parse().unwrap(), &options).unwrap();
            Self {
                group: Group::default(),
                address,
                options,
            }
        }

        fn add(&mut self, slot: u32, serving: &[u32]) {
            let socket = tcp::bind_shared(self.address, &self.options).unwrap();
            let steered = self
                .group
                .add(SlotId(slot), socket, &self.options, &slots(serving));
            steered.unwrap().unwrap();
        }

        /// Which of the slots 40 connections arrive at.
        fn reached(&self) -> Vec<u32> {
            let _clients: Vec<_> = (0..40)
                .map(|_| TcpStream::connect(self.address).unwrap())
                .collect();
            let is_reached = |slot: &SlotId| {
                let socket = self
                    .group
                    .socket(*slot)
                    .unwrap()
                    .try_clone_to_owned()
                    .unwrap();
                let listener = TcpListener::from(socket);
                std::iter::from_fn(|| listener.accept().ok()).count() > 0
            };
            self.group
                .slots()
                .filter(is_reached)
                .map(|slot| slot.0)
                .collect()
        }
    }

    #[test]
    fn a_newcomer_gets_nothing_before_it_serves() {
        let mut fixture = Fixture::new();
        fixture.add(0, &[]);
        fixture.add(1, &[0]);
        assert_eq!(fixture.reached(), [0]);
        fixture.group.steer(&slots(&[0, 1])).unwrap();
        assert_eq!(fixture.reached(), [0, 1]);
    }

    #[test]
    fn steering_follows_the_kernels_order_through_every_change() {
        let mut fixture = Fixture::new();
        (0..4).for_each(|slot| fixture.add(slot, &[]));
        fixture.group.steer(&slots(&[0, 3])).unwrap();
        assert_eq!(fixture.reached(), [0, 3]);
        // The last socket takes the number of the one that goes, even while a worker still holds that.
        let _held = fixture
            .group
            .socket(SlotId(1))
            .unwrap()
            .try_clone_to_owned()
            .unwrap();
        fixture.group.remove(SlotId(1), &slots(&[0, 3])).unwrap();
        assert_eq!(fixture.reached(), [0, 3]);
        fixture.add(1, &[0, 3]);
        assert_eq!(fixture.reached(), [0, 3]);
        // A socket that listens again moves to the end.
        let shut = fixture.group.socket(SlotId(0)).unwrap();
        net::shutdown(shut, net::Shutdown::Both).unwrap();
        let mended = fixture
            .group
            .listen_again(SlotId(0), &fixture.options, &slots(&[0, 1]));
        mended.unwrap().unwrap();
        assert_eq!(fixture.reached(), [0, 1]);
    }

    #[test]
    fn only_numbers_that_keep_their_meaning_are_stable() {
        let before = slots(&[0, 1, 2, 3]);
        let after = order_without(&before, 1);
        assert_eq!(after, slots(&[0, 3, 2]));
        assert_eq!(stable_indices(&before, &after, &slots(&[0, 3])), [0]);
    }
}
