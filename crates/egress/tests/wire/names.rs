//! Names that a wildcard leaves to the jail: what labels can carry out is bounded and metered.

use std::io::Write;

use model::Verdict;
use serde_json::json;
use sheriff_egress::limits::NEW_NAMES;

use crate::origin::{Origin, ok};
use crate::stand::{Stand, budget, denial, read_answer};

fn get(host: &str) -> String {
    format!("GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\n\r\n")
}

#[test]
fn labels_that_look_like_data_are_refused_and_names_of_content_networks_pass() {
    let origin = Origin::http(ok("hi"));
    let wide = origin.rule("*.cdn.test", 80);
    let data = "mfrggzdfmztwq2lknnwg23tpobyxe43uov3ho6dzpiydc";
    let exact = origin.rule(&format!("{data}.cdn.test"), 80);
    let stand = Stand::new(std::slice::from_ref(&wide));
    let mut stream = stand.dial();
    let mut ask = |host: &str| {
        stream.write_all(get(host).as_bytes()).unwrap();
        denial(&read_answer(&mut stream).0)
    };
    let opaque = (403, "opaque_name".to_owned());
    let chunk = "a1b2c3d4";
    for host in [
        format!("{data}.cdn.test"),
        format!("x.{}.y.cdn.test", data.to_uppercase()),
        format!("{}cdn.test", format!("{chunk}.").repeat(13)),
        format!("{0}.{0}.{0}.cdn.test", "0123456789abcdef".repeat(3)),
    ] {
        assert_eq!(ask(&host), opaque, "{host}");
    }
    for host in [
        "d111111abcdef8",
        "r3---sn-4g5ednsl",
        "e1234.dscb",
        "img-4.eu-west-1",
    ] {
        assert_eq!(
            ask(&format!("{host}.cdn.test")),
            (200, String::new()),
            "{host}"
        );
    }
    assert_eq!(origin.connections(), 4);
    let denied = stand.session.denials().remove(0);
    assert_eq!((denied.verdict, denied.bytes_up), (Verdict::Deny, 0));
    assert_eq!(denied.rule.as_deref(), Some("cli:0"));
    // A name that the operator spelled out says nothing new, whatever it looks like.
    let stand = Stand::new(&[wide, exact]);
    let mut stream = stand.dial();
    stream
        .write_all(get(&format!("{data}.cdn.test")).as_bytes())
        .unwrap();
    assert!(read_answer(&mut stream).0.starts_with("HTTP/1.1 200 "));
}

#[test]
fn only_so_many_new_names_a_minute_get_through_and_known_ones_always() {
    let origin = Origin::http(ok("hi"));
    let stand = Stand::new(&[origin.rule("*.cdn.test", 80), origin.rule("fixed.test", 80)]);
    let mut stream = stand.dial();
    let mut ask = |host: &str| {
        stream.write_all(get(host).as_bytes()).unwrap();
        denial(&read_answer(&mut stream).0)
    };
    let most = usize::try_from(NEW_NAMES).unwrap();
    for number in 0..most {
        assert_eq!(ask(&format!("n{number}.cdn.test")).0, 200, "{number}");
    }
    for number in most..most + 20 {
        assert_eq!(
            ask(&format!("n{number}.cdn.test")),
            (429, "too_many_names".to_owned())
        );
    }
    assert_eq!(ask("N1.cdn.test.").0, 200);
    assert_eq!(ask("fixed.test").0, 200);
    assert!(!origin.seen().contains(&format!("n{most}.cdn.test")));
}

#[test]
fn a_name_that_is_looked_up_below_a_wildcard_counts_as_bytes_that_leave() {
    // Nothing of this name exists, so the look-up is all there is.
    let allow = [json!({ "host": "*.example.invalid", "ports": [80] })];
    let stand = Stand::new(&allow);
    let host = "secret-in-a-label.example.invalid";
    assert_eq!(
        denial(&stand.ask(get(host))),
        (502, "resolve_failed".into())
    );
    assert_eq!(stand.session.usage().bytes_up, host.len() as u64);
    let close = stand.close_event();
    assert_eq!(close.bytes_up, host.len() as u64);
    let poor = budget(Some(40), None);
    let stand = Stand::with(&allow, poor, rustls::RootCertStore::empty());
    assert_eq!(denial(&stand.ask(get(host))).0, 502);
    assert_eq!(
        denial(&stand.ask(get(host))),
        (429, "budget_exceeded".into())
    );
    assert_eq!(stand.session.usage().bytes_up, 40);
    // The control: a name that the rule spells out tells nothing, and counts nothing.
    let stand = Stand::new(&[json!({ "host": host, "ports": [80] })]);
    assert_eq!(denial(&stand.ask(get(host))).0, 502);
    assert_eq!(stand.session.usage().bytes_up, 0);
}
