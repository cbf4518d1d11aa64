//! Paths that a filter and a server could read in two ways, beside the ones that have one reading.

use super::*;

fn canonical(text: &str) -> Result<String, PathError> {
    CanonicalPath::parse(text.as_bytes()).map(|path| path.to_string())
}

#[test]
fn gives_each_path_one_spelling() {
    for (text, expected) in [
        ("/", "/"),
        ("/a/b", "/a/b"),
        ("/%61%2Db%7e", "/a-b~"),
        ("/caf%c3%a9", "/caf%C3%A9"),
        ("/a%20b", "/a%20b"),
        ("/a|b[1]", "/a%7Cb%5B1%5D"),
        ("/a%7cb", "/a%7Cb"),
        ("/v1/x:batch@2,3=4", "/v1/x:batch@2,3=4"),
        ("/ok/../admin", "/admin"),
        ("/ok/%2e%2e/admin", "/admin"),
        ("/ok/.%2E/admin", "/admin"),
        ("/a/./b/.", "/a/b/"),
        ("/a/b/..", "/a/"),
        ("/a/..", "/"),
        ("/...", "/..."),
        ("/x?a=%2f..;//\\", "/x?a=%2f..;//\\"),
        ("/x??", "/x??"),
    ] {
        assert_eq!(canonical(text).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn refuses_what_servers_read_in_several_ways() {
    for (text, code) in [
        ("", "path_not_absolute"),
        ("*", "path_not_absolute"),
        ("a/b", "path_not_absolute"),
        ("//a", "path_empty_segment"),
        ("/a//b", "path_empty_segment"),
        ("/a/..;/b", "path_parameter"),
        ("/a%3bb", "path_parameter"),
        ("/a%2fb", "path_encoded_slash"),
        ("/a%2Fb", "path_encoded_slash"),
        ("/a\\b", "path_backslash"),
        ("/a%5cb", "path_backslash"),
        ("/%252e%252e/admin", "path_double_encoding"),
        ("/a%00", "path_encoded_control"),
        ("/a%0d%0aX", "path_encoded_control"),
        ("/a%7f", "path_encoded_control"),
        ("/a%c2%85", "path_encoded_control"),
        ("/%c0%ae%c0%ae/", "path_not_utf8"),
        ("/%ff", "path_not_utf8"),
        ("/a%", "path_bad_escape"),
        ("/a%2", "path_bad_escape"),
        ("/a%zz", "path_bad_escape"),
        ("/a%+1", "path_bad_escape"),
        ("/..", "path_above_root"),
        ("/a/../../b", "path_above_root"),
        ("/a#b", "path_fragment"),
        ("/a?b#c", "path_fragment"),
        ("/a b", "path_bad_byte"),
        ("/a?b\r\nc", "path_bad_byte"),
        ("/é", "path_bad_byte"),
    ] {
        assert_eq!(canonical(text).map_err(|e| e.code()), Err(code), "{text}");
    }
}

#[test]
fn refuses_paths_and_queries_over_their_limits() {
    let longest = format!("/{}", "a".repeat(PATH_MAX - 1));
    assert!(canonical(&longest).is_ok());
    assert_eq!(canonical(&format!("{longest}a")), Err(PathError::TooLong));
    let query = format!("/?{}", "a".repeat(QUERY_MAX));
    assert!(canonical(&query).is_ok());
    assert_eq!(canonical(&format!("{query}a")), Err(PathError::TooLong));
    let grows = format!("/{}", "|".repeat(PATH_MAX / 2));
    assert_eq!(canonical(&grows), Err(PathError::TooLong));
}

#[test]
fn knows_its_own_form() {
    assert!(CanonicalPath::is_canonical("/a%20b"));
    for other in ["/a/../b", "/%61", "/a?b", "/a%7c", "a"] {
        assert!(!CanonicalPath::is_canonical(other), "{other}");
    }
}
