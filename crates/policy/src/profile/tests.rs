//! Profiles from text: merging, and each refusal with its file, line and key.

use super::*;

use model::Span;

const BASE: &str = r#"version = 1
name = "base"
[filesystem]
root = "host"
read_only = ["/opt/a"]
tmpfs = [{ path = "/tmp", size = "1MiB" }, { path = "/run", size = "1MiB" }]
[workspace]
path = "/workspace"
mode = "read-write"
[limits]
memory = "1GiB"
pids = 256
cpu = 1.5
open_files = 4096
file_size = "1GiB"
[seccomp]
profile = "agent"
[landlock]
min_abi = 2
[[egress.allow]]
host = "a.com"
[budget]
egress_up = "1MiB"
[environment]
set = { A = "1", B = "1" }
"#;

const LIST: &str = "version = 1\nname = 'list'\n\n[[allow]]\nhost = 'l.com'\nports = [80]\n[[deny]]\nhost = 'x.com'\n";

const KID: &str = r#"[filesystem]
root = "/srv/root"
read_only = ["/opt/a", "/opt/b"]
tmpfs = [{ path = "/tmp", size = "2MiB" }]
[workspace]
mode = "read-only"
[limits]
pids = 9
wall_clock = "30m"
[egress]
extends = ["list"]
[[egress.deny]]
host = "gist.a.com"
[budget]
egress_down = "1GiB"
on_exceeded = "warn"
[environment]
set = { B = "2", C = "2" }
"#;

/// What a child adds, and how the error begins.
const REFUSED: &[(&str, &str)] = &[
    (
        "[limits]\npids = 3",
        "kid.toml:5: `limits.pids`: pids = 3 is out of range: 4 to 65536",
    ),
    (
        "[limits]\n\nmemory = \"1GB\"",
        "kid.toml:6: `limits.memory`: size \"1GB\" is malformed",
    ),
    (
        "[limits]\nnice = 1",
        "kid.toml:5: `limits.nice`: unknown field `nice`, expected one of `memory`",
    ),
    (
        "[limit]\npids = 4",
        "kid.toml:4: `limit`: unknown field `limit`, expected one of",
    ),
    (
        "[[egress.allow]]\nhost = \"a.com\"\nports = []",
        "kid.toml:6: `egress.allow.ports`: an empty list",
    ),
    (
        "[[egress.allow]]\nhost = \"*.com\"",
        "kid.toml:5: `egress.allow.host`: host pattern \"*.com\"",
    ),
    (
        "[[egress.allow]]\nhost = \"10.0.0.1\"",
        "kid.toml:4: `egress.allow`: 10.0.0.1 is in a class",
    ),
    (
        "[[egress.allow]]\nhost = \"a.com\"\nsecrets = \"x\"",
        "kid.toml:6: `egress.allow.secrets`: unknown field `secrets`",
    ),
    (
        "[[egress.allow]]\nhost = \"a.com\"\nsecret = [\"x\", \"X\"]",
        "kid.toml:6: `egress.allow.secret`: secret name \"X\" is malformed",
    ),
    (
        "[[egress.allow]]\nhost = \"a.com\"\nsecret = []",
        "kid.toml:6: `egress.allow.secret`: an empty list",
    ),
    (
        "[[egress.allow]]\nhost = \"a.com\"\nmax_body = \"1MB\"",
        "kid.toml:6: `egress.allow.max_body`: size \"1MB\" is malformed",
    ),
    (
        "[[egress.allow]]\nhost = \"a.com\"\nrate = \"1/d\"",
        "kid.toml:6: `egress.allow.rate`: rate \"1/d\" is refused",
    ),
    (
        "[[egress.allow]]\nhost = \"a.com\"\nllm = \"other\"",
        "kid.toml:6: `egress.allow.llm`: unknown variant `other`, expected `openai` or `anthropic`",
    ),
    (
        "[[egress.allow]]\nhost = \"a.com\"\nmethods = [\"POST\"]\nwebsocket = true",
        "kid.toml:4: `egress.allow`: websocket = true contradicts",
    ),
    (
        "[[egress.allow]]\nhost = \"a.com\"\nports = [80]\nsecret = \"x\"",
        "kid.toml:4: `egress.allow`: `secret` with port 80",
    ),
    (
        "[[egress.deny]]\nhost = \"b.com\"\nrate = \"1/s\"",
        "kid.toml:4: `egress.deny`: a deny rule can't have `rate`",
    ),
    (
        "[[egress.allow]]\nhost = \"b.com\"\n[[egress.deny]]\nhost = \"b.com\"",
        "kid.toml:4: `egress.allow`: the rule allows what the rule in line 6 denies",
    ),
    (
        "[egress]\nextends = []",
        "kid.toml:5: `egress.extends`: an empty list",
    ),
    (
        "[egress]\nextends = [\"none\"]",
        "kid.toml:5: `egress.extends`: profile none: there is no such profile",
    ),
    (
        "[budget]\non_exceeded = \"approval\"",
        "kid.toml:5: `budget.on_exceeded`: `approval` is refused",
    ),
    (
        "[landlock]\nmin_abi = 0",
        "kid.toml:5: `landlock.min_abi`: Landlock ABI 0 is refused: 1 to 64",
    ),
    (
        "[environment]\nset = { \"A=B\" = \"1\" }",
        "kid.toml:5: `environment.set`: variable \"A=B\"",
    ),
    (
        "[workspace]\nmode = \"rw\"",
        "kid.toml:5: `workspace.mode`: unknown variant `rw`, expected `read-write` or `read-only`",
    ),
    (
        "[workspace]\npath = \"/proc/x\"",
        "kid.toml:5: `workspace.path`: path \"/proc/x\" is refused",
    ),
    (
        "[filesystem]\nread_only = [\n \"/opt/x\",\n \"/a/../b\"]",
        "kid.toml:5: `filesystem.read_only`: path",
    ),
    (
        "[filesystem]\ntmpfs = [{ path = \"/t\", size = \"0B\" }]",
        "kid.toml:5: `filesystem.tmpfs`: tmpfs size 0B",
    ),
    (
        "[filesystem]\nread_only = [\"/tmp\"]",
        "kid.toml: `filesystem`: \"/tmp\" is read-only and also a tmpfs",
    ),
    (
        "[workspace]\npath = \"/tmp\"",
        "kid.toml: `filesystem`: \"/tmp\" is the workspace and also a tmpfs",
    ),
    (
        "[limits]\npids = 4\npids = 5",
        "kid.toml:6: `limits.pids`: duplicate key",
    ),
    ("[limits\n", "kid.toml:4: "),
];

