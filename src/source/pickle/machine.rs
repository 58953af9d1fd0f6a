//! The stack machine of which a pickle is a program, as far as it builds data.

use std::ops::Range;

use super::{KNOWN, Known, Place, REMEDY, Read, Refusal, Storage, Tensor, Value, Values, WHAT};
use crate::source::memory::Claim;

/// Carries out the instructions in the bytes of `values`; gives all values, and which of them the pickle is of.
pub(super) fn run<'a>(values: Values<'a>, claim: &mut Claim<'_>) -> Read<(Values<'a>, Place)> {
    let mut machine = Machine { values, at: 0, stack: Vec::new(), marks: Vec::new(), memo: Vec::new(), claim };
    loop {
        if let Some(last) = machine.step()? {
            return Ok((machine.values, last));
        }
    }
}

struct Machine<'a, 'c, 'd> {
    values: Values<'a>,
    /// The next byte.
    at: usize,
    stack: Vec<Place>,
    /// Heights of the stack that are marked.
    marks: Vec<usize>,
    memo: Vec<Place>,
    claim: &'c mut Claim<'d>,
}

impl<'a> Machine<'a, '_, '_> {
    /// Carries out the next instruction; the last one gives the value that the pickle is of.
    fn step(&mut self) -> Read<Option<Place>> {
        let begin = self.at;
        match self.byte()? {
            // PROTO, FRAME
            0x80 => self.version()?,
            0x95 => self.skip(8)?,
            b'(' => self.mark()?,
            b'.' => return self.pop().map(Some),
            b'N' => self.push(Value::None)?,
            0x88 | 0x89 => self.push(Value::Bool)?,
            // BININT, BININT1, BININT2, LONG1, BINFLOAT
            b'J' => {
                let number = i32::from_le_bytes(self.array()?);
                self.push(Value::Int(i64::from(number)))?;
            }
            b'K' => {
                let number = self.byte()?;
                self.push(Value::Int(i64::from(number)))?;
            }
            b'M' => {
                let number = u16::from_le_bytes(self.array()?);
                self.push(Value::Int(i64::from(number)))?;
            }
            0x8a => self.long()?,
            b'G' => {
                let number = f64::from_be_bytes(self.array()?);
                self.push(Value::Float(number))?;
            }
            // BINUNICODE, SHORT_BINUNICODE
            b'X' => {
                let length = u32::from_le_bytes(self.array()?);
                self.text(length as usize)?;
            }
            0x8c => {
                let length = self.byte()?;
                self.text(usize::from(length))?;
            }
            // BINPUT, LONG_BINPUT, MEMOIZE, BINGET, LONG_BINGET
            b'q' => {
                let slot = self.byte()?;
                self.remember(usize::from(slot))?;
            }
            b'r' => {
                let slot = u32::from_le_bytes(self.array()?);
                self.remember(slot as usize)?;
            }
            0x94 => self.remember(self.memo.len())?,
            b'h' => {
                let slot = self.byte()?;
                self.recall(usize::from(slot))?;
            }
            b'j' => {
                let slot = u32::from_le_bytes(self.array()?);
                self.recall(slot as usize)?;
            }
            b')' => self.push(Value::Tuple(Vec::new()))?,
            b']' => self.push(Value::List(Vec::new()))?,
            b'}' => self.push(Value::Dict(Vec::new()))?,
            b't' => {
                let items = self.marked()?;
                self.tuple(items)?;
            }
            count @ 0x85..=0x87 => {
                let items = self.stack.len().checked_sub(usize::from(count - 0x84)).ok_or_else(short)?;
                self.tuple(items)?;
            }
            // APPEND, APPENDS, SETITEM, SETITEMS
            b'a' => self.append(self.stack.len().wrapping_sub(1))?,
            b'e' => {
                let items = self.marked()?;
                self.append(items)?;
            }
            b's' => self.set_items(self.stack.len().wrapping_sub(2))?,
            b'u' => {
                let items = self.marked()?;
                self.set_items(items)?;
            }
            // GLOBAL, STACK_GLOBAL
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.known(module, name)?;
            }
            0x93 => {
                let (name, module) = (self.pop_text()?, self.pop_text()?);
                self.known(module, name)?;
            }
            b'R' => self.reduce()?,
            b'Q' => self.storage()?,
            b'b' => self.build()?,
            other => {
                let name = OTHERS
                    .iter()
                    .find(|(code, _)| *code == other)
                    .map_or(String::new(), |(_, name)| format!(" ({name})"));
                return Err(
                    format!("has the instruction 0x{other:02x}{name} at byte {begin}, which no tensor needs").into()
                );
            }
        }
        Ok(None)
    }

    fn version(&mut self) -> Read<()> {
        match self.byte()? {
            2..=5 => Ok(()),
            other => Err(format!("is of version {other}, and 2 to 5 are read").into()),
        }
    }

    fn byte(&mut self) -> Read<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        let bytes = self.values.bytes.get(self.at..).and_then(<[u8]>::first_chunk).ok_or_else(cut)?;
        self.at += N;
        Ok(*bytes)
    }

    fn skip(&mut self, count: usize) -> Read<()> {
        self.take(count).map(|_| ())
    }

    fn take(&mut self, count: usize) -> Read<Range<usize>> {
        let end = self.at.checked_add(count).filter(|&end| end <= self.values.bytes.len()).ok_or_else(cut)?;
        let range = self.at..end;
        self.at = end;
        Ok(range)
    }

    /// The rest of a line, without its end.
    fn line(&mut self) -> Read<Range<usize>> {
        let rest = self.values.bytes.get(self.at..).unwrap_or_default();
        let length = memchr::memchr(b'\n', rest).ok_or_else(cut)?;
        let line = self.take(length)?;
        self.at += 1;
        self.checked(line)
    }

    fn checked(&self, range: Range<usize>) -> Read<Range<usize>> {
        match std::str::from_utf8(&self.values.bytes[range.clone()]) {
            Ok(_) => Ok(range),
            Err(_) => Err(format!("has a text at byte {} that is not UTF-8", range.start).into()),
        }
    }

    fn text(&mut self, length: usize) -> Read<()> {
        let range = self.take(length)?;
        let range = self.checked(range)?;
        self.push(Value::Text(range))
    }

    /// A whole number of any length, of which 8 bytes are read.
    fn long(&mut self) -> Read<()> {
        let length = usize::from(self.byte()?);
        let range = self.take(length)?;
        let bytes = &self.values.bytes[range];
        let mut word = if bytes.last().is_some_and(|byte| byte & 0x80 != 0) { [0xff; 8] } else { [0; 8] };
        word.get_mut(..length).ok_or_else(|| format!("has a whole number of {length} bytes"))?.copy_from_slice(bytes);
        self.push(Value::Int(i64::from_le_bytes(word)))
    }

    fn mark(&mut self) -> Read<()> {
        self.claim.room(&mut self.marks, 1, WHAT, REMEDY)?;
        self.marks.push(self.stack.len());
        Ok(())
    }

    fn push(&mut self, value: Value) -> Read<()> {
        let place = Place::try_from(self.values.values.len()).map_err(|_| "has too many values".to_owned())?;
        self.claim.room(&mut self.values.values, 1, WHAT, REMEDY)?;
        self.values.values.push(value);
        self.push_place(place)
    }

    fn push_place(&mut self, place: Place) -> Read<()> {
        self.claim.room(&mut self.stack, 1, WHAT, REMEDY)?;
        self.stack.push(place);
        Ok(())
    }

    /// Takes the last value; none that lies below a mark.
    fn pop(&mut self) -> Read<Place> {
        if self.marks.last().is_some_and(|&mark| mark == self.stack.len()) {
            return Err(short());
        }
        self.stack.pop().ok_or_else(short)
    }

    fn pop_text(&mut self) -> Read<Range<usize>> {
        let place = self.pop()?;
        match self.values.get(place) {
            Value::Text(range) => Ok(range.clone()),
            _ => Err("names something by what is no text".to_owned().into()),
        }
    }

    /// Where the values above the last mark begin.
    fn marked(&mut self) -> Read<usize> {
        self.marks.pop().filter(|&mark| mark <= self.stack.len()).ok_or_else(short)
    }

    /// The values on the stack from here on, taken from it.
    fn above(&mut self, from: usize) -> Read<Vec<Place>> {
        let mut items = Vec::new();
        self.claim.room(&mut items, self.stack.len().checked_sub(from).ok_or_else(short)?, WHAT, REMEDY)?;
        if self.marks.last().is_some_and(|&mark| mark > from) {
            return Err(short());
        }
        items.extend(self.stack.drain(from..));
        Ok(items)
    }

    fn tuple(&mut self, from: usize) -> Read<()> {
        let items = self.above(from)?;
        self.push(Value::Tuple(items))
    }

    fn remember(&mut self, slot: usize) -> Read<()> {
        let place = *self.stack.last().ok_or_else(short)?;
        let kept = self.memo.len();
        if slot > kept {
            return Err(format!("keeps a value as number {slot} before number {kept}").into());
        }
        if slot == kept {
            self.claim.room(&mut self.memo, 1, WHAT, REMEDY)?;
            self.memo.push(place);
        }
        self.memo[slot] = place;
        Ok(())
    }

    fn recall(&mut self, slot: usize) -> Read<()> {
        let place = *self.memo.get(slot).ok_or_else(|| format!("uses value {slot}, which it did not keep"))?;
        self.push_place(place)
    }

    fn append(&mut self, from: usize) -> Read<()> {
        let items = self.above(from)?;
        let list = *self.stack.last().ok_or_else(short)?;
        match &mut self.values.values[list as usize] {
            Value::List(list) => {
                self.claim.room(list, items.len(), WHAT, REMEDY)?;
                list.extend(items);
                Ok(())
            }
            _ => Err("adds items to what is no list".to_owned().into()),
        }
    }

    fn set_items(&mut self, from: usize) -> Read<()> {
        let items = self.above(from)?;
        let dict = *self.stack.last().ok_or_else(short)?;
        match &mut self.values.values[dict as usize] {
            Value::Dict(entries) if items.len().is_multiple_of(2) => {
                self.claim.room(entries, items.len() / 2, WHAT, REMEDY)?;
                entries.extend(items.chunks_exact(2).map(|pair| (pair[0], pair[1])));
                Ok(())
            }
            _ => Err("adds entries to what is no dictionary".to_owned().into()),
        }
    }

    fn known(&mut self, module: Range<usize>, name: Range<usize>) -> Read<()> {
        let (module, name) = (self.values.text(&module), self.values.text(&name));
        match KNOWN.iter().find(|(of, known, _)| (*of, *known) == (module, name)) {
            Some((_, _, known)) => self.push(Value::Known(*known)),
            None => {
                let named: String = format!("{module}.{name}").chars().take(80).collect();
                Err(format!("asks for `{named}`, which is no plain tensor").into())
            }
        }
    }

    /// Applies what is known to its arguments.
    fn reduce(&mut self) -> Read<()> {
        let (arguments, function) = (self.pop()?, self.pop()?);
        let (Value::Known(function), Value::Tuple(arguments)) = (self.values.get(function), self.values.get(arguments))
        else {
            return Err("calls what is no function of tensors".to_owned().into());
        };
        match (function, &arguments[..]) {
            (Known::OrderedDict, []) => self.push(Value::Dict(Vec::new())),
            (Known::Size, &[lengths]) => self.push_place(lengths),
            (Known::RebuildParameter, &[tensor, ..]) => match self.values.get(tensor) {
                Value::Tensor(_) => self.push_place(tensor),
                _ => Err("has a parameter that is no tensor".to_owned().into()),
            },
            (Known::RebuildTensor, &[storage, offset, shape, strides, ref more @ ..]) => {
                let values = &self.values;
                // After whether it has a gradient, and its hooks: marks such as that all numbers are to be negated.
                if let Some(&marks) = more.get(2)
                    && !matches!(values.get(marks), Value::None)
                    && !matches!(values.get(marks), Value::Dict(entries) if entries.is_empty())
                {
                    let fault = "has a tensor that is marked as a negated or conjugated view, whose numbers are not those that it stores: save x.resolve_neg()";
                    return Err(fault.to_owned().into());
                }
                let tensor = match (values.get(storage), values.get(offset)) {
                    (Value::Storage(storage), &Value::Int(offset)) => {
                        let (shape, strides) = (values.lengths(shape)?, values.lengths(strides)?);
                        Tensor { storage: Storage::clone(storage), offset, shape, strides }
                    }
                    _ => return Err("has a tensor without numbers".to_owned().into()),
                };
                let lengths = size_of_val(&tensor.shape[..]) + size_of_val(&tensor.strides[..]);
                self.claim.add((size_of::<Tensor>() + lengths) as u64, WHAT, REMEDY)?;
                self.push(Value::Tensor(Box::new(tensor)))
            }
            (function, _) => Err(format!("calls {function:?} with {} arguments", arguments.len()).into()),
        }
    }

    /// Numbers that lie elsewhere in the archive: ('storage', type, key, device, count).
    fn storage(&mut self) -> Read<()> {
        let place = self.pop()?;
        let values = &self.values;
        let refuse = || Refusal::from("refers to what is no storage of numbers".to_owned());
        let Value::Tuple(parts) = values.get(place) else { return Err(refuse()) };
        let &[word, kind, key, _, count] = &parts[..] else { return Err(refuse()) };
        match (values.get(word), values.get(kind), values.get(key), values.get(count)) {
            (Value::Text(word), Value::Known(Known::Storage(number, dtype)), Value::Text(key), &Value::Int(count))
                if values.text(word) == "storage" =>
            {
                let storage = Storage { number: *number, dtype, key: key.clone(), count };
                self.claim.add(size_of::<Storage>() as u64, WHAT, REMEDY)?;
                self.push(Value::Storage(Box::new(storage)))
            }
            _ => Err(refuse()),
        }
    }

    /// Attributes of a dictionary (the versions of modules), which say nothing of numbers.
    fn build(&mut self) -> Read<()> {
        self.pop()?;
        let place = *self.stack.last().ok_or_else(short)?;
        match self.values.get(place) {
            Value::Dict(_) => Ok(()),
            _ => Err("gives attributes to what is no dictionary".to_owned().into()),
        }
    }
}

/// Instructions that are not carried out, by their names.
const OTHERS: [(u8, &str); 14] = [
    (b'i', "INST"),
    (b'o', "OBJ"),
    (0x81, "NEWOBJ"),
    (0x92, "NEWOBJ_EX"),
    (0x82, "EXT1"),
    (0x83, "EXT2"),
    (0x84, "EXT4"),
    (b'P', "PERSID"),
    (b'B', "BINBYTES"),
    (b'C', "SHORT_BINBYTES"),
    (0x8f, "EMPTY_SET"),
    (0x8b, "LONG4"),
    (0x8d, "BINUNICODE8"),
    (0x96, "BYTEARRAY8"),
];

fn cut() -> Refusal {
    "ends before its last instruction".to_owned().into()
}

fn short() -> Refusal {
    "takes more values than it has made".to_owned().into()
}
