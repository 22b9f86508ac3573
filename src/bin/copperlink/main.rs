//! The copperlink program.
fn main() {}
