//! Reads the output of `strace -f`.
//!
//! Not for: judging what it says. Lines of one call may be torn apart by other processes' lines.

mod arguments;
mod constants;

use std::collections::HashMap;

use crate::arch::Arch;
use crate::condition::ARGUMENTS;
use crate::syscalls;

use super::{CoverageError, GARBAGE_PERCENT_MAX, Observed, add};

/// Longest name of a call that is taken for one.
const NAME_MAX: usize = 64;
/// Most processes with a call under way. Linux has at most 4,194,304 pids; a trace has a few.
const PENDING_MAX: usize = 1 << 16;
const UNFINISHED: &str = "<unfinished ...>";

pub(super) fn read(file: &str, text: &str, arch: Arch) -> Result<Observed, CoverageError> {
    let mut trace = Trace {
        arch,
        observed: Observed::default(),
        pending: HashMap::new(),
        torn: None,
        calls: 0,
    };
    let mut lines = 0;
    for (at, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        lines += 1;
        if !trace.line(line) {
            let garbage = &mut trace.observed.garbage;
            garbage.lines += 1;
            if garbage.first == 0 {
                garbage.first = at + 1;
            }
        }
    }
    trace.finish(file, lines)
}

/// A call whose line went on later.
struct Pending {
    name: String,
    /// The text of the arguments so far.
    text: String,
}

struct Trace {
    arch: Arch,
    observed: Observed,
    pending: HashMap<u32, Pending>,
    /// The process whose line was cut by a message of strace's own.
    torn: Option<u32>,
    calls: usize,
}

/// What stands behind the process's number and the time.
enum Content<'a> {
    /// `name(`, and the rest.
    Call(&'a str, &'a str),
    /// `<... name resumed>`, and the rest.
    Resumed(&'a str, &'a str),
    /// Signals, exits and messages of strace's own.
    Notice,
    Other(&'a str),
}

impl Trace {
    /// Whether the line is one of strace's.
    fn line(&mut self, line: &str) -> bool {
        let (pid, rest) = prefix(line);
        match content(rest) {
            Content::Notice => true,
            Content::Call(name, rest) => self.call(pid, name, rest),
            Content::Resumed(name, rest) => self.resumed(pid, name, rest),
            Content::Other(rest) => self.rest_of_torn(rest),
        }
    }

    fn call(&mut self, pid: u32, name: &str, rest: &str) -> bool {
        let open = rest.trim_end().strip_suffix(UNFINISHED);
        let own = rest.split_once("strace: Process ");
        let torn = own
            .filter(|(_, own)| own.trim_end().ends_with("tached"))
            .map(|(text, _)| text);
        if let Some(text) = open.or(torn) {
            if open.is_none() {
                self.torn = Some(pid);
            }
            self.begin(pid, name, text);
            return true;
        }
        let Some((text, result)) = divided(rest) else {
            return false;
        };
        self.note(name, text, Some(result))
    }

    fn begin(&mut self, pid: u32, name: &str, text: &str) {
        if self.pending.len() >= PENDING_MAX {
            return;
        }
        let pending = Pending {
            name: name.to_owned(),
            text: text.to_owned(),
        };
        // What a process never came back from counts as well.
        if let Some(before) = self.pending.insert(pid, pending) {
            self.note(&before.name, &before.text, None);
        }
    }

    fn resumed(&mut self, pid: u32, name: &str, rest: &str) -> bool {
        match self.taken(pid, name) {
            Some(pending) => self.complete(&pending, rest),
            // The trace began while the call was under way.
            None => divided(rest).is_some_and(|(_, result)| self.note(name, "", Some(result))),
        }
    }

    /// The call that goes on. On a terminal strace names no process while there is only one, so
    /// the number may have come or gone in between.
    fn taken(&mut self, pid: u32, name: &str) -> Option<Pending> {
        let open = |at: &u32| self.pending.get(at).is_some_and(|one| one.name == name);
        let numbers = [pid, 0].into_iter().find(open);
        let other = || {
            let mut alike = self.pending.keys().copied().filter(open);
            alike.next().filter(|_| pid == 0)
        };
        let at = numbers.or_else(other)?;
        self.pending.remove(&at)
    }

    fn rest_of_torn(&mut self, rest: &str) -> bool {
        let Some(pid) = self.torn.take() else {
            return false;
        };
        if let Some(text) = rest.trim_end().strip_suffix(UNFINISHED) {
            let open = self.pending.get_mut(&pid);
            return open.map(|pending| pending.text.push_str(text)).is_some();
        }
        let torn = self.pending.remove(&pid);
        torn.is_some_and(|pending| self.complete(&pending, rest))
    }

    fn complete(&mut self, pending: &Pending, rest: &str) -> bool {
        let Some((text, result)) = divided(rest) else {
            return self.note(&pending.name, &pending.text, None);
        };
        let whole = format!("{}{text}", pending.text);
        self.note(&pending.name, &whole, Some(result))
    }

