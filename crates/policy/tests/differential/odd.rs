//! URIs that parsers are known to read in different ways, and others made of the same parts.
//!
//! Not for: reading them.

use testkit::kept::Dice;

/// The rows of section 3a of the attack catalogue that are about spelling a destination or a path, and the
/// inputs of published disagreements between parsers.
pub(crate) const KEPT: [&str; 62] = [
    // A1: one name, other spellings.
    "http://evil.com./",
    "http://Evil.COM/",
    "http://evil.com../",
    "http://.evil.com/",
    // A2: brackets are for IPv6 only.
    "http://[evil.com]/",
    "http://[::1]/",
    "http://[::1%25eth0]/",
    "http://[::1%eth0]/",
    "http://[v1.x]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::127.0.0.1]:80/",
    "http://[0:0:0:0:0:0:0:1]/",
    "http://[1::2::3]/",
    "http://[::1]evil.com/",
    "http://[::1].evil.com/",
    "http://[::1]80/",
    "http://::1/",
    // A3: what ends a name for some.
    "http://evil\0.google.com/",
    "http://evil%00.google.com/",
    "http://evil.com%2f.google.com/",
    "http://evil.com%23.google.com/",
    // Who is the user, who is the host.
    "http://good.com@evil.com/",
    "http://good.com:80@evil.com/",
    "http://good.com\\@evil.com/",
    "http://good.com#@evil.com/",
    "http://good.com?@evil.com/",
    "http://good.com/@evil.com/",
    "http://good.com;evil.com/",
    "http://good.com\\evil.com/",
    "http://good.com&@evil.com# @bad.com/",
    "http:///good.com/",
    "http:good.com/",
    "http:\\\\good.com\\x",
    "http://good.com\t.evil.com/",
    "http://good.com\n.evil.com/",
    "http://good.com evil.com/",
    // A42: addresses in other clothes.
    "http://127.1/",
    "http://2130706433/",
    "http://0x7f.1/",
    "http://0x7f000001/",
    "http://017700000001/",
    "http://0177.0.0.1/",
    "http://127.0.0.1./",
    "http://127.0.0.01/",
    "http://1.2.3.4.5/",
    "http://256.0.0.1/",
    "http://\u{ff11}27.0.0.1/",
    "http://evil.0x/",
    // Ports.
    "http://a.com:/",
    "http://a.com:0/",
    "http://a.com:080/",
    "http://a.com:65536/",
    "http://a.com:+80/",
    "http://a.com:80:81/",
    // IDNA, and what only looks like it.
    "http://xn--bcher-kva.example/",
    "http://xn--example-.com/",
    "http://b\u{fc}cher.example/",
    "http://a\u{3002}com/",
    // A31: one path.
    "http://a.com/ok/../admin/%2e%2e/x",
    "http://a.com/a//b/;x/%2f%5c%252e",
    "http://a.com/.%2e/%2E./y/.",
    "http://a.com/%61%7E?q=/../%2f#f",
];

/// Of each kind the tame ones come first.
const SCHEMES: [&str; 7] = [
    "http://",
    "https://",
    "HTTP://",
    "http:/",
    "http:///",
    "http:\\\\",
    "https:",
];
const USERS: [&str; 7] = ["", "u@", "u:p@", "@", "u%40@", "good.com:80@", "a.com\\@"];
const HOSTS: [&str; 34] = [
    "a.com",
    "A.cOm",
    "a.com.",
    "a_b.com",
    "1.2.3.4",
    "[::1]",
    "[1:2::3]",
    "[::1.2.3.4]",
    "xn--nxasmq6b.test",
    "XN--BCHER-KVA.de",
    "localhost",
    "1a.9b",
    "[::FFFF:1.2.3.4]",
    "[1:2:3:4:5:6:7:8]",
    "xn--a.test",
    "_",
    "a",
    "a..com",
    "-a.com",
    "a-.com",
    "1.2.3",
    "01.2.3.4",
    "0x1.com",
    "x.0x1",
    "1.2.3.4.",
    "[::1%25lo]",
    "[fe80::1%lo]",
    "[a.com]",
    "xn--.com",
    "b\u{fc}.de",
    "a\u{ad}b.com",
    "a.com%2e",
    "[::1",
    "",
];
const PORTS: [&str; 16] = [
    "", "", "", ":80", ":443", ":8080", ":65535", ":1", ":", ":0", ":00080", ":65536", ":8o",
    ":+1", ": 80", ":80:80",
];
const PIECES: [&str; 44] = [
    "/",
    "a",
    "b",
    "/..",
    "/.",
    "/%2e",
    "/%2E%2e/",
    "/%2e./",
    "%c3%bc",
    "~",
    "%7e",
    "%41",
    "'",
    "|",
    "@",
    "?x=1/../&y",
    ".",
    "..",
    "/",
    "/",
    "%2f",
    "%2F",
    "%5c",
    "\\",
    ";",
    ";x=1",
    "%3b",
    "//",
    "%25",
    "%252e",
    "%00",
    "%0a",
    "%7f",
    "%ff",
    "%c0%ae",
    "\u{fc}",
    "^",
    "{}",
    "\"",
    "<>",
    "?",
    "#",
    "#f",
    " ",
];
/// Characters that end or begin something for some parser.
const BREAKS: [&str; 26] = [
    "@", ":", "/", "?", "#", "\\", "%", "[", "]", ";", "&", " ", "\t", "\r", "\n", "\0", "\u{7f}",
    "\u{85}", "\u{a0}", "\u{200b}", "\u{3002}", "\u{ff0f}", "\u{ff20}", "..", "%00", "%40",
];

/// So many, the same in every run. Some are made of tame parts but for one, so that many are accepted.
pub(crate) fn odd(count: usize, seed: u64) -> Vec<String> {
    let mut dice = Dice::new(seed);
    (0..count).map(|_| one(&mut dice)).collect()
}

fn one(dice: &mut Dice) -> String {
    // Which part, if any, is odd.
    let odd = dice.below(8);
    let mut part = |number, all: &[&'static str], tame: usize| {
        let among = if odd == number { all } else { &all[..tame] };
        dice.pick(among)
    };
    let scheme = part(0, &SCHEMES, 3);
    let user = part(1, &USERS, 1);
    let host = part(2, &HOSTS, 12);
    let port = part(3, &PORTS, 6);
    let mut uri = format!("{scheme}{user}{host}{port}");
    let segments = dice.below(8);
    if segments > 0 {
        uri.push('/');
    }
    for _ in 1..segments {
        let among = if odd == 4 { &PIECES[..] } else { &PIECES[..16] };
        uri.push_str(dice.pick(among));
    }
    if odd == 5 {
        let places: Vec<usize> = uri.char_indices().map(|(at, _)| at).collect();
        uri.insert_str(dice.pick(&places), dice.pick(&BREAKS));
    }
    uri
}
