//! What the log promises about the records of workers, whatever becomes of them.

mod blocking;
mod flood;
mod forms;
mod hostile;
mod levels;
mod panics;
mod scene;
mod settings;
mod stuck;
mod survival;
