//! JSON in one spelling: a struct is an object and a bare variant is a string.
//!
//! What serde derives for a struct reads an array of its fields as well, and serde_json reads `{"pool": null}` as the
//! variant `pool`. No writer means either and no other reader knows them. All JSON that becomes a struct is read by
//! [`from_slice`]; serde_json's limit on nesting holds.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error, IntoDeserializer, MapAccess, SeqAccess, Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;

/// Reads one value and nothing after it.
///
/// # Errors
/// If the bytes are not JSON of this type: wrong type, missing or duplicate key, text after the value.
pub fn from_slice<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> serde_json::Result<T> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = T::deserialize(Strict(&mut json))?;
    json.end()?;
    Ok(value)
}

/// Hands on what it holds, and sees to it that all that is nested in it is wrapped too.
struct Strict<T>(T);

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Strict<D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_any(Strict(visitor))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_map(Strict(visitor))
    }

    /// As a map, which no array is.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_any(Variant(visitor))
    }

    /// Asked for only where a bare variant is spelled as an object.
    fn deserialize_unit<V: Visitor<'de>>(self, _: V) -> Result<V::Value, D::Error> {
        Err(D::Error::invalid_type(Unexpected::Map, &"a string"))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_option(Strict(visitor))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_newtype_struct(name, Strict(visitor))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_ignored_any(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit_struct seq tuple
        tuple_struct identifier
    }
}

macro_rules! visit_scalars {
    ($($visit:ident: $scalar:ty),*) => {
        $(fn $visit<E: Error>(self, value: $scalar) -> Result<V::Value, E> {
            self.0.$visit(value)
        })*
    };
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Strict<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    visit_scalars!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64);
    visit_scalars!(visit_str: &str, visit_borrowed_str: &'de str, visit_string: String);

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.0.visit_unit()
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.0.visit_none()
    }

    fn visit_some<D: Deserializer<'de>>(self, value: D) -> Result<V::Value, D::Error> {
        self.0.visit_some(Strict(value))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, value: D) -> Result<V::Value, D::Error> {
        self.0.visit_newtype_struct(Strict(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<V::Value, A::Error> {
        self.0.visit_seq(Strict(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<V::Value, A::Error> {
        self.0.visit_map(Strict(entries))
    }
}

/// Reads an enum: a string names a bare variant, an object of one key one with content.
struct Variant<V>(V);

impl<'de, V: Visitor<'de>> Visitor<'de> for Variant<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<V::Value, E> {
        self.0.visit_enum(name.into_deserializer())
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<V::Value, A::Error> {
        self.0.visit_enum(MapAccessDeserializer::new(Strict(entries)))
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Strict<A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        self.0.next_element_seed(Strict(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Strict<A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        self.0.next_key_seed(seed)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.0.next_value_seed(Strict(seed))
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Strict<S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        self.0.deserialize(Strict(deserializer))
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)]
mod tests {
    use serde::Deserialize;

    use super::from_slice;

    #[derive(Debug, PartialEq, Deserialize)]
    enum Shape {
        Point,
        Disc { radius: f64 },
        Named(String),
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Inner {
        x: f64,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Outer {
        inner: Inner,
        list: Vec<Inner>,
        maybe: Option<Inner>,
        pair: (u8, u8),
        shape: Shape,
    }

    const GOOD: &str =
        r#"{"inner": {"x": 1}, "list": [{"x": 2}], "maybe": {"x": 3}, "pair": [4, 5], "shape": "Point"}"#;

    fn accepts(from: &str, to: &str) -> bool {
        assert!(GOOD.contains(from));
        from_slice::<Outer>(GOOD.replace(from, to).as_bytes()).is_ok()
    }

    #[test]
    fn arrays_do_not_pass_for_objects() {
        assert!(accepts("", ""));
        assert!(!accepts(r#""inner": {"x": 1}"#, r#""inner": [1]"#));
        assert!(!accepts(r#"[{"x": 2}]"#, "[[2]]"));
        assert!(!accepts(r#"{"x": 3}"#, "[3]"));
        assert!(accepts(r#"{"x": 3}"#, "null"));
        assert!(accepts(r#""Point""#, r#"{"Disc": {"radius": 1}}"#));
        assert!(!accepts(r#""Point""#, r#"{"Disc": [1]}"#));
        let array = br#"[{"x": 1}, [{"x": 2}], {"x": 3}, [4, 5], "Point"]"#;
        assert!(from_slice::<Outer>(array).is_err());
        assert!(serde_json::from_slice::<Outer>(array).is_ok(), "what this module is for");
    }

    #[test]
    fn a_variant_has_one_spelling() {
        assert!(accepts(r#""Point""#, r#"{"Named": "x"}"#));
        assert!(!accepts(r#""Point""#, r#"{"Point": null}"#));
        assert!(!accepts(r#""Point""#, r#"{"Named": "x", "Point": null}"#));
        assert!(!accepts(r#""Point""#, r#""Disc""#));
        assert!(!accepts(r#""Point""#, "{}"));
        assert!(!accepts(r#""Point""#, "0"));
    }

    #[test]
    fn numbers_keep_their_kind_and_nesting_its_limit() {
        assert!(!accepts("[4, 5]", "[4.0, 5]"));
        assert!(!accepts("[4, 5]", "[4, 256]"));
        assert!(!accepts("[4, 5]", "[4, 5, 6]"));
        assert!(!accepts(r#""x": 1"#, r#""x": 1e999"#));
        assert!(!accepts(r#""x": 1"#, r#""x": 1, "x": 2"#));
        let deep = "[".repeat(1_000_000);
        assert!(from_slice::<serde_json::Value>(deep.as_bytes()).is_err());
        assert!(!accepts(r#"{"x": 3}"#, &deep));
    }
}
