//! Where everything listens: the talk's ports, or all of them moved.

use anyhow::{Context, Result};

/// The first of the talk's ports.
const FIRST: u16 = 5000;

/// Moves the talk's ports.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ports {
    base: u16,
}

impl Ports {
    /// Port 5000 becomes `base`, and all others keep their distance.
    pub(crate) fn from(base: u16) -> Self {
        Self { base }
    }

    pub(crate) fn base(self) -> u16 {
        self.base
    }

    pub(crate) fn of(self, port: u16) -> Result<u16> {
        let moved = u32::from(self.base) + u32::from(port);
        moved
            .checked_sub(u32::from(FIRST))
            .and_then(|moved| u16::try_from(moved).ok())
            .filter(|moved| *moved > 0)
            .with_context(|| {
                let base = self.base;
                format!(
                    "--port-base {base} leaves no port for the talk's \
                     {port}; it may be 1 to 63534"
                )
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_keep_their_distance() {
        assert_eq!(Ports::from(FIRST).of(5201).unwrap(), 5201);
        assert_eq!(Ports::from(15_000).of(7001).unwrap(), 17_001);
        assert_eq!(Ports::from(63_534).of(7001).unwrap(), 65_535);
        assert!(Ports::from(63_535).of(7001).is_err());
    }
}
