//! Messages between the workers of a cluster and the application that its watcher is embedded in.

mod calls;
mod command;
mod deaths;
mod directions;
mod flow;
mod scene;
mod workers;
