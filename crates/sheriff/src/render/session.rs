//! Sessions as a table, and one session in full.
//!
//! Not for: fetching them (`control`).

use api::control::{SessionDetail, SessionLine};
use model::HostUsage;

use super::{Output, Paint, Table, text};
use crate::failure::Failure;

/// Prints one row per session.
pub(crate) fn list(sessions: &[SessionLine], output: &mut Output) -> Result<(), Failure> {
    let mut table = Table::new([
        "SESSION", "PROFILE", "STATE", "STARTED", "UP", "DOWN", "COMMAND",
    ]);
    for line in sessions {
        table.row([
            line.session.as_str(),
            line.profile.as_str(),
            &line.state,
            &line.started,
            &text::bytes(line.bytes_up),
            &text::bytes(line.bytes_down),
            &line.command,
        ]);
    }
    table.print(output)
}

/// Prints all about one session.
pub(crate) fn detail(detail: &SessionDetail, output: &mut Output) -> Result<(), Failure> {
    let line = &detail.line;
    field(output, "session", line.session.as_str())?;
    field(output, "profile", line.profile.as_str())?;
    field(output, "command", &line.command)?;
    field(output, "state", &line.state)?;
    field(output, "started", &line.started)?;
    field(output, "operator", &format!("uid {}", detail.operator_uid))?;
    limits(detail, output)?;
    layers(detail, output)?;
    heading(output, "system calls")?;
    field(output, "refused", &detail.syscalls_denied.to_string())?;
    egress(detail, output)
}

fn limits(detail: &SessionDetail, output: &mut Output) -> Result<(), Failure> {
    let limits = &detail.limits;
    let clock = limits
        .wall_clock
        .map_or_else(|| "unlimited".to_owned(), |span| span.to_string());
    heading(output, "limits")?;
    field(output, "memory", &limits.memory.to_string())?;
    field(output, "processes", &limits.pids.to_string())?;
    field(
        output,
        "cpu",
        &format!("{} thousandths of a core", limits.cpu_millis),
    )?;
    field(output, "open files", &limits.open_files.to_string())?;
    field(output, "file size", &limits.file_size.to_string())?;
    field(output, "wall clock", &clock)
}

fn layers(detail: &SessionDetail, output: &mut Output) -> Result<(), Failure> {
    let layers = &detail.layers;
    heading(output, "layers, as the kernel reports them")?;
    field(output, "namespaces", &format!("{:?}", layers.namespaces))?;
    field(output, "no new privs", &layers.no_new_privs.to_string())?;
    let seccomp = format!(
        "mode {}, {} filters, sha256 {}",
        layers.seccomp_mode, layers.seccomp_filters, layers.seccomp_hash
    );
    field(output, "seccomp", &seccomp)?;
    if let Some(hash) = &layers.seccomp_enforce_hash {
        let same = format!("reported; without reports the program is sha256 {hash}");
        field(output, "denials", &same)?;
    }
    let landlock = format!("ABI {}, {}", layers.landlock_abi, layers.landlock_status);
    field(output, "landlock", &landlock)?;
    let capabilities = format!(
        "effective {}, bounding {}",
        layers.cap_effective, layers.cap_bounding
    );
    field(output, "capabilities", &capabilities)?;
    field(output, "root pivoted", &layers.pivoted.to_string())?;
    let cgroup = &layers.cgroup;
    let cgroup = format!(
        "{}: memory {}, swap {}, pids {}, cpu {}",
        cgroup.mode, cgroup.memory_max, cgroup.swap_max, cgroup.pids_max, cgroup.cpu_millis
    );
    field(output, "cgroup", &cgroup)?;
    let [root, agent] = layers.uids;
    field(
        output,
        "host uids",
        &format!("{root} (init), {agent} (agent)"),
    )?;
    field(output, "mounts", &layers.mounts.join(" "))
}

fn egress(detail: &SessionDetail, output: &mut Output) -> Result<(), Failure> {
    heading(output, "egress")?;
    for rule in &detail.allow {
        field(output, "allow", rule)?;
    }
    let usage = &detail.egress;
    let all = HostUsage {
        requests: usage.requests,
        allowed: usage.allowed,
        denied: usage.denied,
        bytes_up: usage.bytes_up,
        bytes_down: usage.bytes_down,
    };
    field(output, "all hosts", &meter(&all))?;
    for (host, usage) in &usage.by_host {
        output.line(&format!("  {}: {}", text::brief(host, 255), meter(usage)))?;
    }
    Ok(())
}

fn meter(usage: &HostUsage) -> String {
    format!(
        "{} requests ({} allowed, {} denied), up {}, down {}",
        usage.requests,
        usage.allowed,
        usage.denied,
        text::bytes(usage.bytes_up),
        text::bytes(usage.bytes_down)
    )
}

fn heading(output: &mut Output, title: &str) -> Result<(), Failure> {
    let title = output.style.paint(Paint::Heading, title);
    output.line(&title)
}

fn field(output: &mut Output, name: &str, value: &str) -> Result<(), Failure> {
    output.line(&format!("  {name:<13} {}", text::escape(value)))
}
