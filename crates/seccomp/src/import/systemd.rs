//! Reads system call filters as systemd's units have them, and the groups that they name.
//!
//! Not for: systemd's other settings, nor for deciding what a profile says (`draft`).

mod sets;

use std::collections::BTreeMap;

use crate::action::Action;
use crate::errno::Errno;
use crate::syscalls;

use super::draft::{Draft, Rule};
use super::error::{Defect, ImportError, cut};
use super::note::{Difference, Note};

pub use sets::Sets;

/// The group that systemd adds to every allow list (systemd.exec(5)).
const ALWAYS: &str = "@default";

/// The filter as rules.
pub(super) fn read(file: &str, text: &str, sets: &Sets) -> Result<Draft, ImportError> {
    let mut filter = Filter {
        sets,
        kind: None,
        answer: Action::KillProcess,
        listed: BTreeMap::new(),
        notes: Vec::new(),
    };
    for (line, content) in logical_lines(text) {
        filter
            .setting(line, content.trim())
            .map_err(|defect| ImportError::Rule {
                file: file.to_owned(),
                line,
                defect,
            })?;
    }
    filter.draft(file).ok_or_else(|| ImportError::Rule {
        file: file.to_owned(),
        line: 1,
        defect: Defect::Nothing,
    })
}

/// Lines with those that a backslash at the end continues, each with its number.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    let mut open = false;
    for (at, line) in text.lines().enumerate() {
        let (content, continues) = match line.strip_suffix('\\') {
            Some(content) => (content, true),
            None => (line, false),
        };
        match lines.last_mut() {
            Some((_, so_far)) if open => {
                so_far.push(' ');
                so_far.push_str(content);
            }
            _ => lines.push((at + 1, content.to_owned())),
        }
        open = continues;
    }
    lines
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    AllowList,
    DenyList,
}

/// Where a call was listed, and with which answer of its own.
#[derive(Clone, Copy)]
struct Entry {
    line: usize,
    answer: Option<Action>,
    implied: bool,
}

struct Filter<'a> {
    sets: &'a Sets,
    kind: Option<Kind>,
    /// The answer to what is not let through.
    answer: Action,
    listed: BTreeMap<&'static str, Entry>,
    notes: Vec<Note>,
}

/// A word of a list, taken apart.
struct Word<'a> {
    text: &'a str,
    name: &'a str,
    inverted: bool,
    answer: Option<Action>,
}

