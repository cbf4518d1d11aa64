//! systemd's `@system-service`, which many units have as their whole filter.
//!
//! Not for: filters that take groups out of it again.

use sheriff_seccomp::import::Sets;
use sheriff_seccomp::{Profile, import};

use crate::{hold, request, summary};

const KEPT: &str = include_str!("../data/agent-beside-system-service.txt");

fn system_service() -> Profile {
    let request = request("system-service");
    let made = import::systemd("unit", "@system-service", &Sets::shipped(), &request).unwrap();
    Profile::parse("unit.toml", &made.text).unwrap()
}

#[test]
fn agent_refuses_what_system_service_allows_of_calls_with_a_history() {
    hold(
        &system_service(),
        &[
            (("keyctl", &[]), "allow", "EPERM"),
            (("add_key", &[]), "allow", "EPERM"),
            (("request_key", &[]), "allow", "EPERM"),
            (("unshare", &[]), "allow", "EPERM"),
            (("setns", &[]), "allow", "EPERM"),
            (("clone", &[0x1000_0000]), "allow", "EPERM"),
            (("clone3", &[]), "allow", "ENOSYS"),
            (("io_uring_setup", &[]), "allow", "ENOSYS"),
            (("userfaultfd", &[]), "allow", "EPERM"),
            (("splice", &[]), "allow", "ENOSYS"),
            (("kcmp", &[]), "allow", "EPERM"),
            (("process_vm_readv", &[]), "allow", "EPERM"),
            (("process_madvise", &[]), "allow", "EPERM"),
            (("name_to_handle_at", &[]), "allow", "EPERM"),
            (("move_pages", &[]), "allow", "EPERM"),
            (("remap_file_pages", &[]), "allow", "EPERM"),
            // It looks at no argument at all.
            (("socket", &[38, 5, 0]), "allow", "EAFNOSUPPORT"),
            (("socket", &[40, 1, 0]), "allow", "EAFNOSUPPORT"),
            (("socket", &[2, 3, 1]), "allow", "EPERM"),
            (("ioctl", &[0, 0x5412]), "allow", "EPERM"),
            (("personality", &[0x4_0000]), "allow", "EPERM"),
            (("chmod", &[0, 0o4755]), "allow", "EPERM"),
            (("prctl", &[35]), "allow", "EPERM"),
        ],
    );
}

#[test]
fn both_refuse_the_administration_of_the_kernel() {
    hold(
        &system_service(),
        &[
            (("mount", &[]), "kill", "EPERM"),
            (("fsopen", &[]), "kill", "EPERM"),
            (("pivot_root", &[]), "kill", "EPERM"),
            (("ptrace", &[]), "kill", "EPERM"),
            (("pidfd_getfd", &[]), "kill", "EPERM"),
            (("bpf", &[]), "kill", "EPERM"),
            (("perf_event_open", &[]), "kill", "EPERM"),
            (("kexec_load", &[]), "kill", "EPERM"),
            (("init_module", &[]), "kill", "EPERM"),
            (("open_by_handle_at", &[]), "kill", "EPERM"),
            (("reboot", &[]), "kill", "EPERM"),
            (("settimeofday", &[]), "kill", "EPERM"),
            (("modify_ldt", &[]), "kill", "EPERM"),
        ],
    );
}

#[test]
fn agent_allows_what_system_service_kills_for_shutting_oneself_in_and_for_newer_libraries() {
    hold(
        &system_service(),
        &[
            (("seccomp", &[]), "kill", "allow"),
            (("landlock_restrict_self", &[]), "kill", "allow"),
            (("pkey_mprotect", &[]), "kill", "allow"),
            (("mincore", &[]), "kill", "allow"),
            (("memfd_secret", &[]), "kill", "allow"),
            (("futex_wait", &[]), "kill", "allow"),
            (("statmount", &[]), "kill", "allow"),
        ],
    );
}

#[test]
fn the_kept_summary_is_what_the_profiles_say() {
    summary::hold(&system_service(), "agent-beside-system-service.txt", KEPT);
}
