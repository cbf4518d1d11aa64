//! The head of a request as the wallet reads and changes it, apart from the proxy's own types.
//!
//! Not for: parsing; the proxy has done that, and forwards exactly this.

/// A request's head as it will be sent. After a substitution it holds values of secrets: it can't be
/// printed.
#[derive(Clone, Default)]
#[expect(
    missing_debug_implementations,
    reason = "it holds values of secrets after a substitution"
)]
pub struct Head {
    /// The method.
    pub method: Vec<u8>,
    /// Path and query in the canonical form that is forwarded.
    pub target: Vec<u8>,
    /// Names in any case and values of all header fields, in order.
    pub fields: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Head {
    /// The path.
    pub(crate) fn path(&self) -> &[u8] {
        self.split_target().0
    }

    /// What is behind the first `?`, if there is one.
    pub(crate) fn query(&self) -> Option<&[u8]> {
        self.split_target().1
    }

    /// The values of all fields of this name.
    pub(crate) fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let named = move |(given, _): &&(Vec<u8>, _)| is_named(given, name);
        self.fields
            .iter()
            .filter(named)
            .map(|(_, value)| value.as_slice())
    }

    /// Takes all fields of this name out.
    pub(crate) fn remove(&mut self, name: &str) {
        self.fields.retain(|(given, _)| !is_named(given, name));
    }

    /// Takes all fields of this name out and puts one there.
    pub(crate) fn put(&mut self, name: &str, value: Vec<u8>) {
        self.remove(name);
        self.fields.push((name.as_bytes().to_vec(), value));
    }

    fn split_target(&self) -> (&[u8], Option<&[u8]>) {
        let target = self.target.as_slice();
        let mark = target.iter().position(|&byte| byte == b'?');
        mark.and_then(|at| target.split_at_checked(at))
            .map_or((target, None), |(path, query)| (path, query.get(1..)))
    }
}

/// Whether a field has this name, given in lower case.
pub(crate) fn is_named(given: &[u8], name: &str) -> bool {
    given.eq_ignore_ascii_case(name.as_bytes())
}
