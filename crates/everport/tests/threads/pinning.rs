//! Threads on CPUs of their own.

use std::fs;
use std::sync::mpsc;

use everport::{Cluster, Watcher};

use crate::scene::{PATIENCE, Scene, answer};

/// The CPUs that the calling thread may run on, as the kernel lists them.
fn allowed() -> String {
    let status = fs::read_to_string("/proc/thread-self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    line.unwrap().trim().to_owned()
}

/// `0-2,5` as numbers.
fn cpus(list: &str) -> Vec<u32> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        first.parse().unwrap()..=last.parse().unwrap()
    };
    list.split(',').flat_map(range).collect()
}

#[tokio::test]
async fn each_thread_runs_on_the_cpu_of_its_slot_and_so_do_those_that_it_starts() {
    let ours = cpus(&allowed());
    let workers = u32::try_from(ours.len()).unwrap() + 1;
    let (sender, findings) = mpsc::channel();
    let main = async move |cluster: Cluster| {
        let blocking = tokio::task::spawn_blocking(allowed).await.unwrap();
        let slot = cluster.slot().unwrap().0;
        sender.send((slot, allowed(), blocking)).unwrap();
        answer(cluster).await
    };
    let scene = Scene::start(Watcher::threads(workers, main).pin());
    scene.see_text(&["the cluster is ready"]).await;
    for _ in 0..workers {
        let (slot, own, blocking) = findings.recv_timeout(PATIENCE).unwrap();
        let expected = ours[slot as usize % ours.len()].to_string();
        assert_eq!((own, blocking), (expected.clone(), expected));
    }
    assert_eq!(cpus(&allowed()), ours, "the others run where they ran");
    scene.stop().await.unwrap();
}
