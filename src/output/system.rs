//! What differs between systems: renames that spare what is there, and what makes them last.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use super::error::{OutputError, io_error};
use crate::source::name::readable;

/// Renames a file or directory to a name that nothing has. Fails with `AlreadyExists` if something has it.
pub(super) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_vendor = "apple"))]
    match rename_with(from, to, rustix::fs::RenameFlags::NOREPLACE) {
        Err(error) if lacks(&error) => {}
        done => return done,
    }
    rename_claimed(from, to)
}

/// [`rename_new`] for file systems without such a rename: the name is claimed first, by something empty that takes it only
/// if it is free.
fn rename_claimed(from: &Path, to: &Path) -> io::Result<()> {
    if fs::symlink_metadata(from)?.is_dir() {
        fs::create_dir(to)?;
        // Onto a directory, a rename succeeds only if that is still empty.
        fs::rename(from, to).inspect_err(|_| drop(fs::remove_dir(to)))
    } else {
        fs::hard_link(from, to).map_err(without_links)?;
        // With both names left the caller would not know which of them counts.
        fs::remove_file(from).inspect_err(|_| drop(fs::remove_file(to)))
    }
}

/// What it means that the system refuses a second name for a file.
fn without_links(error: io::Error) -> io::Error {
    use io::ErrorKind::{PermissionDenied, Unsupported};
    match error.kind() {
        PermissionDenied | Unsupported => {
            let why = "this file system knows neither hard links nor renames that replace nothing, without which a file of \
                       somebody else could be lost: choose a place on another one";
            io::Error::new(Unsupported, format!("{error}: {why}"))
        }
        _ => error,
    }
}

/// Lets two names change places in one step.
///
/// Where the system has no such step, `to` gets the hidden name `aside` in between.
pub(super) fn exchange(from: &Path, to: &Path, aside: &Path) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_vendor = "apple"))]
    match rename_with(from, to, rustix::fs::RenameFlags::EXCHANGE) {
        Err(error) if lacks(&error) => {}
        done => return done,
    }
    exchange_by_steps(from, to, aside)
}

/// [`exchange`] for file systems without such a step.
fn exchange_by_steps(from: &Path, to: &Path, aside: &Path) -> io::Result<()> {
    // In one step, with whatever is there then; nobody else knows the hidden name.
    fs::rename(to, aside)?;
    let lost = |error: io::Error| {
        let place = readable(aside);
        io::Error::other(format!("{error}; what was there is now {place} and stays there: move it back"))
    };
    match rename_new(from, to) {
        // `from` is a hidden name, which is free now.
        Ok(()) => fs::rename(aside, from).or_else(|error| {
            // Back to how it was.
            fs::rename(to, from).and_then(|()| rename_new(aside, to)).map_err(lost).and(Err(error))
        }),
        Err(error) => rename_new(aside, to).map_err(lost).and(Err(error)),
    }
}

#[cfg(any(target_os = "linux", target_vendor = "apple"))]
fn rename_with(from: &Path, to: &Path, flags: rustix::fs::RenameFlags) -> io::Result<()> {
    Ok(rustix::fs::renameat_with(rustix::fs::CWD, from, rustix::fs::CWD, to, flags)?)
}

/// Whether the system says that it does not know such a rename here.
#[cfg(any(target_os = "linux", target_vendor = "apple"))]
fn lacks(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let unknown = [Errno::INVAL, Errno::NOSYS, Errno::NOTSUP];
    unknown.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

/// Whether this user may remove what is in this directory, as far as the system tells beforehand.
pub(super) fn may_change(directory: &Path) -> bool {
    #[cfg(unix)]
    {
        use rustix::fs::{Access, AtFlags, CWD, accessat};
        accessat(CWD, directory, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS) != Err(rustix::io::Errno::ACCESS)
    }
    #[cfg(not(unix))]
    {
        let _ = directory;
        true
    }
}

/// Whether the system lets nobody rename or remove what has this name, as far as it tells beforehand: it may not be changed, or
/// only be appended to.
pub(super) fn is_fixed(path: &Path) -> bool {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};
        let fixed = StatxAttributes::IMMUTABLE | StatxAttributes::APPEND;
        let data = statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::empty());
        data.is_ok_and(|data| data.stx_attributes.intersects(fixed))
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = path;
        false
    }
}

/// How long a run waits for another one that is just replacing a result in the same directory.
const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until no other run replaces something in this directory. The next one waits until the file is closed.
pub(super) fn lock_directory(directory: &Path) -> Result<Option<File>, OutputError> {
    lock_directory_by(directory, File::try_lock)
}

