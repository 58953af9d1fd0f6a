//! The command line of kantor.

fn main() {}
