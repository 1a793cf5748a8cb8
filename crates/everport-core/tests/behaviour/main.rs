//! What the supervisor promises, one readable script per promise, in virtual time.

mod commands;
mod driver;
mod failing;
mod giving_back;
mod leaving;
mod recycling;
mod replacing;
mod rollout;
mod silence;
mod starting;
mod steering;
mod stopping;
mod suspending;