fn resolve(files: &[(&str, &str)]) -> Result<ResolvedProfile, ProfileError> {
    let first: ProfileName = files[0].0.parse().unwrap();
    ResolvedProfile::resolve(&first, &mut |kind, name| {
        let wanted = match kind {
            ProfileKind::Jail => name.to_string(),
            ProfileKind::Egress => format!("egress/{name}"),
        };
        let found = files.iter().find(|(file, _)| *file == wanted);
        let (file, text) = found.ok_or(LookupError::NotFound)?;
        Ok(Source {
            file: format!("{file}.toml"),
            text: (*text).to_owned(),
        })
    })
}

fn child(body: &str) -> Result<ResolvedProfile, ProfileError> {
    let text = format!("version = 1\nname = \"kid\"\nextends = \"base\"\n{body}");
    resolve(&[("kid", &text), ("base", BASE), ("egress/list", LIST)])
}

fn refused(body: &str) -> String {
    child(body).unwrap_err().to_string()
}

fn rules(profile: &ResolvedProfile) -> Vec<String> {
    let shown = profile
        .egress
        .rules
        .iter()
        .map(|rule| format!("{} {}", rule.origin(), rule.host()));
    shown.collect()
}

#[test]
fn reads_a_complete_profile() {
    let base = resolve(&[("base", BASE)]).unwrap();
    assert_eq!(base.filesystem.root, Root::Host);
    assert_eq!(base.filesystem.tmpfs.len(), 2);
    assert_eq!(base.workspace.mode, WorkspaceMode::ReadWrite);
    assert_eq!(
        (base.limits.cpu_millis, base.limits.wall_clock),
        (1500, None)
    );
    assert_eq!((base.seccomp.as_str(), base.landlock_min_abi), ("agent", 2));
    assert_eq!(base.budget.egress_up, Some(ByteSize(1 << 20)));
    assert_eq!(rules(&base), ["base:20 a.com"]);
    assert!(base.policy(3).is_ok_and(|policy| policy.generation() == 3));
    let json = serde_json::to_string(&base).unwrap();
    assert_eq!(
        serde_json::from_str::<ResolvedProfile>(&json).unwrap(),
        base
    );
}

