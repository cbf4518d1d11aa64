//! Reads one DNS question, strictly: a message that is anything else is told so and nothing of it is used
//! (RFC 1035 section 4, RFC 6891 for EDNS).
//!
//! Our own parser, as little as there is to read: one name, two numbers, and the length of what follows.
//! A library would read every section and record type of whatever a jail sends.
//!
//! Not for: answering (`reply`), nor for what a name may be (`policy::DomainName`).

/// Fixed part of a message.
const HEADER: usize = 12;
/// Longest name on the wire (RFC 1035 2.3.4).
const NAME_MAX: usize = 255;
/// Additional records of a question. Resolvers send EDNS and at most one signature.
const ADDITIONAL_MAX: u16 = 4;
/// The pseudo-record of EDNS.
const OPT: u16 = 41;
/// Type, class, time to live and length of a record, behind its name.
const RECORD_FIXED: usize = 10;

/// A well-formed question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question<'a> {
    pub(super) head: Head,
    /// The question as it came: name, type, class. A reply repeats it to the letter, since some
    /// resolvers mix upper and lower case to recognise their own.
    pub(super) section: &'a [u8],
    /// Its labels with dots between them.
    pub(super) name: Vec<u8>,
    /// A label has a dot of its own, so the name could be taken for another.
    pub(super) ambiguous: bool,
    pub(super) kind: u16,
    pub(super) class: u16,
}

/// What every reply repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) id: [u8; 2],
    /// The opcode and "recursion desired", in their places.
    pub(super) flags: u8,
    /// The asker speaks EDNS, so the reply has to (RFC 6891 7).
    pub(super) edns: bool,
}

/// Why there is no question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Too short to answer, or an answer itself: answering those makes two servers talk for ever.
    Silence,
    /// Not of the form.
    Form(Head),
    /// Another operation than a query.
    Operation(Head),
    /// EDNS of a version that does not exist yet.
    Version(Head),
}

impl<'a> Question<'a> {
    pub(super) fn read(message: &'a [u8]) -> Result<Self, Fault> {
        let (head, counts, rest) = head(message).ok_or(Fault::Silence)?;
        if head.flags & 0x78 != 0 {
            return Err(Fault::Operation(head));
        }
        // Nobody who asks has answers or authorities to tell.
        let [1, 0, 0, additional @ 0..=ADDITIONAL_MAX] = counts else {
            return Err(Fault::Form(head));
        };
        let question = Self::section(head, rest).ok_or(Fault::Form(head))?;
        let rest = rest.get(question.section.len()..).unwrap_or_default();
        let edns = edns(rest, additional).ok_or(Fault::Form(head))?;
        let head = Head {
            edns: edns.is_some(),
            ..head
        };
        match edns {
            Some(version) if version != 0 => Err(Fault::Version(head)),
            _ => Ok(Self { head, ..question }),
        }
    }

    fn section(head: Head, bytes: &'a [u8]) -> Option<Self> {
        let mut name = Vec::new();
        let mut ambiguous = false;
        let mut at = 0_usize;
        loop {
            let length = usize::from(*bytes.get(at)?);
            at += 1;
            if length == 0 {
                break;
            }
            // 64 and above are pointers or unassigned (RFC 1035 4.1.4); there is nothing before a first
            // name that it could point to.
            if length > 63 || at + length >= NAME_MAX {
                return None;
            }
            let label = bytes.get(at..at + length)?;
            if !name.is_empty() {
                name.push(b'.');
            }
            ambiguous |= label.contains(&b'.');
            name.extend_from_slice(label);
            at += length;
        }
        let (&[k0, k1, c0, c1], _) = bytes.get(at..)?.split_first_chunk::<4>()?;
        Some(Self {
            head,
            section: bytes.get(..at + 4)?,
            name,
            ambiguous,
            kind: u16::from_be_bytes([k0, k1]),
            class: u16::from_be_bytes([c0, c1]),
        })
    }
}

/// The head of something that can be answered, how many records it claims to have, and what follows.
fn head(message: &[u8]) -> Option<(Head, [u16; 4], &[u8])> {
    let (&header, rest) = message.split_first_chunk::<HEADER>()?;
    let [id0, id1, flags, _, q0, q1, n0, n1, a0, a1, x0, x1] = header;
    if flags & 0x80 != 0 {
        return None;
    }
    let head = Head {
        id: [id0, id1],
        flags: flags & 0x79,
        edns: false,
    };
    let counts = [[q0, q1], [n0, n1], [a0, a1], [x0, x1]].map(u16::from_be_bytes);
    Some((head, counts, rest))
}

/// The head of a message that is too long to be read.
pub(super) fn head_of_oversized(message: &[u8]) -> Fault {
    head(message).map_or(Fault::Silence, |(head, ..)| Fault::Form(head))
}

/// Goes over so many additional records, which must be all that is left. `Some(Some(version))` when one
/// of them is that of EDNS; `None` when they are malformed.
fn edns(mut bytes: &[u8], count: u16) -> Option<Option<u8>> {
    let mut found = None;
    for _ in 0..count {
        let (is_root, rest) = skip_name(bytes)?;
        let (fixed, rest) = rest.split_first_chunk::<RECORD_FIXED>()?;
        let &[k0, k1, _, _, _, version, _, _, l0, l1] = fixed;
        if u16::from_be_bytes([k0, k1]) == OPT {
            // One, and of the root (RFC 6891 6.1).
            if found.is_some() || !is_root {
                return None;
            }
            found = Some(version);
        }
        bytes = rest.get(usize::from(u16::from_be_bytes([l0, l1]))..)?;
    }
    bytes.is_empty().then_some(found)
}

/// Goes over a name that may be compressed, without following it. True for the root's.
fn skip_name(bytes: &[u8]) -> Option<(bool, &[u8])> {
    let mut at = 0_usize;
    loop {
        match *bytes.get(at)? {
            0 => return Some((at == 0, bytes.get(at + 1..)?)),
            length @ 1..=63 => at += 1 + usize::from(length),
            0xc0.. => return Some((false, bytes.get(at + 2..)?)),
            _unassigned => return None,
        }
        if at >= NAME_MAX {
            return None;
        }
    }
}

#[cfg(test)]
mod tests;
