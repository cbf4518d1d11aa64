//! Whatever our parsers of authorities and paths accept, the parsers of others read as the same host, port, path
//! and query: a client, a proxy and a server must not each see another destination in one text.
//!
//! Not for: what we refuse; refusing is the answer to a text with two readings.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "what a helper of a test can't do is a failure of the test, and a skipped part must be said"
)]

mod odd;
mod readers;
mod reading;

use proptest::prelude::*;
use sheriff_policy::Target;

use readers::Reader;
use reading::{difference, whatwg};

/// Enough for every pair of parts; a parser takes a second for them.
const COUNT: usize = 10_000;
/// How many of them are accepted at least, and how many refused: else the parts are badly chosen.
const EACH: usize = 2_000;

/// Those that we accept, and how we read them.
fn accepted(uris: Vec<String>) -> (Vec<String>, Vec<Target>) {
    let read = |uri: String| {
        Target::from_absolute_uri(uri.as_bytes())
            .ok()
            .map(|target| (uri, target))
    };
    uris.into_iter().filter_map(read).unzip()
}

/// What we would send for it.
fn sent(target: &Target) -> String {
    let scheme = match target.scheme {
        sheriff_policy::Scheme::Http => "http",
        sheriff_policy::Scheme::Https => "https",
    };
    format!("{scheme}://{}{}", target.destination, target.path)
}

/// All that a parser reads otherwise than we do.
fn disagreements(reader: Reader, uris: &[String], targets: &[Target]) -> Vec<String> {
    let Some(readings) = reader.read(uris) else {
        assert!(
            !reader.is_required(),
            "{reader:?} is needed: install python3 and libcurl4"
        );
        eprintln!("{reader:?} is not on this machine: skipped");
        return Vec::new();
    };
    let all = uris.iter().zip(targets).zip(readings);
    let told = all.filter_map(|((uri, target), theirs)| {
        let what = difference(uri, target, theirs.as_ref())?;
        Some(format!(
            "{reader:?}, {what}: {uri:?} is {} here and {theirs:?} there",
            sent(target)
        ))
    });
    told.take(20).collect()
}

fn all_agree(uris: Vec<String>) {
    let (uris, targets) = accepted(uris);
    let canonical: Vec<String> = targets.iter().map(sent).collect();
    let mut found = Vec::new();
    for reader in Reader::ALL {
        found.extend(disagreements(reader, &uris, &targets));
        found.extend(disagreements(reader, &canonical, &targets));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_other_parser_reads_what_we_accept_of_odd_uris_as_we_do() {
    let uris = odd::odd(COUNT, 1);
    let refused = uris
        .iter()
        .filter(|uri| Target::from_absolute_uri(uri.as_bytes()).is_err())
        .count();
    assert!(
        refused > EACH && uris.len() - refused > EACH,
        "{refused} refused"
    );
    all_agree(uris);
}

#[test]
fn every_other_parser_reads_what_we_accept_of_known_tricks_as_we_do() {
    let uris: Vec<String> = odd::KEPT.iter().map(|uri| (*uri).to_owned()).collect();
    let (taken, _) = accepted(uris.clone());
    assert_eq!(
        taken,
        [
            "http://evil.com./",
            "http://Evil.COM/",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[::127.0.0.1]:80/",
            "http://[0:0:0:0:0:0:0:1]/",
            "http://good.com?@evil.com/",
            "http://good.com/@evil.com/",
            "http://xn--bcher-kva.example/",
            "http://a.com/ok/../admin/%2e%2e/x",
        ]
    );
    all_agree(uris);
}

#[test]
fn the_other_parsers_do_differ_on_what_we_refuse() {
    let uri = "http://good.com\\@evil.com/".to_owned();
    let hosts: Vec<Option<String>> = [Reader::Whatwg, Reader::Python]
        .map(|reader| {
            reader
                .read(std::slice::from_ref(&uri))
                .expect("it is needed")[0]
                .clone()
        })
        .map(|reading| reading.map(|reading| reading.host))
        .to_vec();
    assert_eq!(
        hosts,
        [Some("good.com".to_owned()), Some("evil.com".to_owned())]
    );
    assert!(Target::from_absolute_uri(uri.as_bytes()).is_err());
    // And a difference is seen where there is one.
    let plain = "http://evil.com/";
    let ours = Target::from_absolute_uri(plain.as_bytes()).expect("a target");
    let against = |other: &str| difference(plain, &ours, whatwg(other).as_ref());
    assert_eq!(against(&uri), Some("host"));
    assert_eq!(against("nothing"), Some("refused"));
    assert_eq!(against("http://evil.com:81/"), Some("port"));
    assert_eq!(against("http://evil.com/x"), Some("path"));
    assert_eq!(against("http://evil.com/?x"), Some("query"));
    assert_eq!(against("http://EVIL.com.:80/%2e"), None);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_url_crate_reads_any_authority_that_we_accept_as_we_do(
        authority in "([a-zA-Z0-9_.-]{0,12}\\.)?[a-zA-Z0-9:.%@\\\\\\[\\]-]{1,12}|\\[[0-9a-fA-F:.%]{2,20}\\](:[0-9]{1,5})?",
        path in "(/[a-zA-Z0-9.%;~|'-]{0,6}){0,4}",
    ) {
        let uri = format!("http://{authority}{path}");
        if let Ok(target) = Target::from_absolute_uri(uri.as_bytes()) {
            prop_assert_eq!(difference(&uri, &target, whatwg(&uri).as_ref()), None, "{}", uri);
        }
    }
}
