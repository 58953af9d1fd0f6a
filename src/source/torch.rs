//! Tensors in files of PyTorch: the zip archives of `torch.save`, of which only tensors are read.
//!
//! The archive holds a pickle (`data.pkl`), which describes the tensors, and their numbers as members of their own. The pickle is
//! read by [`pickle`], which runs nothing; a tensor is then a view of a member of the archive, used where it lies. What may be
//! read is a tensor, a dictionary of such, or a list: of rows, which are joined, or of tables, which are stacked.

use std::borrow::Cow;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use super::archive::{Archive, Member};
use super::error::DataError;
use super::format::PICKLE;
use super::memory::{Allowance, Claim};
use super::named::Named;
use super::npy;
use super::number::Number;
use super::open::{Format, Found};
use super::pickle::{self, Place, Refusal, Tensor, Value, Values};
use super::shard::{Bytes, Layout, Order};

/// The member that describes the tensors.
const PICKLED: &str = "data.pkl";

/// Longest pickle that is read: the descriptions of some ten million tensors.
const LONGEST: u64 = 1 << 30;

/// Rows that are joined may take at most so many times the bytes of the members: a small number of a row takes two.
const MOST_REPEATED: u64 = 8;

/// Bytes of the name of a tensor in a dictionary within others.
const LONGEST_NAME: usize = 1024;

const DESCRIPTION: (&str, &str) = ("the description of its tensors", "allow more with --max-memory");
const NUMBERS: (&str, &str) =
    ("the decompressed tensor", "allow more with --max-memory, or write the file again with torch.save");
const JOINED: &str = "the table that its tensors are together";
const JOINED_REMEDY: &str =
    "allow more with --max-memory, or save one tensor: torch.save(torch.stack(rows), 'x.pt'), which is read in place";

/// Whether a member of an archive is the description of tensors.
pub(super) fn is_pickle(name: &str) -> bool {
    name.rsplit('/').next() == Some(PICKLED)
}

/// The table called `name`, or the only one.
pub(super) fn table(
    file: &Path,
    archive: &mut Archive<'_>,
    name: Option<&str>,
    cast: bool,
    allowance: &Allowance,
) -> Result<Found, DataError> {
    let bad = |fault: String| DataError::malformed(file, format!("the PyTorch file {fault}"), PICKLE);
    let members = (0..archive.len()).map(|index| archive.member(index)).collect::<Result<Vec<_>, _>>()?;
    let named = |name: &str| members.iter().find(|member| member.name == name);
    let mut pickles = members.iter().filter(|member| is_pickle(&member.name));
    let (Some(description), None) = (pickles.next(), pickles.next()) else {
        return Err(bad("has several pickles".to_owned()));
    };
    let root = description.name.strip_suffix(PICKLED).unwrap_or_default();
    if named(&format!("{root}constants.pkl")).is_some() {
        return Err(bad("holds a program (TorchScript), not tensors".to_owned()));
    }
    if let Some(order) = named(&format!("{root}byteorder"))
        && archive.begin(order, 16)? != b"little"
    {
        return Err(bad("has its numbers in big-endian order, which is not read".to_owned()));
    }
    if description.size > LONGEST {
        let (file, what) = (file.to_owned(), DESCRIPTION.0);
        return Err(DataError::TooLong { file, what, bytes: description.size, most: LONGEST });
    }
    let content = archive.content(description, allowance, DESCRIPTION)?;
    let mut claim = Claim::new(allowance, file);
    let (values, top) = pickle::read(content.slice(archive.bytes()), &mut claim).map_err(|refusal| match refusal {
        Refusal::Foreign(fault) => bad(fault),
        Refusal::Data(error) => error,
    })?;
    let by_name = members.iter().map(|member| (&*member.name, member)).collect();
    let reader = Reader { file, root, members: by_name, values: &values, cast, allowance };
    let (tensor, chosen) = reader.choose(top, name)?;
    let found = match reader.values.get(chosen) {
        Value::Tensor(tensor) => reader.in_place(archive, tensor),
        Value::List(items) | Value::Tuple(items) => reader.joined(archive, items),
        _ => Err(bad("holds no tensor".to_owned())),
    }?;
    Ok(Found { tensor, ..found })
}

