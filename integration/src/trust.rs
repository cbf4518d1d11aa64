//! The certificate authority of a jail: where it is to be found inside, that its key is not, and that it
//! stays the same when the office dies.
//!
//! Not for: what interception lets through.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use testkit::{Http, Response};

use crate::crash::{children, kill};
use crate::harness::{Daemon, Jail, PATIENCE, eventually, identity};

/// Has rules about `api.example` that need TLS to be opened.
const PROFILE: &str = "intercepted";

fn site() -> Http {
    Http::tls(&identity(&["api.example"]), |_| Response::ok("hi"))
}

fn jail(daemon: &Daemon, site: &Http) -> Jail {
    Jail::on(daemon)
        .profile(PROFILE)
        .connect("api.example", site.address())
}

#[test]
fn a_jail_finds_its_authority_in_every_usual_place() {
    let jail = Jail::new().profile(PROFILE);
    let script = "
set -e
cd /run/sheriff
stat -c '%n %a' ca.pem ca-bundle.pem ca.jks
cmp ca-bundle.pem /etc/ssl/certs/ca-certificates.crt
tail -n $(wc -l <ca.pem) ca-bundle.pem | cmp - ca.pem
grep -c BEGIN ca.pem
test $(grep -c BEGIN ca-bundle.pem) -gt 1
openssl x509 -in ca.pem -noout -subject
echo $SSL_CERT_FILE $GIT_SSL_CAINFO $NODE_EXTRA_CA_CERTS
echo $JAVA_TOOL_OPTIONS
";
    let outcome = jail.shell(script).ok();
    let text = outcome.text();
    let [own, merged, java, count, subject, paths, options] = {
        let lines: Vec<&str> = text.lines().collect();
        <[&str; 7]>::try_from(lines).unwrap()
    };
    assert_eq!(
        [own, merged, java],
        ["ca.pem 444", "ca-bundle.pem 444", "ca.jks 444"]
    );
    assert_eq!(count, "1");
    let id: String = outcome.session().chars().take(8).collect();
    assert!(
        subject.ends_with(&format!("Sheriff jail {id}")),
        "{subject}"
    );
    let bundle = "/run/sheriff/ca-bundle.pem";
    assert_eq!(paths, format!("{bundle} {bundle} /run/sheriff/ca.pem"));
    assert!(
        options.contains("trustStore=/run/sheriff/ca.jks"),
        "{options}"
    );
}

#[test]
fn a_jail_whose_rules_name_hosts_alone_has_none() {
    let jail = Jail::new().allow("api.example");
    let script = "cd /run/sheriff; for name in gateway.sock ca.pem ca-bundle.pem ca.jks; do
        test -e $name && echo $name; done; env | grep -c -e CA_ -e CERT";
    assert_eq!(jail.shell(script).text(), "gateway.sock\n0");
}

#[test]
fn programs_trust_it_without_being_told() {
    let site = site();
    let jail = jail(Daemon::shared(), &site);
    let script = "
set -e
url=https://api.example/
curl -sS $url; echo
python3 -c 'import sys, urllib.request as r; print(r.urlopen(sys.argv[1]).read().decode())' $url
node -e 'fetch(process.argv[1]).then(r => r.text()).then(console.log)' $url
# Programs that heed no variable read the lists in /etc.
env -u SSL_CERT_FILE -u CURL_CA_BUNDLE curl -sS $url; echo
# The host's authorities alone are not enough.
head -n -$(wc -l </run/sheriff/ca.pem) /run/sheriff/ca-bundle.pem >/tmp/hosts.pem
curl -sS --cacert /tmp/hosts.pem $url 2>/dev/null || echo refused $?
";
    let outcome = jail.shell(script).ok();
    assert_eq!(outcome.text(), "hi\nhi\nhi\nhi\nrefused 60");
    assert_eq!(site.requests().len(), 4);
}

