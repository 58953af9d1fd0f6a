//! The quotes of a table of text, checked byte by byte: what parses tables takes quotes that stand where none may for text, and joins
//! all records up to the next one.

use std::collections::VecDeque;

use super::format::BYTE_ORDER_MARK;
use super::pace::Pace;

/// Where in a record the bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before its first byte: line breaks here are empty lines.
    Outside,
    /// Before the first byte of another cell.
    Begin,
    Bare,
    Quoted,
    /// After a quote within a quoted cell: another one makes it text, else the cell ends.
    Closed,
}

/// What was read of a table so far.
#[derive(Debug)]
pub(crate) struct Quotes {
    separator: u8,
    place: Place,
    /// Bytes of the byte-order mark so far; 3 where none can follow.
    mark: usize,
    line: usize,
    /// The line in which the present cell began with a quote.
    opened: usize,
    /// Bytes of the present record.
    bytes: usize,
    /// Bytes that a record may have.
    most: usize,
    /// The lines in which records began that were not asked for yet.
    begun: VecDeque<usize>,
}

const MARK: &[u8] = BYTE_ORDER_MARK.as_bytes();

impl Quotes {
    pub(crate) fn new(separator: u8, most: usize) -> Self {
        let (place, mark, line, opened, bytes, begun) = (Place::Outside, 0, 1, 1, 0, VecDeque::new());
        Self { separator, place, mark, line, opened, bytes, most, begun }
    }

    /// The line in which the next record begins of those whose bytes were taken.
    pub(crate) fn next_line(&mut self) -> Option<usize> {
        self.begun.pop_front()
    }

    /// Takes the next bytes; says what is wrong with them.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Result<(), String> {
        for &byte in bytes {
            if self.mark < MARK.len() {
                if byte == MARK[self.mark] {
                    self.mark += 1;
                    continue;
                }
                self.mark = MARK.len();
            }
            let is_break = matches!(byte, b'\n' | b'\r');
            if self.place == Place::Outside && !is_break {
                self.begun.push_back(self.line);
                (self.bytes, self.place) = (0, Place::Begin);
            }
            self.bytes += 1;
            self.place = match (self.place, byte) {
                (Place::Quoted, b'"') => Place::Closed,
                (Place::Quoted, _) => Place::Quoted,
                (Place::Outside, _) => Place::Outside,
                (Place::Closed, b'"') => Place::Quoted,
                (_, _) if is_break => {
                    self.check_length()?;
                    Place::Outside
                }
                (_, byte) if byte == self.separator => Place::Begin,
                (Place::Begin, b'"') => {
                    self.opened = self.line;
                    Place::Quoted
                }
                (Place::Closed, _) => {
                    let Self { line, opened, .. } = self;
                    return Err(format!(
                        "line {line} has text after the quote that ends the cell which line {opened} begins with one: double a \
                         quote within a cell, and quote the cell"
                    ));
                }
                // Tabs part cells that nobody need quote, so that quotes within them are text.
                (Place::Bare, b'"') if self.separator != b'\t' => {
                    return Err(format!(
                        "line {} has a quote within a cell that does not begin with one: double it, and quote the cell",
                        self.line
                    ));
                }
                (Place::Begin | Place::Bare, _) => Place::Bare,
            };
            self.line += usize::from(byte == b'\n');
        }
        self.check_length()
    }

    /// Says what is wrong with a table that ends here.
    pub(crate) fn end(&self) -> Result<(), String> {
        match self.place {
            Place::Quoted => Err(format!("the quote that begins a cell in line {} is not closed", self.opened)),
            _ => Ok(()),
        }
    }

    fn check_length(&self) -> Result<(), String> {
        let line = self.begun.back().copied().unwrap_or(self.line);
        if self.place != Place::Outside && self.bytes > self.most {
            return Err(format!(
                "the record of line {line} has more than {} bytes: is a quote missing? Or allow more with --max-memory",
                self.most
            ));
        }
        Ok(())
    }
}

/// Checks a table that is held as a whole.
pub(crate) fn check(table: &[u8]) -> Result<(), String> {
    let mut quotes = Quotes::new(b',', usize::MAX);
    for part in table.chunks(Pace::BYTES) {
        quotes.take(part)?;
        quotes.begun.clear();
    }
    quotes.end()
}
