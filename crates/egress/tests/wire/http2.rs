//! HTTP/2 on either side: the same verdicts, records, meters and limits as for HTTP/1.1.

use bytes::Bytes;
use http::Response as Answer;
use model::{Phase, TlsMode, Verdict};
use serde_json::json;
use testkit::http2::{Answering, Call, Http2};
use testkit::{Authority, Body, Http, Response, Traffic};

use crate::bench::{VALUE, bench};
use crate::secure::{self, ask, open, roots};
use crate::stand::{Means, Stand, budget, denial, eventually};
use crate::streams::{connect, connect_with, get, head, next, read, request, rule, soon};

/// A server that says what was asked for; some paths do other things.
fn server(authority: &Authority) -> Http2 {
    Http2::start(&authority.identity(&["a.test"]), |call| {
        Box::pin(answer(call)) as Answering
    })
}

async fn answer(mut call: Call) -> Result<(), h2::Error> {
    let path = call.path().to_owned();
    if let Some(size) = path.strip_prefix("/big/") {
        let mut reply = call.begin(Answer::new(()))?;
        reply.send(vec![b'x'; size.parse().unwrap()].into()).await?;
        return reply.end(http::HeaderMap::new());
    }
    if path == "/silent" {
        return call.reset().await;
    }
    let content = call.read().await?;
    let size = content.len();
    let line = format!(
        "{} {}",
        call.head.method,
        call.head.uri.path_and_query().unwrap()
    );
    let host = call.head.uri.authority().unwrap().to_string();
    let small = if size > 100 {
        size.to_string().into_bytes()
    } else {
        content
    };
    let text = format!("{line} {host} {}", String::from_utf8_lossy(&small));
    call.ok(text).await
}

fn plain_server(authority: &Authority) -> Http {
    Http::tls(&authority.identity(&["a.test"]), |request| {
        let te = request.header("te").unwrap_or("-").to_owned();
        let body = String::from_utf8_lossy(&request.body).into_owned();
        Response::ok(format!("{} {} {te} {body}", request.method, request.target))
    })
}

fn stand(authority: &Authority, server: &Http2) -> Stand {
    secure::stand(authority, &[rule(server, "a.test", &["/**"])])
}

/// Insists that so much reached a server, which may not have read the farewell: a frame and an alert.
fn reached(traffic: &Traffic, up: u64) {
    eventually(|| (traffic.received() + 64 > up).then_some(()));
    assert!(traffic.received() <= up);
}

#[test]
fn judges_records_and_meters_each_stream_over_one_shared_connection() {
    let authority = Authority::new();
    let server = server(&authority);
    let stand = secure::stand(&authority, &[rule(&server, "a.test", &["/v1/**"])]);
    let peer = connect(&stand, "a.test");
    stand.runtime.block_on(async {
        let got = peer.ask(get("/v1/x/../y?q=1"), b"").await;
        assert_eq!(
            (got.status, got.text().as_str()),
            (200, "GET /v1/y?q=1 a.test ")
        );
        let post = request("POST", "/v1/p", &[("content-length", "5")]);
        assert_eq!(
            peer.ask(post, b"hello").await.text(),
            "POST /v1/p a.test hello"
        );
        let put = request("PUT", "/v1/c", &[]);
        assert_eq!(peer.ask(put, b"abc").await.text(), "PUT /v1/c a.test abc");
        let denied = peer.ask(get("/v2"), b"").await;
        assert_eq!(denied.denial(), (403, "path_not_allowed".to_owned()));
        assert_eq!(peer.ask(get("/v1/z"), b"").await.status, 200);
    });
    drop(peer);
    assert_eq!(server.traffic().connections(), 1, "shared");
    assert_eq!(server.requests().len(), 4, "what was denied never left");
    let events = stand.finish();
    let usage = stand.session.usage();
    let up = usage.bytes_up;
    reached(server.traffic(), up);
    let down =
        eventually(|| Some(server.traffic().sent()).filter(|sent| *sent >= usage.bytes_down));
    assert!(
        usage.bytes_down <= down && usage.bytes_down + 64 > down,
        "but for the end"
    );
    assert_eq!((usage.requests, usage.allowed), (5, 4));
    let closes: Vec<_> = events
        .iter()
        .filter(|event| event.phase == Phase::Close)
        .collect();
    assert_eq!(closes.len(), 4);
    assert!(
        closes
            .iter()
            .all(|event| event.tls == TlsMode::Intercept && event.bytes_up > 0)
    );
    let post = closes.iter().find(|event| event.method == "POST").unwrap();
    // Method, path, host, the length field, and the content.
    assert_eq!(post.bytes_up, 4 + 5 + 6 + 14 + 1 + 5);
    // A status, no fields, the text.
    assert_eq!(post.bytes_down, 3 + "POST /v1/p a.test hello".len() as u64);
    assert!(closes.iter().map(|event| event.bytes_up).sum::<u64>() < up);
    assert_eq!(stand.session.kernel().unexplained_bytes, 0);
}

