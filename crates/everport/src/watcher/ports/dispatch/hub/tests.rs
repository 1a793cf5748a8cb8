//! What is said on channels, and what lies in them, when workers lie and channels change.

use super::*;
use crate::link::{TakingEnd, pair};

const WORKER: WorkerId = WorkerId(1);
const OTHER: WorkerId = WorkerId(2);

/// Joins a worker that serves: its channel, and its end of it.
fn join(hub: &mut Hub, worker: WorkerId) -> (ChannelId, TakingEnd) {
    let (ours, theirs) = pair().unwrap();
    let theirs = Arc::new(theirs);
    let end = TakingEnd::new(theirs.try_clone().unwrap()).unwrap();
    let slot = SlotId(u32::try_from(worker.0).unwrap());
    let ours = Arc::new(PlacingEnd::new(ours).unwrap());
    let id = hub.join(worker, slot, (ours, theirs));
    hub.serve_too(worker);
    (id, end)
}

/// Something that can be sent, which is all that matters of it here.
fn connection() -> Connection {
    let (socket, _) = pair().unwrap();
    Connection { socket, peer: None }
}

fn place(hub: &mut Hub, worker: WorkerId) {
    let connection = connection();
    assert_eq!(hub.place(worker, connection), Outcome::Placed);
}

fn taken(taken: u64) -> Report {
    Report {
        taken,
        ended: 0,
        is_last: false,
    }
}

#[tokio::test]
async fn what_was_said_on_an_earlier_channel_does_not_count_for_the_next() {
    let mut hub = Hub::new(Placement::RoundRobin);
    let (earlier, _end) = join(&mut hub, WORKER);
    (0..5).for_each(|_| place(&mut hub, WORKER));
    hub.remove(WORKER);
    let (later, _end) = join(&mut hub, WORKER);
    place(&mut hub, WORKER);
    let last = Report {
        is_last: true,
        ..taken(5)
    };
    assert_eq!(hub.hear(earlier, last), Ok(()));
    assert!(!hub.fail(earlier));
    assert!(!hub.is_over(WORKER));
    let nonsense = Nonsense::Taken { said: 5, given: 1 };
    assert_eq!(hub.hear(later, last), Err(nonsense));
    assert_eq!(hub.hear(later, taken(1)), Ok(()));
    assert!(hub.fail(later));
    assert!(hub.is_over(WORKER));
}

#[tokio::test]
async fn one_that_left_what_it_said_to_have_taken_loses_its_channel_and_the_others_get_all() {
    let mut hub = Hub::new(Placement::RoundRobin);
    let (id, _end) = join(&mut hub, WORKER);
    let (_, _other_end) = join(&mut hub, OTHER);
    (0..5).for_each(|_| place(&mut hub, WORKER));
    assert_eq!(hub.hear(id, taken(5)), Ok(()));
    hub.stop_serving(WORKER);
    assert!(hub.is_over(WORKER));
    let nonsense = Nonsense::Left { said: 5, left: 4 };
    assert_eq!(hub.nonsense(id), Some(nonsense));
    let returned = std::iter::from_fn(|| hub.next_returned());
    assert_eq!(returned.count(), 5);
    assert_eq!(hub.next(), Some(OTHER));
}

#[tokio::test]
async fn what_was_placed_is_taken_back_each_time_and_looked_for_only_then() {
    let mut hub = Hub::new(Placement::RoundRobin);
    let (_, _end) = join(&mut hub, WORKER);
    let (_, _other_end) = join(&mut hub, OTHER);
    assert!(hub.channels[&WORKER].is_empty);
    for _ in 0..2 {
        hub.serve_too(WORKER);
        place(&mut hub, WORKER);
        assert!(!hub.channels[&WORKER].is_empty);
        hub.stop_serving(WORKER);
        assert!(hub.channels[&WORKER].is_empty);
        assert!(hub.next_returned().is_some());
        assert!(hub.next_returned().is_none());
    }
    // One that the hub knows nothing of shows whether it looks.
    let unseen = connection();
    let placed = Placed {
        is_acknowledged: false,
        tells_end: false,
        peer: None,
    };
    let end = &hub.channels[&WORKER].end;
    end.place(placed, unseen.socket.as_fd()).unwrap();
    hub.stop_serving(WORKER);
    assert!(hub.next_returned().is_none());
    assert!(hub.has_untaken(), "it stays where it is");
}
