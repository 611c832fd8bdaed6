//! Puts files in place so that a reader sees the old or the new one, never half: written beside, synced, renamed.
//!
//! Mode and owner of the file that was there are kept. A symbolic link is kept too, and the file it points to is
//! replaced, when the link belongs to root or to us: another user's link could point anywhere.

use crate::error::{Error, Result};
use std::fs::{File, Metadata, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

/// Links that are followed one after the other.
const LINKS: usize = 8;

/// A place for a file, and the file that waits beside it.
#[derive(Debug)]
pub struct Place {
    path: PathBuf,
    beside: PathBuf,
    /// Mode, user and group of the file that is there.
    like: Option<(u32, u32, u32)>,
}

/// The file behind a path whose links may be followed.
fn behind(path: &Path) -> Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        let Ok(meta) = std::fs::symlink_metadata(&path) else { return Ok(path) };
        if !meta.is_symlink() {
            return Ok(path);
        }
        if meta.uid() != 0 && meta.uid() != rustix::process::geteuid().as_raw() {
            return Err(Error::failed(format!("{} is a symbolic link of another user", path.display()))
                .hint("name the file itself as output, or make the link your own"));
        }
        let target = std::fs::read_link(&path).map_err(|error| failed(&path, error))?;
        path = path.parent().unwrap_or(Path::new("/")).join(target);
    }
    Err(Error::failed(format!("{} leads through too many symbolic links", path.display())))
}

fn failed(path: &Path, error: std::io::Error) -> Error {
    let hint = match error.kind() {
        std::io::ErrorKind::PermissionDenied => "give the directory to the user logweir runs as",
        std::io::ErrorKind::ReadOnlyFilesystem => {
            "the file system is read-only; under systemd, add the directory to ReadWritePaths"
        }
        std::io::ErrorKind::NotFound => "make the directory first, or name another output",
        std::io::ErrorKind::StorageFull => "free space on its disk",
        _ => "the file that was there is untouched",
    };
    Error::failed(format!("cannot write {}", path.display())).cause(error).hint(hint)
}

impl Place {
    /// Looks at a path.
    ///
    /// # Errors
    /// When something else than a file is there, or a link that must not be followed.
    pub fn at(path: &Path) -> Result<Place> {
        let path = behind(path)?;
        let like = match std::fs::symlink_metadata(&path) {
            Ok(meta) if meta.is_file() => Some((meta.permissions().mode() & 0o7777, meta.uid(), meta.gid())),
            Ok(_) => return Err(Error::failed(format!("{} is not a file", path.display()))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(&path, error)),
        };
        let name = path.file_name().ok_or_else(|| Error::usage(format!("{} names no file", path.display())))?;
        let beside = path.with_file_name(format!(".{}.logweir", name.to_string_lossy()));
        Ok(Place { path, beside, like })
    }

    /// Where the new file waits.
    pub fn beside(&self) -> &Path {
        &self.beside
    }

