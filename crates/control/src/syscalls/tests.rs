//! Refused calls and the lines that refuse them.

use api::attach::Run;
use model::SessionId;
use warrant::{ProfileText, Profiles};

use super::*;
use crate::Policies;
use crate::session::Carried;

/// The rules of a session whose jail profile names this seccomp profile.
fn rules(seccomp: &str) -> SyscallRules {
    let text = |kind: &str, name: &str, text: &str| ProfileText {
        kind: kind.to_owned(),
        name: name.parse().unwrap(),
        source: format!("{name}.toml"),
        text: text.to_owned(),
    };
    let jail = format!(
        "version = 1\nname = \"own\"\nextends = \"base\"\n[seccomp]\nprofile = \"{seccomp}\""
    );
    let child = "version = 1\nname = \"child\"\ndescription = \"d\"\nextends = \"agent\"\ndrop = [\"umask\"]";
    let fatal = "version = 1\nname = \"fatal\"\ndescription = \"d\"\nextends = \"agent\"\n[[deny]]\nwhy = \"w\"\ncalls = [\"umask\"]\nkill = true";
    let small = "version = 1\nname = \"small\"\ndescription = \"d\"\n[[allow]]\nwhy = \"w\"\ncalls = [\"read\"]";
    let texts = vec![
        text("jail", "own", &jail),
        text(
            "jail",
            "base",
            policy::shipped(policy::ProfileKind::Jail, "base").unwrap(),
        ),
        text("seccomp", "agent", seccomp::shipped("agent").unwrap()),
        text("seccomp", "child", child),
        text("seccomp", "fatal", fatal),
        text("seccomp", "small", small),
    ];
    let run = Run {
        profile: "own".parse().unwrap(),
        argv: Vec::new(),
        env: Vec::new(),
        allow: Vec::new(),
        connect: Vec::new(),
        secrets: Vec::new(),
        limits: Vec::new(),
        timeout: None,
        workspace: false,
        terminal: None,
        record: false,
        learn: false,
    };
    let resolved = Policies::new(Profiles { texts }, 1).resolve(&run).unwrap();
    let session = SessionId::from_random([1; 8]);
    resolved
        .rules(
            session,
            &Carried::default(),
            (None, Arc::new(vault::Wallet::empty())),
        )
        .syscalls
}

fn call(name: &str) -> DeniedCall {
    DeniedCall {
        thread: 1,
        number: syscalls::number(Arch::X86_64, name).unwrap(),
        arch: Arch::X86_64.audit(),
        arguments: [0; 6],
        errno: Some(1),
    }
}

#[test]
fn a_refused_call_is_told_with_the_line_that_refuses_it_in_whichever_file() {
    let found = rules("child").find(&call("mount"));
    assert_eq!(
        (found.name.as_str(), found.errno.as_deref()),
        ("mount", Some("EPERM"))
    );
    assert_eq!(
        (found.arch.as_str(), found.profile.as_str()),
        ("x86_64", "child")
    );
    assert!(
        found.cves.contains(&"CVE-2022-0185".to_owned()),
        "{found:?}"
    );
    let rule = found.rule.unwrap();
    let line: usize = rule.strip_prefix("agent.toml:").unwrap().parse().unwrap();
    let text = seccomp::shipped("agent").unwrap();
    assert!(text.lines().nth(line - 1).unwrap().contains("\"mount\""));
}

#[test]
fn a_call_without_a_rule_names_the_file_where_one_would_stand() {
    let found = rules("child").find(&call("umask"));
    assert_eq!(found.rule.as_deref(), Some("child.toml:5"), "{found:?}");
    let found = rules("small").find(&call("umask"));
    assert_eq!(found.rule.as_deref(), Some("small.toml"), "{found:?}");
    assert_eq!(found.why, "no rule of the profile names it");
}

#[test]
fn a_fatal_call_is_told_with_its_table_its_rule_or_the_profile_and_no_error() {
    let fatal = |arch: u32, number: u32| DeniedCall {
        arch,
        number,
        errno: None,
        ..call("mount")
    };
    let own = Arch::native().unwrap().audit();
    let child = rules("fatal");
    let rule = child.find(&fatal(
        own,
        syscalls::number(Arch::native().unwrap(), "umask").unwrap(),
    ));
    assert_eq!((rule.name.as_str(), rule.errno), ("umask", None));
    assert_eq!(rule.rule.as_deref(), Some("fatal.toml:7"));
    for (arch, number, shown) in [
        (0x4000_0003, 20, ("20", "i386")),
        (0xC000_003E, 0x4000_0027, ("39", "x32")),
    ] {
        let found = child.find(&fatal(arch, number));
        assert_eq!((found.name.as_str(), found.arch.as_str()), shown);
        assert_eq!(found.rule.as_deref(), Some("fatal.toml"), "{found:?}");
        assert!(found.why.contains("is fatal"), "{}", found.why);
    }
}

#[test]
fn a_call_of_another_architecture_and_a_profile_that_is_gone_are_told_as_far_as_they_go() {
    let strange = DeniedCall {
        arch: 0x1234,
        ..call("mount")
    };
    let found = rules("agent").find(&strange);
    assert_eq!(
        (found.name.as_str(), found.arch.as_str()),
        ("165", "0x1234")
    );
    let found = rules("gone").find(&call("mount"));
    assert_eq!((found.name.as_str(), found.rule), ("mount", None));
    assert!(found.why.contains("can't be read"), "{}", found.why);
}
