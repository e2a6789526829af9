//! Side by side with other load generators.

fn main() {}
