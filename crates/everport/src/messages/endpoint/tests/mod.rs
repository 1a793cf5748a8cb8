//! What is promised about endpoints.
