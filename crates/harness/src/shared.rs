//! Memory that processes share.

use std::fs::File;
use std::num::NonZeroUsize;
use std::ops::Deref;
use std::ptr::NonNull;
use std::slice;
use std::sync::atomic::AtomicU64;

use nix::sys::mman::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};

/// Counters at zero, which stay shared across forks until each process that
/// has them has dropped them.
#[derive(Debug)]
pub struct Counters {
    first: NonNull<AtomicU64>,
    count: NonZeroUsize,
}

impl Counters {
    /// Maps `count` counters. The kernel gives a page its memory when it is
    /// first written to.
    ///
    /// # Errors
    ///
    /// The system's, where it has no memory to map.
    #[allow(unsafe_code)]
    pub fn new(count: NonZeroUsize) -> nix::Result<Self> {
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let flags = MapFlags::MAP_SHARED;
        // SAFETY: the kernel chooses the place of a new mapping, so no
        // memory of ours is touched.
        let memory =
            unsafe { mmap_anonymous(None, size(count), access, flags) }?;
        let first = memory.cast();
        Ok(Self { first, count })
    }

    /// Maps `file`, which is at least `count` counters long and stays so.
    ///
    /// # Errors
    ///
    /// The system's, where it does not map the file.
    #[allow(unsafe_code)]
    pub(crate) fn of_file(
        file: &File,
        count: NonZeroUsize,
    ) -> nix::Result<Self> {
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let flags = MapFlags::MAP_SHARED;
        // SAFETY: as above; and any bytes are values of AtomicU64.
        let memory =
            unsafe { mmap(None, size(count), access, flags, file, 0) }?;
        let first = memory.cast();
        Ok(Self { first, count })
    }
}

fn size(count: NonZeroUsize) -> NonZeroUsize {
    let one = NonZeroUsize::MIN.saturating_add(size_of::<AtomicU64>() - 1);
    count.saturating_mul(one)
}

#[allow(unsafe_code)]
// SAFETY: a mapping is no thread's own, and all access goes through atomics.
unsafe impl Send for Counters {}
#[allow(unsafe_code)]
// SAFETY: as above.
unsafe impl Sync for Counters {}

impl Deref for Counters {
    type Target = [AtomicU64];

    #[allow(unsafe_code)]
    fn deref(&self) -> &[AtomicU64] {
        // SAFETY: the mapping begins at a page, is `count` counters long,
        // holds values of AtomicU64, as any bytes are, and lives as long as
        // `self`.
        unsafe { slice::from_raw_parts(self.first.as_ptr(), self.count.get()) }
    }
}

impl Drop for Counters {
    #[allow(unsafe_code)]
    fn drop(&mut self) {
        // SAFETY: it was mapped with this size, and nothing borrows from it
        // any more. Other processes have mappings of their own.
        unsafe { munmap(self.first.cast(), size(self.count).get()) }.ok();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;

    #[test]
    fn counters_begin_at_zero_and_count() {
        let counters = Counters::new(NonZeroUsize::new(3).unwrap()).unwrap();
        assert_eq!(counters.len(), 3);
        counters[2].fetch_add(5, Ordering::Relaxed);
        let values = counters.iter().map(|c| c.load(Ordering::Relaxed));
        assert_eq!(values.collect::<Vec<_>>(), [0, 0, 5]);
    }
}
