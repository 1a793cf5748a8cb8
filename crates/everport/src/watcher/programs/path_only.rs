//! Where a program can't be executed through a descriptor: each worker runs what is at the path.

use std::io;
use std::path::Path;

use super::{Executable, IsRun, ProgramError};
use crate::Generation;

/// Nothing is kept.
#[derive(Debug)]
pub(super) struct Kept;

impl Kept {
    /// The execution will tell what is wrong with it.
    #[expect(
        clippy::unnecessary_wraps,
        reason = "elsewhere the file is opened, which can fail"
    )]
    pub(super) fn open(_path: &Path) -> io::Result<Self> {
        Ok(Self)
    }

    #[expect(
        clippy::unnecessary_wraps,
        clippy::unused_self,
        reason = "elsewhere the file is compared with what was opened"
    )]
    pub(super) fn executable<'kept>(
        &'kept mut self,
        _generation: Generation,
        path: &'kept Path,
        _is_run: &IsRun<'_>,
    ) -> Result<Executable<'kept>, ProgramError> {
        Ok(Executable::Path(path))
    }
}
