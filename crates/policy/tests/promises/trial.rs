//! What must hold for whatever a jail asks for or an operator writes. Tests and the fuzz targets (`fuzz/`) run
//! the same functions.
//!
//! Not for: making inputs, nor for other parsers than the `url` crate (`differential`).

#[path = "../differential/reading.rs"]
mod reading;

use sheriff_policy::profile::{LookupError, ProfileError, ProfileKind, ResolvedProfile, Source};
use sheriff_policy::{
    CanonicalPath, Decision, Destination, EgressCeiling, EgressPolicy, Handling, Host, Request,
    RequestKind, Target, shipped,
};

/// An authority, and a URI. True when one of them is accepted.
pub(crate) fn destination(input: &[u8]) -> bool {
    let plain = Destination::from_authority(input, Some(80));
    if let Ok(destination) = &plain {
        let shown = destination.to_string();
        assert_eq!(
            Destination::from_authority(shown.as_bytes(), None).as_ref(),
            Ok(destination)
        );
        assert_eq!(
            Host::parse(&destination.host.to_string()).as_ref(),
            Ok(&destination.host)
        );
        let uri = [b"http://", input, b"/x"].concat();
        let target = Target::from_absolute_uri(&uri);
        assert_eq!(
            target.map(|target| target.destination),
            Ok(destination.clone())
        );
    }
    if let Ok(with_port) = Destination::from_authority(input, None) {
        assert_eq!(
            plain.as_ref(),
            Ok(&with_port),
            "a default changed a port that was written"
        );
    }
    let mut taken = plain.is_ok();
    for uri in [
        input.to_vec(),
        [b"http://", input].concat(),
        [b"https://", input].concat(),
    ] {
        if let Ok(target) = Target::from_absolute_uri(&uri) {
            let uri = std::str::from_utf8(&uri).expect("an accepted URI is ASCII");
            let theirs = reading::whatwg(uri);
            assert_eq!(
                reading::difference(uri, &target, theirs.as_ref()),
                None,
                "{uri}: {theirs:?}"
            );
            taken = true;
        }
    }
    taken
}

/// A path with its query. True when it is accepted.
pub(crate) fn path(input: &[u8]) -> bool {
    let Ok(path) = CanonicalPath::parse(input) else {
        return false;
    };
    assert!(CanonicalPath::is_canonical(path.as_str()));
    assert_eq!(
        CanonicalPath::parse(path.to_string().as_bytes()).as_ref(),
        Ok(&path)
    );
    let read = reading::resolved(path.as_str()).expect("escapes that can be undone");
    assert_eq!(reading::decoded(path.as_str()), read, "dots are left");
    // A server that undoes escapes twice reads the same.
    let twice = std::str::from_utf8(&read).ok().and_then(reading::resolved);
    assert!(read.contains(&b'%') || twice.is_none_or(|twice| twice == read));
    assert!(!read.windows(2).any(|pair| pair == b"//") && !read.contains(&b'\\'));
    assert!(!read.iter().any(u8::is_ascii_control));
    true
}

/// Texts of a list of rules and of a ceiling, with a line `---` between them. True when both are sound.
pub(crate) fn egress_profile(input: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(input) else {
        return false;
    };
    let (list, ceiling) = text.split_once("\n---\n").unwrap_or((text, text));
    let ceiling_source = source("ceiling.toml", ceiling);
    let ceiling = EgressCeiling::read(&ceiling_source).map_err(|error| placed(&error, ceiling));
    let profile =
        ResolvedProfile::resolve(&"p".parse().expect("a name"), &mut |kind, _| match kind {
            ProfileKind::Egress => Ok(source("list.toml", list)),
            ProfileKind::Jail => jail(),
        });
    let profile = profile.map_err(|error| placed(&error, list));
    let (Ok(ceiling), Ok(profile)) = (ceiling, profile) else {
        return false;
    };
    let Ok(own) = profile.policy(1) else {
        return false;
    };
    let Ok(under) = ceiling.over(own.clone()) else {
        return false;
    };
    narrows(&own, &under);
    true
}

/// The shipped base with the list that is tried.
fn jail() -> Result<Source, LookupError> {
    let base = shipped(ProfileKind::Jail, "base").ok_or(LookupError::NotFound)?;
    let text = base.replacen("name = \"base\"", "name = \"p\"", 1);
    Ok(source(
        "p.toml",
        &format!("{text}\n[egress]\nextends = [\"p\"]\n"),
    ))
}

fn source(file: &str, text: &str) -> Source {
    Source {
        file: file.to_owned(),
        text: text.to_owned(),
    }
}

/// A fault is told with a place that exists, in words without control characters of the file.
fn placed(error: &ProfileError, text: &str) {
    let lines = text.lines().count() + 1;
    assert!(
        error
            .line
            .is_none_or(|line| line >= 1 && line <= lines.max(120))
    );
    assert!(!error.to_string().is_empty());
}

/// What is allowed under a ceiling is allowed without it, under no looser terms.
fn narrows(own: &EgressPolicy, under: &EgressPolicy) {
    let hosts = own.allow().iter().chain(own.deny()).take(8);
    let hosts = hosts.map(|rule| {
        rule.host()
            .to_string()
            .trim_start_matches("*.")
            .trim_start_matches("**.")
            .to_owned()
    });
    for host in hosts.chain(["x.a.com".to_owned(), "8.8.8.8".to_owned()]) {
        for port in ["80", "443"] {
            let Ok(destination) =
                Destination::from_authority(format!("{host}:{port}").as_bytes(), None)
            else {
                continue;
            };
            for kind in [RequestKind::Tunnel, RequestKind::Http, RequestKind::Name] {
                compare(own, under, &destination, kind);
            }
        }
    }
}

fn compare(own: &EgressPolicy, under: &EgressPolicy, destination: &Destination, kind: RequestKind) {
    for (method, path) in [("GET", "/"), ("POST", "/v1/x"), ("PUT", "/admin")] {
        let request = Request {
            destination,
            kind,
            method: Some(method),
            path: Some(path),
            tls: destination.port == 443,
        };
        let (own, under) = (own.judge(&request), under.judge(&request));
        assert!(
            own.is_allowed() || !under.is_allowed(),
            "a ceiling widens: {request:?}"
        );
        assert!(
            !under.is_allowed() || is_as_strict(&under, &own),
            "a ceiling loosens: {request:?}"
        );
    }
}

fn is_as_strict(strict: &Decision, loose: &Decision) -> bool {
    let most = |limit: Option<u64>| limit.unwrap_or(u64::MAX);
    strict.handling == Handling::Intercept
        || loose.handling == Handling::Tunnel
            && most(strict.terms.max_body) <= most(loose.terms.max_body)
}
