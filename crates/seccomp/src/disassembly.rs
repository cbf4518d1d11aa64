//! A BPF program as a numbered listing that a reviewer can follow.
//!
//! Not for: running it (`simulate`), nor for telling whether it is any good.

mod operands;
mod paths;

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::arch::Arch;
use crate::program::{Instruction, Program, operation};

use operands::{Mnemonic, comment, mnemonic};
use paths::Paths;

/// A listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listing {
    /// The architecture that numbers are named for, as text.
    pub arch: String,
    /// SHA-256 of the program.
    pub hash: String,
    /// One line for each instruction.
    pub lines: Vec<Line>,
}

/// One instruction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Its index.
    pub index: usize,
    /// Its label, if another instruction leads here by a jump.
    pub label: Option<String>,
    /// Operation, as the kernel has it.
    pub code: u16,
    /// Instructions to skip when the comparison holds.
    pub jt: u8,
    /// Instructions to skip when it does not.
    pub jf: u8,
    /// Constant operand.
    pub k: u32,
    /// The instruction in words.
    pub text: String,
    /// What the constant means here: a call's name, an argument, an architecture.
    pub comment: Option<String>,
}

/// Lists `program`, whose numbers are those of `arch`.
#[must_use]
pub fn disassemble(program: &Program, arch: Arch) -> Listing {
    let code = program.instructions();
    let labels = labels(code);
    let paths = Paths::of(code, arch);
    let line = |(index, instruction): (usize, &Instruction)| Line {
        index,
        label: labels.get(&index).cloned(),
        code: instruction.code,
        jt: instruction.jt,
        jf: instruction.jf,
        k: instruction.k,
        text: text(index, *instruction, &labels),
        comment: comment(*instruction, arch, &paths.before(index)),
    };
    Listing {
        arch: arch.to_string(),
        hash: program.hash(),
        lines: code.iter().enumerate().map(line).collect(),
    }
}

/// Labels of all targets of jumps that do not lead to the next instruction.
fn labels(code: &[Instruction]) -> BTreeMap<usize, String> {
    let mut labels: BTreeMap<usize, String> = BTreeMap::new();
    for (index, instruction) in code.iter().enumerate() {
        for target in targets(index, *instruction) {
            if target != index + 1 {
                labels.insert(target, String::new());
            }
        }
    }
    for (at, label) in labels.values_mut().enumerate() {
        *label = format!("L{at}");
    }
    labels
}

/// Where an instruction leads: nowhere after a return, to two places after a comparison.
fn targets(index: usize, instruction: Instruction) -> Vec<usize> {
    let skip = |by: usize| index.saturating_add(1).saturating_add(by);
    match mnemonic(instruction.code) {
        Mnemonic::Return => Vec::new(),
        Mnemonic::Jump => vec![skip(usize::try_from(instruction.k).unwrap_or(usize::MAX))],
        Mnemonic::Compare(_) => vec![
            skip(usize::from(instruction.jt)),
            skip(usize::from(instruction.jf)),
        ],
        _ => vec![skip(0)],
    }
}

fn text(index: usize, instruction: Instruction, labels: &BTreeMap<usize, String>) -> String {
    let place = |target: &usize| match labels.get(target) {
        Some(label) if *target != index + 1 => label.clone(),
        _ => "next".to_owned(),
    };
    let kind = mnemonic(instruction.code);
    let all = targets(index, instruction);
    match (&kind, all.as_slice()) {
        (Mnemonic::Compare(sign), [yes, no]) => {
            let operand = kind.operand(instruction);
            let (yes, no) = (place(yes), place(no));
            format!("if A {sign} {operand} goto {yes} else {no}")
        }
        (Mnemonic::Jump, [target]) => format!("goto {}", place(target)),
        _ => kind.text(instruction),
    }
}

impl fmt::Display for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = self.lines.len();
        writeln!(
            f,
            "{}: {length} instructions, sha256 {}",
            self.arch, self.hash
        )?;
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let label = self
            .label
            .as_ref()
            .map_or_else(String::new, |label| format!("{label}:"));
        write!(
            f,
            "{label:>6} {:04}  {:04x} {:02x} {:02x} {:08x}  ",
            self.index, self.code, self.jt, self.jf, self.k
        )?;
        match &self.comment {
            Some(comment) => write!(f, "{:<44} ; {comment}", self.text),
            None => f.write_str(&self.text),
        }
    }
}

/// Whether an instruction loads a word of the call.
const fn loads(instruction: Instruction) -> bool {
    instruction.code == operation::LOAD
}

#[cfg(test)]
mod tests;
