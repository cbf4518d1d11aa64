//! Node.js and npm: scripts, the package manager through the proxy, and a host that is not allowed.
//!
//! Not for: other runtimes.

use testkit::index;

use crate::harness::{Jail, identity};

#[test]
fn a_script_with_workers_and_files_runs() {
    let script = "
const { Worker, isMainThread, parentPort } = require('worker_threads');
const fs = require('fs');
if (isMainThread) {
  const worker = new Worker(__filename);
  worker.on('message', text => {
    fs.writeFileSync('/workspace/out', text);
    console.log(text, require('child_process').execSync('echo child').toString().trim());
  });
} else parentPort.postMessage('worker');
";
    let jail = Jail::new().limit("memory=2GiB").file("a.js", script);
    let outcome = jail.run(&["node", "/workspace/a.js"]).ok();
    assert_eq!(outcome.text(), "worker child");
    assert_eq!(std::fs::read_to_string(jail.path("out")).unwrap(), "worker");
}

#[test]
fn npm_installs_from_an_allowed_registry_and_from_no_other() {
    let registry = index::npm(Some(&identity(&["npm.example"])));
    let jail = Jail::new()
        .trusting_us()
        .limit("memory=2GiB")
        .connect("npm.example", registry.address())
        .file("package.json", "{\"name\":\"x\",\"version\":\"1.0.0\"}");
    let script = "cd /workspace; npm='npm install --no-audit --no-fund --no-update-notifier --fetch-retries=0'; \
        $npm --registry https://npm.example/ tinypackage >/dev/null; \
        node -e 'console.log(require(\"tinypackage\")())'; \
        $npm --registry https://evil.example/ other >/dev/null 2>&1 || echo refused";
    let outcome = jail.shell(script).ok();
    assert_eq!(outcome.text(), "hello from a tarball\nrefused");
    assert!(outcome.host("npm.example", "bytes_down") > 0);
    assert_eq!(outcome.host("evil.example", "bytes_up"), 0);
}
