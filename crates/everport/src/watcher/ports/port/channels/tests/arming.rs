//! Channels whose next connection is reported, as others come and go.

use super::*;

const SECOND: (WorkerId, SlotId) = (WorkerId(2), SlotId(1));
/// Replaces the first one.
const THIRD: (WorkerId, SlotId) = (WorkerId(3), SlotId(0));

impl Fixture {
    /// These serve, and the next connection is reported.
    fn arm(&mut self, servers: &[(WorkerId, SlotId)]) {
        let serving = |(worker, slot): &(WorkerId, SlotId)| Serving {
            slot: *slot,
            worker: *worker,
        };
        self.port
            .steer(servers.iter().map(serving).collect(), &mut self.links);
        self.port.arm(&self.watch, &|_| true);
    }

    async fn is_reported(&self) -> bool {
        let seen = tokio::time::timeout(BOUND, self.watch.wait()).await;
        seen.unwrap().unwrap().has_connection
    }

    async fn is_quiet(&self) -> bool {
        let seen = tokio::time::timeout(Duration::from_millis(60), self.watch.wait());
        seen.await.is_err()
    }
}

#[tokio::test]
async fn a_channel_is_armed_once_however_many_others_come() {
    let mut fixture = Fixture::new().await;
    let _end = fixture.join(FIRST);
    fixture.arm(&[FIRST]);
    let _client = fixture.connect().await;
    assert!(fixture.is_reported().await);
    // Armed anew it would report what still waits there.
    let _second_end = fixture.join(SECOND);
    fixture.arm(&[FIRST, SECOND]);
    assert!(fixture.is_quiet().await);
    fixture.port.disarm(&fixture.watch);
    fixture.arm(&[FIRST, SECOND]);
    assert!(fixture.is_reported().await, "it still waits");
}

#[tokio::test]
async fn of_two_channels_of_a_slot_the_one_that_serves_is_armed() {
    let mut fixture = Fixture::new().await;
    let _end = fixture.join(FIRST);
    fixture.arm(&[FIRST]);
    let _successors_end = fixture.join(THIRD);
    fixture.arm(&[THIRD]);
    let _client = fixture.connect().await;
    assert!(fixture.is_reported().await);
    fixture.port.close_channel(FIRST.0, &fixture.watch);
    fixture.port.disarm(&fixture.watch);
    fixture.arm(&[THIRD]);
    assert!(fixture.is_reported().await, "it still waits");
}