#[test]
fn a_client_of_http_2_reaches_a_server_of_http_1() {
    let authority = Authority::new();
    let server = plain_server(&authority);
    let stand = secure::stand(&authority, &[secure::rule(&server, "a.test", &["/**"])]);
    let peer = connect(&stand, "a.test");
    stand.runtime.block_on(async {
        assert_eq!(peer.ask(get("/x"), b"").await.text(), "GET /x - ");
        let post = request("POST", "/p", &[("te", "trailers")]);
        assert_eq!(
            peer.ask(post, b"hello").await.text(),
            "POST /p trailers hello"
        );
        let bare = peer.ask(request("HEAD", "/x", &[]), b"").await;
        assert_eq!(
            (bare.headers["content-length"].to_str().unwrap(), bare.bare),
            ("10", true)
        );
        let all = (0..20).map(|_| peer.ask(get("/many"), b""));
        let all: Vec<_> = all.collect();
        for got in futures(all).await {
            assert_eq!(got.text(), "GET /many - ");
        }
    });
    let seen = server.requests().remove(1);
    assert_eq!(seen.header("transfer-encoding"), Some("chunked"));
    drop(peer);
    stand.finish();
    reached(server.traffic(), stand.session.usage().bytes_up);
}

/// Waits for all of them at once.
async fn futures<T>(all: Vec<impl Future<Output = T>>) -> Vec<T> {
    let mut all: Vec<_> = all.into_iter().map(|one| (Box::pin(one), None)).collect();
    std::future::poll_fn(|cx| {
        let mut waiting = false;
        for (one, done) in &mut all {
            if done.is_none() {
                match one.as_mut().poll(cx) {
                    std::task::Poll::Ready(value) => *done = Some(value),
                    std::task::Poll::Pending => waiting = true,
                }
            }
        }
        if waiting {
            std::task::Poll::Pending
        } else {
            std::task::Poll::Ready(())
        }
    })
    .await;
    all.into_iter().map(|(_, done)| done.unwrap()).collect()
}

#[test]
fn a_client_of_http_1_reaches_a_server_of_http_2() {
    let authority = Authority::new();
    let server = server(&authority);
    let stand = stand(&authority, &server);
    let mut inside = open(&stand, "a.test");
    for _ in 0..2 {
        use std::io::Write;
        inside
            .write_all(secure::get("a.test", "/x").as_bytes())
            .unwrap();
        let text = String::from_utf8(secure::until(&mut inside, b"0\r\n\r\n")).unwrap();
        assert!(text.contains("transfer-encoding: chunked"), "{text}");
        assert!(text.contains("GET /x a.test "), "{text}");
        let chunked = "PUT /c HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n\
                       3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
        inside.write_all(chunked.as_bytes()).unwrap();
        let text = String::from_utf8(secure::until(&mut inside, b"0\r\n\r\n")).unwrap();
        assert!(text.contains("PUT /c a.test abcde"), "{text}");
    }
    drop(inside);
    assert_eq!(server.traffic().connections(), 1, "kept");
    stand.finish();
    reached(server.traffic(), stand.session.usage().bytes_up);
}

