//! Which worker gets the next connection. Decides only: no socket is touched here.

use std::collections::BTreeMap;

use everport_core::Serving;

use crate::link::Report;
use crate::watcher::Placement;
use crate::{SlotId, WorkerId};

/// How many connections may wait for one worker to take them: enough that a busy one always finds the next, and so few
/// that a worker that does not take them holds nobody up whom another would have served by then.
const MOST_UNTAKEN: u64 = 16;

/// How many connections a worker is given before it is to say how many it has taken: saying so costs it a system call
/// and the watcher a wake-up.
const ACKNOWLEDGED_EACH: u64 = 4;

/// The workers of one port, and what each of them has.
#[derive(Debug)]
pub(super) struct Placing {
    placement: Placement,
    members: BTreeMap<WorkerId, Member>,
    /// Whose turn it was last.
    last: Option<SlotId>,
}

#[derive(Debug)]
struct Member {
    slot: SlotId,
    role: Role,
    /// All that were ever placed there.
    placed: u64,
    /// Those of them that were taken back.
    taken_back: u64,
    /// What the worker has said.
    said: Report,
}

/// What a worker does at the port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    /// It is not to get anything: it boots, is stopped, hangs, or drains while others serve.
    Idle,
    /// It drains and takes what comes as long as nobody serves.
    Empties,
    Serves,
}

/// What the worker is to say of a connection that is placed there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) is_acknowledged: bool,
    pub(super) tells_end: bool,
}

/// What a worker said that cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Nonsense {
    #[error("that it has taken {said} connections, when it was given {given}")]
    Taken { said: u64, given: u64 },
    #[error("that {ended} connections have ended, when it has taken {taken}")]
    Ended { ended: u64, taken: u64 },
    #[error("that it has taken, or ended, fewer connections than before")]
    Fewer,
    #[error("that it has taken {said} connections, when it left all but {left} of them")]
    Left { said: u64, left: u64 },
}

impl Placing {
    pub(super) fn new(placement: Placement) -> Self {
        Self {
            placement,
            members: BTreeMap::new(),
            last: None,
        }
    }

    /// A worker has asked for the port. It gets nothing before it serves.
    pub(super) fn join(&mut self, worker: WorkerId, slot: SlotId) {
        let member = Member {
            slot,
            role: Role::Idle,
            placed: 0,
            taken_back: 0,
            said: Report::default(),
        };
        self.members.insert(worker, member);
    }

    /// The worker gets nothing any more, and nothing is known of it.
    pub(super) fn leave(&mut self, worker: WorkerId) {
        self.members.remove(&worker);
    }

    /// These workers serve, and nobody else.
    pub(super) fn serve(&mut self, serving: &[Serving]) {
        let mut workers: Vec<WorkerId> = serving.iter().map(|server| server.worker).collect();
        workers.sort_unstable();
        for (worker, member) in &mut self.members {
            if workers.binary_search(worker).is_ok() {
                member.role = Role::Serves;
            } else if member.role == Role::Serves {
                member.role = Role::Idle;
            }
        }
    }

    /// This worker serves as well.
    pub(super) fn serve_too(&mut self, worker: WorkerId) {
        if let Some(member) = self.members.get_mut(&worker) {
            member.role = Role::Serves;
        }
    }

    /// The worker serves no more.
    pub(super) fn stop_serving(&mut self, worker: WorkerId) {
        if let Some(member) = self.members.get_mut(&worker) {
            member.role = Role::Idle;
        }
    }

    /// The worker takes what comes, should nobody serve.
    pub(super) fn empty(&mut self, worker: WorkerId) {
        if let Some(member) = self.members.get_mut(&worker) {
            member.role = member.role.max(Role::Empties);
        }
    }

    /// Whether what waits at this worker is for others, whose role, the best, is given: it does not serve, and somebody
    /// else does.
    pub(super) fn is_passed_over(&self, worker: WorkerId, best: Role) -> bool {
        let role = self.members.get(&worker).map(|member| member.role);
        role < Some(best)
    }

    /// Who gets the next connection; `None` while nobody takes any, or has room for one.
    pub(super) fn next(&self) -> Option<WorkerId> {
        let role = self.best_role();
        if role == Role::Idle {
            return None;
        }
        let members = self.members.iter().filter(|(_, it)| it.role == role);
        let with_room = members.filter(|(_, member)| member.untaken() < MOST_UNTAKEN);
        let chosen = with_room.min_by_key(|(worker, member)| {
            let load = match self.placement {
                Placement::RoundRobin => 0,
                Placement::Fewest => member.open(),
            };
            let has_had_its_turn = Some(member.slot) <= self.last;
            (load, has_had_its_turn, member.slot, **worker)
        });
        chosen.map(|(worker, _)| *worker)
    }

    /// The next connection goes to this worker.
    pub(super) fn place(&mut self, worker: WorkerId) -> Request {
        let tells_end = self.placement == Placement::Fewest;
        let Some(member) = self.members.get_mut(&worker) else {
            return Request {
                is_acknowledged: false,
                tells_end,
            };
        };
        self.last = Some(member.slot);
        member.placed += 1;
        Request {
            is_acknowledged: member.untaken().is_multiple_of(ACKNOWLEDGED_EACH),
            tells_end,
        }
    }

    /// One that was placed there was taken back. A worker that has said that it has taken all of them has lied.
    pub(super) fn take_back(&mut self, worker: WorkerId) -> Result<(), Nonsense> {
        let Some(member) = self.members.get_mut(&worker) else {
            return Ok(()); // it is known to be gone
        };
        if member.untaken() == 0 {
            let said = member.said.taken;
            return Err(Nonsense::Left {
                said,
                left: said.saturating_sub(1),
            });
        }
        member.taken_back += 1;
        Ok(())
    }

    /// A worker has spoken.
    pub(super) fn hear(&mut self, worker: WorkerId, report: Report) -> Result<(), Nonsense> {
        let Some(member) = self.members.get_mut(&worker) else {
            return Ok(()); // it is known to be gone
        };
        let given = member.placed - member.taken_back;
        let Report { taken, ended, .. } = report;
        if taken < member.said.taken || ended < member.said.ended {
            return Err(Nonsense::Fewer);
        }
        if taken > given {
            return Err(Nonsense::Taken { said: taken, given });
        }
        if ended > taken {
            return Err(Nonsense::Ended { ended, taken });
        }
        member.said = report;
        Ok(())
    }

    /// What those do who take what comes.
    pub(super) fn best_role(&self) -> Role {
        let roles = self.members.values().map(|member| member.role);
        roles.max().unwrap_or(Role::Idle)
    }
}

impl Member {
    /// How many it has not taken, as far as it has said.
    fn untaken(&self) -> u64 {
        self.placed - self.taken_back - self.said.taken
    }

    /// How many it has that have not ended.
    fn open(&self) -> u64 {
        self.placed - self.taken_back - self.said.ended
    }
}

#[cfg(test)]
mod tests;
