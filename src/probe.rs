//! Processor time and memory, as far as the system tells.

use std::fs;

use cpu_time::ProcessTime;
use sysinfo::{CpuRefreshKind, RefreshKind, System};

/// Seconds that all threads of this process have run so far, in user and kernel mode; 0 where the system does not tell.
pub(crate) fn cpu_seconds() -> f64 {
    ProcessTime::try_now().map_or(0.0, |time| time.as_duration().as_secs_f64())
}

/// Largest resident memory of this process so far, in bytes (Linux's `/proc`).
pub(crate) fn peak_memory() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: u64 = line.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}

/// The kind of processor, as the system calls it: what is computed in floating point may differ between two kinds in last digits.
pub(crate) fn processor() -> String {
    let system = System::new_with_specifics(RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing()));
    let brand = system.cpus().first().map_or("", |cpu| cpu.brand());
    format!("{} {brand}", std::env::consts::ARCH)
}

/// What work may use if nobody sets a limit: three quarters of the bytes that can be allocated without pushing anything
/// out, as estimates are rough and other programs need some too. A limit of the control group (containers, batch
/// systems) counts; pages of files that it caches do not, since they can be given up.
pub(crate) fn available_memory() -> Option<u64> {
    let mut system = System::new();
    system.refresh_memory();
    // Without `/proc`, the system tells nothing.
    if system.total_memory() == 0 {
        return None;
    }
    let group = system.cgroup_limits().map_or(u64::MAX, |limits| limits.total_memory.saturating_sub(limits.rss));
    let free = system.available_memory().min(group);
    (free > 0).then_some(free / 4 * 3)
}
