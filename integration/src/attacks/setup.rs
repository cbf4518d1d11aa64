//! A jail that can't be built as asked is not built at all.
//!
//! Not for: layers that are left out on purpose (`layers`).

use std::os::unix::fs::symlink;

use super::probe::on_host;
use crate::harness::{Daemon, Jail, Leftovers, Outcome};

/// Runs something that would leave a mark if it ran.
fn refused(jail: Jail) -> Outcome {
    let jail = jail.scratch();
    let outcome = jail.run(&["/bin/sh", "-c", "touch /workspace/ran"]);
    // A complaint about the command line is 2, one about building is 125.
    assert!(matches!(outcome.code, 2 | 125), "{outcome}");
    assert!(!jail.path("ran").exists(), "it ran all the same: {outcome}");
    outcome
}

#[test]
fn a_folder_that_is_missing_or_a_newer_landlock_than_the_kernels_starts_nothing() {
    let daemon = Daemon::ephemeral();
    let outcome = refused(Jail::on(&daemon).profile("missing-folder")).ended_with(125);
    assert!(
        outcome.complaint().contains("/nonexistent/tools"),
        "{outcome}"
    );
    let outcome = refused(Jail::on(&daemon).profile("future-landlock")).ended_with(125);
    assert!(
        outcome.complaint().to_lowercase().contains("landlock"),
        "{outcome}"
    );
    // The same command runs where the profile can be had.
    let good = Jail::on(&daemon).scratch();
    good.run(&["/bin/sh", "-c", "touch /workspace/ran"]).ok();
    assert!(good.path("ran").exists());
    let name = daemon.name();
    drop(daemon);
    Leftovers::await_none_naming(&name);
}

#[test]
fn unknown_profiles_and_limits_that_make_no_sense_start_nothing() {
    for name in [
        "../base",
        "/etc/passwd",
        "a.b/..",
        "",
        "base\nx",
        &"x".repeat(300),
        "no-such",
    ] {
        let outcome = refused(Jail::new().profile(name));
        assert!(
            !outcome.complaint().contains("panicked"),
            "{name:?}: {outcome}"
        );
    }
    for limit in [
        "pids=0",
        "pids=-1",
        "memory=1",
        "memory=nonsense",
        "nonsense=1",
        "cpu=0",
    ] {
        let jail = Jail::new().scratch().limit(limit);
        let outcome = jail.run(&["/bin/sh", "-c", "touch /workspace/ran"]);
        assert!(matches!(outcome.code, 2 | 125), "{limit}: {outcome}");
        assert!(!jail.path("ran").exists(), "{limit}: {outcome}");
    }
    Jail::new().limit("pids=50").run(&["/bin/true"]).ok();
}

#[test]
fn a_workspace_that_is_no_folder_is_refused_and_one_behind_a_link_is_the_links_target() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    for path in [
        file.as_path(),
        std::path::Path::new("/proc/1/mem"),
        std::path::Path::new("/nonexistent"),
    ] {
        let outcome = Jail::new().workspace(path).run(&["/bin/true"]);
        assert!(matches!(outcome.code, 2 | 125), "{path:?}: {outcome}");
    }
    let target = folder.path().join("target");
    std::fs::create_dir(&target).unwrap();
    symlink(&target, folder.path().join("link")).unwrap();
    let jail = Jail::new().workspace(&folder.path().join("link"));
    jail.shell("echo made > /workspace/made; test ! -e /workspace/../file")
        .ok();
    assert_eq!(
        std::fs::read_to_string(target.join("made")).unwrap(),
        "made\n"
    );
}

#[test]
fn another_user_gets_no_jail_and_no_workspace_that_is_not_his() {
    let daemon = Daemon::shared();
    let sheriff = crate::harness::binary("sheriff");
    let folder = tempfile::tempdir_in("/var/tmp").unwrap();
    let program = folder.path().join("sheriff");
    std::fs::copy(&sheriff, &program).unwrap();
    open(folder.path());
    let runtime = daemon.runtime().display().to_string();
    let line = |user: &str| {
        let program = program.display();
        on_host(&[
            "setpriv",
            "--reuid",
            user,
            "--regid",
            user,
            "--clear-groups",
            "sh",
            "-c",
            &format!(
                "cd /; {program} --socket-dir {runtime} run -- /bin/echo it ran; echo code $?"
            ),
        ])
    };
    let stranger = line("12345");
    assert!(
        !stranger.contains("it ran") && !stranger.contains("code 0"),
        "{stranger}"
    );
    // Root, who is an operator, gets through with the very same line.
    let root = line("0");
    assert!(root.contains("it ran") && root.contains("code 0"), "{root}");
}

fn open(path: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}
