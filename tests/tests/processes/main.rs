//! What a cluster does with its processes, ports and files, seen from outside.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bad_input;
mod dispatch;
mod embedding;
mod files;
// What tells of waiting connections without waking on each of them is Linux only.
#[cfg(all(target_os = "linux", not(everport_portable)))]
mod hang;
mod harness;
mod inheritance;
mod leaving;
mod log_files;
#[cfg(all(target_os = "linux", not(everport_portable)))]
mod logs;
mod messages;
mod output;
#[cfg(target_os = "linux")]
mod passed_sockets;
mod pid_file;
#[cfg(all(target_os = "linux", not(everport_portable)))]
mod pinning;
mod ports;
mod privileges;
mod recycling;
mod replacement;
mod rescue;
#[cfg(target_os = "linux")]
mod service_manager;
mod standalone;
mod supervision;
// `setsid` of util-linux gives a program a terminal of its own.
#[cfg(target_os = "linux")]
mod terminal;
mod thread_workers;
mod transfer;
mod unix_sockets;
mod waiting;
mod watch;