/// As [`lock_directory`], but until nobody has it for itself: others may share it too.
pub(crate) fn share_directory(directory: &Path) -> Result<Option<File>, OutputError> {
    lock_directory_by(directory, File::try_lock_shared)
}

fn lock_directory_by(directory: &Path, lock: TryLock) -> Result<Option<File>, OutputError> {
    if !cfg!(unix) {
        return Ok(None);
    }
    let open = match File::open(directory) {
        // One may be written to without being readable. Then, too, only the look after the exchange remains.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(None),
        open => open.map_err(io_error(directory))?,
    };
    match within_patience(&open, lock) {
        Ok(true) => Ok(Some(open)),
        Ok(false) => Err(OutputError::Locked(directory.to_owned())),
        // Some file systems know no locks: then only the look after the exchange remains.
        Err(_) => Ok(None),
    }
}

/// Fails if [`lock_directory`] would: asked before the work, at the end of which it is called.
pub(crate) fn check_lock(directory: &Path) -> Result<(), OutputError> {
    lock_directory(directory).map(drop)
}

/// Locks a file as soon as nobody else has it locked; false if that takes too long.
pub(crate) fn lock_within_patience(file: &File) -> io::Result<bool> {
    within_patience(file, File::try_lock)
}

type TryLock = fn(&File) -> Result<(), TryLockError>;

fn within_patience(file: &File, lock: TryLock) -> io::Result<bool> {
    let begun = Instant::now();
    loop {
        match lock(file) {
            Ok(()) => return Ok(true),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if begun.elapsed() > PATIENCE => return Ok(false),
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

/// Makes the content of a file survive a power failure.
pub(super) fn sync_file(file: &Path) -> io::Result<()> {
    // Some systems sync only what could be written to.
    File::options().write(true).open(file)?.sync_all()
}

/// Makes what was renamed in this directory survive a power failure.
pub(super) fn sync_directory(directory: &Path) -> io::Result<()> {
    // Elsewhere directories cannot be opened as files.
    if !cfg!(unix) {
        return Ok(());
    }
    match File::open(directory) {
        // One may be written to without being readable.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        opened => match opened?.sync_all() {
            // Some file systems sync no directories.
            Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
            synced => synced,
        },
    }
}

/// Gives a file or directory these permissions, unless it has them: some file systems refuse any change.
pub(super) fn give_permissions(path: &Path, permissions: &fs::Permissions) -> io::Result<()> {
    if fs::metadata(path)?.permissions() == *permissions {
        Ok(())
    } else {
        fs::set_permissions(path, permissions.clone())
    }
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::file_state::FileState;

    #[test]
    fn an_exchange_by_steps_that_fails_brings_the_older_one_back() {
        let work = tempfile::tempdir().unwrap();
        let [from, to, aside] = ["from", "to", "aside"].map(|name| work.path().join(name));
        fs::write(&to, "older").unwrap();
        assert!(exchange_by_steps(&from, &to, &aside).is_err());
        assert!(fs::read_to_string(&to).unwrap() == "older" && !aside.exists());
        fs::write(&from, "newer").unwrap();
        exchange_by_steps(&from, &to, &aside).unwrap();
        assert_eq!([&to, &from].map(|path| fs::read_to_string(path).unwrap()), ["newer", "older"]);
        assert!(!aside.exists());
    }

    #[test]
    fn a_claimed_rename_spares_what_is_there() {
        let work = tempfile::tempdir().unwrap();
        let (from, to) = (work.path().join("from"), work.path().join("to"));
        for taken in ["file", "empty directory", "full directory", "link"] {
            fs::create_dir(&from).unwrap();
            fs::write(from.join("new"), "new").unwrap();
            match taken {
                "file" => fs::write(&to, "old").unwrap(),
                "link" => std::os::unix::fs::symlink("nowhere", &to).unwrap(),
                _ => fs::create_dir(&to).unwrap(),
            }
            if taken == "full directory" {
                fs::write(to.join("old"), "old").unwrap();
            }
            let before = FileState::at(&to).unwrap();
            assert!(rename_claimed(&from, &to).is_err(), "{taken}");
            assert_eq!(FileState::at(&to).unwrap(), before, "{taken}");
            if ["file", "link"].contains(&taken) { fs::remove_file(&to) } else { fs::remove_dir_all(&to) }.unwrap();
            rename_claimed(&from, &to).unwrap();
            assert_eq!(fs::read_to_string(to.join("new")).unwrap(), "new");
            fs::remove_dir_all(&to).unwrap();
        }
        fs::write(&from, "new").unwrap();
        fs::write(&to, "old").unwrap();
        assert!(rename_claimed(&from, &to).is_err());
        assert_eq!(fs::read_to_string(&to).unwrap(), "old");
    }
}
