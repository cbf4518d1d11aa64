//! The outline of a view against the plan that is made of it.
//!
//! Not for: whether the plan is any good (`tests/jail`).

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use model::Limits;
use seccomp::Program;

use super::*;
use crate::Filter;
use crate::plan::Plan;
use crate::spec::{Site, Tmpfs};

const WORKSPACE: &str = "/workspace";

fn view() -> View {
    View {
        root: Root::Host,
        read_only: vec!["/etc/hostname".into(), "/var".into()],
        tmpfs: vec![Tmpfs {
            at: "/tmp".into(),
            size: ByteSize(1 << 20),
        }],
    }
}

fn site(view: View, gateway_dir: PathBuf) -> Site {
    Site {
        name: "s-0000000000000001".parse().unwrap(),
        root_uid: 100_000,
        view,
        workspace_at: WORKSPACE.into(),
        likely_owner: None,
        limits: Limits {
            memory: ByteSize(1 << 30),
            pids: 16,
            cpu_millis: 1000,
            open_files: 64,
            file_size: ByteSize(1 << 20),
            wall_clock: None,
        },
        program: Arc::new(Filter::new(Program::from_instructions(Vec::new()), None)),
        landlock_min_abi: 1,
        netns: File::open("/proc/self/ns/net").unwrap().into(),
        gateway_dir,
        hostname: "jail".to_owned(),
    }
}

/// Rules by path, as text.
fn told(rules: impl Iterator<Item = landlock::Rule>) -> BTreeMap<PathBuf, String> {
    rules
        .map(|rule| (rule.path, format!("{:?}", rule.rights)))
        .collect()
}

#[test]
fn the_outline_has_the_plans_mounts_and_rules_and_no_others() {
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        return;
    }
    let outline = Outline::of(&view(), Path::new(WORKSPACE), false).unwrap();
    let plan = Plan::new(&site(view(), std::env::temp_dir())).unwrap();
    for abi in [1, 4, ABI_NEWEST] {
        let shapes = outline
            .mounts
            .iter()
            .filter(|mount| mount.kind != "workspace")
            .map(|mount| Shape {
                at: mount.path.strip_prefix("/").unwrap(),
                target: mount.target,
                access: mount.access,
            });
        let outlined = told(landlock::rules(shapes, abi).into_iter());
        let planned = told(landlock::rules(plan.shapes(), abi).into_iter());
        assert_eq!(outlined, planned);
        assert!(planned.len() > 8, "{planned:?}");
    }
}

#[test]
fn rights_have_the_kernels_names_and_grow_with_the_abi() {
    let outline = Outline::of(&view(), Path::new(WORKSPACE), true).unwrap();
    let rule = |abi: u32, path: &str| {
        let mut rules = outline.landlock(abi).into_iter();
        rules.find(|rule| rule.path == Path::new(path)).unwrap()
    };
    assert_eq!(rule(1, "/usr").rights, ["execute", "read_file", "read_dir"]);
    assert_eq!(rule(1, "/etc/hostname").rights, ["execute", "read_file"]);
    assert_eq!(rule(1, WORKSPACE).rights, rule(1, "/usr").rights);
    assert!(rule(1, "/tmp").all && !rule(1, "/usr").all);
    let has = |abi| rule(abi, "/tmp").rights.contains(&"truncate".to_owned());
    assert!(!has(2) && has(3));
    assert!(Outline::scopes(5).is_empty() && Outline::scopes(6).len() == 2);
    assert_eq!(
        outline.landlock(u32::MAX).len(),
        outline.landlock(ABI_NEWEST).len()
    );
}

#[test]
fn paths_that_a_jail_can_not_have_are_refused() {
    let mut view = view();
    view.read_only = vec!["/opt/../etc".into()];
    assert!(Outline::of(&view, Path::new(WORKSPACE), false).is_err());
    view.read_only.clear();
    assert!(Outline::of(&view, Path::new("workspace"), false).is_err());
    assert!(Outline::of(&view, Path::new(WORKSPACE), false).is_ok());
}
