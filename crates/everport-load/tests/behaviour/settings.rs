//! Settings that cannot be are refused before anything is sent.

use std::net::SocketAddr;
use std::time::Duration;

use everport_load::{Load, LoadError, Target, TargetError};

#[test]
fn a_load_does_not_leave_this_machine() {
    for address in ["192.0.2.1:80", "0.0.0.0:80", "[2001:db8::1]:80"] {
        let address: SocketAddr = address.parse().unwrap();
        let error = Load::new(address).start().unwrap_err();
        let is_refused = matches!(error, LoadError::Target(TargetError::NotLoopback { .. }));
        assert!(is_refused, "{error}");
        assert!(
            error.to_string().contains("is not a loopback address"),
            "{error}"
        );
    }
}

#[test]
fn numbers_out_of_range_are_refused() {
    let wrong = [
        load().clients(0),
        load().clients(1_000_000),
        load().rate(0),
        load().rate(-1),
        load().rate(f64::NAN),
        load().rate(f64::INFINITY),
        load().requests(0),
        load().duration(Duration::ZERO),
        load().duration(Duration::MAX),
        load().timeout(Duration::ZERO),
        load().connect_timeout(Duration::MAX),
        load().keep_alive().pause_up_to(Duration::MAX),
        load().source_addresses(0),
        load().source_addresses(255),
        load().path("no-slash"),
        load().path("/ HTTP/1.1\r\nX: y"),
    ];
    for wrong in wrong {
        let error = wrong.start().unwrap_err();
        assert!(matches!(error, LoadError::OutOfRange { .. }), "{error}");
    }
}

#[test]
fn contradictions_are_refused() {
    let pause = Duration::from_millis(1);
    let v6 = Load::new("[::1]:80".parse::<SocketAddr>().unwrap());
    let unix = Load::new(Target::UnixPath("/nowhere".into()));
    let wrong = [
        load().one_shot().pause_up_to(pause),
        load().keep_alive().rate(10).pause_up_to(pause),
        v6.source_addresses(2),
        unix.source_addresses(2),
    ];
    for wrong in wrong {
        let error = wrong.start().unwrap_err();
        assert!(matches!(error, LoadError::Contradiction(_)), "{error}");
    }
}

fn load() -> Load {
    Load::new(SocketAddr::from(([127, 0, 0, 1], 80)))
}
