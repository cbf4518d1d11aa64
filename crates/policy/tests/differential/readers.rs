//! Parsers of other programs, each started once for all URIs.
//!
//! Not for: what they should say (`reading`).

use std::io::{Seek as _, Write as _};
use std::process::{Command, Stdio};

use crate::reading::{Reading, whatwg};

/// Exit status of a script whose library is not there.
const ABSENT: i32 = 3;

/// A parser by another author.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reader {
    /// The `url` crate.
    Whatwg,
    /// `urllib.parse.urlsplit`.
    Python,
    /// libcurl's URL interface, which `curl` itself reads by.
    Curl,
    /// Node's `URL`.
    Node,
    /// `urllib3`, below `requests` and `pip`.
    Urllib3,
}

impl Reader {
    pub(crate) const ALL: [Self; 5] = [
        Self::Whatwg,
        Self::Python,
        Self::Curl,
        Self::Node,
        Self::Urllib3,
    ];

    /// Whether a machine without it can't run this test.
    pub(crate) const fn is_required(self) -> bool {
        matches!(self, Self::Whatwg | Self::Python | Self::Curl)
    }

    /// Its readings in the same order; `None`: it is not on this machine.
    pub(crate) fn read(self, uris: &[String]) -> Option<Vec<Option<Reading>>> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/differential");
        let script = |name| format!("{folder}/{name}");
        match self {
            Self::Whatwg => Some(uris.iter().map(|uri| whatwg(uri)).collect()),
            Self::Python => batch("python3", &[&script("readers.py"), "python"], uris),
            Self::Curl => batch("python3", &[&script("readers.py"), "curl"], uris),
            Self::Urllib3 => batch("python3", &[&script("readers.py"), "urllib3"], uris),
            Self::Node => batch("node", &[&script("reader.mjs")], uris),
        }
    }
}

fn batch(program: &str, args: &[&str], uris: &[String]) -> Option<Vec<Option<Reading>>> {
    // A file, not a pipe: it answers while it reads, and two full pipes would wait for each other.
    let mut input = tempfile::tempfile().expect("a file");
    for uri in uris {
        serde_json::to_writer(&mut input, uri).expect("text");
        input.write_all(b"\n").expect("room");
    }
    input.rewind().expect("a file");
    let output = Command::new(program)
        .args(args)
        .stdin(input)
        .stderr(Stdio::inherit())
        .output()
        .ok()?;
    if output.status.code() == Some(ABSENT) {
        return None;
    }
    assert!(
        output.status.success(),
        "{program} {args:?}: {}",
        output.status
    );
    let text = String::from_utf8(output.stdout).expect("JSON is UTF-8");
    let readings: Vec<Option<Reading>> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("a reading"))
        .collect();
    assert_eq!(readings.len(), uris.len(), "{program} {args:?}");
    Some(readings)
}
