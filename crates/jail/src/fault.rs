//! Leaving out one layer on purpose, in builds with the feature `fault-injection`, so that tests
//! can show what the layer stops. In every other build nothing can be left out.
//!
//! Not for: switches that a running daemon could be given, nor for the mount and pid namespaces:
//! without the first the steps would rearrange the host's own mounts, without the second there is no
//! PID 1, and the launch fails at its first step.

/// A layer that such a build can leave out, by its name in `SHERIFF_FAULT`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layer {
    /// `userns`
    UserNamespace,
    /// `nslimits`
    NamespaceLimits,
    /// `net`; the jail is then in the daemon's own network.
    NetNamespace,
    /// `ipc`
    IpcNamespace,
    /// `uts`; the hostname is then not set either, as it would be the host's.
    UtsNamespace,
    /// `cgroupns`
    CgroupNamespace,
    /// `pivot`
    Pivot,
    /// `masks`
    ProcMasks,
    /// `landlock`
    Landlock,
    /// `seccomp`
    Seccomp,
    /// `nnp`
    NoNewPrivs,
    /// `caps`
    Capabilities,
    /// `memory`
    CgroupMemory,
    /// `pids`
    CgroupPids,
    /// `cpu`
    CgroupCpu,
    /// `core`
    CoreLimit,
    /// `files`
    OpenFilesLimit,
    /// `fsize`
    FileSizeLimit,
    /// `fds`
    DescriptorSweep,
}

/// Whether the layer is to be left out.
#[cfg(not(feature = "fault-injection"))]
pub(crate) const fn omitted(_layer: Layer) -> bool {
    false
}

/// Whether the layer is to be left out: it is the one that `SHERIFF_FAULT` names.
#[cfg(feature = "fault-injection")]
pub(crate) fn omitted(layer: Layer) -> bool {
    let name = match layer {
        Layer::UserNamespace => "userns",
        Layer::NamespaceLimits => "nslimits",
        Layer::NetNamespace => "net",
        Layer::IpcNamespace => "ipc",
        Layer::UtsNamespace => "uts",
        Layer::CgroupNamespace => "cgroupns",
        Layer::Pivot => "pivot",
        Layer::ProcMasks => "masks",
        Layer::Landlock => "landlock",
        Layer::Seccomp => "seccomp",
        Layer::NoNewPrivs => "nnp",
        Layer::Capabilities => "caps",
        Layer::CgroupMemory => "memory",
        Layer::CgroupPids => "pids",
        Layer::CgroupCpu => "cpu",
        Layer::CoreLimit => "core",
        Layer::OpenFilesLimit => "files",
        Layer::FileSizeLimit => "fsize",
        Layer::DescriptorSweep => "fds",
    };
    std::env::var_os("SHERIFF_FAULT").is_some_and(|value| value == name)
}
