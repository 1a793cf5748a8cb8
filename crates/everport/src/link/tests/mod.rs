//! What is promised about the link: its bytes, its refusals, its sessions.

mod channel;
mod golden;
mod random;
mod session;
