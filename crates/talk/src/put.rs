//! Files that are written whole or not at all: what stood in their place stays
//! until they are, since it may be of minutes that were measured.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process;

use anyhow::{Context, Result, bail};
use serde::Serialize;

/// Puts `text` in the place of what is at `path`.
pub(crate) fn put(path: &Path, text: &str) -> Result<()> {
    let written = match is_special(path) {
        true => fs::write(path, text),
        false => replace(path, text),
    };
    written.with_context(|| format!("cannot write {}", path.display()))
}

/// Puts `value` there, as JSON.
pub(crate) fn put_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let json = serde_json::to_string_pretty(value)
        .with_context(|| format!("no JSON for {}", path.display()))?;
    put(path, &(json + "\n"))
}

/// Fails where nothing can be put at `path`: better now than after minutes.
pub(crate) fn check(path: &Path) -> Result<()> {
    if path.is_dir() {
        bail!("cannot write {}: it is a folder", path.display());
    }
    match path.parent() {
        _ if is_special(path) => Ok(()),
        Some(folder) if folder != "" => check_folder(folder),
        _ => check_folder(Path::new(".")),
    }
}

/// Makes a folder that things can be put into, unless it is there.
pub(crate) fn make_folder(folder: &Path) -> Result<()> {
    match fs::create_dir(folder) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error)
            .with_context(|| format!("cannot make {}", folder.display())),
        _ => check_folder(folder),
    }
}

fn check_folder(folder: &Path) -> Result<()> {
    let part = part(&folder.join("results"));
    fs::write(&part, "")
        .and_then(|()| fs::remove_file(&part))
        .with_context(|| format!("cannot write to {}", folder.display()))
}

/// A device, a pipe or a link, such as /dev/stdout, is written to: in its
/// place, a file would be the end of it.
fn is_special(path: &Path) -> bool {
    let kind = fs::symlink_metadata(path);
    kind.is_ok_and(|kind| !kind.is_file() && !kind.is_dir())
}

fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let part = part(path);
    let written = fs::write(&part, text).and_then(|()| fs::rename(&part, path));
    if written.is_err() {
        // It may not even have been made.
        fs::remove_file(&part).ok();
    }
    written
}

fn part(path: &Path) -> PathBuf {
    let mut part = path.as_os_str().to_owned();
    part.push(format!(".{}.part", process::id()));
    part.into()
}

#[cfg(test)]
mod tests {
    use std::io::read_to_string;
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn what_cannot_be_written_leaves_nothing() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("report.html");
        put(&path, "first").unwrap();
        put(&path, "second").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "second");
        let taken = folder.path().join("folder");
        fs::create_dir(&taken).unwrap();
        let error = put(&taken, "text").unwrap_err().to_string();
        assert!(error.starts_with("cannot write "), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn what_was_there_stays_whole_until_it_is_replaced() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("results.json");
        put_json(&path, &[1, 2]).unwrap();
        let before = fs::File::open(&path).unwrap();
        put_json(&path, &[3]).unwrap();
        assert_eq!(read_to_string(before).unwrap(), "[\n  1,\n  2\n]\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "[\n  3\n]\n");
    }

    #[test]
    fn a_place_is_checked_and_left_as_it_is() {
        let folder = TempDir::new().unwrap();
        let (path, gone) = (folder.path(), folder.path().join("gone"));
        let why = |path: &Path| check(path).unwrap_err().to_string();
        assert_eq!(
            why(&gone.join("x")),
            format!("cannot write to {}", gone.display())
        );
        assert_eq!(
            why(path),
            format!("cannot write {}: it is a folder", path.display())
        );
        check(&path.join("x")).unwrap();
        check(Path::new("/dev/stdout")).unwrap();
        check(Path::new("x.json")).unwrap();
        assert_eq!(fs::read_dir(path).unwrap().count(), 0);
    }

    #[test]
    fn a_folder_is_made_where_there_is_a_place_for_it() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("new");
        make_folder(&path).unwrap();
        make_folder(&path).unwrap();
        assert_eq!(fs::read_dir(&path).unwrap().count(), 0);
        make_folder(&path.join("one/two")).unwrap_err();
        fs::write(path.join("file"), "").unwrap();
        make_folder(&path.join("file")).unwrap_err();
    }

    #[test]
    fn a_link_is_written_to_and_not_replaced() {
        let folder = TempDir::new().unwrap();
        let (file, link) = (folder.path().join("a"), folder.path().join("b"));
        fs::write(&file, "first").unwrap();
        symlink(&file, &link).unwrap();
        put(&link, "second").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "second");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }
}
