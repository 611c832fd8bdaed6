//! Who this process is to the others that share its state directory, and whether another one still lives.
//!
//! A process holds a file lock on a file of its own as long as it lives; the kernel gives it back at its end, however
//! that comes. No heartbeat, no clock, no process number that could be used again.

use crate::error::{Error, Result};
use std::fs::{File, TryLockError};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The name this process has in the ledger, as long as the value lives.
#[derive(Debug)]
pub(super) struct Owner {
    name: String,
    path: PathBuf,
    _lock: File,
}

fn directory(state_dir: &Path) -> PathBuf {
    state_dir.join("owners")
}

impl Owner {
    /// Makes a name and holds it.
    pub(super) fn register(state_dir: &Path) -> Result<Owner> {
        let dir = directory(state_dir);
        let failed = |error: std::io::Error| {
            Error::failed(format!("cannot register in {}", dir.display()))
                .cause(error)
                .hint("give the state directory to the user logweir runs as, and free space on its disk")
        };
        std::fs::create_dir_all(&dir).map_err(failed)?;
        loop {
            let mut random = [0_u8; 6];
            ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut random)
                .map_err(|_| Error::failed("the system gives no random numbers"))?;
            let random: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
            let name = format!("{}.{random}", std::process::id());
            let path = dir.join(&name);
            let file = File::options().create_new(true).write(true).open(&path).map_err(failed)?;
            // Between the two steps a cleaner may have taken the file for a dead one's.
            let ours = |meta: std::fs::Metadata| file.metadata().is_ok_and(|own| own.ino() == meta.ino());
            if file.try_lock().is_ok() && std::fs::metadata(&path).is_ok_and(ours) {
                return Ok(Owner { name, path, _lock: file });
            }
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        // A file that stays behind is unlocked, which says the same.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Whether the process of this name lives. What is in doubt lives: its work is left alone.
pub(super) fn lives(state_dir: &Path, name: &str) -> bool {
    let safe = !name.is_empty() && name.bytes().all(|c| c.is_ascii_hexdigit() || c == b'.');
    let path = directory(state_dir).join(name);
    let Ok(file) = (if safe { File::open(&path) } else { return false }) else { return path.exists() };
    match file.try_lock() {
        Ok(()) => {
            // The lock goes when `file` does; nobody will ask for the name again.
            let _ = std::fs::remove_file(&path);
            false
        }
        Err(TryLockError::WouldBlock | TryLockError::Error(_)) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_lives_as_long_as_its_value() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (Owner::register(dir.path()).unwrap(), Owner::register(dir.path()).unwrap());
        assert_ne!(one.name(), two.name());
        assert!(lives(dir.path(), one.name()));
        let name = one.name().to_owned();
        drop(one);
        assert!(!lives(dir.path(), &name));
        assert!(lives(dir.path(), two.name()));
        assert!(!lives(dir.path(), "../../etc/passwd"));
    }

    #[test]
    fn a_file_left_by_a_killed_process_is_a_dead_owner() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("owners")).unwrap();
        std::fs::write(dir.path().join("owners/123.abc"), "").unwrap();
        assert!(!lives(dir.path(), "123.abc"));
        assert!(!dir.path().join("owners/123.abc").exists());
    }
}