#[test]
fn an_authority_that_the_tunnel_is_not_for_is_misdirected_and_reaches_nobody() {
    let authority = Authority::new();
    let (server, other) = (server(&authority), server(&authority));
    let rules = [
        rule(&server, "a.test", &["/**"]),
        rule(&other, "b.test", &["/**"]),
    ];
    let stand = secure::stand(&authority, &rules);
    let peer = connect(&stand, "a.test");
    stand.runtime.block_on(async {
        for (uri, host) in [
            ("https://b.test/", None),
            ("https://a.test:444/", None),
            ("https://a.test/", Some("b.test")),
        ] {
            let mut request = http::Request::builder().uri(uri);
            if let Some(host) = host {
                request = request.header("host", host);
            }
            let got = peer.ask(request.body(()).unwrap(), b"").await;
            assert_eq!(
                got.denial(),
                (421, "host_mismatch".to_owned()),
                "{uri} {host:?}"
            );
        }
        let http = http::Request::builder()
            .uri("http://a.test/")
            .body(())
            .unwrap();
        assert_eq!(
            peer.ask(http, b"").await.denial(),
            (400, "scheme_malformed".to_owned())
        );
        let user = http::Request::builder()
            .uri("https://x@a.test/")
            .body(())
            .unwrap();
        assert_eq!(peer.ask(user, b"").await.status, 400);
        assert_eq!(
            server.traffic().connections() + other.traffic().connections(),
            0
        );
        assert_eq!(peer.ask(get("/"), b"").await.status, 200);
        let same = request("GET", "/", &[("host", "A.test:443")]);
        assert_eq!(peer.ask(same, b"").await.status, 200);
    });
    let denials = stand.session.denials();
    assert_eq!(denials.len(), 5);
    assert!(
        denials
            .iter()
            .all(|event| event.host == "a.test" && event.bytes_up == 0)
    );
}

#[test]
fn a_denied_stream_does_not_disturb_one_that_lives() {
    let authority = Authority::new();
    let server = server(&authority);
    let stand = secure::stand(&authority, &[rule(&server, "a.test", &["/ok"])]);
    let peer = connect(&stand, "a.test");
    stand.runtime.block_on(async {
        let (answered, mut living) = peer.begin(request("POST", "/ok", &[]), false).await;
        living.send_data(Bytes::from_static(b"one"), false).unwrap();
        let denied = peer.ask(request("POST", "/no", &[]), &[0; 300_000]).await;
        assert_eq!(denied.denial(), (403, "path_not_allowed".to_owned()));
        living.send_data(Bytes::from_static(b"two"), true).unwrap();
        assert_eq!(
            soon(read(answered)).await.unwrap().text(),
            "POST /ok a.test onetwo"
        );
    });
}

#[test]
fn large_contents_pass_both_ways_whatever_the_windows() {
    let authority = Authority::new();
    let server = server(&authority);
    let stand = stand(&authority, &server);
    let peer = connect(&stand, "a.test");
    stand.runtime.block_on(async {
        let post = request("POST", "/p", &[]);
        let got = peer.ask(post, &vec![7; 8_000_000]).await;
        assert_eq!(got.text(), "POST /p a.test 8000000");
        assert_eq!(
            peer.ask(get("/big/8000000"), b"").await.content.len(),
            8_000_000
        );
    });
    drop(peer);
    stand.finish();
    reached(server.traffic(), stand.session.usage().bytes_up);
}

