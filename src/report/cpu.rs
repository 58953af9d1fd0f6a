//! Processor time of this process.

use cpu_time::ProcessTime;

/// Seconds that all threads of this process have run so far, in user and kernel mode; 0 where the system does not tell.
pub fn seconds() -> f64 {
    ProcessTime::try_now().map_or(0.0, |time| time.as_duration().as_secs_f64())
}
