//! What is promised about messages.

mod golden;
mod random;