#[test]
fn a_hundred_streams_at_once_share_one_connection() {
    let authority = Authority::new();
    let server = server(&authority);
    let stand = stand(&authority, &server);
    let peer = connect(&stand, "a.test");
    stand.runtime.block_on(async {
        let paths: Vec<_> = (0..100).map(|number| format!("/{number}")).collect();
        let all = paths.iter().map(|path| peer.ask(get(path), b"")).collect();
        for (got, path) in futures(all).await.into_iter().zip(&paths) {
            assert_eq!(got.text(), format!("GET {path} a.test "));
        }
    });
    assert_eq!(server.traffic().connections(), 1);
    drop(peer);
    assert_eq!(stand.finish().len(), 200);
}

#[test]
fn a_client_that_does_not_read_one_stream_gets_the_others() {
    let authority = Authority::new();
    let server = server(&authority);
    let stand = stand(&authority, &server);
    let mut settings = h2::client::Builder::new();
    settings.initial_connection_window_size(1 << 24);
    let peer = connect_with(&stand, "a.test", &settings);
    stand.runtime.block_on(async {
        let (answered, _stream) = peer.begin(get("/big/4000000"), true).await;
        let (_, mut content) = head(answered).await.into_parts();
        // Its window is full, and what comes behind stays where it is.
        assert!(soon(content.data()).await.is_some());
        for _ in 0..20 {
            assert_eq!(
                peer.ask(get("/big/300000"), b"").await.content.len(),
                300_000
            );
        }
        assert!(stand.session.usage().bytes_down < 8_000_000);
        let mut rest = 0;
        while let Some(data) = soon(next(&mut content)).await.unwrap() {
            rest += data.len();
        }
        assert!(rest > 3_900_000);
    });
}

#[test]
fn a_stream_that_the_client_gives_up_is_given_up_upstream_and_recorded_so() {
    let authority = Authority::new();
    let server = server(&authority);
    let stand = stand(&authority, &server);
    let peer = connect(&stand, "a.test");
    stand.runtime.block_on(async {
        let (answered, mut stream) = peer.begin(get("/silent"), true).await;
        eventually(|| (!server.requests().is_empty()).then_some(()));
        stream.send_reset(h2::Reason::CANCEL);
        drop(answered);
    });
    let close = stand.close_event();
    assert_eq!(
        (close.reason.as_str(), close.verdict, close.status),
        ("client_aborted", Verdict::Allow, Some(400))
    );
    // GET, the path, the host.
    assert_eq!((close.bytes_up, close.bytes_down), (3 + 7 + 6, 0));
    eventually(|| (server.resets() == [h2::Reason::CANCEL]).then_some(()));
    stand.runtime.block_on(async {
        assert_eq!(peer.ask(get("/"), b"").await.status, 200);
    });
    assert_eq!(server.traffic().connections(), 1, "the others go on");
}

#[test]
fn content_beyond_a_rules_limit_is_refused_on_its_stream_alone() {
    let authority = Authority::new();
    let server = server(&authority);
    let connect_to = server.address().to_string();
    let limited = json!({ "host": "a.test", "max_body": "10B", "connect": connect_to });
    let stand = secure::stand(&authority, &[limited]);
    let peer = connect(&stand, "a.test");
    stand.runtime.block_on(async {
        let announced = request("POST", "/", &[("content-length", "11")]);
        let refused = peer.ask(announced, b"hello world").await;
        assert_eq!(refused.denial(), (413, "body_too_large".to_owned()));
        let refused = peer.ask(request("POST", "/", &[]), b"hello world").await;
        assert_eq!(refused.denial(), (413, "body_too_large".to_owned()));
        assert_eq!(
            peer.ask(request("POST", "/", &[]), b"hello").await.status,
            200
        );
    });
}

