//! The files of a worker's predecessors: a worker that ends often does not
//! fill the disk.

use std::fs;
use std::path::Path;

/// Files of a worker's predecessors that are kept.
const LIVES: usize = 8;

/// Removes the oldest files of those who had this worker's number before.
pub(super) fn forget_old(folder: &Path, worker: usize) {
    let prefix = format!("worker-{worker}-");
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut lives: Vec<_> = files
        .filter(|file| {
            let name = file.file_name();
            let name = name.to_string_lossy();
            name.strip_prefix(&prefix)
                .and_then(|rest| rest.strip_suffix(".trace"))
                .is_some_and(|pid| pid.parse::<u32>().is_ok())
        })
        .filter_map(|file| {
            let made = file.metadata().ok()?.created().ok()?;
            Some((made, file.path()))
        })
        .collect();
    lives.sort();
    let many = lives.len().saturating_sub(LIVES);
    for (_, path) in &lives[..many] {
        // What stays costs room, and nothing else.
        fs::remove_file(path).ok();
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::thread;
    use std::time::Duration;

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn a_worker_that_ends_often_does_not_fill_the_disk() {
        let folder = TempDir::new().unwrap();
        let file = |name: &str| folder.path().join(name);
        for pid in 1..=20 {
            File::create(file(&format!("worker-1-{pid}.trace"))).unwrap();
            // So that each is younger than the one before.
            thread::sleep(Duration::from_millis(2));
        }
        for other in ["worker-2-1.trace", "worker-1-x.trace", "mine"] {
            File::create(file(other)).unwrap();
        }
        forget_old(folder.path(), 1);
        for (name, stays) in [
            ("worker-1-12.trace", false),
            ("worker-1-13.trace", true),
            ("worker-2-1.trace", true),
            ("worker-1-x.trace", true),
            ("mine", true),
        ] {
            assert_eq!(file(name).exists(), stays, "{name}");
        }
    }
}
