//! What workers say: their frames, and the ports they ask for.

use everport_core::{Event, PortId};
use tokio::time::Instant;

use super::effects::workers_share;
use super::event_loop::EventLoop;
use super::input::Input;
use super::ports::{Answer, Asker, PortKey, open};
use crate::bind::BindCause;
use crate::link::{
    Drained, FromWatcher, FromWorker, NEWEST_VERSION, OLDEST_VERSION, Welcome, negotiate,
};
use crate::log::Notice;
use crate::{BindError, ListenOptions, PortAddress, SlotId, WorkerId};

impl EventLoop {
    /// A frame from a worker is input from a stranger: one that it may not send now costs it its link.
    pub(crate) fn handle_frame(&mut self, worker: WorkerId, frame: FromWorker) {
        let Some(record) = self.workers.get_mut(&worker) else {
            return;
        };
        let slot = record.slot;
        match record.session.accept(frame) {
            Ok(frame) => self.handle_legal(worker, slot, frame),
            Err(violation) => {
                self.break_link(worker, &format!("the link carried {violation}"));
            }
        }
    }

    fn handle_legal(&mut self, worker: WorkerId, slot: SlotId, frame: FromWorker) {
        match frame {
            FromWorker::Hello {
                oldest,
                newest,
                library,
            } => self.greet(worker, (oldest, newest), &library),
            FromWorker::Listen {
                request,
                address,
                options,
            } => {
                let asker = Asker {
                    worker,
                    slot,
                    request,
                };
                self.handle_listen(asker, &address, options);
            }
            FromWorker::Release { port } => self.handle_release(worker, port),
            FromWorker::Ready => self.handle_ready(worker),
            FromWorker::Replace { cause } => self.feed(Event::ReplaceRequested { worker, cause }),
            FromWorker::Alive { beat } => self.hear(worker, slot, beat),
            FromWorker::OpenRing => self.open_ring(worker),
            FromWorker::OpenMessages => self.open_messages(worker),
            FromWorker::Leaving => self.handle_leaving(worker),
            FromWorker::Left(Drained {
                finished,
                closed,
                cut,
            }) => self.tell(Notice::Left {
                worker,
                slot,
                finished,
                closed,
                cut,
            }),
        }
    }

    fn handle_ready(&mut self, worker: WorkerId) {
        if let Some(record) = self.workers.get(&worker)
            && let Some(programs) = self.recruiter.programs()
        {
            programs.prove(record.generation);
        }
        self.feed(Event::Ready { worker });
    }

    fn greet(&mut self, worker: WorkerId, (oldest, newest): (u16, u16), library: &str) {
        let Some(version) = negotiate(oldest, newest) else {
            let refused = FromWatcher::Refused {
                oldest: OLDEST_VERSION,
                newest: NEWEST_VERSION,
            };
            self.links.send(worker, &refused, None);
            let error = format!(
                "it speaks versions {oldest} to {newest} of the protocol ({library}), this watcher \
                 {OLDEST_VERSION} to {NEWEST_VERSION}: build both with matching releases of everport"
            );
            self.turn_away(worker, error);
            return;
        };
        let Some(record) = self.workers.get_mut(&worker) else {
            return;
        };
        record.has_joined = true;
        let slot = record.slot;
        let welcome = FromWatcher::Welcome(Welcome {
            version,
            worker,
            slot,
            generation: record.generation,
            shutdown_timeout: workers_share(self.shutdown_timeout),
            max_connections: self.max_connections,
        });
        self.links.send(worker, &welcome, None);
        for frame in std::mem::take(&mut record.held_back) {
            self.links.send(worker, &frame, None);
        }
        self.tell(Notice::Joined {
            worker,
            slot,
            library: library.to_owned(),
            protocol: version,
        });
    }

    /// Ends the link of a worker that was refused. It reads why and says so in its own words; if it does not
    /// leave then, its boot timeout ends it.
    fn turn_away(&mut self, worker: WorkerId, error: String) {
        self.links.remove(worker);
        if let Some(record) = self.workers.get_mut(&worker) {
            let slot = record.slot;
            self.tell(Notice::LinkBroken {
                worker,
                slot,
                error,
            });
        }
    }

