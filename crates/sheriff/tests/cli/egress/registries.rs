//! Lists made from the settings of package managers.

use std::fs;
use std::path::Path;
use std::process::Output;

use crate::office::{command, stderr, stdout};

/// Path below the root, and content.
const SETTINGS: [(&str, &str); 9] = [
    (
        "etc/apt/sources.list",
        "# deb http://off.example.com/debian x main\n\
         deb [arch=amd64 signed-by=/k.gpg] http://deb.example.com/debian trixie main # why\n\
         deb-src http://deb.example.com/debian trixie main\n\
         deb cdrom:[Disc]/ trixie main\n\
         debug http://no.example.com/ x\n",
    ),
    (
        "etc/apt/sources.list.d/own.sources",
        "Types: deb\nURIs: https://one.example.com/a\n https://two.example.com:8443/b/\nSuites: x\n# note\nComponents: main\n\n\
         Enabled: no\nURIs: https://disabled.example.com/\n\n\
         types: deb\nuris: mirror+https://list.example.com/m\nSuites: x\n",
    ),
    (
        "etc/apt/sources.list.d/own.list.save",
        "deb http://saved.example.com/ x main\n",
    ),
    (
        "etc/pip.conf",
        "[global]\nindex-url = https://bob:S3cretPw@pip.example.com/repo/simple\n\
         extra-index-url =\n    https://extra.example.com/simple/\n    http://10.1.2.3:8081/x/simple\n\
         [install]\nfind_links = /wheels file:///wheels https://links.example.com/wheels\n",
    ),
    (
        "home/u/.config/pip/pip.conf",
        "[global]\ntimeout = 5\ntrusted-host = pip.example.com\n",
    ),
    (
        "home/u/.cargo/config.toml",
        "[registries.own]\nindex = \"sparse+https://cargo.example.com/api/own/index/\"\ntoken = \"S3cretToken\"\n\
         [registries.git]\nindex = \"https://cargo.example.com/index.git\"\n\
         [source.crates-io]\nreplace-with = \"mirror\"\n\
         [source.mirror]\nregistry = \"sparse+https://mirror.example.com/crates/\"\n\
         [source.vendored]\ndirectory = \"vendor\"\n",
    ),
    (
        "home/u/.npmrc",
        "registry=https://npm.example.com/all/\n@team:registry=\"https://npm.example.com/team\"\n\
         //npm.example.com/all/:_authToken=S3cretToken\n@a:registry=${OWN_REGISTRY}\n@b:registry=${UNSET_REGISTRY}\n",
    ),
    ("etc/npmrc", "registry = http://metadata.google.internal/\n"),
    ("usr/etc/npmrc", "registry = http://169.254.169.254/\n"),
];