    /// What stands at the place now.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn content(&self) -> Result<Option<Vec<u8>>> {
        match std::fs::read(&self.path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::failed(format!("cannot read {}", self.path.display())).cause(error)),
        }
    }

    /// Writes the new file beside the place, and syncs it.
    ///
    /// # Errors
    /// As the file system fails, or when the owner cannot be kept.
    pub fn write(&self, bytes: &[u8]) -> Result<()> {
        // What a killed run left; nothing else has this name, and a link put there is not followed.
        self.discard();
        let written = self.write_beside(bytes);
        if written.is_err() {
            self.discard();
        }
        written
    }

    fn write_beside(&self, bytes: &[u8]) -> Result<()> {
        let io = |error| failed(&self.path, error);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&self.beside).map_err(io)?;
        if let Some((mode, user, group)) = self.like {
            let own: Metadata = file.metadata().map_err(io)?;
            if (own.uid(), own.gid()) != (user, group) {
                fchown(&file, Some(user), Some(group)).map_err(|error| {
                    Error::failed(format!("cannot keep the owner of {}", self.path.display()))
                        .cause(error)
                        .hint(format!("run as its owner (user {user}, group {group}) or as root, or give us the file"))
                })?;
            }
            file.set_permissions(std::fs::Permissions::from_mode(mode)).map_err(io)?;
        }
        file.write_all(bytes).and_then(|()| file.sync_all()).map_err(io)
    }

    /// Puts the file that waits in place.
    ///
    /// # Errors
    /// As the file system fails.
    pub fn swap(&self) -> Result<()> {
        std::fs::rename(&self.beside, &self.path).map_err(|error| failed(&self.path, error))?;
        sync_directory(&self.path);
        Ok(())
    }

    /// Takes the file away that waits.
    pub fn discard(&self) {
        // One that is not there is what is wanted; one that stays is taken away by the next run.
        let _ = std::fs::remove_file(&self.beside);
    }

    /// Puts former content back, or takes the file away where there was none.
    ///
    /// # Errors
    /// As the file system fails.
    pub fn restore(&self, former: Option<&[u8]>) -> Result<()> {
        match former {
            Some(bytes) => {
                self.write(bytes)?;
                self.swap()
            }
            None => match std::fs::remove_file(&self.path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed(&self.path, error)),
                _ => {
                    sync_directory(&self.path);
                    Ok(())
                }
            },
        }
    }
}

/// Makes a rename last through a power cut; a file system that cannot is left to itself.
fn sync_directory(path: &Path) {
    if let Some(dir) = path.parent().and_then(|dir| File::open(dir).ok()) {
        let _ = dir.sync_all();
    }
}

/// Writes one file in the same way.
///
/// # Errors
/// As the file system fails; then what was there is untouched.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let place = Place::at(path)?;
    place.write(bytes)?;
    place.swap().inspect_err(|_| place.discard())
}

/// Tries whether [`replace`] could write there, and leaves everything as it was.
///
/// # Errors
/// As [`replace`].
pub fn can_write(path: &Path) -> Result<()> {
    let place = Place::at(path)?;
    place.write(b"")?;
    place.discard();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mode_and_link_are_kept_and_nothing_lies_about() {
        let dir = tempfile::tempdir().unwrap();
        let (real, link) = (dir.path().join("real.txt"), dir.path().join("link.txt"));
        std::fs::write(&real, "old").unwrap();
        std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink("real.txt", &link).unwrap();
        replace(&link, b"new").unwrap();
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(std::fs::read(&real).unwrap(), b"new");
        assert_eq!(std::fs::metadata(&real).unwrap().permissions().mode() & 0o7777, 0o640);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_link_put_beside_is_not_written_through() {
        let dir = tempfile::tempdir().unwrap();
        let victim = dir.path().join("victim");
        std::fs::write(&victim, "keep me").unwrap();
        std::os::unix::fs::symlink(&victim, dir.path().join(".list.txt.logweir")).unwrap();
        replace(&dir.path().join("list.txt"), b"new").unwrap();
        assert_eq!(std::fs::read(&victim).unwrap(), b"keep me");
        assert_eq!(std::fs::read(dir.path().join("list.txt")).unwrap(), b"new");
    }

    #[test]
    fn a_directory_a_loop_and_a_missing_directory_are_told() {
        let dir = tempfile::tempdir().unwrap();
        assert!(replace(dir.path(), b"").unwrap_err().what().contains("is not a file"));
        std::os::unix::fs::symlink("round", dir.path().join("round")).unwrap();
        assert!(replace(&dir.path().join("round"), b"").unwrap_err().what().contains("too many"));
        let error = replace(&dir.path().join("no/list.txt"), b"").unwrap_err();
        assert!(error.hint_text().unwrap().contains("make the directory"), "{error}");
    }

    #[test]
    fn what_was_there_comes_back_or_goes() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::at(&dir.path().join("list.txt")).unwrap();
        assert_eq!(place.content().unwrap(), None);
        place.write(b"new").unwrap();
        place.swap().unwrap();
        place.restore(Some(b"old")).unwrap();
        assert_eq!(place.content().unwrap().as_deref(), Some(b"old".as_slice()));
        place.restore(None).unwrap();
        assert_eq!(place.content().unwrap(), None);
    }
}
