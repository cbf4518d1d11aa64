//! What each layer is worth: a jail built without it shows the difference that its probe looks for.
//!
//! Not for: production builds, which cannot leave a layer out.

use std::process::Command;

use model::ByteSize;

use crate::support::in_a_yard;

/// Fault, probe, and what the probe prints with the layer and without it.
const CASES: [(&str, &str, &str, &str); 10] = [
    (
        "userns",
        "read a b c < /proc/self/uid_map; echo $c",
        "1\n",
        "4294967295\n",
    ),
    (
        "nslimits",
        "unshare -U true 2>/dev/null && echo made || echo refused",
        "refused\n",
        "made\n",
    ),
    (
        "masks",
        "test $(head -c 9 /proc/timer_list /proc/kallsyms 2>/dev/null | wc -c) -gt 99 ; \
               grep -c ' /proc/sys ' /proc/self/mountinfo",
        "1\n",
        "0\n",
    ),
    (
        "landlock",
        "cat /.landlock-canary 2>/dev/null && echo read || echo refused",
        "refused\n",
        "read\n",
    ),
    (
        "seccomp",
        "grep -c 'Seccomp:.*2' /proc/self/status",
        "1\n",
        "0\n",
    ),
    (
        "nnp",
        "grep -c 'NoNewPrivs:.*1' /proc/self/status",
        "1\n",
        "0\n",
    ),
    (
        "caps",
        "grep -c 'CapBnd:.*0000000000000000' /proc/self/status",
        "1\n",
        "0\n",
    ),
    (
        "core",
        "test $(ulimit -Hc) = 0 && echo none || echo some",
        "none\n",
        "some\n",
    ),
    (
        "pids",
        "for i in $(seq 70); do sleep 9 & done 2>/dev/null; echo all",
        "",
        "all\n",
    ),
    (
        "memory",
        "head -c 90000000 /dev/zero | tail -c 90000000 | wc -c",
        "",
        "90000000\n",
    ),
];

#[test]
fn every_layer_left_out_is_missed() {
    for (fault, ..) in CASES {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "faults::one_layer_left_out", "--nocapture"])
            .env("SHERIFF_FAULT", fault)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&child.stdout) + String::from_utf8_lossy(&child.stderr);
        assert!(child.status.success(), "{fault}: {text}");
    }
}

/// Without `SHERIFF_FAULT` every probe shows its layer; with it, that one shows its absence.
#[test]
fn one_layer_left_out() {
    in_a_yard(|yard| {
        let fault = std::env::var("SHERIFF_FAULT").unwrap_or_default();
        for (name, probe, with, without) in CASES {
            if !fault.is_empty() && name != fault {
                continue;
            }
            let small = |spec: &mut jail::Spec| {
                spec.furniture.limits.memory = ByteSize(64 << 20);
                if name == "pids" {
                    spec.furniture.limits.memory = ByteSize(256 << 20);
                }
            };
            let (output, _) = yard.run_spec(small, probe);
            let expected = if fault.is_empty() { with } else { without };
            let matches = match expected {
                "" => !output.contains(without),
                expected => output == expected,
            };
            assert!(matches, "{name}: {output:?} instead of {expected:?}");
        }
    });
}