fn root(settings: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in settings {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    root
}

fn registries(root: &Path, args: &[&str], variables: &[(&str, &str)]) -> Output {
    let root = root.to_str().unwrap();
    let fixed = ["egress", "registries", "--root", root, "--home", "/home/u"];
    let mut command = command(Path::new("/nonexistent"), &[&fixed, args].concat());
    command.env_clear().envs(variables.iter().copied());
    command.output().unwrap()
}

/// Host, port and paths of each rule.
fn rules(text: &str) -> Vec<String> {
    let mut rules = Vec::new();
    for rule in text.split("[[allow]]\n").skip(1) {
        let value = |key: &str| {
            let value = rule.lines().find_map(|line| line.strip_prefix(key));
            value.map_or_else(String::new, |value| value.replace('"', ""))
        };
        assert!(rule.contains("methods = [\"GET\", \"HEAD\"]\n"), "{rule}");
        let connect = value("connect = ");
        rules.push(format!(
            "{}{} {}{connect}",
            value("host = "),
            value("ports = "),
            value("paths = ")
        ));
    }
    rules
}

#[test]
fn every_tool_contributes_what_its_settings_name_and_no_secret_is_repeated() {
    let root = root(&SETTINGS);
    let variables = [
        ("OWN_REGISTRY", "https://var.example.com/npm"),
        (
            "PIP_EXTRA_INDEX_URL",
            "https://u:S3cretPw@env.example.com/pypi/+simple",
        ),
        (
            "CARGO_REGISTRIES_TEAM_INDEX",
            "sparse+https://envcargo.example.com/x/",
        ),
    ];
    let output = registries(
        root.path(),
        &["--add", "https://files.example.com"],
        &variables,
    );
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    assert_eq!(
        rules(&text),
        [
            "10.1.2.3[8081] [/x/**]10.1.2.3:8081",
            "cargo.example.com[443] [/api/own/**]",
            "deb.example.com[80] [/debian/**]",
            "env.example.com[443] [/pypi/**]",
            "envcargo.example.com[443] [/x/**]",
            "extra.example.com[443] [/**]",
            "files.example.com[443] [/**]",
            "links.example.com[443] [/wheels/**]",
            "mirror.example.com[443] [/crates/**]",
            "npm.example.com[443] [/all/**, /team/**]",
            "one.example.com[443] [/a/**]",
            "pip.example.com[443] [/repo/**]",
            "two.example.com[8443] [/b/**]",
            "var.example.com[443] [/npm/**]",
        ]
    );
    let said = stderr(&output);
    for note in [
        "mirror+https",
        "git repository",
        "@b:registry",
        "npm: /usr/etc/npmrc",
        "dl",
    ] {
        assert!(said.contains(note), "{note}: {said}");
    }
    assert!(
        !text.contains("S3cret") && !said.contains("S3cret"),
        "{text}{said}"
    );
    assert!(text.contains("# pip: /etc/pip.conf\n"), "{text}");
}

#[test]
fn the_list_is_one_that_a_profile_can_name() {
    let root = root(&SETTINGS[..6]);
    let profiles = root.path().join("profiles");
    for kind in ["egress", "jail"] {
        fs::create_dir_all(profiles.join(kind)).unwrap();
    }
    let list = profiles.join("egress/package-registries.toml");
    let output = registries(root.path(), &["--output", list.to_str().unwrap()], &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).is_empty());
    let jail =
        "version = 1\nname = 'own'\nextends = 'base'\n[egress]\nextends = ['package-registries']\n";
    fs::write(profiles.join("jail/own.toml"), jail).unwrap();
    let check = |method: &str, url: &str| {
        let profiles = profiles.to_str().unwrap();
        let args = [
            "egress",
            "check",
            "--profiles",
            profiles,
            "--profile",
            "own",
            method,
            url,
        ];
        let output = command(Path::new("/nonexistent"), &args).output().unwrap();
        (output.status.code(), stdout(&output))
    };
    let (code, text) = check("GET", "http://deb.example.com/debian/dists/x/InRelease");
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("egress/package-registries.toml:"), "{text}");
    assert_eq!(check("PUT", "http://deb.example.com/debian/x").0, Some(1));
    assert_eq!(check("GET", "http://deb.example.com/other").0, Some(1));
}

#[test]
fn a_host_without_settings_gets_an_empty_list_and_is_told_so() {
    let root = root(&[]);
    let output = registries(root.path(), &[], &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(rules(&stdout(&output)).is_empty());
    for tool in ["apt", "pip", "cargo", "npm"] {
        let note = format!("{tool}: no registry is set");
        assert!(stderr(&output).contains(&note), "{}", stderr(&output));
    }
}

#[test]
fn broken_endless_and_hostile_settings_are_left_out_with_a_note() {
    let long = format!("deb http://{}.example.com/ x", "a".repeat(300 * 1024));
    let root = root(&[
        ("etc/apt/sources.list", &long),
        (
            "etc/apt/sources.list.d/a.list",
            "deb [unclosed http://a.example.com/ x\ndeb http://good.example.com/a/../b x\n",
        ),
        (
            "etc/pip.conf",
            "[global\nindex-url = https://x:S3cret@a.example.com/simple\n",
        ),
        ("home/u/.cargo/config.toml", "token = \"S3cret\nindex"),
        (
            "home/u/.npmrc",
            "registry=https://npm.example.com/a\"\\u0000/*x/\n",
        ),
    ]);
    fs::create_dir(root.path().join("etc/npmrc")).unwrap();
    let output = registries(root.path(), &[], &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(rules(&stdout(&output)), ["good.example.com[80] [/b/**]"]);
    let said = stderr(&output);
    assert!(said.contains("pip: /etc/pip.conf: left out"), "{said}");
    assert!(said.contains("config.toml: left out"), "{said}");
    assert!(!said.contains("S3cret"), "{said}");
}
