//! A jail with a certificate authority of its own: its lists are there, and the agent can't change them.
//!
//! Not for: what is in the lists.

use std::fs;
use std::os::unix::fs::MetadataExt;

use jail::Trust;
use model::ExitRecord;

use crate::support::{Yard, captured, in_a_yard, until_over};

/// Where Debian's programs look; the test's host has it, as most have.
const USUAL: &str = "/etc/ssl/certs/ca-certificates.crt";

fn trust() -> Trust {
    let file = |text: &[u8]| sys::fds::memory_file(c"trust", text).unwrap();
    Trust {
        own: file(b"OWN\n"),
        merged: file(b"HOST\nOWN\n"),
        java: file(b"JAVA\n"),
    }
}

/// Runs a script in a jail with these lists, and takes the files away for the next one.
fn run(yard: &Yard, trust: Option<Trust>, script: &str) -> (String, ExitRecord) {
    let ran = yard.run_spec(|spec| spec.furniture.trust = trust, script);
    for name in ["ca.pem", "ca-bundle.pem", "ca.jks"] {
        drop(fs::remove_file(yard.gateway().join(name)));
    }
    ran
}

#[test]
fn the_lists_are_in_their_places_and_cover_the_hosts() {
    in_a_yard(|yard| {
        let show = format!("cat /run/sheriff/ca.pem /run/sheriff/ca.jks {USUAL}");
        let (output, record) = run(yard, Some(trust()), &show);
        assert_eq!(output, "OWN\nJAVA\nHOST\nOWN\n");
        assert_eq!(record, ExitRecord::exited(0));
        // Without an authority of its own the jail sees the host's.
        let (output, _) = run(yard, None, &format!("ls /run/sheriff; wc -c <{USUAL}"));
        let host = fs::metadata(USUAL).unwrap().len().to_string();
        assert_eq!(output.split_whitespace().last(), Some(host.as_str()));
        assert!(!output.contains("ca."), "{output}");
    });
}

#[test]
fn the_agent_can_not_change_what_it_trusts() {
    in_a_yard(|yard| {
        let script = format!(
            "for file in /run/sheriff/ca.pem /run/sheriff/ca-bundle.pem {USUAL}; do\n\
             echo x 2>/dev/null >>$file && echo wrote $file\n\
             rm -f $file 2>/dev/null && echo removed $file\n\
             mv $file /tmp/x 2>/dev/null && echo moved $file\n\
             chmod 666 $file 2>/dev/null && echo opened $file\n\
             done; umount {USUAL} 2>/dev/null && echo unmounted\n\
             stat -c %a /run/sheriff/ca-bundle.pem; echo control >/tmp/y && cat /tmp/y {USUAL}"
        );
        let (output, _) = run(yard, Some(trust()), &script);
        assert_eq!(output, "444\ncontrol\nHOST\nOWN\n");
    });
}

#[test]
fn a_jail_built_ahead_takes_its_lists_with_the_furniture_and_the_record_shows_the_mount() {
    in_a_yard(|yard| {
        let (stdio, _output) = captured();
        let mut spec = yard.spec("true", stdio);
        spec.furniture.trust = Some(trust());
        let parked = jail::park(spec.site, yard.cgroups()).unwrap();
        assert!(!yard.gateway().join("ca.pem").exists());
        let mut jail = parked.furnish(spec.furniture).unwrap();
        let mounts = &jail.layers().mounts;
        assert_eq!(
            mounts.iter().filter(|at| *at == USUAL).count(),
            1,
            "{mounts:?}"
        );
        let bundle = fs::metadata(yard.gateway().join("ca-bundle.pem")).unwrap();
        assert_eq!((bundle.uid(), bundle.mode() & 0o777), (0, 0o444));
        jail.commit().unwrap();
        until_over(&mut jail);
    });
}

#[test]
fn an_oversized_list_ends_the_launch() {
    in_a_yard(|yard| {
        let (stdio, _output) = captured();
        let mut spec = yard.spec("true", stdio);
        let large = vec![b'x'; jail::spec::TRUST_BYTES_MAX + 1];
        let merged = sys::fds::memory_file(c"trust", &large).unwrap();
        spec.furniture.trust = Some(Trust { merged, ..trust() });
        let error = jail::launch(spec, yard.cgroups()).unwrap_err();
        assert_eq!(error.step, jail::Step::Trust, "{error}");
    });
}
