//! The agent's rules as programs of other makers: seccompiler, and libseccomp as Debian has it.
//!
//! Not for: what those programs miss, which the chapter's notes say.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use seccomp::{Arch, Profile};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, SeccompRule, TargetArch};

use super::Absence;
use super::alternatives::{self, Comparison};
use crate::error::Error;

/// Reads the export on its standard input's path and writes the program; run by Debian's Python.
const LIBSECCOMP: &str = r#"
import json, sys, seccomp
profile = json.load(open(sys.argv[1]))
made = seccomp.SyscallFilter(seccomp.ERRNO(profile["defaultErrnoRet"]))
ops = {"SCMP_CMP_EQ": seccomp.EQ, "SCMP_CMP_NE": seccomp.NE, "SCMP_CMP_LT": seccomp.LT, "SCMP_CMP_LE": seccomp.LE,
       "SCMP_CMP_GT": seccomp.GT, "SCMP_CMP_GE": seccomp.GE, "SCMP_CMP_MASKED_EQ": seccomp.MASKED_EQ}
for rule in profile["syscalls"]:
    if rule["action"] != "SCMP_ACT_ALLOW": continue
    args = [seccomp.Arg(a["index"], ops[a["op"]], a["value"], a.get("valueTwo", 0)) for a in rule.get("args") or []]
    for name in rule["names"]:
        try: number = seccomp.resolve_syscall(seccomp.Arch(), name)
        except Exception: continue
        if number >= 0: made.add_rule(seccomp.ALLOW, name, *args)
made.export_bpf(open(sys.argv[2], "wb"))
"#;

/// The agent's profile without the calls whose rules seccompiler can't express in a program of the
/// kernel's size, so that all compare the same rules; and how many calls those are.
pub(super) fn expressible(agent: &Profile, arch: Arch) -> Result<(Profile, usize), Error> {
    let inexpressible = |call: &&'static str| {
        let total = agent
            .denials_of(call)
            .any(seccomp::profile::Denial::is_total);
        agent.allowance_of(call).is_some() && !total && alternatives::of_call(agent, call).is_none()
    };
    let dropped: Vec<_> = seccomp::syscalls::calls(arch)
        .map(|(_, call)| call)
        .filter(inexpressible)
        .collect();
    let text = format!(
        "version = 1\nname = \"shared\"\ndescription = \"What all makers can express.\"\nextends = \"agent\"\n\
         [[deny]]\nwhy = \"Too many alternatives for seccompiler.\"\ncalls = {dropped:?}\nerrno = \"EPERM\"\n"
    );
    let shared =
        Profile::parse("shared", &text).map_err(|error| Error::Unmet(error.to_string()))?;
    Ok((shared, dropped.len()))
}

/// The program that seccompiler makes.
pub(super) fn seccompiler(profile: &Profile, arch: Arch) -> Result<Vec<u8>, Absence> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    for (number, call) in seccomp::syscalls::calls(arch) {
        let Some(alternatives) = alternatives::of_call(profile, call) else {
            continue;
        };
        let entry = rules.entry(i64::from(number)).or_default();
        for all in alternatives.iter().filter(|all| !all.is_empty()) {
            let conditions = all.iter().map(Comparison::condition);
            let rule = SeccompRule::new(conditions.collect::<Result<_, _>>()?);
            entry.push(rule.map_err(|error| Error::Unmet(error.to_string()))?);
        }
    }
    let target = match arch {
        Arch::X86_64 => TargetArch::x86_64,
        Arch::Aarch64 => TargetArch::aarch64,
    };
    let deny = SeccompAction::Errno(1);
    let made = SeccompFilter::new(rules, deny, SeccompAction::Allow, target);
    let program: Result<BpfProgram, _> = made.and_then(TryInto::try_into);
    let program = program.map_err(|error| Error::Unmet(error.to_string()))?;
    let encode = |one: &seccompiler::sock_filter| {
        let [a, b] = one.code.to_le_bytes();
        let [c, d, e, f] = one.k.to_le_bytes();
        [a, b, one.jt, one.jf, c, d, e, f]
    };
    Ok(program.iter().flat_map(encode).collect())
}

/// The program that libseccomp makes, by its Python module.
pub(super) fn libseccomp(folder: &Path, profile: &Profile, arch: Arch) -> Result<Vec<u8>, Absence> {
    let file = |path: &Path, what| {
        let path = path.to_owned();
        move |source| Error::File { what, path, source }
    };
    let (export, program) = (folder.join("export.json"), folder.join("libseccomp.out"));
    fs::write(&export, exported(profile, arch)?).map_err(file(&export, "write"))?;
    let mut python = Command::new("/usr/bin/python3");
    python.args(["-c", LIBSECCOMP]).args([&export, &program]);
    let output = python.output().map_err(|_error| Absence::NotInstalled)?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        if said.contains("ModuleNotFoundError") {
            return Err(Absence::NotInstalled);
        }
        let last = said.lines().last().unwrap_or_default().to_owned();
        return Err(Error::Unmet(last).into());
    }
    Ok(fs::read(&program).map_err(file(&program, "read"))?)
}

fn exported(profile: &Profile, arch: Arch) -> Result<String, Error> {
    let exported = seccomp::export::oci(profile, &[arch]);
    Ok(exported
        .map_err(|error| Error::Unmet(error.to_string()))?
        .text)
}
