//! Real processes: this very test program, executed again as a worker.

use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use everport_core::ReplaceCause;
use rustix::fs::fstat;
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{Pid, Signal, kill_process};

use super::harness::{BOUND, Watcher, watch, within};
use crate::link::{Drained, FromWatcher, FromWorker, LINK_VARIABLE};
use crate::log::{Level, WhenFull};
use crate::{Cluster, JoinError, LeaveError};

/// Tells the program that it is executed again, and what to do then.
const ROLE_VARIABLE: &str = "EVERPORT_TEST_ROLE";

/// Not a test of its own: what the program does when it is executed again.
#[test]
fn role() {
    let Ok(role) = std::env::var(ROLE_VARIABLE) else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let cluster = Cluster::join().await.unwrap();
        match role.as_str() {
            "standalone" => assert!(!cluster.is_worker()),
            "joins twice" => {
                let again = Cluster::join().await;
                assert!(matches!(again, Err(JoinError::AlreadyJoined)), "{again:?}");
                assert!(!is_link_inheritable());
                cluster.leave().await.unwrap();
            }
            "hangs" => {
                cluster.ready();
                std::thread::sleep(10 * BOUND); // as a runtime hangs that is blocked by its program
            }
            "obeys" => {
                cluster.ready();
                cluster.terminated().await;
                cluster.leave().await.unwrap();
            }
            "is orphaned" => {
                cluster.ready();
                cluster.terminated().await;
                let left = cluster.leave().await;
                assert!(matches!(left, Err(LeaveError::LinkLost)), "{left:?}");
            }
            other => panic!("no such role: {other}"),
        }
    });
}

/// Whether a child of this process would inherit the link.
fn is_link_inheritable() -> bool {
    let link = std::env::var(LINK_VARIABLE).unwrap();
    let fd = link.split_once(':').unwrap().0.parse().unwrap();
    // SAFETY: `F_GETFD` touches no memory; for a number that is not open it fails.
    let flags = unsafe { libc::fcntl(fd, libc::F_GETFD) };
    flags >= 0 && flags & libc::FD_CLOEXEC == 0
}

fn spawn(role: &str, link: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "cluster::tests::process::role"])
        .args(["--test-threads", "1", "--quiet"])
        .env(ROLE_VARIABLE, role)
        .env(LINK_VARIABLE, link)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// A process that has greeted its watcher and was welcomed.
async fn spawn_worker(role: &str) -> (Watcher, Child) {
    let (mut watcher, theirs) = watch();
    fcntl_setfd(&theirs, FdFlags::empty()).unwrap();
    let inode = fstat(&theirs).unwrap().st_ino;
    let fd = std::os::fd::AsRawFd::as_raw_fd(&theirs);
    let child = spawn(role, &format!("{fd}:{inode}"));
    drop(theirs);
    watcher.welcome(Duration::from_secs(30)).await;
    if cfg!(feature = "tracing") {
        watcher.expect(FromWorker::OpenRing).await;
        watcher.send(&FromWatcher::Ring {
            size: 0,
            when_full: WhenFull::Drop,
            level: Level::Info,
            overrides: false,
        });
    }
    (watcher, child)
}

/// Waits for the process; what it printed is shown when the test fails.
async fn end_of(child: Child) -> ExitStatus {
    let waiting = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap());
    let output = within(waiting).await.unwrap();
    print!("{}", String::from_utf8_lossy(&output.stdout));
    print!("{}", String::from_utf8_lossy(&output.stderr));
    output.status
}

fn terminate(child: &Child) {
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
}

#[tokio::test]
async fn a_process_joins_through_its_inherited_link_once() {
    let (mut watcher, child) = spawn_worker("joins twice").await;
    watcher.expect(FromWorker::Leaving).await;
    watcher.expect(FromWorker::Left(Drained::default())).await;
    assert!(end_of(child).await.success());
}

#[tokio::test]
async fn a_process_whose_link_is_somebody_elses_runs_standalone() {
    assert!(end_of(spawn("standalone", "1000:1")).await.success());
    assert!(end_of(spawn("standalone", "0:1")).await.success());
}

#[tokio::test]
async fn a_link_that_nobody_could_have_named_is_an_error() {
    assert!(!end_of(spawn("standalone", "three")).await.success());
}

#[tokio::test]
async fn the_first_signal_asks_for_a_successor_and_the_second_drains() {
    let (mut watcher, child) = spawn_worker("obeys").await;
    watcher.expect(FromWorker::Ready).await;
    terminate(&child);
    watcher
        .expect(FromWorker::Replace {
            cause: ReplaceCause::Asked,
        })
        .await;
    terminate(&child);
    watcher.expect(FromWorker::Leaving).await;
    watcher.expect(FromWorker::Left(Drained::default())).await;
    assert!(end_of(child).await.success());
}

#[tokio::test]
async fn a_hung_process_ends_with_its_own_code_after_its_deadline() {
    let (mut watcher, child) = spawn_worker("hangs").await;
    watcher.expect(FromWorker::Ready).await;
    watcher.drain(Duration::from_millis(1), &[]);
    let status = end_of(child).await;
    assert_eq!(status.code(), Some(70), "signal {:?}", status.signal());
}

#[tokio::test]
async fn no_process_outlives_its_watcher() {
    let (mut watcher, child) = spawn_worker("is orphaned").await;
    watcher.expect(FromWorker::Ready).await;
    drop(watcher);
    assert!(end_of(child).await.success());
}
