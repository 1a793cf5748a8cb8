//! What the tests have in common: a cluster to start, watch and torment, and a way to look at it.

mod attempts;
mod cluster;
mod example;
mod fixed_port;
mod http;
mod ipv6;
mod kind;
mod log;
mod process;
mod release;
mod service_manager;
#[cfg(target_os = "linux")]
mod serving;
mod share;
mod socket_directory;
mod stalls;
mod told;
mod turn;
mod unread;
mod user;
mod waiting;
pub mod worker;

pub use attempts::{Gaps, unless_spoilt};
pub use cluster::{Cluster, WorkerSeen};
pub use example::{
    kill_a_worker, replace_under_load, standalone, standalone_with, two_workers_of,
    two_workers_with,
};
pub use fixed_port::wait_for_port;
pub use http::{Answer, ask, get, get_unix};
pub use ipv6::has_ipv6;
pub use kind::Kind;
pub use log::Log;
pub use process::{
    Exit, children_of, cpu_time, is_alive, is_stopped, open_descriptors, program, resident_kib,
    threads, zombies_of,
};
pub use release::{Deployment, release_of};
pub use service_manager::{loopback_socket, notifications, with_sockets};
#[cfg(target_os = "linux")]
pub use serving::{connections, stop_and_count};
pub use share::check_share;
pub use socket_directory::socket_directory;
pub use stalls::Stalls;
pub use told::Told;
pub use turn::{share_turn, take_turn};
pub use unread::Unread;
pub use user::{NOBODY, inspectable, needs_root, program_for_everybody, without_privileges};
pub use waiting::{PATIENCE, wait_until};