#[test]
fn java_trusts_it_too() {
    if !Path::new("/usr/bin/java").exists() {
        return; // Nothing to test with; what keytool reads is tested in `authority`.
    }
    let site = site();
    let jail = jail(Daemon::shared(), &site).file(
        "Get.java",
        "import java.net.*; import java.net.http.*;
        class Get { public static void main(String[] a) throws Exception {
            var proxy = ProxySelector.of(new InetSocketAddress(\"10.77.0.1\", 3128));
            var client = HttpClient.newBuilder().proxy(proxy).build();
            var request = HttpRequest.newBuilder(URI.create(a[0])).build();
            System.out.println(client.send(request, HttpResponse.BodyHandlers.ofString()).body());
        } }",
    );
    let outcome = jail.shell("java /workspace/Get.java https://api.example/");
    assert_eq!(outcome.ok().text(), "hi");
}

#[test]
fn the_key_is_nowhere_in_the_jail_nor_in_what_the_warden_keeps() {
    let daemon = Daemon::standing();
    let jail = Jail::on(&daemon).profile(PROFILE);
    // The search finds what is there: a text of the same look, written by the jail itself.
    let script = "
echo 'PRIVATE' 'KEY' | sed 's/ / /' >/tmp/control
pattern='PRIVATE'' KEY'
grep -rlIs -e \"$pattern\" /run /etc/ssl /etc/pki /tmp /home /workspace /dev/shm || true
grep -ls -e \"$pattern\" /proc/[0-9]*/environ /proc/[0-9]*/cmdline || true
ls -l /proc/[0-9]*/fd 2>/dev/null | grep -c -e memfd || true
echo searched; read _
";
    let mut child = jail.start(&["/bin/sh", "-c", script]);
    let text = child.await_text("searched", PATIENCE);
    assert_eq!(text.trim(), "/tmp/control\n0\nsearched");
    let with_key = |folder: &Path| files(folder).into_iter().filter(holds_a_key).collect();
    let kept: Vec<PathBuf> = with_key(daemon.runtime());
    assert!(kept.is_empty(), "{kept:?}");
    let state = daemon.audit().parent().unwrap().to_owned();
    // The log's own signing key is in the state folder, too, in another form.
    let kept: Vec<PathBuf> = with_key(&state);
    let [saved] = kept.as_slice() else {
        panic!("{kept:?}");
    };
    assert_eq!(
        fs::metadata(saved).unwrap().permissions().mode() & 0o777,
        0o600
    );
    child.send("\n");
    child.wait(PATIENCE);
    assert!(!saved.exists(), "the key outlived its session");
    let kept: Vec<PathBuf> = with_key(&state);
    assert!(
        kept.is_empty() && !daemon.log().contains("PRIVATE"),
        "{kept:?}"
    );
}

/// All plain files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| match fs::symlink_metadata(&path) {
            Ok(found) if found.is_dir() => files(&path),
            Ok(found) if found.is_file() => vec![path],
            _ => Vec::new(),
        })
        .collect()
}

fn holds_a_key(path: &PathBuf) -> bool {
    let text = fs::read(path).unwrap_or_default();
    text.windows(11).any(|part| part == b"PRIVATE KEY")
}

#[test]
fn two_jails_have_two_authorities() {
    let one = || {
        Jail::new()
            .profile(PROFILE)
            .shell("cat /run/sheriff/ca.pem")
            .ok()
            .text()
    };
    let (first, second) = (one(), one());
    assert!(first.starts_with("-----BEGIN CERTIFICATE") && first != second);
}

#[test]
fn a_jail_keeps_its_authority_when_its_office_dies_and_exec_is_told_of_it() {
    let daemon = Daemon::standing();
    let site = site();
    let jail = jail(&daemon, &site);
    let script = "while read _; do curl -sS --retry 20 --retry-connrefused --retry-delay 1 \
        https://api.example/ && echo; done";
    let mut child = jail.start(&["/bin/sh", "-c", script]);
    child.send("\n");
    child.await_text("hi\n", PATIENCE);
    let warden = daemon.process().pid();
    let office = || children(warden, "sheriff-office").first().copied();
    let old = eventually("an office", office);
    assert!(kill(old));
    eventually("a new office", || office().filter(|pid| *pid != old));
    child.send("\n");
    child.await_text("hi\nhi\n", PATIENCE);
    let sessions = daemon.json(&["ps", "--json"]);
    let id = sessions["sessions"][0]["session"]
        .as_str()
        .unwrap()
        .to_owned();
    let told = daemon.sheriff(&["exec", &id, "--", "/bin/sh", "-c", "echo $SSL_CERT_FILE"]);
    assert_eq!(told.ok().text(), "/run/sheriff/ca-bundle.pem");
    child.close_input();
    child.wait(PATIENCE);
}
