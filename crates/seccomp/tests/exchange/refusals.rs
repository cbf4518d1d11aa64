//! Input that is refused, each with its line; and input of any kind, which must not panic.
//!
//! Not for: input that is taken.

use proptest::prelude::*;
use sheriff_seccomp::Arch;
use sheriff_seccomp::import::{self, Sets};

use crate::{DOCKER, request};

fn refused(json: &str) -> String {
    match import::oci("p.json", json, &request(Arch::X86_64)) {
        Ok(made) => panic!("taken: {json}\n{}", made.text),
        Err(error) => error.to_string(),
    }
}

fn policy(rule: &str) -> String {
    format!("{{\"defaultAction\": \"SCMP_ACT_ERRNO\",\n\"syscalls\": [\n{rule}\n]}}")
}

#[test]
fn refuses_json_with_the_line_of_the_defect() {
    let allow = "\"action\": \"SCMP_ACT_ALLOW\"";
    let args = |inner: &str| format!("{{\"names\": [\"read\"], {allow},\n \"args\": [{inner}]}}");
    let sound = args("{\"index\": 5, \"value\": 1, \"op\": \"SCMP_CMP_EQ\"}");
    assert!(import::oci("p.json", &policy(&sound), &request(Arch::X86_64)).is_ok());
    let cases = [
        (
            args("{\"index\": 6, \"value\": 1, \"op\": \"SCMP_CMP_EQ\"}"),
            "p.json:3: argument 6 does not exist",
        ),
        (
            args("{\"index\": 1, \"value\": -1, \"op\": \"SCMP_CMP_EQ\"}"),
            "p.json:4:",
        ),
        (
            args("{\"index\": 1, \"value\": 1, \"op\": \"SCMP_CMP_LIKE\"}"),
            "p.json:4:56: unknown variant `SCMP_CMP_LIKE`",
        ),
        (
            args("{\"index\": 1, \"value\": 18446744073709551614, \"op\": \"SCMP_CMP_GT\"}"),
            "p.json:3: SCMP_CMP_GT with 0xfffffffffffffffe can't",
        ),
        (
            format!("{{\"names\": [], {allow}}}"),
            "p.json:3: a rule needs either",
        ),
        (
            format!("{{\"names\": [\"read\"], \"name\": \"read\", {allow}}}"),
            "p.json:3: a rule needs either",
        ),
        (
            "{\"names\": [\"read\"], \"action\": \"SCMP_ACT_TRACE\"}".to_owned(),
            "p.json:3: SCMP_ACT_TRACE needs a helper",
        ),
        (
            "{\"names\": [\"read\"], \"action\": \"SCMP_ACT_NOTIFY\"}".to_owned(),
            "p.json:3: SCMP_ACT_NOTIFY needs a helper",
        ),
        (
            "{\"names\": [\"read\"],\n\"action\": \"ALLOW\"}".to_owned(),
            "p.json:4:17: unknown variant `ALLOW`",
        ),
        (
            format!("{{\"names\": [\"read\"], {allow}, \"arg\": []}}"),
            "p.json:3:",
        ),
        (
            format!("{{\"names\": [\"read\"], {allow}, \"includes\": {{\"minKernel\": \"new\"}}}}"),
            "p.json:3: \"new\" is not a kernel version",
        ),
    ];
    for (rule, expected) in cases {
        let found = refused(&policy(&rule));
        assert!(found.starts_with(expected), "{expected}\n{found}");
    }
}

#[test]
fn refuses_documents_that_are_no_policies() {
    let both = "{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"architectures\": [\"SCMP_ARCH_X86_64\"], \"archMap\": [{\"architecture\": \"SCMP_ARCH_X86_64\"}]}";
    let nested = "[".repeat(100_000);
    let deep = format!("{{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"syscalls\": [{nested}");
    let long = " ".repeat(import::INPUT_BYTES_MAX + 1);
    let many =
        policy(&vec!["{\"names\": [\"read\"], \"action\": \"SCMP_ACT_ALLOW\"}"; 4097].join(","));
    for (text, expected) in [
        ("", "p.json:1:0: EOF while parsing"),
        ("{}", "p.json:1:2: missing field `defaultAction`"),
        ("[]\n", "p.json:1:"),
        (both, "p.json:1: either `architectures` or `archMap`"),
        (&deep, "p.json:1:"),
        (&long, "p.json has 1048577 bytes, more than 1048576"),
        (&many, "p.json:1: more than 4096 rules"),
        (
            "{\"defaultAction\": \"SCMP_ACT_TRACE\"}",
            "p.json:1: SCMP_ACT_TRACE needs",
        ),
    ] {
        let found = refused(text);
        assert!(found.starts_with(expected), "{expected}\n{found}");
    }
}

