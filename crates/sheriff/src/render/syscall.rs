//! Refused system calls as lines for a reader.
//!
//! Not for: what a profile says of calls that nobody made (`seccomp explain`).

use seccomp::signature::{Kind, Parameter, parameters};
use serde::Deserialize;

use super::{Paint, Style, text};

/// Longest name of a call, error, rule or CVE shown.
const WORD_CHARS_MAX: usize = 96;
/// Longest reason shown; `--json` has all of it.
const WHY_CHARS_MAX: usize = 240;
/// Most CVEs shown.
const CVES_MAX: usize = 3;
/// The answer to a fatal call.
const KILLED: &str = "kill";
/// Numbers from here on are shown in hexadecimal: they are flags more often than counts.
const HEX_FROM: u64 = 0x1_0000;

/// The details of a `syscall.denied` entry.
#[derive(Debug, Deserialize)]
pub(crate) struct Denied {
    process: u32,
    syscall: String,
    #[serde(default)]
    arch: String,
    args: Vec<String>,
    /// None when the process was killed.
    errno: Option<String>,
    why: String,
    cves: Vec<String>,
    rule: Option<String>,
    suppressed: u64,
}

impl Denied {
    /// `denied mount(...) EPERM: why [profile file:line]`, and what else is known.
    pub(crate) fn line(&self, style: Style) -> String {
        let call = text::brief(&self.syscall, WORD_CHARS_MAX);
        // A bare number means nothing without its table.
        let table = match self.syscall.bytes().all(|byte| byte.is_ascii_digit()) {
            true => format!("{} ", text::brief(&self.arch, WORD_CHARS_MAX)),
            false => String::new(),
        };
        let answer = self.errno.as_deref().unwrap_or(KILLED);
        let mut line = format!(
            "{} {table}{call}({}) {}: {}",
            style.paint(Paint::Bad, "denied"),
            self.arguments(),
            text::brief(answer, WORD_CHARS_MAX),
            text::brief(&self.why, WHY_CHARS_MAX),
        );
        if let Some(rule) = &self.rule {
            line.push_str(&format!(" [profile {}]", text::brief(rule, WORD_CHARS_MAX)));
        }
        if !self.cves.is_empty() {
            line.push_str(&format!(" ({})", self.vulnerabilities()));
        }
        line.push_str(&format!(" process {}", self.process));
        if self.suppressed > 0 {
            line.push_str(&format!(", and {} more before it", self.suppressed));
        }
        line
    }

    /// The registers that the kernel reads for the call, by name; all of an unknown call's.
    fn arguments(&self) -> String {
        let values = self.args.iter().map(|argument| number(argument));
        let shown: Vec<String> = match parameters(&self.syscall) {
            Some(parameters) => parameters
                .iter()
                .zip(values)
                .map(
                    |(parameter, value)| match (self.syscall.as_str(), parameter.name) {
                        ("ioctl", "cmd") => request(value & parameter.kind.bits()),
                        _ => argument(*parameter, value),
                    },
                )
                .collect(),
            None => values.take(6).map(|value| format!("{value:#x}")).collect(),
        };
        shown.join(", ")
    }

    fn vulnerabilities(&self) -> String {
        let shown = self.cves.iter().take(CVES_MAX);
        let shown: Vec<String> = shown.map(|id| text::brief(id, WORD_CHARS_MAX)).collect();
        let more = self.cves.len().saturating_sub(CVES_MAX);
        match more {
            0 => shown.join(", "),
            more => format!("{} and {more} more", shown.join(", ")),
        }
    }
}

fn number(text: &str) -> u64 {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    u64::from_str_radix(digits, 16).unwrap_or_default()
}

/// A request of `ioctl`, by its name too where `strace` would give it one.
fn request(value: u64) -> String {
    let name = seccomp::ioctl::name(value).map_or_else(String::new, |name| format!(" {name}"));
    format!("cmd={value:#x}{name}")
}

fn argument(parameter: Parameter, value: u64) -> String {
    let value = value & parameter.kind.bits();
    let name = parameter.name;
    match parameter.kind {
        Kind::Mode => format!("{name}={value:#o}"),
        Kind::Word | Kind::Long if value < HEX_FROM => format!("{name}={value}"),
        Kind::Word | Kind::Long | Kind::Pointer => format!("{name}={value:#x}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn line(change: impl FnOnce(&mut Value)) -> String {
        let mut data = json!({
            "process": 7, "syscall": "socket", "number": 41, "arch": "x86_64",
            "args": ["0xffffffff00000026", "0x80805", "0x0", "0x1", "0x2", "0x3"],
            "errno": "EAFNOSUPPORT", "why": "families", "cves": [], "profile": "agent",
            "rule": "agent.toml:312", "suppressed": 0
        });
        change(&mut data);
        let denied: Denied = serde_json::from_value(data).unwrap();
        denied.line(Style::plain())
    }

    #[test]
    fn shows_what_the_kernel_reads_of_the_registers_and_the_line_to_change() {
        assert_eq!(
            line(|_| {}),
            "denied socket(family=38, type=0x80805, protocol=0) EAFNOSUPPORT: families \
             [profile agent.toml:312] process 7"
        );
        let more = line(|data| {
            data["cves"] = json!(["CVE-1", "CVE-2", "CVE-3", "CVE-4"]);
            data["suppressed"] = json!(9);
        });
        assert!(
            more.ends_with(" (CVE-1, CVE-2, CVE-3 and 1 more) process 7, and 9 more before it"),
            "{more}"
        );
        let unknown = line(|data| data["syscall"] = json!("999"));
        assert!(
            unknown.starts_with("denied x86_64 999(0xffffffff00000026, 0x80805, 0x0,"),
            "{unknown}"
        );
    }

    #[test]
    fn a_request_of_ioctl_is_shown_in_hexadecimal_and_by_name() {
        let ioctl = |request: &str| {
            line(|data| {
                data["syscall"] = json!("ioctl");
                data["args"] = json!(["0x0", request, "0x7ffc0000"]);
            })
        };
        let known = ioctl("0xffffffff00005412");
        assert!(
            known.contains("ioctl(fd=0, cmd=0x5412 TIOCSTI, arg=0x7ffc0000)"),
            "{known}"
        );
        let unknown = ioctl("0x5411");
        assert!(unknown.contains("cmd=0x5411, "), "{unknown}");
    }

    #[test]
    fn a_fatal_call_is_shown_with_its_table_and_as_what_it_was() {
        let fatal = line(|data| {
            data["errno"] = json!(null);
            data["syscall"] = json!("39");
            data["arch"] = json!("x32");
        });
        assert!(fatal.starts_with("denied x32 39("), "{fatal}");
        assert!(fatal.contains(") kill: families"), "{fatal}");
    }

    #[test]
    fn hostile_texts_stay_on_their_line_and_short() {
        let hostile = "\u{9b}31m\n".repeat(10_000);
        let shown = line(|data| {
            for key in ["syscall", "arch", "errno", "why", "rule"] {
                data[key] = json!(hostile);
            }
            data["cves"] = json!([hostile, hostile]);
            data["args"] = json!([hostile]);
        });
        assert!(!shown.contains(text::is_unsafe) && shown.chars().count() < 1200);
    }
}
