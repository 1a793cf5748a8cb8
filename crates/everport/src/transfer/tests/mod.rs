//! Behaviour of senders and receivers within one process.
