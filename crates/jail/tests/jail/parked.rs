//! Jails built ahead: what their furniture adds, and what is left when they are not used.
//!
//! Not for: what every jail can and can't do, since all jails are parked on their way.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use jail::{Cgroups, Furniture, Jail, Parked, Spec, Stdio, Workspace};
use model::{ByteSize, ExitRecord};
use sys::clone::spawn;
use sys::namespace::Namespaces;
use sys::readiness::wait_readable;

use crate::support::{Yard, captured, in_a_yard, until_over};

/// Standard streams, connection, the token's file, sysctls.
const KEPT: usize = 6;

#[test]
fn a_parked_jail_takes_the_limits_of_its_furniture() {
    in_a_yard(|yard| {
        for (memory, pids, cpu) in [(64, 20, 500), (512, 200, 4000)] {
            let (stdio, mut output) = captured();
            let (parked, mut furniture) = park(yard, "ulimit -n; ulimit -f", stdio);
            furniture.limits.memory = ByteSize(memory << 20);
            (furniture.limits.pids, furniture.limits.cpu_millis) = (pids, cpu);
            furniture.limits.open_files = 100 + pids;
            furniture.limits.file_size = ByteSize(memory << 20);
            let mut jail = parked.furnish(furniture).unwrap();
            let found = jail.layers().cgroup.clone();
            assert_eq!((found.memory_max, found.swap_max), (memory << 20, 0));
            assert_eq!(found.pids_max, u64::from(pids));
            assert_eq!(found.cpu_millis, u64::from(cpu));
            let files = format!("{}\n{}\n", 100 + pids, (memory << 20) / 512);
            assert_eq!(finish(&mut jail, &mut output), files);
        }
    });
}

#[test]
fn the_workspace_comes_with_the_furniture_whoever_was_expected_to_own_it() {
    in_a_yard(|yard| {
        for likely in [None, Some((4321, 4322)), Some((1, 1))] {
            let (stdio, mut output) = captured();
            let mut spec = yard.spec("stat -c %u:%g . && touch made", stdio);
            spec.site.likely_owner = likely;
            let parked = jail::park(spec.site, yard.cgroups()).unwrap();
            let mut jail = parked.furnish(spec.furniture).unwrap();
            assert_eq!(finish(&mut jail, &mut output), "1000:1000\n");
            let made = yard.workspace().join("made");
            let found = fs::metadata(&made).unwrap();
            assert_eq!((found.uid(), found.gid()), (4321, 4322));
            fs::remove_file(made).unwrap();
        }
        let (stdio, mut output) = captured();
        let (parked, mut furniture) = park(yard, "touch made && ls", stdio);
        furniture.workspace = Workspace::Scratch {
            at: "/workspace".into(),
            size: ByteSize(1 << 20),
        };
        let mut jail = parked.furnish(furniture).unwrap();
        assert_eq!(finish(&mut jail, &mut output), "made\n");
        assert!(!yard.workspace().join("made").exists());
    });
}

#[test]
fn a_parked_jail_opens_a_terminal_when_it_is_asked_to() {
    in_a_yard(|yard| {
        let (parked, furniture) = park(yard, "stty size", Stdio::Terminal { rows: 7, cols: 33 });
        let mut jail = parked.furnish(furniture).unwrap();
        let mut master = File::from(jail.take_terminal().unwrap());
        jail.commit().unwrap();
        master.write_all(b"\n").unwrap();
        assert_eq!(until_over(&mut jail), ExitRecord::exited(0));
        let mut output = Vec::new();
        // The end of the last slave reads as EIO.
        drop(master.read_to_end(&mut output));
        assert!(String::from_utf8_lossy(&output).contains("7 33\r\n"));
    });
}

#[test]
fn a_killed_parked_jail_gives_its_furniture_back_for_another() {
    in_a_yard(|yard| {
        let (stdio, mut output) = captured();
        let (parked, furniture) = park(yard, "cat /run/sheriff/token", stdio);
        assert!(parked.is_alive());
        let killed = std::process::Command::new("kill")
            .args(["-KILL", &parked.pid().unwrap().to_string()])
            .status();
        assert!(killed.unwrap().success());
        await_that(|| !parked.is_alive());
        let unfurnished = parked.furnish(furniture).map(drop).unwrap_err();
        assert_eq!(unfurnished.error.step, jail::Step::Ready);
        assert_eq!(yard.cgroups().sweep().unwrap(), 0);

        let (other, _) = captured();
        let (parked, _) = park(yard, "", other);
        let mut jail = parked.furnish(unfurnished.furniture).unwrap();
        assert_eq!(finish(&mut jail, &mut output), "secret-token");
    });
}

