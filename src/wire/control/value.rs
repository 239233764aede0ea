//! One JSON value, read only as far as requests need it, and checked to its end.
//!
//! Arrays and objects that no field can be are checked but not kept, so that memory stays near the
//! size of the input. `serde::de::IgnoredAny` would not do for them: it lets lone surrogates and
//! numbers like `1e400` pass.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// Most entries of a list of texts that are kept; version 1 knows no feature at all.
const KEEP: usize = 64;

/// A value that some field of a request can have.
#[derive(Debug, Default)]
pub(super) enum Value {
    Integer(u64),
    Negative(i64),
    Text(String),
    /// A list that holds only texts, of which the first [`KEEP`] are here.
    Texts(Vec<String>),
    Bool(bool),
    Position(Box<Position>),
    /// Anything else: null, a fraction, or a list of other things.
    #[default]
    Other,
}

/// The fields of an object that `from` or `after` can be; others in it are ignored.
#[derive(Debug, Default)]
pub(super) struct Position {
    pub(super) last: Option<Scalar>,
    pub(super) epoch: Option<Scalar>,
    pub(super) seq: Option<Scalar>,
    pub(super) time_ms: Option<Scalar>,
    /// A field that is there twice.
    pub(super) duplicate: Option<&'static str>,
}

/// A value inside an object.
#[derive(Debug, Default)]
pub(super) enum Scalar {
    Integer(u64),
    Text(String),
    #[default]
    Other,
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_unit<E>(self) -> Result<Value, E> {
                Ok(Value::Other)
            }

            fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
                Ok(Value::Bool(value))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
                Ok(Value::Integer(value))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
                Ok(Value::Negative(value))
            }

            fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
                Ok(Value::Other)
            }

            fn visit_str<E>(self, value: &str) -> Result<Value, E> {
                Ok(Value::Text(value.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
                let mut texts = Some(Vec::new());
                while let Some(entry) = seq.next_element()? {
                    match (entry, &mut texts) {
                        (Scalar::Text(text), Some(kept)) if kept.len() < KEEP => kept.push(text),
                        (Scalar::Text(_), _) => {}
                        _ => texts = None,
                    }
                }
                Ok(texts.map_or(Value::Other, Value::Texts))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Value, A::Error> {
                Position::read(map).map(|position| Value::Position(Box::new(position)))
            }
        }

        d.deserialize_any(Any)
    }
}

impl Position {
    fn read<'de, A: MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
        let mut position = Self::default();
        while let Some(key) = map.next_key::<Key>()? {
            let (name, slot) = match key.0.as_deref() {
                Some("last") => ("last", &mut position.last),
                Some("epoch") => ("epoch", &mut position.epoch),
                Some("seq") => ("seq", &mut position.seq),
                Some("time_ms") => ("time_ms", &mut position.time_ms),
                _ => {
                    map.next_value::<Scalar>()?;
                    continue;
                }
            };
            if slot.replace(map.next_value()?).is_some() {
                position.duplicate = Some(name);
            }
        }
        Ok(position)
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Scalar;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_unit<E>(self) -> Result<Scalar, E> {
                Ok(Scalar::Other)
            }

            fn visit_bool<E>(self, _: bool) -> Result<Scalar, E> {
                Ok(Scalar::Other)
            }

            fn visit_u64<E>(self, value: u64) -> Result<Scalar, E> {
                Ok(Scalar::Integer(value))
            }

            fn visit_i64<E>(self, _: i64) -> Result<Scalar, E> {
                Ok(Scalar::Other)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Scalar, E> {
                Ok(Scalar::Other)
            }

            fn visit_str<E>(self, value: &str) -> Result<Scalar, E> {
                Ok(Scalar::Text(value.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Scalar, A::Error> {
                while seq.next_element::<Self::Value>()?.is_some() {}
                Ok(Scalar::Other)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Scalar, A::Error> {
                while map.next_entry::<Key, Self::Value>()?.is_some() {}
                Ok(Scalar::Other)
            }
        }

        d.deserialize_any(Any)
    }
}

/// The name of a field, kept only if it is short enough to be one that somebody knows.
pub(super) struct Key(pub(super) Option<Box<str>>);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Short;

        impl Visitor<'_> for Short {
            type Value = Key;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a field")
            }

            fn visit_str<E>(self, key: &str) -> Result<Key, E> {
                Ok(Key((key.len() <= 16).then(|| key.into())))
            }
        }

        d.deserialize_str(Short)
    }
}
