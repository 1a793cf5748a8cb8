//! Which frames are legal when.

use everport_core::{PortId, ReplaceCause};

use crate::link::session::Violation;
use crate::link::{Drained, FromWorker, NEWEST_VERSION, OLDEST_VERSION, Session, negotiate};

fn hello() -> FromWorker {
    FromWorker::Hello {
        oldest: 1,
        newest: 1,
        library: String::new(),
    }
}

/// Feeds the frames to a new session and tells what became of the last one.
fn last_of(frames: &[FromWorker]) -> Result<FromWorker, Violation> {
    let (last, before) = frames.split_last().unwrap();
    let mut session = Session::default();
    for frame in before {
        session.accept(frame.clone()).unwrap();
    }
    session.accept(last.clone())
}

#[test]
fn a_whole_life_is_legal() {
    let release = FromWorker::Release { port: PortId(1) };
    let left = FromWorker::Left(Drained::default());
    let life = [
        hello(),
        FromWorker::OpenRing,
        FromWorker::OpenMessages,
        FromWorker::Ready,
        release,
        FromWorker::Replace {
            cause: ReplaceCause::Asked,
        },
        FromWorker::Alive { beat: 1 },
        FromWorker::Leaving,
        left,
        FromWorker::Alive { beat: 2 },
    ];
    assert_eq!(last_of(&life), Ok(FromWorker::Alive { beat: 2 }));
}

#[test]
fn nothing_comes_before_hello() {
    assert_eq!(last_of(&[FromWorker::Ready]), Err(Violation::NotGreeted));
}

#[test]
fn what_is_said_once_is_not_said_twice() {
    let once = [
        FromWorker::Ready,
        FromWorker::Leaving,
        FromWorker::OpenRing,
        FromWorker::OpenMessages,
    ];
    for frame in once {
        let result = last_of(&[hello(), frame.clone(), frame]);
        assert!(matches!(result, Err(Violation::Repeated(_))), "{result:?}");
    }
    assert_eq!(
        last_of(&[hello(), hello()]),
        Err(Violation::Repeated("Hello"))
    );
}

#[test]
fn nothing_comes_after_left() {
    let left = FromWorker::Left(Drained::default());
    assert_eq!(
        last_of(&[hello(), left.clone(), left]),
        Err(Violation::AfterLeft)
    );
}

#[test]
fn an_empty_range_of_versions_is_refused() {
    let backwards = FromWorker::Hello {
        oldest: 2,
        newest: 1,
        library: String::new(),
    };
    assert_eq!(
        last_of(&[backwards]),
        Err(Violation::NoVersions {
            oldest: 2,
            newest: 1
        })
    );
}

#[test]
fn both_sides_go_on_with_the_newest_version_that_both_speak() {
    assert_eq!(
        negotiate(OLDEST_VERSION, NEWEST_VERSION),
        Some(NEWEST_VERSION)
    );
    assert_eq!(negotiate(OLDEST_VERSION, u16::MAX), Some(NEWEST_VERSION));
    assert_eq!(negotiate(NEWEST_VERSION + 1, u16::MAX), None);
    assert_eq!(negotiate(0, OLDEST_VERSION - 1), None);
}
