//! The command's signals, turned into commands to the watcher.

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, sleep_until};

use super::terminal::Terminal;
use crate::log::Writer;
use crate::watcher::Handle;

/// Within this time two signals to stop are one request: `timeout` and some service managers send one to the
/// process and the same to its group. Nobody means the second one to kill.
const SAME_REQUEST: Duration = Duration::from_millis(100);

/// The kernel may send `HUP` shortly before it takes the terminal away from us, so that is looked at this much later.
const CLOSING: Duration = Duration::from_millis(100);

/// Signals the command takes from the moment this is made; what comes before [`Signals::forward`] waits.
#[derive(Debug)]
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    restart: Signal,
    one_more: Signal,
    one_fewer: Signal,
    hang_up: Signal,
    children: Signal,
    /// Never waited for: while it is taken, what goes beyond a limit on the size of files is an error of its writer,
    /// and not our end. Workers have the default again.
    _file_too_large: Signal,
    terminal: Terminal,
    /// Whether children that are nobody's worker are reaped.
    reaps_orphans: bool,
    /// When to look whether the terminal was closed.
    look_at_terminal: Option<Instant>,
}

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Stop,
    ForceStop,
    Restart,
    OneMore,
    OneFewer,
    HangUp,
    LookAtTerminal,
    LookAtChildren,
}

impl Signals {
    pub(super) fn install(reaps_orphans: bool) -> io::Result<Self> {
        let terminal = Terminal::at_start();
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            restart: signal(SignalKind::user_defined1())?,
            one_more: signal(SignalKind::from_raw(libc::SIGTTIN))?,
            one_fewer: signal(SignalKind::from_raw(libc::SIGTTOU))?,
            hang_up: signal(SignalKind::hangup())?,
            children: signal(SignalKind::child())?,
            _file_too_large: signal(SignalKind::from_raw(libc::SIGXFSZ))?,
            terminal,
            reaps_orphans,
            look_at_terminal: None,
        })
    }

    /// Passes signals on for ever. A second `TERM` or `INT` forces the stop that the first asked for.
    pub(super) async fn forward(mut self, handle: &Handle, log: &Writer) -> Infallible {
        let mut stopping_since: Option<Instant> = None;
        loop {
            match self.next().await {
                Asked::Stop => match stopping_since {
                    Some(since) if since.elapsed() >= SAME_REQUEST => handle.force_stop(),
                    Some(_) => {}
                    None => {
                        stopping_since = Some(Instant::now());
                        handle.stop();
                    }
                },
                Asked::ForceStop => handle.force_stop(),
                // The log tells how it goes.
                Asked::Restart => drop(handle.restart()),
                Asked::OneMore => handle.scale_by(1),
                Asked::OneFewer => handle.scale_by(-1),
                Asked::HangUp => {
                    log.switches().reopen();
                    let is_ours = self.terminal.is_ours();
                    self.look_at_terminal = is_ours.then(|| Instant::now() + CLOSING);
                }
                Asked::LookAtTerminal => {
                    self.look_at_terminal = None;
                    if self.terminal.is_closed() {
                        handle.stop();
                    }
                }
                Asked::LookAtChildren => {
                    handle.children_changed();
                    if self.reaps_orphans {
                        handle.reap_orphans();
                    }
                }
            }
        }
    }

    async fn next(&mut self) -> Asked {
        tokio::select! {
            Some(()) = self.terminate.recv() => Asked::Stop,
            Some(()) = self.interrupt.recv() => Asked::Stop,
            Some(()) = self.quit.recv() => Asked::ForceStop,
            Some(()) = self.restart.recv() => Asked::Restart,
            Some(()) = self.one_more.recv() => Asked::OneMore,
            Some(()) = self.one_fewer.recv() => Asked::OneFewer,
            Some(()) = self.hang_up.recv() => Asked::HangUp,
            Some(()) = self.children.recv() => Asked::LookAtChildren,
            () = at(self.look_at_terminal) => Asked::LookAtTerminal,
            else => pending().await,
        }
    }
}

/// Waits until then; for ever, if there is no such time.
async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => pending().await,
    }
}
