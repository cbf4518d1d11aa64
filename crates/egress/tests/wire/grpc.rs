//! gRPC through the proxy: streams both ways, nothing waits for more, and statuses in trailers.

use std::io::Write;

use bytes::Bytes;
use http::Request;
use testkit::http2::{Answering, Call, Http2, echo};
use testkit::{Authority, Body, Http, Response};

use crate::secure::{self, open, until};
use crate::stand::Stand;
use crate::streams::{connect, head, next, request, rule, soon};

/// A message with its prefix: not compressed, and its length.
fn message(text: &str) -> Vec<u8> {
    let length = u32::try_from(text.len()).unwrap().to_be_bytes();
    [&[0], &length[..], text.as_bytes()].concat()
}

fn call(method: &str) -> Request<()> {
    let fields = [("content-type", "application/grpc"), ("te", "trailers")];
    request("POST", &format!("/echo.Echo/{method}"), &fields)
}

fn stand(authority: &Authority, server: &Http2) -> Stand {
    secure::stand(authority, &[rule(server, "a.test", &["/echo.Echo/*"])])
}

#[test]
fn a_unary_call_ends_with_its_status_in_trailers() {
    let authority = Authority::new();
    let server = echo(&authority.identity(&["a.test"]));
    let stand = stand(&authority, &server);
    let peer = connect(&stand, "a.test");
    stand.runtime.block_on(async {
        let got = peer.ask(call("Unary"), &message("hello")).await;
        assert_eq!(got.content, message("hello"));
        assert_eq!(got.headers["content-type"], "application/grpc");
        assert_eq!(got.trailers["grpc-status"], "0");
        assert_eq!(
            got.trailers["x-te"], "trailers",
            "the server heard that trailers are taken"
        );
        let denied = peer
            .ask(request("POST", "/other.Service/Call", &[]), b"x")
            .await;
        assert_eq!(denied.denial(), (403, "path_not_allowed".to_owned()));
    });
}

#[test]
fn a_status_without_content_ends_with_its_head() {
    let authority = Authority::new();
    let server = echo(&authority.identity(&["a.test"]));
    let stand = stand(&authority, &server);
    let peer = connect(&stand, "a.test");
    stand.runtime.block_on(async {
        let got = peer.ask(call("Fail"), b"").await;
        assert_eq!(
            (&got.headers["grpc-status"], got.bare),
            (&"7".parse().unwrap(), true)
        );
    });
}

#[test]
fn messages_pass_both_ways_while_neither_side_has_ended() {
    let authority = Authority::new();
    let server = echo(&authority.identity(&["a.test"]));
    let stand = stand(&authority, &server);
    let peer = connect(&stand, "a.test");
    stand.runtime.block_on(async {
        let (answered, mut stream) = peer.begin(call("Bidi"), false).await;
        let (_, mut content) = head(answered).await.into_parts();
        for round in 0..10 {
            let sent = message(&format!("round {round}"));
            stream.send_data(Bytes::from(sent.clone()), false).unwrap();
            let mut got = Vec::new();
            while got.len() < sent.len() {
                got.extend_from_slice(&soon(next(&mut content)).await.unwrap().unwrap());
            }
            assert_eq!(got, sent);
        }
        stream.send_data(Bytes::new(), true).unwrap();
        assert!(soon(next(&mut content)).await.unwrap().is_none());
        let trailers = soon(content.trailers()).await.unwrap().unwrap();
        assert_eq!(trailers["grpc-status"], "0");
    });
    drop(peer);
    assert_eq!(stand.finish().last().unwrap().reason, "allowed");
}

#[test]
fn the_first_message_of_a_stream_is_not_held_back() {
    let authority = Authority::new();
    let server = Http2::start(&authority.identity(&["a.test"]), |mut call: Call| {
        Box::pin(async move {
            let mut reply = call.begin(http::Response::new(()))?;
            reply.send(message("first").into()).await?;
            // The next one follows when the client has it.
            assert!(call.next().await?.is_some());
            reply.send(message("second").into()).await?;
            reply.end(http::HeaderMap::new())
        }) as Answering
    });
    let stand = stand(&authority, &server);
    let peer = connect(&stand, "a.test");
    stand.runtime.block_on(async {
        let (answered, mut stream) = peer.begin(call("Stream"), false).await;
        let (_, mut content) = head(answered).await.into_parts();
        assert_eq!(
            soon(next(&mut content)).await.unwrap().unwrap(),
            message("first")
        );
        stream
            .send_data(Bytes::from_static(b"go on"), true)
            .unwrap();
        assert_eq!(
            soon(next(&mut content)).await.unwrap().unwrap(),
            message("second")
        );
    });
}

#[test]
fn trailers_cross_between_the_versions() {
    let authority = Authority::new();
    let server = echo(&authority.identity(&["a.test"]));
    let stand = stand(&authority, &server);
    let post = |fields: &str| {
        format!(
            "POST /echo.Echo/Unary HTTP/1.1\r\nHost: a.test\r\n{fields}Content-Length: 2\r\n\r\nhi"
        )
    };
    let mut inside = open(&stand, "a.test");
    inside
        .write_all(post("TE: trailers\r\nConnection: TE\r\n").as_bytes())
        .unwrap();
    let text = String::from_utf8(until(&mut inside, b"\r\n\r\n")).unwrap()
        + &String::from_utf8(until(&mut inside, b"\r\n\r\n")).unwrap();
    assert!(
        text.ends_with("2\r\nhi\r\n0\r\ngrpc-status: 0\r\nx-te: trailers\r\n\r\n"),
        "{text}"
    );
    // Nobody gets trailers who did not say that they are understood.
    inside.write_all(post("").as_bytes()).unwrap();
    let text = String::from_utf8(until(&mut inside, b"0\r\n\r\n")).unwrap();
    assert!(!text.contains("grpc-status"), "{text}");
}

#[test]
fn trailers_of_a_server_of_http_1_reach_a_client_of_http_2() {
    let authority = Authority::new();
    let server = Http::tls(&authority.identity(&["a.test"]), |_request| {
        let chunks = b"2\r\nhi\r\n0\r\ngrpc-status: 0\r\nContent-Type: a/b\r\n\r\n";
        let body = Body::Takeover(Box::new(|connection| {
            connection.get_mut().write_all(chunks)
        }));
        Response::new(200, body).header("Transfer-Encoding", "chunked")
    });
    let stand = secure::stand(&authority, &[secure::rule(&server, "a.test", &["/**"])]);
    let peer = connect(&stand, "a.test");
    stand.runtime.block_on(async {
        let got = peer.ask(call("Unary"), b"").await;
        assert_eq!(got.text(), "hi");
        assert_eq!(got.trailers.len(), 1);
        assert_eq!(got.trailers["grpc-status"], "0");
    });
}
