//! One notice of each kind, and more where they differ.

use std::time::Duration;

use everport_core::{AbortCause, DrainReason, ExitReason, Notice as Decision, ReplaceCause};

use crate::bind::PassedSocketError;
use crate::log::{AbortedRollout, Ending, Level, Notice, Thread, ThreadEnding};
use crate::{BindCause, BindError, Generation, PortAddress, Sharing, SlotId, WorkerId};

const WORKER: WorkerId = WorkerId(7);
const SLOT: SlotId = SlotId(2);
const TIME: Duration = Duration::from_micros(1_234_567);

/// One of each event at least.
pub(super) fn notices() -> Vec<Notice> {
    let decisions = decisions().into_iter().map(Notice::Supervisor);
    let all = [of_the_watcher(), of_workers(), of_deaths(), of_ports()];
    all.into_iter().flatten().chain(decisions).collect()
}

fn error() -> String {
    "no \x1b luck".to_owned()
}

fn address() -> PortAddress {
    PortAddress::Tcp(([127, 0, 0, 1], 8080).into())
}

fn bind_error() -> BindError {
    BindError {
        address: PortAddress::unix("/run/a\nb"),
        cause: BindCause::Duplicate,
    }
}

fn of_the_watcher() -> Vec<Notice> {
    vec![
        Notice::Started {
            version: "1.2.3",
            pid: 4711,
            workers: 4,
            program: "/srv/shop".to_owned(),
            threads: false,
        },
        Notice::Stopped {
            reason: ExitReason::Stopped,
            ran: TIME,
        },
        Notice::Configured {
            path: "/etc/everport.toml".into(),
        },
        Notice::ConfigurationRefused {
            errors: vec![error()],
        },
        Notice::ServiceManagerUnreachable { error: error() },
        Notice::LogLevelSet {
            level: Level::Debug,
        },
        Notice::FilesChanged {
            path: "src".to_owned(),
            others: 2,
        },
        Notice::WatchFailed { error: error() },
        Notice::LogTrouble { error: error() },
        Notice::LogReopened {
            path: "/var/log/shop.log".into(),
        },
        Notice::Overslept { gap: TIME },
        Notice::OomScoreRefused { error: error() },
    ]
}

fn of_workers() -> Vec<Notice> {
    let (worker, slot) = (WORKER, SLOT);
    vec![
        Notice::Joined {
            worker,
            slot,
            library: "everport 1.2.3".to_owned(),
            protocol: 2,
        },
        Notice::NeverJoined { worker, slot },
        Notice::Spawned {
            worker,
            slot,
            generation: Generation(3),
            pid: 4711,
            thread: None,
        },
        Notice::SpawnFailed {
            worker,
            slot,
            error: error(),
        },
        Notice::OverMemory {
            worker,
            slot,
            used: u64::MAX,
            limit: 512 << 20,
            is_proportional: true,
        },
        Notice::Left {
            worker,
            slot,
            finished: 1,
            closed: 2,
            cut: 3,
        },
        Notice::Suspended {
            worker,
            slot,
            stopped: true,
        },
        Notice::Silent {
            worker,
            slot,
            lasts: TIME,
        },
        Notice::Heard {
            worker,
            slot,
            lasted: TIME,
        },
        Notice::KillFailed {
            worker,
            slot,
            error: error(),
        },
        Notice::HookPanicked {
            hook: "on_ready",
            worker,
            slot,
            error: error(),
        },
        Notice::ThreadAbandoned {
            worker,
            slot,
            count: 2,
        },
        Notice::ThreadEnded {
            worker,
            slot,
            ending: ThreadEnding::Failed(error()),
            count: 1,
        },
        Notice::LinkBroken {
            worker,
            slot,
            error: error(),
        },
        Notice::RingRefused {
            worker,
            slot,
            error: error(),
        },
        Notice::RingBroken {
            worker,
            slot,
            error: error(),
        },
        Notice::MessagesRefused {
            worker,
            slot,
            error: error(),
        },
        Notice::MessagesBroken {
            worker,
            slot,
            error: error(),
        },
    ]
}

