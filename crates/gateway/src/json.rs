//! JSON from an untrusted hand: bounded in depth, and each key once.
//!
//! Not for: the size of a body, which is bounded before it is read.

use std::fmt;

use serde::de::{DeserializeOwned, DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// Deepest nesting of a request body; the deepest one in use has four levels.
pub const DEPTH_MAX: usize = 32;

/// Reads a body as `T`.
///
/// # Errors
/// `serde_json`'s: bad syntax or UTF-8, a key twice, nesting beyond [`DEPTH_MAX`], text after the
/// value, or a value that is no `T`.
pub fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, serde_json::Error> {
    let Strict(value) = serde_json::from_slice(body)?;
    serde_json::from_value(value)
}

/// A value without duplicate keys. Two readers that differ in which of them counts would see two
/// different requests.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Level(DEPTH_MAX).deserialize(deserializer).map(Self)
    }
}

/// How many levels may still open.
#[derive(Clone, Copy)]
struct Level(usize);

impl Level {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        let left = self.0.checked_sub(1).map(Self);
        left.ok_or_else(|| E::custom(format_args!("nested deeper than {DEPTH_MAX} levels")))
    }
}

impl<'de> DeserializeSeed<'de> for Level {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Level {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let below = self.deeper()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(below)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let below = self.deeper()?;
        let mut map = Map::new();
        while let Some(key) = members.next_key::<String>()? {
            if map.contains_key(&key) {
                return Err(Error::custom("a key occurs twice in one object"));
            }
            let value = members.next_value_seed(below)?;
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_serde_json_reads() {
        let text = r#"{"a":[1,-2,3.5,"x",null,true,{"b":{}}]}"#;
        let plain: Value = serde_json::from_str(text).unwrap();
        assert_eq!(parse::<Value>(text.as_bytes()).unwrap(), plain);
    }

    #[test]
    fn refuses_a_key_that_occurs_twice_even_when_it_is_spelled_with_escapes() {
        assert!(parse::<Value>(br#"{"a":{"b":1,"c":1}}"#).is_ok());
        assert!(parse::<Value>(br#"{"a":{"b":1,"b":1}}"#).is_err());
        assert!(parse::<Value>(br#"{"b":1,"\u0062":1}"#).is_err());
    }

    #[test]
    fn refuses_nesting_beyond_the_bound_only() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse::<Value>(nested(DEPTH_MAX).as_bytes()).is_ok());
        assert!(parse::<Value>(nested(DEPTH_MAX + 1).as_bytes()).is_err());
        assert!(parse::<Value>(nested(500_000).as_bytes()).is_err());
    }

    #[test]
    fn refuses_bytes_that_are_no_utf8_and_text_behind_the_value() {
        assert!(parse::<Value>(b"\"a\"").is_ok());
        assert!(parse::<Value>(b"\"\xff\"").is_err());
        assert!(parse::<Value>(b"{} {}").is_err());
    }
}
