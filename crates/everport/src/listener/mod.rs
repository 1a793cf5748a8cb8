//! Listeners and the connections they accept.

mod accepting;
#[cfg(feature = "axum")]
mod axum;
mod connection;
mod connections;
mod direct;
mod dispatched;
mod doorbell;
mod family;
mod incoming;
mod interest;
mod tally;
mod tcp;
mod transfer;
mod turn;
mod unix;
mod untried;
#[cfg(any(feature = "axum", feature = "http"))]
mod waited_out;
mod waiting;

pub(crate) use accepting::{Accepting, Listening, Port};
pub use connection::{Connection, TcpStream, UnixStream};
pub(crate) use connections::Connections;
pub(crate) use doorbell::Doorbell;
pub(crate) use family::{Family, is_of_one_connection};
pub use incoming::Incoming;
pub use tcp::TcpListener;
#[cfg(test)]
#[cfg(all(target_os = "linux", not(everport_portable)))]
pub(crate) use transfer::Transfer;
pub use unix::UnixListener;
#[cfg(any(feature = "axum", feature = "http"))]
pub(crate) use waited_out::until_accepted;
pub(crate) use waiting::has_waiting;
