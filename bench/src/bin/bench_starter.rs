//! Starts and ends the server under test, unmanaged, so many times a second: what a rolling restart does to its neighbours,
//! without the restart.

use std::collections::VecDeque;
use std::error::Error;
use std::io::{self, BufRead, BufReader, ErrorKind};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use rustix::process::{Pid, Signal, kill_process};

/// Waits for a line before it begins, and for the end of its input before it leaves.
#[derive(Debug, Parser)]
struct Options {
    /// How many programs run at any time
    #[arg(long, value_name = "N")]
    programs: usize,
    /// How many are replaced in a second
    #[arg(long, value_name = "N")]
    rate: f64,
    /// For how long
    #[arg(long, value_name = "S")]
    seconds: f64,
}

fn main() -> Result<(), Box<dyn Error>> {
    // A watcher's workers compete with the load generator, each in a session of its own, and so do these programs. This
    // process has one, too. It fails only for the leader of a group.
    rustix::process::setsid().ok();
    let options = Options::parse();
    let mut running = Running::default();
    for _ in 0..options.programs {
        running.start()?;
    }
    println!("ready");
    let mut lines = io::stdin().lines();
    if lines.next().is_some() {
        println!("started {}", replace(&mut running, &options)?);
    }
    // Whatever else it is told means nothing.
    lines.for_each(drop);
    Ok(())
}

/// Replaces programs for as long as it is told, each when its time has come, the new one first; says how many it has started.
fn replace(running: &mut Running, options: &Options) -> io::Result<u64> {
    let begin = Instant::now();
    let end = begin + Duration::from_secs_f64(options.seconds);
    let mut started: u32 = 0;
    loop {
        let due = f64::from(started) / options.rate;
        // Nothing is due ever where nothing is to be started.
        let due = Duration::try_from_secs_f64(due).map_or(end, |due| begin + due);
        thread::sleep(due.min(end).saturating_duration_since(Instant::now()));
        if due.max(Instant::now()) >= end {
            return Ok(u64::from(started));
        }
        running.start()?;
        running.end_oldest();
        started += 1;
    }
}

/// The programs, the oldest first. All are killed when this is dropped.
#[derive(Default)]
struct Running {
    serving: VecDeque<Child>,
    /// They have been told to end.
    leaving: Vec<Child>,
}

impl Running {
    /// Starts one, and returns when it listens.
    fn start(&mut self) -> io::Result<()> {
        let program = std::env::current_exe()?.with_file_name("bench-server");
        let mut child = Command::new(program)
            .args(["--unmanaged", "127.0.0.1:0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take();
        // From here on it is killed with the others, whatever happens.
        self.serving.push_back(child);
        let output = output.ok_or(ErrorKind::BrokenPipe)?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        if line.starts_with("listening on ") {
            Ok(())
        } else {
            Err(io::Error::other(format!("bench-server said {line:?}")))
        }
    }

    /// Tells the oldest to end, as a watcher does, and waits for none that does not take long.
    fn end_oldest(&mut self) {
        if let Some(child) = self.serving.pop_front() {
            let pid = Pid::from_child(&child);
            // It is our child and not waited for yet, so the pid is its own. One that has ended need not be told.
            kill_process(pid, Signal::TERM).ok();
            self.leaving.push(child);
        }
        self.leaving
            .retain_mut(|child| !matches!(child.try_wait(), Ok(Some(_))));
        // Enough of them: one that serves nobody ends within a millisecond.
        while self.leaving.len() > MOST_LEAVING {
            drop(self.leaving.remove(0).wait());
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for child in self.serving.iter_mut().chain(&mut self.leaving) {
            // One that has ended already is just as well.
            drop(child.kill());
            drop(child.wait());
        }
    }
}

const MOST_LEAVING: usize = 8;
