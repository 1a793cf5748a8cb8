//! What is promised about endpoints, tried with a switch that the tests play.

mod answering;
mod bounds;
mod closing;
mod dying;
mod flowing;
mod harness;
mod hostile;
mod passing;
mod random;
