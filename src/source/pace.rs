//! How often a pass over lines asks whether to stop: by bytes, as lines may be of any length.

/// Lines that were passed since somebody was asked.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    lines: u64,
    bytes: usize,
}

/// Bytes for which a line counts at least: what short lines take beside their bytes.
const LEAST: usize = 1 << 12;

impl Pace {
    /// Bytes after which to ask.
    pub(crate) const BYTES: usize = 1 << 20;

    /// Counts a line of so many bytes; if it is time to ask, how many lines were passed since the last time.
    pub(crate) fn due(&mut self, bytes: usize) -> Option<u64> {
        self.lines += 1;
        self.bytes += bytes.max(LEAST);
        if self.bytes < Self::BYTES {
            return None;
        }
        self.bytes = 0;
        Some(std::mem::take(&mut self.lines))
    }
}
