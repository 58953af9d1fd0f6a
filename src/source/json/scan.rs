//! Where values end, without recursion and without a copy.

/// What is wrong with a text, and where: the byte from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) expected: &'static str,
    pub(crate) at: usize,
}

/// Past the white space.
pub(super) fn space(text: &[u8], mut at: usize) -> usize {
    while matches!(text.get(at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
        at += 1;
    }
    at
}

pub(super) fn expect(text: &[u8], at: usize, byte: u8, expected: &'static str) -> Result<usize, Fault> {
    if text.get(at) == Some(&byte) { Ok(at + 1) } else { Err(Fault { expected, at }) }
}

/// Which brackets are open, a bit each: a line of nothing but brackets takes an eighth of itself.
#[derive(Default)]
struct Open {
    bits: Vec<u64>,
    depth: usize,
}

impl Open {
    fn push(&mut self, object: bool) {
        let (word, bit) = (self.depth / 64, self.depth % 64);
        if word == self.bits.len() {
            self.bits.push(0);
        }
        self.bits[word] = self.bits[word] & !(1 << bit) | u64::from(object) << bit;
        self.depth += 1;
    }

    /// Whether the innermost is an object.
    fn last(&self) -> Option<bool> {
        let last = self.depth.checked_sub(1)?;
        Some(self.bits[last / 64] >> (last % 64) & 1 == 1)
    }
}

/// The end of the value that begins here.
pub(super) fn value(text: &[u8], start: usize) -> Result<usize, Fault> {
    let (mut at, mut open) = (start, Open::default());
    let key = |at: usize| -> Result<usize, Fault> {
        let end = space(text, string(text, at)?);
        Ok(space(text, expect(text, end, b':', "`:`")?))
    };
    loop {
        match text.get(at) {
            Some(bracket @ (b'{' | b'[')) => {
                let object = *bracket == b'{';
                open.push(object);
                at = space(text, at + 1);
                match text.get(at) {
                    Some(b'}') if object => {}
                    Some(b']') if !object => {}
                    _ => {
                        at = if object { key(at)? } else { at };
                        continue;
                    }
                }
            }
            Some(b'"') => at = string(text, at)?,
            _ => at = scalar(text, at)?,
        }
        // An entry ended, or a bracket closes right after it has opened.
        loop {
            let Some(object) = open.last() else { return Ok(at) };
            at = space(text, at);
            match text.get(at) {
                Some(b',') => {
                    at = space(text, at + 1);
                    at = if object { key(at)? } else { at };
                    break;
                }
                Some(b'}') if object => {}
                Some(b']') if !object => {}
                _ => return Err(Fault { expected: "`,` or the end of the object or array", at }),
            }
            open.depth -= 1;
            at += 1;
        }
    }
}

/// The end of the string that begins here.
pub(super) fn string(text: &[u8], start: usize) -> Result<usize, Fault> {
    let mut at = expect(text, start, b'"', "a string in double quotes")?;
    loop {
        match text.get(at) {
            Some(b'"') => return Ok(at + 1),
            Some(b'\\') => {
                at += match text.get(at + 1) {
                    Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
                    Some(b'u') if text.get(at + 2..at + 6).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)) => {
                        6
                    }
                    _ => return Err(Fault { expected: "one of the escapes of JSON", at }),
                }
            }
            Some(0..0x20) => {
                return Err(Fault { expected: "an escape such as \\n instead of a control character", at });
            }
            Some(_) => at += 1,
            None => return Err(Fault { expected: "the end of a string", at }),
        }
    }
}

/// The end of the number or word that begins here.
fn scalar(text: &[u8], start: usize) -> Result<usize, Fault> {
    const WORDS: [&[u8]; 6] = [b"true", b"false", b"null", b"NaN", b"Infinity", b"-Infinity"];
    if let Some(word) = WORDS.iter().find(|word| text[start.min(text.len())..].starts_with(word)) {
        return Ok(start + word.len());
    }
    let digits = |from: usize| from + text[from.min(text.len())..].iter().take_while(|b| b.is_ascii_digit()).count();
    let some = |from: usize| match digits(from) {
        end if end == from => Err(Fault { expected: "a digit", at: from }),
        end => Ok(end),
    };
    let first = start + usize::from(text.get(start) == Some(&b'-'));
    let mut at = match text.get(first) {
        Some(b'0') => first + 1,
        Some(b'1'..=b'9') => digits(first),
        _ => return Err(Fault { expected: "a value", at: start }),
    };
    if text.get(at) == Some(&b'.') {
        at = some(at + 1)?;
    }
    if matches!(text.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(text.get(at + 1), Some(b'+' | b'-')));
        at = some(at + 1 + sign)?;
    }
    Ok(at)
}