#[test]
fn rules_too_many_to_compare_and_names_that_steer_terminals_are_refused_in_plain_words() {
    let rule = |value: usize| {
        format!(
            "{{\"names\": [\"ioctl\"], \"action\": \"SCMP_ACT_ALLOW\", \"args\": [{{\"index\": 1, \"value\": {value}, \"op\": \"SCMP_CMP_NE\"}}]}}"
        )
    };
    let rules = |count: usize| policy(&(0..count).map(rule).collect::<Vec<_>>().join(",\n"));
    assert!(import::oci("p.json", &rules(1000), &request(Arch::X86_64)).is_ok());
    assert!(refused(&rules(2049)).starts_with("p.json:3: ioctl: its rules are too entangled"));
    let long = "x".repeat(5000);
    let steering = policy(&format!("{{\"\\u001b[2J{long}\": 1}}"));
    let found = refused(&steering);
    assert!(found.len() < 400 && !found.contains('\u{1b}'), "{found:?}");
}

#[test]
fn truncated_json_names_the_place_where_it_ends() {
    let cut: String = DOCKER.lines().take(100).collect::<Vec<_>>().join("\n");
    let columns = cut.lines().last().unwrap().len();
    assert!(refused(&cut).starts_with(&format!("p.json:100:{columns}: EOF while parsing")));
    for end in (0..DOCKER.trim_end().len()).step_by(97) {
        refused(DOCKER.get(..end).unwrap());
    }
}

#[test]
fn refuses_filters_of_systemd_with_the_line_of_the_defect() {
    let sets = Sets::shipped();
    let read = |text: &str| import::systemd("u", text, &sets, &request(Arch::X86_64));
    assert!(read("\nSystemCallFilter=@aio read:EPERM\n").is_ok());
    for (text, expected) in [
        ("", "u:1: no system call filter found"),
        ("[Service]\nUser=x\n", "u:1: no system call filter found"),
        (
            "\nSystemCallFilter=@no-such\n",
            "u:2: group \"@no-such\" is not defined",
        ),
        ("read\n~write:EWHAT\n", "u:2: \"EWHAT\" is neither"),
        ("read:5000", "u:1: \"5000\" is neither"),
        ("read,write", "u:1: \"read,write\" is not the name"),
        ("~read ~write", "u:1: \"~write\" is not the name"),
        (
            "SystemCallFilter=read\nSystemCallErrorNumber=no",
            "u:2: \"no\" is neither",
        ),
    ] {
        let error = read(text).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{expected}\n{error}");
    }
}

#[test]
fn refuses_sets_that_are_malformed_or_nested_without_end() {
    let bad = Sets::parse("s", "@a\n  read\nwr!te\n").unwrap_err();
    assert!(
        bad.to_string()
            .starts_with("s:3: \"wr!te\" is not the name"),
        "{bad}"
    );
    let orphan = Sets::parse("s", "read\n").unwrap_err();
    assert!(orphan.to_string().starts_with("s:1:"), "{orphan}");
    let chain: String = (0..50)
        .map(|at| format!("@s{at}\n  @s{}\n", at + 1))
        .collect();
    let sets = Sets::parse("s", &format!("@default\n  exit\n{chain}@s50\n  read\n")).unwrap();
    let error = import::systemd("u", "@s0", &sets, &request(Arch::X86_64)).unwrap_err();
    assert!(error.to_string().contains("nested too deeply"), "{error}");
    // A group that names itself adds nothing to itself.
    let sets = Sets::parse("s", "@default\n  exit\n@a\n  @a read\n").unwrap();
    assert!(import::systemd("u", "@a", &sets, &request(Arch::X86_64)).is_ok());
}

/// A piece of the real profile, or of its vocabulary.
fn fragment() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"names\"",
        "\"read\"",
        "\"SCMP_ACT_ALLOW\"",
        "\"action\"",
        "\"args\"",
        "\"defaultAction\"",
        "\"syscalls\"",
        "7",
        "-1",
        "1e99",
        "null",
        "@aio",
        "~",
        "\n",
        "SystemCallFilter=",
        "\\",
        "#",
        "@",
        "socket",
        ":EPERM",
    ]);
    prop_oneof![words.prop_map(str::to_owned), ".{0,8}"]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_an_importer_panic(parts in prop::collection::vec(fragment(), 0..40)) {
        let text = parts.concat();
        let request = request(Arch::Aarch64);
        let _json = import::oci("p", &text, &request);
        let sets = Sets::parse("s", &text);
        let _unit = import::systemd("u", &text, &sets.unwrap_or_else(|_refused| Sets::shipped()), &request);
    }

    #[test]
    fn damaged_json_never_makes_an_importer_panic(at in 0..DOCKER.len(), bytes in prop::collection::vec(any::<u8>(), 0..6)) {
        let mut text = DOCKER.as_bytes().to_vec();
        text.splice(at..(at + bytes.len()).min(DOCKER.len()), bytes);
        let _outcome = import::oci("p", &String::from_utf8_lossy(&text), &request(Arch::X86_64));
    }
}
