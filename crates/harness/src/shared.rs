//! Memory that a master and its workers share.

use std::num::NonZeroUsize;
use std::slice;
use std::sync::atomic::AtomicU64;

use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous};

/// `count` counters at zero, which stay shared across forks.
///
/// They are never unmapped: counters live as long as the process.
///
/// # Errors
///
/// The system's, where it has no memory to map.
#[allow(unsafe_code)]
pub fn counters(count: NonZeroUsize) -> nix::Result<&'static [AtomicU64]> {
    let size = count.saturating_mul(
        NonZeroUsize::MIN.saturating_add(size_of::<AtomicU64>() - 1),
    );
    let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    // SAFETY: the kernel chooses the place of a new mapping, so no memory of
    // ours is touched; it is aligned to a page, all zero, `size` bytes long,
    // and never unmapped. Zero is a value of AtomicU64, through which all
    // access goes.
    unsafe {
        let memory = mmap_anonymous(None, size, access, MapFlags::MAP_SHARED)?;
        Ok(slice::from_raw_parts(memory.as_ptr().cast(), count.get()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;

    #[test]
    fn counters_begin_at_zero_and_count() {
        let counters = counters(NonZeroUsize::new(3).unwrap()).unwrap();
        assert_eq!(counters.len(), 3);
        counters[2].fetch_add(5, Ordering::Relaxed);
        let values = counters.iter().map(|c| c.load(Ordering::Relaxed));
        assert_eq!(values.collect::<Vec<_>>(), [0, 0, 5]);
    }
}
