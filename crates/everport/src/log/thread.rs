//! What a thread of a worker was doing.

use std::fmt;

/// A worker's thread, as the system sees it. Its `Display` leaves the stack out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thread {
    /// Its id.
    pub id: u32,
    /// Its name, as the worker chose it.
    pub name: String,
    /// What it does: one of the letters of proc(5).
    pub state: char,
    /// The kernel function it sleeps in, where the system tells.
    pub wait_channel: Option<String>,
    /// The kernel functions it is in, innermost first, where the system tells.
    pub stack: Vec<String>,
}

impl fmt::Display for Thread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let does = match self.state {
            'R' => "runs",
            'S' => "sleeps",
            'D' => "waits for a device",
            'T' => "is stopped",
            't' => "is held by a debugger",
            'Z' | 'X' => "is dead",
            _ => "is in an unknown state",
        };
        write!(f, "thread {} ({}) {does}", self.id, self.name)?;
        match &self.wait_channel {
            Some(function) => write!(f, " in {function}"),
            None => Ok(()),
        }
    }
}
