//! What is promised about the worker's side.
