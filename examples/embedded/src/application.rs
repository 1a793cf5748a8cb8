//! The application: it starts the cluster, hears what happens there, and takes commands.

use anyhow::Context;
use everport::Watcher;
use everport::watcher::{Handle, Program};
use tokio::sync::mpsc;

use crate::worker::Greeted;

/// Runs until the cluster has ended.
pub(crate) async fn run(address: &str) -> anyhow::Result<()> {
    let watcher = Watcher::builder(Program::current()?.args([address]))
        .workers(2)
        .on_ready(|source| println!("worker {} serves, pid {}", source.worker, source.pid))
        .after_end(|end| println!("worker {} has gone: {}", end.source.worker, end.ending))
        .build()?;
    let handle = watcher.handle();
    let mut notices = handle.notices();
    let mut greeted = handle.messages::<Greeted>("greeted")?;
    let mut running = tokio::spawn(watcher.run());
    let mut commands = typed_commands();
    let mut greetings = 0;
    handle.ready().await?;
    for port in handle.ports().await? {
        println!(
            "serving on {}; say restart, scale N, status or stop",
            port.address
        );
    }
    loop {
        tokio::select! {
            Some(Ok(told)) = notices.next() => eprintln!("[{}] {}", told.notice.level(), told.notice),
            Some(Ok(message)) = greeted.next() => {
                greetings += 1;
                println!("{} greeted {}: {greetings} so far", message.from, message.value.name);
            }
            Some(command) = commands.recv() => obey(&command, &handle).await,
            interrupted = tokio::signal::ctrl_c() => {
                interrupted?;
                handle.stop();
            }
            ended = &mut running => {
                let reason = ended?.context("the cluster broke down")?;
                println!("the cluster has ended: {reason:?}");
                return Ok(());
            }
        }
    }
}

/// Does what was typed.
async fn obey(command: &str, handle: &Handle) {
    match command.split_once(' ').unwrap_or((command, "")) {
        ("restart", _) => match handle.restart().await {
            Ok(restarted) => println!("everybody is of generation {}", restarted.generation),
            Err(error) => println!("{error}"),
        },
        ("scale", number) => match number.parse() {
            Ok(workers) => handle.scale(workers),
            Err(error) => println!("not a number of workers: {number:?} ({error})"),
        },
        ("status", _) => match handle.status().await {
            Ok(status) => println!("{} of {} workers serve", status.ready(), status.slots),
            Err(ended) => println!("{ended}"),
        },
        ("stop", _) => handle.stop(),
        _ => println!("say restart, scale N, status or stop"),
    }
}

/// Lines of standard input, read on a thread that keeps nobody from ending.
fn typed_commands() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use everport::SlotId;
    use everport_tests::{PATIENCE, get};
    use tokio::time::timeout;

    use super::*;
    use crate::worker;

    /// What a worker does is tested where it does it: threads need no program to start.
    #[tokio::test]
    async fn a_worker_greets_and_tells_the_application() {
        let watcher = Watcher::threads(2, async |cluster| {
            worker::serve(cluster, "127.0.0.1:0").await
        });
        let watcher = watcher.build().expect("what workers need is there");
        let handle = watcher.handle();
        let mut greeted = handle
            .messages::<Greeted>("greeted")
            .expect("nobody else reads them");
        let running = tokio::spawn(watcher.run());
        timeout(PATIENCE, handle.ready())
            .await
            .expect("it is soon ready")
            .expect("it runs");

        let ports = handle.ports().await.expect("it runs");
        let address = ports[0].socket_addr().expect("a TCP port");
        let answer = tokio::task::spawn_blocking(move || get(address, "/Ada"));
        assert_eq!(answer.await.expect("an answer").body, "Hello, Ada!\n");
        let message = timeout(PATIENCE, greeted.next())
            .await
            .expect("it is told soon");
        let message = message.expect("it runs").expect("a greeting");
        assert_eq!(message.value.name, "Ada");
        let status = handle.status().await.expect("it runs");
        assert!(status.serving(SlotId(0)).is_some() && status.serving(SlotId(1)).is_some());

        handle.stop();
        timeout(PATIENCE, running)
            .await
            .expect("it ends soon")
            .expect("no panic")
            .expect("it ends well");
    }
}
