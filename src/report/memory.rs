//! Memory, as far as the system tells (Linux's `/proc`).

use std::fs;

/// Largest resident memory of this process so far, in bytes.
pub fn peak() -> Option<u64> {
    field("/proc/self/status", "VmHWM:")
}

/// What work may use if nobody sets a limit: three quarters of the bytes that can be allocated without pushing anything
/// out, as estimates are rough and other programs need some too.
pub fn available() -> Option<u64> {
    field("/proc/meminfo", "MemAvailable:").map(|free| free / 4 * 3)
}

fn field(file: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    let kib: u64 = line.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}
