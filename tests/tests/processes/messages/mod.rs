//! Messages between the workers of a cluster and the application that its watcher is embedded in.

mod calls;
mod command;
mod deaths;
mod directions;
mod draining;
mod flow;
mod releases;
mod scene;
mod workers;
