//! The matrix of the shipped profiles as text and as a page, and a page made of hostile texts.
//!
//! Not for: how the page looks.

use sha2::{Digest, Sha256};

use super::*;
use crate::data::Data;
use crate::embedded;
use crate::verdict::verdict;

fn shipped() -> Vec<Profile> {
    embedded::names()
        .map(|name| Profile::parse(name, embedded::shipped(name).unwrap()).unwrap())
        .collect()
}

#[test]
fn every_call_of_both_architectures_has_a_row_and_every_cell_is_true() {
    let profiles = shipped();
    let matrix = matrix(&profiles).unwrap();
    let calls: BTreeSet<&str> = Arch::ALL
        .into_iter()
        .flat_map(syscalls::calls)
        .map(|(_, call)| call)
        .collect();
    assert_eq!(matrix.rows.len(), calls.len());
    for row in &matrix.rows {
        assert_eq!(row.cells.len(), profiles.len());
        for (profile, cell) in profiles.iter().zip(&row.cells) {
            for number in &row.numbers {
                let call = Data::new(number.arch, number.number, [0; 6]);
                let action = verdict(profile, number.arch, &call);
                assert!(
                    cell.actions.contains(&action.to_string()),
                    "{} {cell}",
                    row.call
                );
                match cell.verdict {
                    Verdict::Allow => assert!(action.permits(), "{}", row.call),
                    Verdict::Errno | Verdict::Kill => assert!(!action.permits(), "{}", row.call),
                    Verdict::Conditional => assert!(cell.cases.len() > 1, "{}", row.call),
                }
            }
        }
    }
}

#[test]
fn rows_are_grouped_by_agreement_and_the_text_holds_reasons_and_cves() {
    let matrix = matrix(&shipped()).unwrap();
    assert!(matrix.rows.is_sorted_by_key(|row| row.agreement));
    let kind = |call: &str| {
        matrix
            .rows
            .iter()
            .find(|row| row.call == call)
            .unwrap()
            .agreement
    };
    assert_eq!(kind("execve"), Agreement::Differ);
    assert_eq!(kind("read"), Agreement::Allowed);
    assert_eq!(kind("keyctl"), Agreement::Refused);
    let text = matrix.to_string();
    let line = |call: &str| {
        text.lines()
            .find(|line| line.starts_with(&format!("{call} ")))
            .unwrap()
    };
    assert!(
        line("splice").contains("CVE-2022-0847"),
        "{}",
        line("splice")
    );
    assert!(line("socket").contains("if (allow/"), "{}", line("socket"));
    assert!(line("read").contains("allow"), "{}", line("read"));
}