#[test]
fn a_budget_that_runs_out_cuts_all_streams_and_the_next() {
    let authority = Authority::new();
    let server = server(&authority);
    let allow = [rule(&server, "a.test", &["/**"])];
    let means = Means {
        budget: budget(None, Some(1_000_000)),
        roots: roots(authority.pem()),
        ..Means::new(&allow)
    };
    let stand = Stand::of(&allow, means);
    let peer = connect(&stand, "a.test");
    stand.runtime.block_on(async {
        // Each is more than the budget, so none comes through whole, in whatever order they come.
        let paths = ["/big/1100000", "/big/1100001", "/silent"];
        let all = paths
            .iter()
            .map(|path| peer.try_ask(get(path), b""))
            .collect();
        for got in futures(all).await {
            assert!(got.is_err() || got.unwrap().status == 429);
        }
        let refused = peer.ask(get("/"), b"").await;
        assert_eq!(refused.denial(), (429, "budget_exceeded".to_owned()));
    });
    drop(peer);
    let events = stand.finish();
    let cut = |event: &&model::EgressEvent| {
        event.phase == Phase::Close && event.reason == "budget_exceeded"
    };
    assert_eq!(events.iter().filter(cut).count(), 3, "{events:?}");
    assert_eq!(stand.session.usage().bytes_down, 1_000_000, "to the byte");
}

#[test]
fn a_secret_goes_up_unindexed_and_its_value_never_comes_down() {
    let authority = Authority::new();
    let server = Http2::start(&authority.identity(&["a.test"]), |mut call| {
        Box::pin(async move {
            let token = call
                .head
                .headers
                .get("authorization")
                .unwrap()
                .to_str()
                .unwrap();
            let token = token.to_owned();
            let response = Answer::builder().header("x-echo", &token);
            let mut reply = call.begin(response.body(()).unwrap())?;
            for piece in token.as_bytes().chunks(5) {
                reply.send(Bytes::copy_from_slice(piece)).await?;
            }
            let mut trailers = http::HeaderMap::new();
            trailers.insert("x-late", token.parse().unwrap());
            reply.end(trailers)
        }) as Answering
    });
    let connect_to = server.address().to_string();
    let allow = [json!({ "host": "a.test", "secret": "token", "connect": connect_to })];
    let definition = json!({ "name": "token", "hosts": ["a.test"] });
    let bench = bench(&authority, definition, &allow);
    let (stand, mark) = (&bench.stand, &bench.mark);
    let peer = connect(stand, "a.test");
    stand.runtime.block_on(async {
        for _ in 0..2 {
            let field = format!("Bearer {mark}");
            let got = peer
                .ask(request("GET", "/", &[("authorization", &field)]), b"")
                .await;
            assert_eq!(got.text(), field);
            assert_eq!(got.headers["x-echo"], *field);
            assert_eq!(got.trailers["x-late"], *field);
        }
        let got = peer.ask(request("GET", "/", &[("x-any", mark)]), b"").await;
        assert_eq!(got.denial(), (403, "secret_misdirected".to_owned()));
    });
    // A literal that is never indexed, its name from the static table (RFC 7541 6.2.3, Appendix A).
    let frames = server.frames();
    let value = huffman(&format!("Bearer {VALUE}"));
    let field = [
        &[0x1f, 23 - 15, 0x80 | u8::try_from(value.len()).unwrap()],
        &value[..],
    ]
    .concat();
    let found = frames.windows(field.len()).filter(|part| *part == field);
    assert_eq!(found.count(), 2, "both times in full");
    assert!(!stand.log_text().contains("sk-live"));
    assert_eq!(stand.session.usage().by_secret["token"].requests, 2);
}

