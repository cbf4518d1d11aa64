//! Docker's default profile, for a container without extra capabilities.
//!
//! Not for: what capabilities open there.

use sheriff_seccomp::{Profile, import};

use crate::{answer, hold, request, summary};

const SOURCE: &str = include_str!("../data/docker-default.json");
const KEPT: &str = include_str!("../data/agent-beside-docker.txt");

fn docker() -> Profile {
    let made = import::oci("docker-default.json", SOURCE, &request("docker")).unwrap();
    Profile::parse("docker.toml", &made.text).unwrap()
}

#[test]
fn agent_refuses_what_docker_allows_of_calls_with_a_history() {
    hold(
        &docker(),
        &[
            // Other processes' memory, on kernels from 4.8 on.
            (("ptrace", &[]), "allow", "EPERM"),
            (("process_vm_readv", &[]), "allow", "EPERM"),
            (("process_vm_writev", &[]), "allow", "EPERM"),
            // The step that Dirty Pipe and Copy Fail share, and their socket.
            (("splice", &[]), "allow", "ENOSYS"),
            (("tee", &[]), "allow", "ENOSYS"),
            (("vmsplice", &[]), "allow", "ENOSYS"),
            (("socket", &[38, 5, 0]), "allow", "EAFNOSUPPORT"),
            // PACKET, RXRPC, TIPC, KEY and XDP.
            (("socket", &[17, 3, 0]), "allow", "EAFNOSUPPORT"),
            (("socket", &[33, 2, 2]), "allow", "EAFNOSUPPORT"),
            (("socket", &[30, 5, 0]), "allow", "EAFNOSUPPORT"),
            (("socket", &[15, 3, 2]), "allow", "EAFNOSUPPORT"),
            (("socket", &[44, 3, 0]), "allow", "EAFNOSUPPORT"),
            // Raw IP, multipath TCP, netlink beyond routing.
            (("socket", &[2, 3, 1]), "allow", "EPERM"),
            (("socket", &[2, 1, 262]), "allow", "EPROTONOSUPPORT"),
            (("socket", &[16, 3, 12]), "allow", "EPROTONOSUPPORT"),
            (("setsockopt", &[0, 6, 31]), "allow", "EPERM"),
            // Files by handle, and the whole file system's events.
            (("name_to_handle_at", &[]), "allow", "EPERM"),
            (("fanotify_mark", &[]), "allow", "EPERM"),
            // Set-user-ID files and devices.
            (("chmod", &[0, 0o4755]), "allow", "EPERM"),
            (("fchmodat2", &[0, 0, 0o2755]), "allow", "EPERM"),
            (("openat", &[0, 0, 0o101, 0o4755]), "allow", "EPERM"),
            (("openat2", &[]), "allow", "ENOSYS"),
            (("mknod", &[0, 0o2_0000]), "allow", "EPERM"),
            // Typing into terminals, also with a bit that the kernel ignores.
            (("ioctl", &[0, 0x5412]), "allow", "EPERM"),
            (("ioctl", &[0, 0x1_0000_5412]), "allow", "EPERM"),
            (("ioctl", &[0, 0x541C]), "allow", "EPERM"),
            // CLONE_NEWTIME, which Docker's mask leaves out.
            (("clone", &[0x80]), "allow", "EPERM"),
            (("prctl", &[35]), "allow", "EPERM"),
            (("modify_ldt", &[]), "allow", "EPERM"),
            (("adjtimex", &[]), "allow", "EPERM"),
            (("cachestat", &[]), "allow", "EPERM"),
        ],
    );
}

#[test]
fn both_refuse_what_docker_is_known_for_refusing() {
    hold(
        &docker(),
        &[
            (("keyctl", &[]), "EPERM", "EPERM"),
            (("add_key", &[]), "EPERM", "EPERM"),
            (("request_key", &[]), "EPERM", "EPERM"),
            (("mount", &[]), "EPERM", "EPERM"),
            (("unshare", &[]), "EPERM", "EPERM"),
            (("setns", &[]), "EPERM", "EPERM"),
            (("clone", &[0x1000_0000]), "EPERM", "EPERM"),
            (("clone3", &[]), "ENOSYS", "ENOSYS"),
            (("bpf", &[]), "EPERM", "EPERM"),
            (("perf_event_open", &[]), "EPERM", "EPERM"),
            (("userfaultfd", &[]), "EPERM", "EPERM"),
            (("io_uring_setup", &[]), "EPERM", "ENOSYS"),
            (("open_by_handle_at", &[]), "EPERM", "EPERM"),
            (("kexec_load", &[]), "EPERM", "EPERM"),
            (("personality", &[0x4_0000]), "EPERM", "EPERM"),
            (("mbind", &[]), "EPERM", "EPERM"),
            (("socket", &[40, 1, 0]), "EPERM", "EAFNOSUPPORT"),
        ],
    );
}

#[test]
fn agent_allows_what_docker_refuses_only_where_it_is_newer_or_reads_alone() {
    hold(
        &docker(),
        &[
            (("get_mempolicy", &[]), "EPERM", "allow"),
            (("file_getattr", &[]), "EPERM", "allow"),
            (("rseq_slice_yield", &[]), "EPERM", "allow"),
            // The kernel reads 32 bits, and so does `agent`.
            (("personality", &[0x1_0000_0008]), "EPERM", "allow"),
        ],
    );
}

#[test]
fn before_kernel_4_8_docker_refuses_ptrace_too() {
    let mut old = request("docker");
    old.kernel = (4, 7);
    let made = import::oci("docker-default.json", SOURCE, &old).unwrap();
    let docker = Profile::parse("docker.toml", &made.text).unwrap();
    hold(
        &docker,
        &[
            (("ptrace", &[]), "EPERM", "EPERM"),
            (("process_vm_readv", &[]), "EPERM", "EPERM"),
        ],
    );
}

#[test]
fn the_kept_summary_is_what_the_profiles_say() {
    summary::hold(&docker(), "agent-beside-docker.txt", KEPT);
}

#[test]
fn what_programs_live_on_is_allowed_by_both() {
    let docker = docker();
    for call in [
        "read",
        "write",
        "openat",
        "execve",
        "mmap",
        "futex",
        "connect",
        "epoll_wait",
    ] {
        assert_eq!(answer(&docker, (call, &[])), "allow", "{call}");
        assert_eq!(answer(&crate::agent(), (call, &[])), "allow", "{call}");
    }
}