/// Checks that tags are closed in order, and returns all texts outside of script and style.
fn parsed(page: &str) -> String {
    let mut open: Vec<&str> = Vec::new();
    let mut texts = String::new();
    let mut rest = page;
    while let Some((text, after)) = rest.split_once('<') {
        texts.push_str(text);
        let (tag, after) = after
            .split_once('>')
            .unwrap_or_else(|| panic!("an open tag: {after}"));
        rest = after;
        let name = tag.split([' ', '\n']).next().unwrap();
        if let Some(closing) = name.strip_prefix('/') {
            assert_eq!(open.pop(), Some(closing), "{tag}");
        } else if matches!(name, "script" | "style") {
            let (_, after) = rest.split_once(&format!("</{name}>")).unwrap();
            rest = after;
        } else if !matches!(name, "!DOCTYPE" | "meta" | "input") {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
    texts
}

#[test]
fn the_page_is_sound_html_that_asks_for_nothing_and_works_without_script() {
    let profiles = shipped();
    let page = matrix(&profiles).unwrap().page().to_string();
    let texts = parsed(&page);
    for row in Arch::ALL.into_iter().flat_map(syscalls::calls) {
        assert!(
            page.contains(&format!("<code>{}</code>", row.1)),
            "{}",
            row.1
        );
    }
    assert!(texts.contains("Move page-cache pages into pipes"));
    for resource in [
        "http:", "https:", "src=", "href=", "url(", "@import", "onclick",
    ] {
        assert!(!page.contains(resource), "{resource}");
    }
    for needed in [
        "<html lang=\"en\">",
        "<caption>",
        "scope=\"col\"",
        "scope=\"row\"",
        "<label for=\"filter\">",
        "prefers-color-scheme: dark",
        "position: sticky",
    ] {
        assert!(page.contains(needed), "{needed}");
    }
}

#[test]
fn texts_of_a_profile_can_not_become_markup() {
    let hostile = "<script>alert(1)</script><img src=x onerror=alert(2)> & \\\" ' </table></style>";
    let text = format!(
        "version = 1\nname = \"made\"\ndescription = \"{hostile}\"\n[[allow]]\nwhy = \"{hostile}\"\ncalls = [\"read\"]\n\
         [[deny]]\nwhy = \"{hostile} too\"\ncalls = [\"bpf\"]\nerrno = \"EPERM\"\n\
         cves = [{{ id = \"CVE-2026-12345\", published = \"2026-01\", what = \"{hostile}\" }}]\n"
    );
    let profile = Profile::parse("<b>made</b>.toml", &text).unwrap();
    let page = matrix(&[profile]).unwrap().page().to_string();
    let texts = parsed(&page);
    assert_eq!(page.matches("<script").count(), 1);
    assert!(!page.contains("<img") && !page.contains("<b>made"));
    let escaped = "&lt;script&gt;alert(1)&lt;/script&gt;&lt;img src=x onerror=alert(2)&gt; &amp; &quot; &#39; &lt;/table&gt;&lt;/style&gt;";
    assert_eq!(texts.matches(escaped).count(), 4, "{texts}");
}

/// A hash as the page's policy writes it.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let word = three
            .iter()
            .fold(0_u32, |word, byte| word << 8 | u32::from(*byte))
            << (8 * (3 - three.len()));
        for at in 0..4 {
            let digit = usize::try_from(word >> (18 - 6 * at) & 63).unwrap();
            text.push(if at > three.len() {
                '='
            } else {
                char::from(DIGITS[digit])
            });
        }
    }
    text
}

#[test]
fn the_policy_of_the_page_lets_its_own_style_and_script_run_and_no_other() {
    let page = matrix(&shipped()).unwrap().page().to_string();
    for tag in ["style", "script"] {
        let (_, rest) = page.split_once(&format!("<{tag}>")).unwrap();
        let (content, _) = rest.split_once(&format!("</{tag}>")).unwrap();
        let hash = base64(&Sha256::digest(content.as_bytes()));
        assert!(
            page.contains(&format!("{tag}-src 'sha256-{hash}'")),
            "{tag}: sha256-{hash}"
        );
    }
    assert!(!page.contains("unsafe-inline"));
}

#[test]
fn the_matrix_travels_as_json() {
    let json = serde_json::to_value(matrix(&shipped()).unwrap()).unwrap();
    assert_eq!(json["rows"].as_array().unwrap().len(), 385);
    assert_eq!(json["rows"][0]["agreement"], "differ");
}

#[test]
fn refusals_that_nobody_hears_of_are_marked() {
    let matrix = matrix(&shipped()).unwrap();
    let agent = |call: &str| {
        let row = matrix.rows.iter().find(|row| row.call == call).unwrap();
        let names = matrix.profiles.iter().map(|column| column.name.as_str());
        let mut cells = names.zip(&row.cells);
        let (_, cell) = cells.find(|(name, _)| *name == "agent").unwrap();
        cell.to_string()
    };
    assert_eq!(agent("clone3"), "ENOSYS (quiet)");
    assert_eq!(agent("bpf"), "EPERM");
    assert_eq!(agent("read"), "allow");
}
