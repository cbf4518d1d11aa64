//! `sheriff doctor` on the host at hand.

use std::path::Path;

use serde_json::Value;

use crate::office::{command, stdout};

#[test]
fn the_exit_code_follows_the_findings_and_each_missing_one_has_a_remedy() {
    let output = command(Path::new("/nonexistent"), &["doctor", "--json"])
        .output()
        .unwrap();
    let findings: Vec<Value> = serde_json::from_str(&stdout(&output)).unwrap();
    assert!(findings.iter().any(|finding| finding["name"] == "landlock"));
    let missing: Vec<&Value> = findings
        .iter()
        .filter(|finding| finding["ok"] == false)
        .collect();
    let lacks = missing.iter().any(|finding| finding["mandatory"] == true);
    assert_eq!(output.status.code(), Some(i32::from(lacks)));
    for finding in &missing {
        assert_ne!(finding["remedy"], "", "{finding}");
    }
    let output = command(Path::new("/nonexistent"), &["doctor"])
        .output()
        .unwrap();
    let text = stdout(&output);
    assert_eq!(text.matches("remedy: ").count(), missing.len(), "{text}");
}
