//! What an application can wait for, and what it can ask.

use std::time::Duration;

use everport::Sharing;
use everport::watcher::{ExitReason, Program, WatcherEnded, WorkerState};
use everport_tests::{Deployment, Kind, for_each_kind, has_ipv6, is_alive};
use rustix::process::{Pid, Signal, kill_process};

use super::{Embedded, deployed, get_aside, of_program, program, soon, workers, workers_of};

for_each_kind!(
    async a_test_learns_the_port_number_that_was_chosen,
    ready_waits_for_the_workers_that_were_asked_for_before,
);

async fn a_test_learns_the_port_number_that_was_chosen(kind: Kind) {
    let embedded = Embedded::ready(workers_of(kind, 2).sharing(Sharing::Transfer)).await;
    let ports = soon(embedded.handle.ports()).await.unwrap();
    let [port] = &ports[..] else {
        panic!("{ports:?}");
    };
    let address = port.socket_addr().unwrap();
    assert_eq!(port.asked.to_string(), "127.0.0.1:0");
    assert_eq!(port.address.to_string(), address.to_string());
    assert_eq!(port.sharing, Sharing::Transfer);
    assert_eq!(port.passed_in_as, None);
    assert_ne!(address.port(), 0);
    assert_eq!(get_aside(address, "/").await.body, "Hello, World!");
    embedded.stop().await;
}

#[tokio::test]
async fn ports_come_in_the_order_in_which_they_were_asked_for() {
    if !has_ipv6() {
        return;
    }
    let program = Program::find(program("test-worker")).unwrap();
    let program = program.args(["--listen", "127.0.0.1:0", "--listen", "[::1]:0"]);
    let embedded = Embedded::ready(of_program(1, program)).await;
    let ports = soon(embedded.handle.ports()).await.unwrap();
    let asked: Vec<String> = ports.iter().map(|port| port.asked.to_string()).collect();
    assert_eq!(asked, ["127.0.0.1:0", "[::1]:0", "127.0.0.1:0"]);
    for port in ports {
        let address = port.socket_addr().unwrap();
        assert_eq!(get_aside(address, "/").await.body, "Hello, World!");
    }
    embedded.stop().await;
}

async fn ready_waits_for_the_workers_that_were_asked_for_before(kind: Kind) {
    let embedded = Embedded::ready(workers_of(kind, 1)).await;
    assert_eq!(embedded.status().await.ready(), 1);
    embedded.handle.scale(3);
    soon(embedded.handle.ready()).await.unwrap();
    let status = embedded.status().await;
    assert_eq!((status.slots, status.ready()), (3, 3));
    assert!(status.is_ready());
    embedded.stop().await;
}

#[tokio::test]
async fn at_rest_waits_until_those_that_leave_have_left() {
    let embedded = Embedded::ready(workers(3)).await;
    let before = embedded.status().await;
    embedded.handle.scale(1);
    soon(embedded.handle.at_rest()).await.unwrap();
    let status = embedded.status().await;
    assert_eq!((status.slots, status.workers.len()), (1, 1));
    for gone in &before.workers[1..] {
        assert!(!is_alive(gone.pid.unwrap()), "{gone:?}");
    }
    embedded.stop().await;
}

#[tokio::test]
async fn a_status_names_processes_and_who_serves() {
    let embedded = Embedded::ready(workers(2)).await;
    let status = embedded.status().await;
    for worker in &status.workers {
        let executable = std::fs::read_link(format!("/proc/{}/exe", worker.pid.unwrap()));
        assert_eq!(
            executable.unwrap(),
            program("test-worker").canonicalize().unwrap()
        );
        assert!(worker.serves());
        assert_eq!(status.serving(worker.slot), Some(worker));
        assert_eq!(status.worker(worker.id), Some(worker));
    }
    // What becomes of a killed one is told at once, and then there is another one.
    let killed = status.workers[0];
    let pid = i32::try_from(killed.pid.unwrap()).unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    soon(async {
        while embedded.status().await.worker(killed.id).is_some() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    soon(embedded.handle.ready()).await.unwrap();
    let status = embedded.status().await;
    let successor = status.serving(killed.slot).unwrap();
    assert!(successor.id > killed.id);
    assert_eq!(successor.state, WorkerState::Ready);
    embedded.stop().await;
}

#[tokio::test]
async fn who_waits_for_what_never_comes_is_told_of_the_end() {
    let deployment = Deployment::of("v1 hangs-at-boot");
    let builder = deployed(1, &deployment).shutdown_timeout(Duration::from_secs(1));
    let embedded = Embedded::start(builder);
    let handle = embedded.handle.clone();
    let ready = tokio::spawn(async move { handle.ready().await });
    let handle = embedded.handle.clone();
    let at_rest = tokio::spawn(async move { handle.at_rest().await });
    let status = embedded.status().await;
    assert_eq!((status.ready(), status.is_ready()), (0, false));
    assert_eq!(soon(embedded.handle.ports()).await, Ok(Vec::new()));
    embedded.handle.force_stop();
    assert_eq!(
        soon(embedded.running).await.unwrap().unwrap(),
        ExitReason::Forced
    );
    assert_eq!(soon(ready).await.unwrap(), Err(WatcherEnded));
    assert_eq!(soon(at_rest).await.unwrap(), Err(WatcherEnded));
}
