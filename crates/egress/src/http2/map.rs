//! Header fields on their way between our list and the codec's map.
//!
//! Not for: which of them may pass (`fields`).

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::fields::Fields;

/// The codec's fields as our list. The codec has checked names and values, but for spaces around a value,
/// which are no part of it (RFC 9113 8.2.1).
pub(crate) fn fields(map: &HeaderMap) -> Fields {
    let own = |(name, value): (&HeaderName, &HeaderValue)| {
        let name = Bytes::copy_from_slice(name.as_str().as_bytes());
        (name, Bytes::copy_from_slice(value.as_bytes().trim_ascii()))
    };
    Fields::from_list(map.iter().map(own).collect())
}

/// Our fields for the codec. Names become lower case (RFC 9113 8.2). `None`: one of them can't be said in
/// HTTP/2. Sensitive values are never put into a compression table (RFC 7541 7.1.3).
pub(crate) fn headers(
    fields: &Fields,
    sensitive: impl Fn(&HeaderName) -> bool,
) -> Option<HeaderMap> {
    let mut map = HeaderMap::new();
    for (name, value) in fields.iter() {
        let name = HeaderName::from_bytes(name).ok()?;
        let mut value = HeaderValue::from_maybe_shared(value.clone()).ok()?;
        value.set_sensitive(sensitive(&name));
        map.try_append(name, value).ok()?;
    }
    Some(map)
}

/// The bytes of names and values.
pub(crate) fn size(map: &HeaderMap) -> usize {
    let of = |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len();
    map.iter().map(of).sum()
}