    /// Counts a call; false when its name can't be one.
    fn note(&mut self, name: &str, text: &str, result: Option<&str>) -> bool {
        let arch = self.arch;
        let Some(usage) = self.observed.usage(canonical(arch, name)) else {
            return false;
        };
        self.calls += 1;
        add(&mut usage.count, 1);
        let sample = arguments::read(arch, name, text).unwrap_or([None; ARGUMENTS]);
        usage.sample(sample, 1);
        if let Some(error) = result.and_then(error_of) {
            add(usage.failures.entry(error.to_owned()).or_default(), 1);
        }
        true
    }

    fn finish(mut self, file: &str, lines: usize) -> Result<Observed, CoverageError> {
        for (_, open) in std::mem::take(&mut self.pending) {
            self.note(&open.name, &open.text, None);
        }
        let garbage = self.observed.garbage;
        if self.calls == 0 {
            return Err(CoverageError::Nothing {
                file: file.to_owned(),
                lines,
            });
        }
        if garbage.lines * 100 > lines * GARBAGE_PERCENT_MAX {
            return Err(CoverageError::Garbage {
                file: file.to_owned(),
                first: garbage.first,
                others: garbage.lines - 1,
                lines,
            });
        }
        Ok(self.observed)
    }
}

/// The process (0 when the line names none) and the line without it and without the time.
fn prefix(line: &str) -> (u32, &str) {
    let line = line.trim_start();
    let named = line
        .strip_prefix("[pid")
        .and_then(|rest| rest.split_once(']'));
    let (pid, mut rest) = match named {
        Some((pid, rest)) => (pid.trim().parse().ok(), rest),
        None => match word(line) {
            Some((pid, rest)) => match pid.parse() {
                Ok(pid) => (Some(pid), rest),
                Err(_no_number) => (None, line),
            },
            None => (None, line),
        },
    };
    rest = rest.trim_start();
    while let Some((first, behind)) = word(rest) {
        let time = |byte: u8| byte.is_ascii_digit() || byte == b':' || byte == b'.';
        if !first.bytes().all(time) {
            break;
        }
        rest = behind.trim_start();
    }
    (pid.unwrap_or(0), rest)
}

fn word(text: &str) -> Option<(&str, &str)> {
    text.split_once(' ').filter(|(first, _)| !first.is_empty())
}

fn content(rest: &str) -> Content<'_> {
    let trimmed = rest.trim_end();
    let framed = |mark: &str| trimmed.starts_with(mark) && trimmed.ends_with(mark.trim());
    let own = ["strace: ", "[ Process PID="];
    if framed("+++ ") || framed("--- ") || own.iter().any(|start| trimmed.starts_with(start)) {
        return Content::Notice;
    }
    if let Some(resumed) = rest.strip_prefix("<... ") {
        let parts = resumed.split_once(" resumed>");
        if let Some((name, rest)) = parts.filter(|(name, _)| is_name(name)) {
            return Content::Resumed(name, rest);
        }
    }
    match rest.split_once('(') {
        Some((name, rest)) if is_name(name) => Content::Call(name, rest),
        _ => Content::Other(rest),
    }
}

/// Calls that are newer than strace come with their number.
fn canonical(arch: Arch, name: &str) -> &str {
    let number = name
        .strip_prefix("syscall_0x")
        .and_then(|digits| u32::from_str_radix(digits, 16).ok());
    let known = number.and_then(|number| syscalls::name(arch, number));
    known.unwrap_or(name)
}

/// Whether a text has the form of a call's name.
pub(super) fn is_name(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let first = text
        .bytes()
        .next()
        .is_some_and(|byte| !byte.is_ascii_digit());
    first && text.len() <= NAME_MAX && text.bytes().all(letter)
}

/// The arguments and the result of `arguments) = result`: strings and paths may hold the same
/// signs, but behind the last pair there is only the result.
fn divided(rest: &str) -> Option<(&str, &str)> {
    let mut ends = rest.rmatch_indices("= ");
    ends.find_map(|(at, _)| {
        let before = rest.get(..at)?.strip_suffix(' ')?.trim_end();
        let result = rest.get(at + 2..)?;
        Some((before.strip_suffix(')')?, result))
    })
}

/// The error's name in `-1 EPERM (Operation not permitted)` or `? ERESTARTSYS (To be restarted)`.
fn error_of(result: &str) -> Option<&str> {
    let mut words = result.split_whitespace();
    let failed = matches!(words.next(), Some("-1" | "?"));
    let name = words.next().filter(|_| failed)?;
    is_error_name(name).then_some(name)
}

/// Whether a text has the form of an error's name, such as `EPERM`.
pub(super) fn is_error_name(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    text.starts_with('E') && text.len() <= NAME_MAX && text.bytes().all(letter)
}
