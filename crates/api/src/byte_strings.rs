//! Lists of byte strings in JSON: text where an entry is UTF-8, an array of numbers where it is not.
//!
//! Arguments and environment entries are bytes to the kernel; as arrays alone they would take four
//! times their size. Not for: single values; nothing needs them.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Serialize)]
#[serde(untagged)]
enum Written<'a> {
    Text(&'a str),
    Bytes(&'a [u8]),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Read {
    Text(String),
    Bytes(Vec<u8>),
}

pub(crate) fn serialize<S: Serializer>(list: &[Vec<u8>], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(list.iter().map(|entry| match std::str::from_utf8(entry) {
        Ok(text) => Written::Text(text),
        Err(_not_text) => Written::Bytes(entry),
    }))
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Vec<u8>>, D::Error> {
    let list = Vec::<Read>::deserialize(from)?;
    let own = |entry| match entry {
        Read::Text(text) => text.into_bytes(),
        Read::Bytes(bytes) => bytes,
    };
    Ok(list.into_iter().map(own).collect())
}

#[cfg(test)]
mod tests {
    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    struct Holder(#[serde(with = "super")] Vec<Vec<u8>>);

    #[test]
    fn any_bytes_come_back_and_text_stays_short() {
        let holder = Holder(vec![b"plain".to_vec(), b"\xff\x00".to_vec(), Vec::new()]);
        let json = serde_json::to_string(&holder).unwrap();
        assert_eq!(json, r#"["plain",[255,0],""]"#);
        assert_eq!(serde_json::from_str::<Holder>(&json).unwrap(), holder);
    }
}