struct Reader<'a> {
    file: &'a Path,
    /// The folder of the archive in which all members lie.
    root: &'a str,
    /// By their names.
    members: HashMap<&'a str, &'a Member>,
    values: &'a Values<'a>,
    cast: bool,
    allowance: &'a Allowance,
}

impl Reader<'_> {
    fn bad(&self, fault: String) -> DataError {
        DataError::malformed(self.file, format!("the PyTorch file {fault}"), PICKLE)
    }

    /// The value that is called `name`, or the only table.
    fn choose(&self, top: Place, name: Option<&str>) -> Result<(Option<String>, Place), DataError> {
        let Value::Dict(entries) = self.values.get(top) else {
            return match name {
                None => Ok((None, top)),
                Some(_) => Err(DataError::Unnamed { file: self.file.to_owned(), what: "one table" }),
            };
        };
        let tables = self.tables(top, entries)?;
        let shapes = tables.iter().map(|(name, place)| (name.as_str(), self.shape(*place).unwrap_or_default()));
        let at = Named { file: self.file, noun: "tensor", tables: shapes.collect() }.choose(name)?;
        let (name, place) = &tables[at.ok_or_else(|| self.bad("holds no tensor by a name".to_owned()))?];
        Ok((Some(name.clone()), *place))
    }

    /// The tables of a dictionary and of the dictionaries in it, which are named `outer.inner`.
    fn tables(&self, top: Place, entries: &[(Place, Place)]) -> Result<Vec<(String, Place)>, DataError> {
        let mut tables: Vec<(String, Place)> = Vec::new();
        let mut places = HashMap::new();
        // A dictionary may be in itself, or in many others.
        let mut looked_at = HashSet::from([top]);
        let mut open = vec![(String::new(), entries)];
        while let Some((within, entries)) = open.pop() {
            for &(key, value) in entries {
                let key: Cow<'_, str> = match self.values.get(key) {
                    Value::Text(range) => self.values.text(range).into(),
                    Value::Int(number) => number.to_string().into(),
                    _ => continue,
                };
                // One long text may be the key of many.
                if !within.is_empty() && within.len() + key.len() > LONGEST_NAME {
                    return Err(
                        self.bad(format!("has names of more than {LONGEST_NAME} bytes in dictionaries within others"))
                    );
                }
                let name = format!("{within}{key}");
                if let Value::Dict(inner) = self.values.get(value) {
                    if looked_at.insert(value) {
                        open.push((format!("{name}."), inner));
                    }
                } else if self.shape(value).is_some() {
                    match places.insert(name.clone(), tables.len()) {
                        Some(before) => {
                            return Err(self.bad(format!("has two tensors of the name `{}`", tables[before].0)));
                        }
                        None => tables.push((name, value)),
                    }
                }
            }
        }
        Ok(tables)
    }

    /// The shape of a tensor, or about that of a list of rows; none of another value.
    fn shape(&self, place: Place) -> Option<Vec<i128>> {
        match self.values.get(place) {
            Value::Tensor(tensor) => Some(tensor.shape.iter().map(|&length| i128::from(length)).collect()),
            Value::List(items) | Value::Tuple(items) => {
                let first = match self.values.get(*items.first()?) {
                    Value::Tensor(tensor) => *tensor.shape.last()?,
                    Value::List(numbers) | Value::Tuple(numbers) => {
                        self.number(*numbers.first()?)?;
                        numbers.len() as i64
                    }
                    _ => return None,
                };
                Some(vec![items.len() as i128, i128::from(first)])
            }
            _ => None,
        }
    }

    fn number(&self, place: Place) -> Option<f64> {
        match self.values.get(place) {
            Value::Float(number) => Some(*number),
            // Exact up to 2^53; beyond that nobody writes whole numbers among rows.
            Value::Int(number) if number.unsigned_abs() <= 1 << 53 => Some(*number as f64),
            _ => None,
        }
    }

    /// A tensor as a table of the file.
    fn in_place(&self, archive: &mut Archive<'_>, tensor: &Tensor) -> Result<Found, DataError> {
        let (view, member) = self.view(tensor, None)?;
        let content = archive.content(member, self.allowance, NUMBERS)?;
        let start = content.start + view.offset * view.layout.number.size();
        content.claim.keep();
        Ok(Found { format: Format::Torch, tensor: None, bytes: content.bytes, start, layout: view.layout })
    }

    /// The view that a tensor is of the numbers of a member, checked against them. A list of `dim` numbers is a row.
    fn view(&self, tensor: &Tensor, row: Option<usize>) -> Result<(View, &Member), DataError> {
        let storage = &tensor.storage;
        let number = self.number_type(storage.number, storage.dtype)?;
        let mut shape: Vec<i128> = tensor.shape.iter().map(|&length| i128::from(length)).collect();
        let mut strides = tensor.strides.clone();
        if row.is_some() && shape.len() == 1 {
            shape.insert(0, 1);
            strides.insert(0, 0);
        }
        let (rows, dim) = npy::table_shape(self.file, &shape)?;
        let damaged = |fault: String| self.bad(format!("has a tensor that {fault}"));
        let key = self.values.text(&storage.key);
        let name = format!("{}data/{key}", self.root);
        let member = self.members.get(&*name).copied();
        let member = member.ok_or_else(|| damaged(format!("has its numbers in `{name}`, which is missing")))?;
        let count = u64::try_from(storage.count).ok().and_then(|count| count.checked_mul(number.size() as u64));
        if count != Some(member.size) {
            let what = format!("the storage `{name}` of {} numbers ({})", storage.count, number.name());
            let (file, actual) = (self.file.to_owned(), member.size);
            return Err(DataError::Size { file, what, expected: count.unwrap_or(u64::MAX), actual });
        }
        let &[row_stride, column_stride] = &strides[..] else {
            return Err(damaged(format!("has {} lengths and {} strides", tensor.shape.len(), tensor.strides.len())));
        };
        let stride = |stride: i64, length: usize| match usize::try_from(stride) {
            Ok(stride) if stride > 0 || length == 1 => Some(stride),
            _ => None,
        };
        let (Some(by_row), Some(by_column)) = (stride(row_stride, rows), stride(column_stride, dim)) else {
            let fault = "repeats its numbers (an expanded view)".to_owned();
            return Err(DataError::malformed(
                self.file,
                format!("the PyTorch file has a tensor that {fault}"),
                "save x.contiguous()",
            ));
        };
        // One after the last number, if that is no overflow.
        let last = |length: usize, stride: usize| (length - 1).checked_mul(stride);
        let end = last(rows, by_row).zip(last(dim, by_column)).and_then(|(rows, columns)| rows.checked_add(columns));
        let offset = usize::try_from(tensor.offset).ok();
        let end = offset.zip(end).and_then(|(offset, end)| offset.checked_add(end));
        let stored = storage.count as usize;
        let overlaps = rows.checked_mul(dim).is_none_or(|numbers| numbers > stored);
        let (Some(offset), Some(_), false) = (offset, end.filter(|&end| end < stored), overlaps) else {
            return Err(damaged(format!(
                "reaches outside its storage of {stored} numbers, or uses some of them twice"
            )));
        };
        let order = match (by_row, by_column) {
            (row, column) if (row == dim || rows == 1) && (column == 1 || dim == 1) => Order::RowMajor,
            (row, column) if (column == rows || dim == 1) && (row == 1 || rows == 1) => Order::ColumnMajor,
            (row, column) => Order::Strided { row, column },
        };
        Ok((View { offset, layout: Layout { rows, dim, number, big_endian: false, order } }, member))
    }

    fn number_type(&self, number: Option<Number>, dtype: &'static str) -> Result<Number, DataError> {
        let refuse = |dtype: String, remedy: &str| {
            Err(DataError::Dtype { file: self.file.to_owned(), dtype, remedy: remedy.to_owned() })
        };
        match number {
            None => refuse(dtype.to_owned(), "save f16, bf16, f32 or f64, for example x.float()"),
            Some(number) if number.is_integer() && !self.cast => {
                refuse(format!("{dtype} (integer)"), "pass --cast to use integers as f64")
            }
            Some(number) => Ok(number),
        }
    }

    /// The rows of several tensors, or of lists of numbers, copied into one table.
    fn joined(&self, archive: &mut Archive<'_>, items: &[Place]) -> Result<Found, DataError> {
        let mut table = Joined { claim: Claim::new(self.allowance, self.file), bytes: Vec::new(), rows: 0, of: None };
        let (mut open, all) = (HashMap::new(), self.members.values().map(|member| member.size).sum::<u64>());
        for (at, &item) in items.iter().enumerate() {
            if table.bytes.len() as u64 > MOST_REPEATED * all {
                return Err(self.bad("has a list that repeats its rows".to_owned()));
            }
            let refuse = |fault: String| self.bad(format!("has a list whose item {at} {fault}"));
            match self.values.get(item) {
                Value::Tensor(tensor) if matches!(tensor.shape.len(), 1 | 2) => {
                    let (view, member) = self.view(tensor, Some(at))?;
                    let content = match open.entry(member.index) {
                        Entry::Occupied(known) => known.into_mut(),
                        Entry::Vacant(new) => new.insert(archive.content(member, self.allowance, NUMBERS)?),
                    };
                    let bytes = content.slice(archive.bytes());
                    table.fits(view.layout.dim, view.layout.number).map_err(refuse)?;
                    table.add(&view, bytes)?;
                }
                Value::Tensor(tensor) => {
                    return Err(refuse(format!("has {} dimensions, not 1 or 2", tensor.shape.len())));
                }
                Value::List(numbers) | Value::Tuple(numbers) => {
                    table.fits(numbers.len(), Number::F64).map_err(refuse)?;
                    table.claim.room(&mut table.bytes, 8 * numbers.len(), JOINED, JOINED_REMEDY)?;
                    for &number in numbers {
                        let number = self.number(number).ok_or_else(|| refuse("is no row of numbers".to_owned()))?;
                        table.bytes.extend_from_slice(&number.to_le_bytes());
                    }
                    table.rows += 1;
                }
                _ => return Err(refuse("is neither a tensor nor a row of numbers".to_owned())),
            }
        }
        let Some((dim, number)) = table.of.filter(|(dim, _)| *dim > 0) else {
            return Err(DataError::Empty { file: self.file.to_owned(), fault: "the list holds no numbers" });
        };
        table.claim.keep();
        let layout = Layout { rows: table.rows, dim, number, big_endian: false, order: Order::RowMajor };
        Ok(Found { format: Format::Torch, tensor: None, bytes: Bytes::Memory(Arc::new(table.bytes)), start: 0, layout })
    }
}

