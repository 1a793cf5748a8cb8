//! When the watcher sleeps, and what wakes it.

use super::*;

#[tokio::test]
async fn the_watcher_sleeps_when_nothing_comes() {
    let worker = start(WhenFull::Drop);
    let sleeps = || {
        // What the watcher does is the `u32` at 128; 0: it waits for the bell.
        let mut reader = [1; 4];
        rustix::io::pread(worker.memory.as_fd(), &mut reader, 128).unwrap();
        reader == [0; 4]
    };
    for _ in 0..3 {
        let until = tokio::time::Instant::now() + PATIENCE;
        while !sleeps() {
            assert!(tokio::time::Instant::now() < until, "it never sleeps");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!(worker.producer.hand_over(&encoded("wake up")));
        next_records(&worker.entries).await;
        assert!(!sleeps(), "it sleeps although more may come");
    }
}

#[tokio::test]
async fn a_bell_that_rings_without_end_wakes_the_watcher_a_few_hundred_times_a_second() {
    let worker = start(WhenFull::Drop);
    let is_over = Arc::new(AtomicBool::new(false));
    let ringing = std::thread::spawn({
        let (bell, is_over) = (worker.bell.try_clone().unwrap(), Arc::clone(&is_over));
        move || {
            while !is_over.load(Ordering::Relaxed) {
                // The counter is full after ages.
                rustix::io::write(&bell, &1_u64.to_ne_bytes()).unwrap();
            }
        }
    });
    let turns = || {
        tokio::runtime::Handle::current()
            .metrics()
            .worker_park_count(0)
    };
    let before = turns();
    let began = std::time::Instant::now();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let most = 1000.0 * began.elapsed().as_secs_f64();
    assert!(
        ((turns() - before) as f64) < most,
        "{} turns",
        turns() - before
    );
    is_over.store(true, Ordering::Relaxed);
    ringing.join().unwrap();
    // It is still heard.
    assert!(worker.producer.hand_over(&encoded("a record")));
    assert_eq!(
        messages(&*next_records(&worker.entries).await),
        ["a record"]
    );
}

#[tokio::test]
async fn a_bell_that_was_rung_for_nothing_lets_the_watcher_sleep() {
    let worker = start(WhenFull::Drop);
    assert!(worker.producer.hand_over(&encoded("a record")));
    next_records(&worker.entries).await;
    rustix::io::write(&worker.bell, &1_u64.to_ne_bytes()).unwrap();
    let turns = || {
        tokio::runtime::Handle::current()
            .metrics()
            .worker_park_count(0)
    };
    let until = tokio::time::Instant::now() + PATIENCE;
    loop {
        let before = turns();
        tokio::time::sleep(Duration::from_millis(500)).await;
        if turns() - before < 5 {
            break;
        }
        assert!(tokio::time::Instant::now() < until, "it never sleeps");
    }
}