impl Filter<'_> {
    fn setting(&mut self, line: usize, content: &str) -> Result<(), Defect> {
        if content.is_empty() || content.starts_with(['#', ';', '[']) {
            return Ok(());
        }
        let Some((key, value)) = content.split_once('=') else {
            return self.list(line, content);
        };
        let value = value.trim();
        match key.trim() {
            "SystemCallFilter" if value.is_empty() => {
                self.kind = None;
                self.listed.clear();
            }
            "SystemCallFilter" => self.list(line, value)?,
            "SystemCallErrorNumber" => {
                self.answer = match value {
                    "" => Action::KillProcess,
                    given => answer(given)?,
                };
            }
            "SystemCallArchitectures" => self.architectures(line, value),
            "SystemCallLog" => {
                let setting = "SystemCallLog".to_owned();
                self.notes
                    .push(Note::at(line, Difference::Ignored { setting }));
            }
            _ => {}
        }
        Ok(())
    }

    fn architectures(&mut self, line: usize, value: &str) {
        let ours = ["native", "x86-64", "arm64"];
        for arch in value.split_whitespace().filter(|arch| !ours.contains(arch)) {
            let arch = cut(arch);
            self.notes
                .push(Note::at(line, Difference::ForeignArch { arch }));
        }
    }

    /// The first list decides whether it is an allow list or a deny list; later ones add or take
    /// away. A `~` in front turns all words around, one in front of a later word that word alone.
    fn list(&mut self, line: usize, value: &str) -> Result<(), Defect> {
        let (inverted, words) = match value.strip_prefix('~') {
            Some(rest) => (true, rest),
            None => (false, value),
        };
        if self.kind.is_none() {
            let kind = if inverted {
                Kind::DenyList
            } else {
                Kind::AllowList
            };
            self.kind = Some(kind);
            if kind == Kind::AllowList {
                self.imply(line)?;
            }
        }
        for text in words.split_whitespace() {
            self.word(line, &Word::read(text, inverted)?)?;
        }
        Ok(())
    }

    fn imply(&mut self, line: usize) -> Result<(), Defect> {
        let entry = Entry {
            line,
            answer: None,
            implied: true,
        };
        let calls = self.sets.calls(ALWAYS)?;
        self.listed
            .extend(calls.into_iter().map(|call| (call, entry)));
        Ok(())
    }

    fn word(&mut self, line: usize, word: &Word<'_>) -> Result<(), Defect> {
        let allow_list = self.kind == Some(Kind::AllowList);
        if allow_list && word.answer.is_some() {
            let word = cut(word.text);
            let what = Difference::SuffixWithoutEffect { word };
            self.notes.push(Note::at(line, what));
        }
        let calls: Vec<&'static str> = if word.name.starts_with('@') {
            self.sets.calls(word.name)?.into_iter().collect()
        } else if let Some(call) = syscalls::canonical(word.name) {
            vec![call]
        } else {
            let call = cut(word.name);
            self.notes
                .push(Note::at(line, Difference::UnknownCall { call }));
            Vec::new()
        };
        for call in calls {
            if word.inverted == allow_list {
                self.listed.remove(call);
                continue;
            }
            let entry = Entry {
                line,
                answer: word.answer.filter(|_| !allow_list),
                implied: false,
            };
            self.listed.insert(call, entry);
        }
        Ok(())
    }

    fn draft(self, file: &str) -> Option<Draft> {
        let kind = self.kind?;
        let mut rules: Vec<Rule> = Vec::new();
        for (call, entry) in self.listed {
            let action = match kind {
                Kind::AllowList => Action::Allow,
                Kind::DenyList => entry.answer.unwrap_or(self.answer),
            };
            let why = match entry.implied {
                true => format!("{ALWAYS}, which systemd adds to every allow list."),
                false => format!("SystemCallFilter= of {file}, line {}.", entry.line),
            };
            let alike = |rule: &&mut Rule| rule.action == action && rule.why == why;
            match rules.iter_mut().find(alike) {
                Some(rule) => {
                    rule.calls.insert(call);
                }
                None => rules.push(Rule {
                    line: entry.line,
                    why,
                    calls: [call].into(),
                    action,
                    when: vec![Vec::new()],
                }),
            }
        }
        Some(Draft {
            fallback: match kind {
                Kind::AllowList => self.answer,
                Kind::DenyList => Action::Allow,
            },
            rules,
            notes: self.notes,
            skipped: Vec::new(),
        })
    }
}

impl<'a> Word<'a> {
    fn read(text: &'a str, all_inverted: bool) -> Result<Self, Defect> {
        let given = text;
        let (own, text) = match text.strip_prefix('~') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (name, suffix) = match text.split_once(':') {
            Some((name, suffix)) => (name, Some(suffix)),
            None => (text, None),
        };
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        let bare = name.strip_prefix('@').unwrap_or(name);
        if bare.is_empty() || !bare.bytes().all(letter) || (own && all_inverted) {
            return Err(Defect::Word { given: cut(given) });
        }
        Ok(Self {
            text: given,
            name,
            inverted: all_inverted || own,
            answer: suffix.map(answer).transpose()?,
        })
    }
}

/// `kill`, or an error by name or number that a profile can name too.
fn answer(given: &str) -> Result<Action, Defect> {
    if given == "kill" {
        return Ok(Action::KillProcess);
    }
    let number = given.parse::<u16>().ok().and_then(Errno::new);
    let name = number.map_or_else(|| given.to_owned(), |errno| errno.to_string());
    let errno = name.parse::<Errno>().ok();
    errno
        .map(Action::Errno)
        .ok_or_else(|| Defect::Errno { given: cut(given) })
}