#[test]
fn a_placeholder_is_found_across_a_pause_in_which_its_beginning_was_let_go() {
    let authority = Authority::new();
    let server = server(&authority);
    let connect_to = server.address().to_string();
    let allow = [json!({ "host": "a.test", "paths": ["/**"], "connect": connect_to })];
    let definition = json!({ "name": "token", "hosts": ["b.test"] });
    let bench = bench(&authority, definition, &allow);
    let (stand, mark) = (&bench.stand, bench.mark.as_bytes());
    let peer = connect(stand, "a.test");
    stand.runtime.block_on(async {
        let (answered, mut stream) = peer.begin(request("POST", "/", &[]), false).await;
        let (begin, end) = mark.split_at(9);
        stream
            .send_data(Bytes::copy_from_slice(begin), false)
            .unwrap();
        let before = stand.session.usage().bytes_up;
        eventually(|| (stand.session.usage().bytes_up > before + 9).then_some(()));
        tokio::time::sleep(4 * sheriff_egress::limits::HELD_BACK).await;
        stream.send_data(Bytes::copy_from_slice(end), true).unwrap();
        let refused = soon(read(answered)).await.unwrap();
        assert_eq!(refused.denial(), (403, "secret_misdirected".to_owned()));
    });
    let seen = server.frames();
    assert!(!seen.windows(20).any(|part| part == &mark[..20]));
    assert!(
        stand
            .log_text()
            .contains("\"alert\":\"secret_misdirected\"")
    );
}

/// The Huffman code of HPACK (RFC 7541 Appendix B), by the codec of another connection.
fn huffman(text: &str) -> Vec<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (near, mut far) = tokio::io::duplex(1 << 16);
        let (mut sender, connection) = h2::client::handshake(near).await.unwrap();
        let mut value = http::HeaderValue::from_str(text).unwrap();
        value.set_sensitive(true);
        let mut request = get("/");
        request.headers_mut().insert("authorization", value);
        let _waiting = sender.send_request(request, true).unwrap();
        let reading = async {
            let mut all = Vec::new();
            loop {
                tokio::io::AsyncReadExt::read_buf(&mut far, &mut all)
                    .await
                    .unwrap();
                let at = all.windows(2).position(|pair| pair == [0x1f, 23 - 15]);
                let coded = at.and_then(|at| {
                    let length = usize::from(all.get(at + 2)? & 0x7f);
                    all.get(at + 3..at + 3 + length)
                });
                if let Some(coded) = coded {
                    return coded.to_vec();
                }
            }
        };
        tokio::select! {
            found = reading => found,
            _ = connection => panic!("it ended"),
        }
    })
}

#[test]
fn a_refusal_is_not_followed_by_a_reset_while_the_client_still_sends() {
    let authority = Authority::new();
    let server = server(&authority);
    let stand = secure::stand(&authority, &[rule(&server, "a.test", &["/ok"])]);
    let peer = connect(&stand, "a.test");
    stand.runtime.block_on(async {
        let (answered, mut stream) = peer.begin(request("POST", "/no", &[]), false).await;
        let got = soon(read(answered)).await.unwrap();
        assert_eq!(got.denial(), (403, "path_not_allowed".to_owned()));
        // It may go on as long as it is short.
        soon(testkit::http2::send(&mut stream, vec![0; 100_000].into()))
            .await
            .unwrap();
        stream.send_data(Bytes::new(), true).unwrap();
        assert_eq!(peer.ask(get("/ok"), b"").await.status, 200);
    });
}

#[test]
fn a_secret_in_a_query_is_in_no_table_of_the_connection() {
    let authority = Authority::new();
    let server = server(&authority);
    let connect_to = server.address().to_string();
    let allow = [json!({ "host": "a.test", "secret": "key", "connect": connect_to })];
    let definition = json!({ "name": "key", "hosts": ["a.test"], "place": { "query": "key" } });
    let bench = bench(&authority, definition, &allow);
    let peer = connect(&bench.stand, "a.test");
    let path = format!("/?key={}", bench.mark);
    bench.stand.runtime.block_on(async {
        for _ in 0..3 {
            assert_eq!(peer.ask(get(&path), b"").await.status, 200);
        }
    });
    assert!(
        server
            .requests()
            .iter()
            .all(|request| request.contains(VALUE))
    );
    // Each head holds the value again: an entry of a table would be a byte or two.
    let heads = heads(&server.frames());
    assert_eq!(heads.len(), 3);
    assert!(
        heads.iter().all(|length| *length > VALUE.len() / 2),
        "{heads:?}"
    );
}

