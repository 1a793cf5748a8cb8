//! The line of text of each notice about a port or a socket that was passed in.

use std::fmt;

use super::Notice;
use super::describe::Who;
use super::escape::escape_display;

/// The name by which a port's socket was passed in, if it was: `, passed in as "web"`.
struct Passed<'a>(&'a Option<String>);

impl fmt::Display for Passed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(name) => write!(f, ", passed in as \"{}\"", escape_display(name)),
            None => Ok(()),
        }
    }
}

pub(super) fn describe_port(f: &mut fmt::Formatter<'_>, notice: &Notice) -> fmt::Result {
    match notice {
        Notice::PortOpened {
            address,
            sharing,
            passed_in_as,
        } => {
            let address = escape_display(address);
            let passed = Passed(passed_in_as);
            write!(f, "listening on {address} ({sharing}{passed})")
        }
        Notice::PortClosed {
            address,
            passed_in_as,
        } => {
            let address = escape_display(address);
            match Passed(passed_in_as) {
                Passed(None) => write!(f, "closed {address}: no worker wants it any more"),
                passed => write!(
                    f,
                    "no worker wants {address}{passed} any more: connections wait there"
                ),
            }
        }
        Notice::PassedSocketRefused { .. } | Notice::PassedSocketUnused { .. } => {
            describe_passed_socket(f, notice)
        }
        _ => describe_trouble(f, notice),
    }
}

fn describe_passed_socket(f: &mut fmt::Formatter<'_>, notice: &Notice) -> fmt::Result {
    match notice {
        Notice::PassedSocketRefused {
            descriptor,
            name,
            error,
        } => {
            let (name, error) = (escape_display(name), escape_display(error));
            match descriptor {
                Some(number) => write!(f, "descriptor {number}, passed in as \"{name}\",")?,
                None => write!(f, "the socket passed in as \"{name}\"")?,
            }
            write!(f, " is not used: {error}")
        }
        Notice::PassedSocketUnused { name, address } => write!(
            f,
            "no worker listens on {}, passed in as \"{}\": connections wait there",
            escape_display(address),
            escape_display(name)
        ),
        _ => Ok(()),
    }
}

fn describe_trouble(f: &mut fmt::Formatter<'_>, notice: &Notice) -> fmt::Result {
    match notice {
        Notice::PortRefused {
            worker,
            slot,
            error,
        } => write!(f, "{}: {}", Who(*worker, *slot), escape_display(error)),
        Notice::BacklogClamped { asked, limit } => write!(
            f,
            "the kernel keeps {limit} waiting connections per socket, not {asked} (raise net.core.somaxconn)"
        ),
        Notice::SteeringRefused { address, error } => write!(
            f,
            "cannot steer {}: {}; new connections may go to a slot that does not serve, and others accept them from there",
            escape_display(address),
            escape_display(error)
        ),
        Notice::AcceptRefused { address, error } => write!(
            f,
            "cannot accept on {}: {}; connections wait in the kernel until it can (raise the limit of open files)",
            escape_display(address),
            escape_display(error)
        ),
        Notice::MendFailed { error } => write!(
            f,
            "a worker shut a port down and it does not listen again: {}",
            escape_display(error)
        ),
        Notice::PortMended { address } => write!(
            f,
            "{} was shut down by a worker and listens again",
            escape_display(address)
        ),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Level;
    use crate::{PortAddress, Sharing};

    #[track_caller]
    fn check(notice: Notice, level: Level, expected: &str) {
        assert_eq!(notice.to_string(), expected);
        assert_eq!(notice.level(), level, "{expected}");
        assert_eq!(notice.worker(), None, "{expected}");
    }

    fn address() -> PortAddress {
        PortAddress::Tcp(([0, 0, 0, 0], 8080).into())
    }

    #[test]
    fn ports_are_told_by_their_address() {
        check(
            Notice::PortOpened {
                address: address(),
                sharing: Sharing::Reuseport,
                passed_in_as: None,
            },
            Level::Info,
            "listening on 0.0.0.0:8080 (reuseport)",
        );
        check(
            Notice::PortClosed {
                address: address(),
                passed_in_as: None,
            },
            Level::Info,
            "closed 0.0.0.0:8080: no worker wants it any more",
        );
        check(
            Notice::PortMended { address: address() },
            Level::Warn,
            "0.0.0.0:8080 was shut down by a worker and listens again",
        );
        check(
            Notice::BacklogClamped {
                asked: 4096,
                limit: 128,
            },
            Level::Warn,
            "the kernel keeps 128 waiting connections per socket, not 4096 (raise net.core.somaxconn)",
        );
        check(
            Notice::SteeringRefused {
                address: address(),
                error: "operation not permitted".to_owned(),
            },
            Level::Warn,
            "cannot steer 0.0.0.0:8080: operation not permitted; new connections may go to a slot that does not serve, and others accept them from there",
        );
        check(
            Notice::AcceptRefused {
                address: address(),
                error: "too many open files".to_owned(),
            },
            Level::Warn,
            "cannot accept on 0.0.0.0:8080: too many open files; connections wait in the kernel until it can (raise the limit of open files)",
        );
    }

    #[test]
    fn sockets_that_were_passed_in_are_told_by_their_name() {
        let name = || "web\n".to_owned();
        check(
            Notice::PortOpened {
                address: address(),
                sharing: Sharing::Transfer,
                passed_in_as: Some(name()),
            },
            Level::Info,
            r#"listening on 0.0.0.0:8080 (transfer, passed in as "web\n")"#,
        );
        check(
            Notice::PortClosed {
                address: address(),
                passed_in_as: Some(name()),
            },
            Level::Info,
            r#"no worker wants 0.0.0.0:8080, passed in as "web\n" any more: connections wait there"#,
        );
        check(
            Notice::PassedSocketUnused {
                name: name(),
                address: address(),
            },
            Level::Warn,
            r#"no worker listens on 0.0.0.0:8080, passed in as "web\n": connections wait there"#,
        );
        check(
            Notice::PassedSocketRefused {
                descriptor: Some(4),
                name: name(),
                error: crate::watcher::PassedSocketError::NotASocket,
            },
            Level::Warn,
            r#"descriptor 4, passed in as "web\n", is not used: it is no socket"#,
        );
    }
}
