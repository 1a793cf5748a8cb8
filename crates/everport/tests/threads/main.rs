//! Workers that are threads of the test's own process.

mod life;
mod scene;