#[test]
fn a_parked_jail_holds_nothing_of_the_wardens_and_leaves_nothing() {
    in_a_yard(|yard| {
        let before = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let secret = File::open("/etc/passwd").unwrap();
        let (stdio, _output) = captured();
        let (parked, _furniture) = park(yard, "true", stdio);
        let process = Path::new("/proc").join(parked.pid().unwrap().to_string());
        let open = |process: &Path| fs::read_dir(process.join("fd")).unwrap().count();
        assert!(open(Path::new("/proc/self")) > KEPT);
        await_that(|| open(&process) == KEPT);
        // Nor does its mount namespace hold the host's root.
        let mounts = fs::read_to_string(process.join("mountinfo")).unwrap();
        let roots = mounts.lines().filter(|line| line.contains(" / / "));
        let roots: Vec<_> = roots.collect();
        assert!(matches!(roots.as_slice(), [only] if only.contains("- tmpfs")));
        drop(parked);
        drop(secret);
        assert!(!process.exists());
        assert_eq!(fs::read_to_string("/proc/self/mountinfo").unwrap(), before);
        assert_eq!(yard.cgroups().sweep().unwrap(), 0);
    });
}

#[test]
fn parked_jails_die_with_their_warden_and_the_next_one_sweeps() {
    in_a_yard(|yard| {
        let (mut reader, writer) = std::io::pipe().unwrap();
        // A warden that vanishes without a word, with two jails: each later fork holds the other
        // end of the lifelines before it until it has swept.
        let warden = spawn(Namespaces::NONE, None, || {
            let parked = [0, 1].map(|_| {
                let (stdio, _output) = captured();
                park(yard, "true", stdio).0
            });
            for jail in &parked {
                writeln!(&writer, "{}", jail.pid().unwrap()).unwrap();
            }
            let _kept = std::mem::ManuallyDrop::new(parked);
            7
        })
        .unwrap();
        drop(writer);
        assert_eq!(warden.reap().unwrap(), sys::wait::Outcome::Exited(7));
        // They held the pipe's other end until their sweep or their death.
        let mut pids = String::new();
        reader.read_to_string(&mut pids).unwrap();
        assert_eq!(pids.lines().count(), 2);
        let next = Cgroups::discover(&yard.name).unwrap();
        assert_eq!(next.sweep().unwrap(), 2);
        assert_eq!(next.sweep().unwrap(), 0);
        for pid in pids.lines() {
            await_that(|| !runs(pid));
        }
    });
}

#[test]
fn furnishing_is_quick_enough_to_be_measured() {
    in_a_yard(|yard| {
        let mut times = Vec::new();
        for _ in 0..40 {
            let (stdio, mut output) = captured();
            let mut spec = yard.spec("true", stdio);
            spec.site.likely_owner = Some((4321, 4322));
            let parked = jail::park(spec.site, yard.cgroups()).unwrap();
            wait_readable(&[], Some(Duration::from_millis(10))).unwrap();
            let start = Instant::now();
            let mut jail = parked.furnish(spec.furniture).unwrap();
            times.push(start.elapsed());
            assert_eq!(finish(&mut jail, &mut output), "");
        }
        times.sort();
        eprintln!("furnish p50 {:?} p90 {:?}", times[20], times[36]);
    });
}

fn park(yard: &Yard, script: &str, stdio: Stdio) -> (Parked, Furniture) {
    let Spec { site, furniture } = yard.spec(script, stdio);
    (jail::park(site, yard.cgroups()).unwrap(), furniture)
}

fn finish(jail: &mut Jail, output: &mut File) -> String {
    jail.commit().unwrap();
    assert_eq!(until_over(jail), ExitRecord::exited(0));
    let mut text = String::new();
    output.read_to_string(&mut text).unwrap();
    text
}

/// Whether a process exists and is no zombie that nobody has reaped yet.
fn runs(pid: &str) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.contains(") Z ") && !stat.contains(") X "))
}

fn await_that(condition: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < until, "it never came true");
        wait_readable(&[], Some(Duration::from_millis(1))).unwrap();
    }
}