#[test]
fn a_child_replaces_single_values_and_adds_to_lists() {
    let kid = child(KID).unwrap();
    assert_eq!(
        kid.chain
            .iter()
            .map(ProfileName::as_str)
            .collect::<Vec<_>>(),
        ["kid", "base"]
    );
    assert_eq!(kid.filesystem.root, Root::Folder("/srv/root".into()));
    assert_eq!(
        kid.filesystem.read_only,
        [PathBuf::from("/opt/a"), PathBuf::from("/opt/b")]
    );
    let tmpfs = kid
        .filesystem
        .tmpfs
        .iter()
        .map(|t| format!("{} {}", t.path.display(), t.size));
    assert_eq!(tmpfs.collect::<Vec<_>>(), ["/run 1MiB", "/tmp 2MiB"]);
    assert_eq!(kid.workspace.path, PathBuf::from("/workspace"));
    assert_eq!(kid.workspace.mode, WorkspaceMode::ReadOnly);
    assert_eq!((kid.limits.pids, kid.limits.memory), (9, ByteSize(1 << 30)));
    assert_eq!(kid.limits.wall_clock, Some(Span::from_millis(1_800_000)));
    assert_eq!(
        rules(&kid),
        [
            "base:20 a.com",
            "kid:15 gist.a.com",
            "egress/list:4 l.com",
            "egress/list:7 x.com"
        ]
    );
    assert_eq!(kid.budget.egress_up, Some(ByteSize(1 << 20)));
    assert_eq!(kid.budget.on_exceeded, crate::OnExceeded::Warn);
    let set: Vec<_> = kid
        .environment
        .iter()
        .map(|(k, v)| format!("{k}={v}"))
        .collect();
    assert_eq!(set, ["A=1", "B=2", "C=2"]);
}

#[test]
fn every_refusal_names_file_line_key_and_what_is_accepted() {
    assert!(child("[limits]\npids = 4").is_ok());
    for (body, says) in REFUSED {
        let error = refused(body);
        assert!(
            error.starts_with(says),
            "{body}\n got: {error}\nwant: {says}"
        );
    }
}

#[test]
fn refuses_two_tmpfs_at_one_place_in_a_file() {
    let two = "[filesystem]\ntmpfs = [{ path = \"/t\", size = \"1B\" }, { path = \"/t\", size = \"2B\" }]";
    assert!(refused(two).contains("\"/t\" is a tmpfs and also another one"));
}

#[test]
fn refuses_profiles_that_leave_something_open() {
    for cut in [
        "root = \"host\"\n",
        "path = \"/workspace\"\n",
        "mode = \"read-write\"\n",
        "pids = 256\n",
        "file_size = \"1GiB\"\n",
        "[landlock]\nmin_abi = 2\n",
        "[seccomp]\nprofile = \"agent\"\n",
    ] {
        let text = BASE.replacen(cut, "", 1);
        let error = resolve(&[("base", &text)]).unwrap_err();
        assert!(
            matches!(*error.fault, Fault::Missing { .. }),
            "{cut}: {error}"
        );
    }
}

#[test]
fn refuses_cycles_missing_parents_and_deep_chains() {
    let file =
        |name: &str, parent: &str| format!("version = 1\nname = '{name}'\nextends = '{parent}'\n");
    let (a, b) = (file("a", "b"), file("b", "a"));
    let error = resolve(&[("a", &a), ("b", &b)]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "b.toml:3: `extends`: profile a extends itself through its parents"
    );
    let error = resolve(&[("a", &a)]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a.toml:3: `extends`: profile b: there is no such profile"
    );
    let chain = |length: usize| {
        let mut files: Vec<_> = (1..length)
            .map(|n| {
                (
                    format!("p{n}"),
                    file(&format!("p{n}"), &format!("p{}", n + 1)),
                )
            })
            .collect();
        files.push((
            format!("p{length}"),
            BASE.replace("\"base\"", &format!("\"p{length}\"")),
        ));
        let files: Vec<_> = files
            .iter()
            .map(|(n, t)| (n.as_str(), t.as_str()))
            .collect();
        resolve(&files)
    };
    assert_eq!(
        chain(DEPTH_MAX).map(|profile| profile.chain.len()),
        Ok(DEPTH_MAX)
    );
    assert_eq!(
        chain(DEPTH_MAX + 1).unwrap_err().fault.as_ref(),
        &Fault::TooDeep
    );
}

#[test]
fn refuses_names_that_records_give_to_other_rules() {
    for name in ["cli", "ceiling"] {
        let text = BASE.replacen("\"base\"", &format!("\"{name}\""), 1);
        let error = resolve(&[(name, &text)]).unwrap_err();
        assert!(
            matches!(*error.fault, Fault::ReservedName { .. }),
            "{error}"
        );
    }
    let text = BASE.replacen("\"base\"", "\"client\"", 1);
    assert!(resolve(&[("client", &text)]).is_ok());
}

#[test]
fn refuses_other_versions_other_names_and_oversized_files() {
    for (from, to) in [
        ("version = 1", "version = 2"),
        ("\"base\"", "\"other\""),
        ("version = 1\n", ""),
    ] {
        assert!(
            resolve(&[("base", &BASE.replacen(from, to, 1))]).is_err(),
            "{to}"
        );
    }
    let padded = |size: usize| format!("{BASE}{}", "#".repeat(size - BASE.len()));
    assert!(resolve(&[("base", &padded(FILE_MAX))]).is_ok());
    let error = resolve(&[("base", &padded(FILE_MAX + 1))]).unwrap_err();
    assert_eq!(
        *error.fault,
        Fault::TooLarge {
            found: FILE_MAX + 1
        }
    );
}