fn of_deaths() -> Vec<Notice> {
    let (worker, slot) = (WORKER, SLOT);
    let endings = [(Some(3), None), (None, Some(9)), (None, Some(64))];
    let endings = endings.map(|(code, signal)| Ending {
        code,
        signal,
        out_of_memory: true,
        thread: None,
    });
    let last_lines = vec!["last".to_owned(), "words\x07".to_owned()];
    let thread = |wait_channel| Thread {
        id: 4711,
        name: "main".to_owned(),
        state: 'D',
        wait_channel,
        stack: vec!["nfs_wait+0x1/0x2".to_owned()],
    };
    let mut notices = vec![Notice::Stuck {
        worker,
        slot,
        threads: vec![thread(None), thread(Some("nfs_wait".to_owned()))],
        last_lines: last_lines.clone(),
    }];
    let threads = [ThreadEnding::Abandoned, ThreadEnding::Panicked(error())];
    let endings = endings.into_iter().chain(threads.map(Ending::of_thread));
    for ending in endings {
        notices.push(Notice::Ended {
            worker,
            slot,
            pid: 4711,
            ending: ending.clone(),
            expected: false,
            last_lines: last_lines.clone(),
        });
        notices.push(Notice::RolloutAborted(AbortedRollout {
            generation: Generation(3),
            back_to: Generation(2),
            slot,
            worker,
            cause: AbortCause::DiedReady,
            ending: Some(ending),
            error: Some(error()),
            last_lines: last_lines.clone(),
            moved: 1,
        }));
    }
    notices
}

fn of_ports() -> Vec<Notice> {
    vec![
        Notice::PortOpened {
            address: address(),
            sharing: Sharing::Reuseport,
            passed_in_as: None,
        },
        Notice::PortOpened {
            address: address(),
            sharing: Sharing::Transfer,
            passed_in_as: Some("web\n".to_owned()),
        },
        Notice::PortClosed {
            address: address(),
            passed_in_as: None,
        },
        Notice::PassedSocketRefused {
            descriptor: Some(3),
            name: "web".to_owned(),
            error: PassedSocketError::NotASocket,
        },
        Notice::PassedSocketUnused {
            name: "web".to_owned(),
            address: address(),
        },
        Notice::PortRefused {
            worker: WORKER,
            slot: SLOT,
            error: bind_error(),
        },
        Notice::BacklogClamped {
            asked: 4096,
            limit: 128,
        },
        Notice::SteeringRefused {
            address: address(),
            error: error(),
        },
        Notice::AcceptRefused {
            address: address(),
            error: error(),
        },
        Notice::PortMended { address: address() },
        Notice::MendFailed {
            error: bind_error(),
        },
    ]
}

fn decisions() -> Vec<Decision> {
    let (worker, slot, timeout) = (WORKER, SLOT, TIME);
    let (generation, back_to) = (Generation(3), Generation(2));
    vec![
        Decision::WorkerReady {
            worker,
            slot,
            generation,
            boot: TIME,
        },
        Decision::ClusterReady {
            workers: 4,
            took: TIME,
        },
        Decision::BootTimedOut {
            worker,
            slot,
            timeout,
        },
        Decision::Draining {
            worker,
            slot,
            reason: DrainReason::ScaleDown,
        },
        Decision::DrainTimedOut {
            worker,
            slot,
            timeout,
        },
        Decision::HangTimedOut {
            worker,
            slot,
            timeout,
        },
        Decision::BackingOff {
            slot,
            failures: 3,
            delay: TIME,
        },
        Decision::CrashLooping {
            slot,
            deaths: 6,
            period: TIME,
        },
        Decision::ReplacementStarted {
            worker,
            slot,
            cause: ReplaceCause::Memory,
        },
        Decision::RolloutStarted {
            generation,
            from: back_to,
        },
        Decision::RestartCoalesced,
        Decision::RestartRefused,
        Decision::RolloutFinished {
            generation,
            took: TIME,
        },
        Decision::RolloutAborted {
            generation,
            back_to,
            slot,
            worker,
            cause: AbortCause::Hung,
            moved: 0,
        },
        Decision::RolledBack {
            generation,
            took: TIME,
            slots: 2,
        },
        Decision::Scaled { from: 2, to: 1 },
        Decision::Leaving { delay: TIME },
        Decision::Stopping {
            reason: ExitReason::CrashLoop,
        },
    ]
}