/// A table among the numbers of a member.
struct View {
    /// Its first number.
    offset: usize,
    layout: Layout,
}

/// A table that is made of several.
struct Joined<'a> {
    claim: Claim<'a>,
    bytes: Vec<u8>,
    rows: usize,
    /// Numbers in a row, and their type.
    of: Option<(usize, Number)>,
}

impl Joined<'_> {
    fn fits(&mut self, dim: usize, number: Number) -> Result<(), String> {
        let (first, of) = *self.of.get_or_insert((dim, number));
        match (first == dim, of == number) {
            (true, true) => Ok(()),
            (false, _) => Err(format!("has rows of {dim} numbers, and the first has {first}")),
            (_, false) => Err(format!("has numbers of type {}, and the first has {}", number.name(), of.name())),
        }
    }

    /// Copies the rows of a view of these numbers.
    fn add(&mut self, view: &View, bytes: &[u8]) -> Result<(), DataError> {
        let Layout { rows, dim, number, order, .. } = &view.layout;
        let size = number.size();
        self.claim.room(&mut self.bytes, rows * dim * size, JOINED, JOINED_REMEDY)?;
        let (by_row, by_column) = order.strides(*rows, *dim);
        for row in 0..*rows {
            let first = view.offset + row * by_row;
            if by_column == 1 {
                self.bytes.extend_from_slice(&bytes[first * size..(first + dim) * size]);
            } else {
                let places = (0..*dim).map(|column| (first + column * by_column) * size);
                places.for_each(|at| self.bytes.extend_from_slice(&bytes[at..at + size]));
            }
        }
        self.rows += rows;
        Ok(())
    }
}