    fn handle_listen(&mut self, asker: Asker, address: &PortAddress, options: ListenOptions) {
        let Some(record) = self.workers.get_mut(&asker.worker) else {
            return;
        };
        let key = record.key_for(address);
        if record.has_asked_for(&key) {
            self.deny(&asker, BindError::new(address, BindCause::Duplicate));
            return;
        }
        if record.has_most_ports() {
            self.deny(&asker, BindError::new(address, BindCause::TooMany));
            return;
        }
        record.note_port(key.clone(), None);
        match self
            .ports
            .request(&key, options, asker.clone(), &mut self.links)
        {
            Answer::Granted(port) => self.note_granted(&asker, key, port),
            Answer::Denied(error) => self.note_denied(&asker, &key, error),
            Answer::Wait => {}
            Answer::Found(result) => self.handle_opened(&key, result),
            Answer::Open(options, sharing) => {
                self.check_backlog(&options);
                let sender = self.sender.clone();
                tokio::spawn(async move {
                    let result = open(key.address.clone(), options, sharing).await;
                    // A loop that has ended needs no port.
                    let _ended = sender.send(Input::Opened { key, result }).await;
                });
            }
        }
    }

    pub(crate) fn handle_opened(
        &mut self,
        key: &PortKey,
        result: Result<super::ports::Opened, BindError>,
    ) {
        let answers = self.ports.opened(key, result, &mut self.links);
        if let Some(opened) = self.ports.describe(key) {
            self.tell(opened);
        }
        for (asker, answer) in answers {
            match answer {
                Ok(port) => self.note_granted(&asker, key.clone(), port),
                Err(error) => self.note_denied(&asker, key, error),
            }
        }
    }

    fn note_granted(&mut self, asker: &Asker, key: PortKey, port: PortId) {
        if let Some(record) = self.workers.get_mut(&asker.worker) {
            record.note_port(key, Some(port));
            self.releases.take_back(port);
            self.feed(Event::Listening {
                worker: asker.worker,
                port,
            });
        }
    }

    fn note_denied(&mut self, asker: &Asker, key: &PortKey, error: BindError) {
        if let Some(record) = self.workers.get_mut(&asker.worker) {
            record.forget_request(key);
        }
        self.deny(asker, error);
    }

    /// A worker that is to leave needs no port any more; whoever waits for one there is told so.
    pub(crate) fn deny_waiting_requests(&mut self, worker: WorkerId) {
        for (asker, address) in self.ports.take_requests(worker) {
            self.send_denial(&asker, &BindError::new(&address, BindCause::Stopping));
        }
    }

    fn deny(&mut self, asker: &Asker, error: BindError) {
        self.send_denial(asker, &error);
        self.tell(Notice::PortRefused {
            worker: asker.worker,
            slot: asker.slot,
            error,
        });
    }

    fn send_denial(&mut self, asker: &Asker, error: &BindError) {
        let denied = FromWatcher::Denied {
            request: asker.request,
            error: error.clone(),
        };
        self.links.send(asker.worker, &denied, None);
    }

    fn handle_release(&mut self, worker: WorkerId, port: PortId) {
        let had_it = self
            .workers
            .get_mut(&worker)
            .is_some_and(|record| record.release(port));
        if had_it {
            self.ports.release(port, worker);
            self.releasing = Some(worker);
            self.feed(Event::Released { worker, port });
            self.releasing = None;
        }
    }

    fn handle_leaving(&mut self, worker: WorkerId) {
        if let Some(record) = self.workers.get_mut(&worker) {
            record.may_leave = true;
        }
        self.releases.postpone(worker, Instant::now());
        self.pulse.forget(worker);
        self.feed(Event::Leaving { worker });
    }

    pub(super) fn mend_ports(&mut self, shut: &[(PortId, Option<SlotId>)]) {
        for mended in self.ports.mend(shut) {
            match mended {
                Ok(address) => self.tell(Notice::PortMended { address }),
                Err(error) => self.tell(Notice::MendFailed { error }),
            }
        }
    }

    /// Says once when the kernel lets fewer connections wait than asked for.
    fn check_backlog(&mut self, options: &ListenOptions) {
        if self.backlog_checked {
            return;
        }
        let limit = std::fs::read_to_string("/proc/sys/net/core/somaxconn").ok();
        if let Some(limit) = limit.and_then(|text| text.trim().parse().ok())
            && limit < options.backlog
        {
            self.backlog_checked = true;
            self.tell(Notice::BacklogClamped {
                asked: options.backlog,
                limit,
            });
        }
    }
}
