//! What the kernel confirms of a jail, and how long building it takes.

use std::time::Instant;

use crate::support::{captured, in_a_yard, until_over};

/// Launches to take the median of.
const ROUNDS: usize = 40;

#[test]
fn the_layers_are_the_kernels_own_account() {
    in_a_yard(|yard| {
        let (stdio, _output) = captured();
        let spec = yard.spec("true", stdio);
        let uids = [spec.site.root_uid, spec.site.root_uid + 1];
        let jail = jail::launch(spec, yard.cgroups()).unwrap();
        let peak = jail.stats().unwrap().memory_peak;
        eprintln!(
            "memory of a jail before its command: at most {} KiB",
            peak / 1024
        );
        assert!(peak < 8 << 20, "{peak}");
        let layers = jail.layers();
        assert!(layers.no_new_privs && layers.pivoted);
        assert_eq!((layers.seccomp_mode, layers.seccomp_filters), (2, 1));
        assert_eq!(layers.landlock_status, "fully_enforced");
        assert_eq!(layers.cap_bounding, "0000000000000000");
        assert_eq!(layers.cap_effective, "0000000000000000");
        assert_eq!(layers.uids, uids);
        assert_eq!(layers.cgroup.memory_max, 256 << 20);
        assert_eq!((layers.cgroup.swap_max, layers.cgroup.pids_max), (0, 64));
        assert_eq!(layers.cgroup.cpu_millis, 2000);
        for point in [
            "/",
            "/usr",
            "/proc",
            "/proc/sys",
            "/workspace",
            "/run/sheriff",
            "/dev/pts",
        ] {
            assert!(layers.mounts.iter().any(|mount| mount == point), "{point}");
        }
    });
}

#[test]
fn launches_are_quick_enough_to_be_measured() {
    in_a_yard(|yard| {
        let mut launches = Vec::with_capacity(ROUNDS);
        let mut whole = Vec::with_capacity(ROUNDS);
        for _ in 0..ROUNDS {
            let (stdio, _output) = captured();
            let mut spec = yard.spec("", stdio);
            spec.furniture.command.argv = vec![c"/bin/true".into()];
            let start = Instant::now();
            let mut jail = jail::launch(spec, yard.cgroups()).unwrap();
            launches.push(start.elapsed());
            jail.commit().unwrap();
            until_over(&mut jail);
            whole.push(start.elapsed());
        }
        launches.sort();
        whole.sort();
        let at = |list: &[std::time::Duration], part: usize| list[list.len() * part / 100];
        eprintln!(
            "launch p50 {:?} p90 {:?}; launch to gone p50 {:?} p90 {:?}",
            at(&launches, 50),
            at(&launches, 90),
            at(&whole, 50),
            at(&whole, 90)
        );
        assert_eq!(whole.len(), ROUNDS);
    });
}

#[test]
fn a_host_that_can_run_jails_has_no_finding_against_it() {
    in_a_yard(|_yard| {
        let findings = jail::probe::findings();
        assert!(findings.len() >= 10);
        for finding in findings {
            assert!(finding.ok, "{finding:?}");
            assert_eq!(finding.remedy, "");
        }
    });
}
