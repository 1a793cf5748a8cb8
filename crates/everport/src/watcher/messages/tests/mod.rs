//! The sockets around the switch.
