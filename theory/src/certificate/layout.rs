//! How certificates are laid out as text.

use std::io;

use serde_json::ser::Formatter;

/// JSON layout: one key per line in objects, arrays of scalars on one line, objects in arrays on a line each.
#[derive(Default)]
pub(super) struct Layout {
    depth: usize,
    arrays: usize,
}

impl Layout {
    fn line(&self, out: &mut (impl io::Write + ?Sized)) -> io::Result<()> {
        write!(out, "\n{:1$}", "", self.depth)
    }
}

impl Formatter for Layout {
    fn begin_array<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.arrays += 1;
        out.write_all(b"[")
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.arrays -= 1;
        out.write_all(b"]")
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        if self.arrays > 0 {
            self.line(out)?;
        }
        self.depth += 1;
        out.write_all(b"{")
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.depth -= 1;
        if self.arrays == 0 {
            self.line(out)?;
        }
        out.write_all(b"}")
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        if !first {
            out.write_all(b",")?;
        }
        match (self.arrays, first) {
            (0, _) => self.line(out),
            (_, false) => out.write_all(b" "),
            (_, true) => Ok(()),
        }
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b": ")
    }
}
