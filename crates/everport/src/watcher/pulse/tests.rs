//! Who gets a beat when, and who counts as silent, against a clock that the tests turn.

use super::*;

const A: WorkerId = WorkerId(1);
const B: WorkerId = WorkerId(2);

/// A pulse, its time, and the beats it has sent.
struct Fixture {
    pulse: Pulse,
    start: Instant,
    now: Instant,
    sent: Vec<(WorkerId, u32)>,
    link_is_full: bool,
}

fn milliseconds(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn set(workers: &[WorkerId]) -> BTreeSet<WorkerId> {
    workers.iter().copied().collect()
}

impl Fixture {
    /// A connection has just come.
    fn begun() -> Self {
        let start = Instant::now();
        let mut pulse = Pulse::default();
        pulse.begin(start);
        Self {
            pulse,
            start,
            now: start,
            sent: Vec::new(),
            link_is_full: false,
        }
    }

    /// Looks when it is due and says who has fallen silent.
    fn look(&mut self, awaited: &[WorkerId]) -> Vec<WorkerId> {
        self.now = self.pulse.phase.as_ref().unwrap().next_look;
        self.look_now(awaited)
    }

    fn look_now(&mut self, awaited: &[WorkerId]) -> Vec<WorkerId> {
        let look = Look {
            awaited: set(awaited),
            serving: set(&[A, B]),
        };
        let (sent, is_full) = (&mut self.sent, self.link_is_full);
        self.pulse.look(self.now, &look, |worker, number| {
            if !is_full {
                sent.push((worker, number));
            }
            !is_full
        })
    }

    /// Looks for so long, as often as is due; says who fell silent, and when.
    fn look_for(&mut self, time: Duration, awaited: &[WorkerId]) -> Vec<(WorkerId, Duration)> {
        let end = self.now + time;
        let mut silent = Vec::new();
        while let Some(phase) = &self.pulse.phase
            && phase.next_look <= end
        {
            for worker in self.look(awaited) {
                silent.push((worker, self.now - self.start));
            }
        }
        self.now = end;
        silent
    }

    /// The workers answer everything they were sent.
    fn answer(&mut self) {
        for (worker, number) in self.sent.drain(..) {
            assert_eq!(self.pulse.answered(worker, number), None);
        }
    }
}

#[test]
fn only_a_worker_with_something_to_accept_gets_a_beat() {
    let mut fixture = Fixture::begun();
    assert_eq!(fixture.pulse.next_timeout(), Some(fixture.start), "at once");
    fixture.look(&[A]);
    assert_eq!(fixture.sent, [(A, 1)]);
    fixture.answer();
    fixture.look(&[]);
    assert_eq!(fixture.sent, []);
    fixture.look(&[A, B]);
    assert_eq!(fixture.sent, [(A, 2), (B, 3)]);
}

#[test]
fn a_worker_that_does_not_answer_while_somebody_waits_falls_silent_in_time() {
    let mut fixture = Fixture::begun();
    let silent = fixture.look_for(milliseconds(100), &[A]);
    assert_eq!(silent, [(A, ANSWER_WITHIN)]);
    assert_eq!(fixture.sent, [(A, 1)], "one beat is enough");
    assert!(!fixture.pulse.is_well(A));
    assert!(fixture.pulse.is_well(B));
}

#[test]
fn a_connection_that_comes_between_two_looks_waits_no_longer_than_promised() {
    let mut fixture = Fixture::begun();
    fixture.look_for(milliseconds(100), &[]);
    let came = fixture.now;
    let silent = fixture.look_for(milliseconds(100), &[A]);
    let waited = fixture.start + silent[0].1 - came;
    assert!(waited <= BETWEEN_LOOKS + ANSWER_WITHIN, "{waited:?}");
    // What is promised is 50 ms; the rest is for noticing, steering and lending.
    assert!(waited <= milliseconds(40), "{waited:?}");
}

#[test]
fn an_answer_ends_a_silence_and_the_next_beat_may_come() {
    let mut fixture = Fixture::begun();
    fixture.look_for(milliseconds(100), &[A]);
    let silence = fixture.pulse.answered(A, 1).unwrap();
    assert_eq!(silence.since, fixture.start);
    assert!(fixture.pulse.is_well(A));
    fixture.look(&[A]);
    assert_eq!(fixture.sent, [(A, 1), (A, 2)]);
}

#[test]
fn answers_to_nothing_mean_nothing() {
    let mut fixture = Fixture::begun();
    fixture.look(&[A]);
    for (worker, number) in [(A, 0), (A, 2), (B, 1), (WorkerId(99), 1)] {
        assert_eq!(fixture.pulse.answered(worker, number), None);
    }
    assert_eq!(
        fixture.look_for(milliseconds(50), &[A]),
        [(A, ANSWER_WITHIN)]
    );
    assert!(fixture.pulse.answered(A, 1).is_some());
    assert_eq!(fixture.pulse.answered(A, 1), None, "a second time");
}

#[test]
fn when_all_are_slow_nobody_is_preferred_for_a_second() {
    let mut fixture = Fixture::begun();
    let silent = fixture.look_for(milliseconds(1200), &[A, B]);
    let expected = ANSWER_AT_ALL..ANSWER_AT_ALL + BETWEEN_LOOKS;
    assert_eq!(silent.len(), 2, "{silent:?}");
    assert!(
        silent.iter().all(|(_, at)| expected.contains(at)),
        "{silent:?}"
    );
}

#[test]
fn a_worker_with_only_kept_connections_is_heard_of_while_connections_come_to_others() {
    let mut fixture = Fixture::begun();
    let mut silent = Vec::new();
    // B answers and A does not.
    while fixture.now < fixture.start + milliseconds(2000) {
        silent.extend(fixture.look(&[B]));
        for (worker, number) in std::mem::take(&mut fixture.sent) {
            if worker == B {
                fixture.pulse.answered(worker, number);
            }
        }
    }
    assert_eq!(silent, [A]);
}

#[test]
fn it_comes_to_rest_when_the_queues_stay_empty() {
    let mut fixture = Fixture::begun();
    while fixture.now < fixture.start + milliseconds(1000) {
        fixture.look(&[A]);
        fixture.answer();
    }
    let busy_until = fixture.now;
    while !fixture.pulse.is_at_rest() {
        fixture.look(&[]);
        fixture.answer();
    }
    let waited = fixture.now - busy_until;
    assert!(
        (QUIET - BETWEEN_LOOKS..=QUIET + BETWEEN_LOOKS).contains(&waited),
        "{waited:?}"
    );
    assert_eq!(fixture.pulse.next_timeout(), None);
}

#[test]
fn it_does_not_come_to_rest_while_somebody_owes_an_answer() {
    let mut fixture = Fixture::begun();
    let silent = fixture.look_for(milliseconds(10_000), &[]);
    let first_round = BETWEEN_ROUNDS + ANSWER_AT_ALL;
    assert_eq!(silent.len(), 2, "{silent:?}");
    let latest = first_round + 2 * BETWEEN_LOOKS;
    assert!(silent.iter().all(|(_, at)| *at <= latest), "{silent:?}");
    assert!(fixture.pulse.is_at_rest());
}

#[test]
fn a_watcher_that_did_not_run_blames_nobody() {
    let mut fixture = Fixture::begun();
    fixture.look(&[A]);
    fixture.now += Duration::from_secs(60);
    assert_eq!(fixture.look_now(&[A]), []);
    // From then on it has as long as ever.
    let resumed = fixture.now - fixture.start;
    let silent = fixture.look_for(milliseconds(100), &[A]);
    let waited = silent[0].1 - resumed;
    assert!(
        (milliseconds(1)..=ANSWER_WITHIN).contains(&waited),
        "{waited:?}"
    );
}

#[test]
fn a_beat_that_could_not_be_sent_is_sent_later() {
    let mut fixture = Fixture::begun();
    fixture.link_is_full = true;
    assert_eq!(fixture.look_for(milliseconds(100), &[A]), []);
    fixture.link_is_full = false;
    fixture.look(&[A]);
    assert_eq!(fixture.sent, [(A, 1)]);
}

#[test]
fn a_stopped_worker_is_not_asked_and_owes_nothing() {
    let mut fixture = Fixture::begun();
    fixture.look(&[A]);
    fixture.pulse.suspended(A);
    assert!(!fixture.pulse.is_well(A) && fixture.pulse.is_suspended(A));
    assert_eq!(fixture.look_for(milliseconds(1500), &[A]), []);
    fixture.pulse.resumed(A, fixture.now);
    assert!(!fixture.pulse.is_suspended(A));
    assert_eq!(fixture.pulse.answered(A, 1), None);
    assert!(fixture.pulse.is_well(A));
}

#[test]
fn a_worker_that_was_silent_before_it_was_stopped_is_heard_once_it_runs() {
    let mut fixture = Fixture::begun();
    fixture.look_for(milliseconds(100), &[A]);
    fixture.pulse.suspended(A);
    let later = fixture.now + Duration::from_secs(5);
    assert_eq!(
        fixture.pulse.take_news(later),
        [],
        "it is known that it stands still"
    );
    fixture.pulse.resumed(A, later);
    assert!(!fixture.pulse.is_well(A));
    assert!(fixture.pulse.answered(A, 1).is_some());
    assert!(fixture.pulse.is_well(A));
}

#[test]
fn a_silence_is_told_of_when_it_begins_and_when_it_lasts() {
    let mut fixture = Fixture::begun();
    fixture.look_for(ANSWER_WITHIN, &[A]);
    let begins = fixture.start + ANSWER_WITHIN;
    assert_eq!(fixture.pulse.take_news(begins), [(A, ANSWER_WITHIN)]);
    assert_eq!(fixture.pulse.take_news(begins), []);
    let lasts = fixture.start + NOTEWORTHY;
    assert_eq!(fixture.pulse.take_news(lasts - milliseconds(1)), []);
    assert_eq!(fixture.pulse.take_news(lasts), [(A, NOTEWORTHY)]);
    assert_eq!(fixture.pulse.take_news(lasts + NOTEWORTHY), []);
}

#[test]
fn a_worker_that_is_gone_is_forgotten() {
    let mut fixture = Fixture::begun();
    fixture.look(&[A]);
    fixture.pulse.forget(A);
    assert_eq!(fixture.pulse.answered(A, 1), None);
    assert_eq!(fixture.pulse.workers.len(), 0);
}
