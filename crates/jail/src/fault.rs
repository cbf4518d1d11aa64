//! Leaving out one layer on purpose, in builds with the feature `fault-injection`, so that tests
//! can show what the layer stops. In every other build nothing can be left out.
//!
//! Not for: switches that a running daemon could be given.

/// A layer that such a build can leave out, by its name in `SHERIFF_FAULT`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layer {
    /// `userns`
    UserNamespace,
    /// `nslimits`
    NamespaceLimits,
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
    /// `core`
    CoreLimit,
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
        Layer::Pivot => "pivot",
        Layer::ProcMasks => "masks",
        Layer::Landlock => "landlock",
        Layer::Seccomp => "seccomp",
        Layer::NoNewPrivs => "nnp",
        Layer::Capabilities => "caps",
        Layer::CgroupMemory => "memory",
        Layer::CgroupPids => "pids",
        Layer::CoreLimit => "core",
        Layer::DescriptorSweep => "fds",
    };
    std::env::var_os("SHERIFF_FAULT").is_some_and(|value| value == name)
}