/// The lengths of heads among frames behind a preface.
fn heads(frames: &[u8]) -> Vec<usize> {
    let (mut rest, mut lengths) = (frames.get(24..).unwrap_or_default(), Vec::new());
    while let Some(&[high, middle, low, kind, ..]) = rest.first_chunk::<9>() {
        let length = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        if kind == 1 {
            lengths.push(length);
        }
        rest = rest.get(9 + length..).unwrap_or_default();
    }
    lengths
}

#[test]
fn a_websocket_is_asked_for_in_http_1_alone() {
    let authority = Authority::new();
    let both = testkit::websocket::echo(Some(&authority.identity(&["a.test"])));
    let stand = secure::stand(&authority, &[secure::rule(&both, "a.test", &["/ws"])]);
    let peer = connect(&stand, "a.test");
    let refused = stand.runtime.block_on(async {
        let mut request = request("CONNECT", "/ws", &[]);
        request
            .extensions_mut()
            .insert(h2::ext::Protocol::from_static("websocket"));
        peer.try_ask(request, b"").await
    });
    assert!(refused.is_err() || refused.unwrap().status == 400);
    assert_eq!(both.traffic().connections(), 0);
    let mut inside = open(&stand, "a.test");
    let upgrade = "GET /ws HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    assert!(ask(&mut inside, upgrade).0.starts_with("HTTP/1.1 101 "));
}

#[test]
fn a_server_that_can_speak_only_http_2_gets_no_websocket_instead() {
    let authority = Authority::new();
    let server = server(&authority);
    let stand = stand(&authority, &server);
    let mut inside = open(&stand, "a.test");
    let upgrade =
        "GET /ws HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let (head, _) = ask(&mut inside, upgrade);
    assert_eq!(denial(&head), (502, "tls_failed".to_owned()));
    assert!(server.requests().is_empty());
}

#[test]
fn a_session_that_ends_lets_streams_finish_and_takes_no_more() {
    let authority = Authority::new();
    let server = server(&authority);
    let stand = stand(&authority, &server);
    let peer = connect(&stand, "a.test");
    stand.runtime.block_on(async {
        let (answered, mut living) = peer.begin(request("POST", "/", &[]), false).await;
        living.send_data(Bytes::from_static(b"one"), false).unwrap();
        eventually(|| (!server.requests().is_empty()).then_some(()));
        let closing = stand.session.close(std::time::Duration::from_secs(5));
        let rest = async {
            let closed = peer.closed().await.unwrap();
            assert!(closed.is_go_away(), "{closed}");
            living.send_data(Bytes::from_static(b"two"), true).unwrap();
            soon(read(answered)).await.unwrap()
        };
        let ((), got) = tokio::join!(closing, rest);
        assert_eq!(got.text(), "POST / a.test onetwo");
    });
    assert_eq!(stand.close_event().reason, "allowed");
}

#[test]
fn an_answer_that_is_broken_off_is_reset_and_not_taken_for_complete() {
    let authority = Authority::new();
    let server = Http::tls(&authority.identity(&["a.test"]), |request| {
        match request.path() {
            "/cut" => Response::new(200, Body::Cut(10, b"abc".to_vec())),
            _ => Response::ok("fine"),
        }
    });
    let stand = secure::stand(&authority, &[secure::rule(&server, "a.test", &["/**"])]);
    let peer = connect(&stand, "a.test");
    stand.runtime.block_on(async {
        assert!(peer.try_ask(get("/cut"), b"").await.is_err());
        assert_eq!(peer.ask(get("/"), b"").await.text(), "fine");
    });
}
