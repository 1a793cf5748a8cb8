//! How threads get at ports.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use everport::{Cluster, Sharing, Watcher};

use crate::scene::{Scene, answer, answer_at, ask, ask_from};

/// How many sockets listen on the port.
#[cfg(target_os = "linux")]
fn listening_sockets(port: u16) -> usize {
    let table = std::fs::read_to_string("/proc/self/net/tcp").unwrap();
    let listens = |line: &&str| {
        let mut columns = line.split_whitespace();
        let is_ours = columns
            .nth(1)
            .is_some_and(|local| local.ends_with(&format!(":{port:04X}")));
        is_ours && columns.nth(1) == Some("0A")
    };
    table.lines().filter(listens).count()
}

#[tokio::test]
async fn with_reuseport_each_thread_has_a_socket_and_a_share_of_its_own() {
    let threads = Watcher::threads(3, answer).sharing(Sharing::Reuseport);
    let scene = Scene::start(threads);
    let address = scene.address().await;
    scene.see_text(&["the cluster is ready: 3 workers"]).await;
    #[cfg(target_os = "linux")]
    assert_eq!(listening_sockets(address.port()), 3);
    let mut served = [0_u32; 3];
    while served.contains(&0) {
        served[ask_from(address).await.unwrap().slot as usize] += 1;
    }
    scene.stop().await.unwrap();
}

#[tokio::test]
async fn with_transfer_all_threads_serve_from_one_socket() {
    let threads = Watcher::threads(3, answer).sharing(Sharing::Transfer);
    let scene = Scene::start(threads);
    let address = scene.address().await;
    scene.see_text(&["the cluster is ready: 3 workers"]).await;
    #[cfg(target_os = "linux")]
    assert_eq!(listening_sockets(address.port()), 1);
    let mut served = [0_u32; 3];
    while served.contains(&0) {
        served[ask_from(address).await.unwrap().slot as usize] += 1;
    }
    scene.stop().await.unwrap();
}

#[tokio::test]
async fn with_dispatch_threads_take_turns() {
    let threads = Watcher::threads(3, answer).sharing(Sharing::Dispatch);
    let scene = Scene::start(threads);
    let address = scene.address().await;
    scene.see_text(&["the cluster is ready: 3 workers"]).await;
    let mut served = [0_u32; 3];
    for _ in 0..12 {
        served[ask_from(address).await.unwrap().slot as usize] += 1;
    }
    assert_eq!(served, [4, 4, 4]);
    scene.stop().await.unwrap();
}

/// Restarts the cluster time and again while clients ask without pause; each of them gets an answer.
async fn restart_under_load(sharing: Sharing) {
    let scene = Scene::start(Watcher::threads(2, answer).sharing(sharing));
    let address = scene.address().await;
    scene.see_text(&["the cluster is ready"]).await;
    let is_over = Arc::new(AtomicBool::new(false));
    let client = |_| {
        let is_over = Arc::clone(&is_over);
        std::thread::spawn(move || {
            let mut answers = 0_u32;
            while !is_over.load(Ordering::Relaxed) {
                ask(address).unwrap();
                answers += 1;
            }
            answers
        })
    };
    let clients: Vec<_> = (0..3).map(client).collect();
    for generation in 2..12 {
        scene.handle.restart();
        let end = move |notice: &everport::log::Notice| {
            let text = notice.to_string();
            text.contains(&format!("rollout to generation {generation} finished"))
                .then_some(())
        };
        scene.see("the end of a rollout", end).await;
    }
    is_over.store(true, Ordering::Relaxed);
    for client in clients {
        // Not on this runtime, which the watcher needs.
        let answers = tokio::task::spawn_blocking(move || client.join().unwrap());
        assert!(answers.await.unwrap() > 0);
    }
    scene.stop().await.unwrap();
}

#[tokio::test]
async fn restarts_under_load_lose_nothing_with_reuseport() {
    restart_under_load(Sharing::Reuseport).await;
}

#[tokio::test]
async fn restarts_under_load_lose_nothing_with_transfer() {
    restart_under_load(Sharing::Transfer).await;
}

#[tokio::test]
async fn restarts_under_load_lose_nothing_with_dispatch() {
    restart_under_load(Sharing::Dispatch).await;
}

#[tokio::test]
async fn threads_listen_on_unix_sockets_too() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let threads = Watcher::threads(2, {
        let path = path.clone();
        async move |cluster: Cluster| {
            let listener = cluster.listen_unix(&path).await?;
            let accept = async {
                while let Ok(accepted) = listener.accept().await {
                    drop(accepted);
                }
            };
            tokio::select! {
                () = accept => {}
                result = answer_at(&cluster, "127.0.0.1:0") => result?,
            }
            Ok::<(), everport::ListenError>(())
        }
    });
    let scene = Scene::start(threads);
    scene.see_text(&["the cluster is ready: 2 workers"]).await;
    tokio::net::UnixStream::connect(&path).await.unwrap();
    scene.stop().await.unwrap();
    assert!(!path.exists());
}
