//! What the switch promises: to those who keep the rules, and against those who do not.

mod endpoint;
mod random;
mod rules;
