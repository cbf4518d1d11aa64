//! How jails end, and what is left of them: nothing.

use std::fs;
use std::io::Read;
use std::path::Path;

use jail::{Cgroups, JailEvent};
use model::{ByteSize, ExitReason, ExitRecord};
use sys::readiness::wait_readable;

use crate::support::{captured, in_a_yard, until, until_over};

#[test]
fn a_memory_bomb_ends_the_whole_jail_for_memory() {
    in_a_yard(|yard| {
        let change = |spec: &mut jail::Spec| spec.furniture.limits.memory = ByteSize(64 << 20);
        let fits = "head -c 30000000 /dev/zero | tail -c 30000000 | wc -c";
        let (output, record) = yard.run_spec(change, fits);
        assert_eq!(
            (output.as_str(), record),
            ("30000000\n", ExitRecord::exited(0))
        );
        let bomb = "sleep 1000 & tail /dev/zero; echo survived; sleep 1000";
        let (output, record) = yard.run_spec(change, bomb);
        assert_eq!(record, ExitRecord::ended(ExitReason::Memory));
        assert_eq!(record.code, 137);
        assert!(!output.contains("survived"), "{output}");
    });
}

#[test]
fn a_fork_bomb_stays_within_its_limit() {
    in_a_yard(|yard| {
        let change = |spec: &mut jail::Spec| spec.furniture.limits.pids = 20;
        let script = "for i in $(seq 10); do sleep 100 & done; ls -d /proc/[0-9]* > /dev/null; echo ten; \
                  for i in $(seq 40); do sleep 100 & done; echo unreachable";
        let (output, record) = yard.run_spec(change, script);
        assert!(
            output.starts_with("ten\n") && !output.contains("unreachable"),
            "{output}"
        );
        assert_eq!(record, ExitRecord::exited(2));
    });
}

#[test]
fn a_kill_ends_everything_and_says_why() {
    in_a_yard(|yard| {
        for reason in [ExitReason::Timeout, ExitReason::Budget, ExitReason::Killed] {
            let (stdio, mut output) = captured();
            let script = "trap '' TERM INT HUP; setsid sleep 1000 & echo up; sleep 1000";
            let mut jail = jail::launch(yard.spec(script, stdio), yard.cgroups()).unwrap();
            jail.commit().unwrap();
            output.read_exact(&mut [0; 3]).unwrap();
            jail.freeze().unwrap();
            jail.kill(reason).unwrap();
            assert_eq!(until_over(&mut jail), ExitRecord::ended(reason));
            // Nobody holds the other end of the pipe any more.
            assert_eq!(output.read(&mut [0; 1]).unwrap(), 0);
        }
    });
}

#[test]
fn freezing_stops_a_jail_and_thawing_lets_it_go_on() {
    in_a_yard(|yard| {
        let (stdio, mut output) = captured();
        let script = "while :; do echo x; sleep 0.01; done";
        let mut jail = jail::launch(yard.spec(script, stdio), yard.cgroups()).unwrap();
        jail.commit().unwrap();
        output.read_exact(&mut [0; 2]).unwrap();
        jail.freeze().unwrap();
        let pause = Some(std::time::Duration::from_millis(200));
        let mut rest = [0; 65536];
        while wait_readable(&[std::os::fd::AsFd::as_fd(&output)], pause).unwrap() == [true] {
            assert!(output.read(&mut rest).unwrap() > 0);
        }
        jail.thaw().unwrap();
        output.read_exact(&mut [0; 2]).unwrap();
        let stats = jail.stats().unwrap();
        assert!(stats.memory_peak > 0 && stats.cpu_micros > 0, "{stats:?}");
        assert_eq!(stats.oom_kills, 0);
    });
}

#[test]
fn the_end_of_the_command_ends_what_it_started() {
    in_a_yard(|yard| {
        let (output, record) = yard.run("setsid sleep 1000 & echo left");
        // `run` reads to the end of the pipe, which comes only when no process holds it.
        assert_eq!((output.as_str(), record), ("left\n", ExitRecord::exited(0)));
    });
}

#[test]
fn a_dropped_jail_leaves_nothing() {
    in_a_yard(|yard| {
        let before = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let (stdio, mut output) = captured();
        let mut jail =
            jail::launch(yard.spec("echo up; sleep 1000", stdio), yard.cgroups()).unwrap();
        let pid = jail.pid();
        jail.commit().unwrap();
        output.read_exact(&mut [0; 3]).unwrap();
        assert!(Path::new("/proc").join(pid.to_string()).exists());
        drop(jail);
        assert_eq!(output.read(&mut [0; 1]).unwrap(), 0);
        assert!(!Path::new("/proc").join(pid.to_string()).exists());
        assert_eq!(fs::read_to_string("/proc/self/mountinfo").unwrap(), before);
        assert_eq!(yard.cgroups().sweep().unwrap(), 0);
    });
}

#[test]
fn a_jail_dies_with_its_warden_and_the_next_one_sweeps() {
    in_a_yard(|yard| {
        let (stdio, mut output) = captured();
        // A warden that vanishes without a word: it exits right after the commit.
        let warden = sys::clone::spawn(sys::namespace::Namespaces::NONE, None, || {
            let spec = yard.spec("echo up; sleep 1000", stdio);
            let mut jail = jail::launch(spec, yard.cgroups()).unwrap();
            jail.commit().unwrap();
            until(&mut jail, |event| {
                matches!(event, JailEvent::Started { .. }).then_some(())
            });
            output.read_exact(&mut [0; 3]).unwrap();
            let _kept = std::mem::ManuallyDrop::new(jail);
            7
        })
        .unwrap();
        assert_eq!(warden.reap().unwrap(), sys::wait::Outcome::Exited(7));
        let mut text = String::new();
        output.read_to_string(&mut text).unwrap();
        // The warden had read what the jail said; the pipe ends only with the jail.
        assert_eq!(text, "");
        let next = Cgroups::discover(&yard.name).unwrap();
        assert_eq!(next.sweep().unwrap(), 1);
        assert_eq!(next.sweep().unwrap(), 0);
    });
}

#[test]
fn a_failed_launch_names_its_step_and_leaves_nothing() {
    in_a_yard(|yard| {
        let (stdio, _output) = captured();
        let mut spec = yard.spec("true", stdio);
        spec.site.landlock_min_abi = 99;
        let error = jail::launch(spec, yard.cgroups()).map(drop).unwrap_err();
        assert_eq!(error.step, jail::Step::Landlock);
        assert!(
            error.to_string().contains("below the profile's 99"),
            "{error}"
        );

        let (stdio, _output) = captured();
        let mut spec = yard.spec("true", stdio);
        let empty = seccomp::Program::from_instructions(Vec::new());
        spec.site.program = std::sync::Arc::new(jail::Filter::new(empty, None));
        let error = jail::launch(spec, yard.cgroups()).map(drop).unwrap_err();
        assert_eq!(error.step, jail::Step::Seccomp);
        assert_eq!(yard.cgroups().sweep().unwrap(), 0);
    });
}
