//! The `anthropic` library against a server with the same wire format: answers, streams, and what they cost.
//!
//! Not for: reading usage (`llm`).

use testkit::http::Body;
use testkit::{Http, Request, Response};

use super::stand::{Stand, python_with};
use crate::harness::identity;

const KEY: &str = "sk-ant-R3alKeyOfTheModel00000000000";

const EVENTS: [(&str, &str); 6] = [
    (
        "message_start",
        "{\"type\":\"message_start\",\"message\":{\"id\":\"m1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-x\",\
         \"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":700,\"output_tokens\":1}}}",
    ),
    (
        "content_block_start",
        "{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}",
    ),
    (
        "content_block_delta",
        "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hello stream\"}}",
    ),
    (
        "content_block_stop",
        "{\"type\":\"content_block_stop\",\"index\":0}",
    ),
    (
        "message_delta",
        "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":300}}",
    ),
    ("message_stop", "{\"type\":\"message_stop\"}"),
];

fn model() -> Http {
    Http::tls(
        &identity(&["api.anthropic.example"]),
        |request: &Request| {
            // Older versions of the library sent `x-api-key`.
            if request.header("authorization") != Some(&format!("Bearer {KEY}")) {
                let body = b"{\"type\":\"error\",\"error\":{\"type\":\"authentication_error\",\"message\":\"bad key\"}}";
                return Response::new(401, Body::Bytes(body.to_vec()))
                    .header("Content-Type", "application/json");
            }
            let asked = String::from_utf8_lossy(&request.body).replace(' ', "");
            if asked.contains("\"stream\":true") {
                let body = Body::Stream(Box::new(|output| {
                    EVENTS.iter().try_for_each(|(name, data)| {
                        write!(output, "event: {name}\ndata: {data}\n\n")
                    })
                }));
                return Response::new(200, body).header("Content-Type", "text/event-stream");
            }
            let body = "{\"id\":\"m1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-x\",\"content\":[{\"type\":\"text\",\
             \"text\":\"Hello\"}],\"stop_reason\":\"end_turn\",\"stop_sequence\":null,\
             \"usage\":{\"input_tokens\":700,\"output_tokens\":300}}";
            Response::ok(body).header("Content-Type", "application/json")
        },
    )
}

#[test]
fn whole_and_streamed_answers_arrive_and_their_tokens_are_on_the_meter() {
    let Some(python) = python_with("anthropic") else {
        return;
    };
    let site = model();
    let rules = format!(
        "[[egress.allow]]\nhost = \"api.anthropic.example\"\nconnect = \"{}\"\nmethods = [\"POST\"]\npaths = [\"/v1/messages\"]\n\
         secret = \"anthropic\"\nllm = \"anthropic\"\n",
        site.address()
    );
    let options = "--host api.anthropic.example --env ANTHROPIC_API_KEY --prefix sk-ant-";
    let stand = Stand::new(&rules).secret("anthropic", options, KEY);
    let script = "
import anthropic, os
client = anthropic.Anthropic(base_url='https://api.anthropic.example', max_retries=0, timeout=30)
ask = dict(model='claude-x', max_tokens=9, messages=[{'role': 'user', 'content': 'hi'}])
print(client.messages.create(**ask).content[0].text)
with client.messages.stream(**ask) as stream: print(''.join(stream.text_stream))
try: client.messages.batches.list()
except anthropic.PermissionDeniedError as error: print(error.status_code)
try: client.messages.create(**{**ask, 'messages': [{'role': 'user', 'content': os.environ['ANTHROPIC_API_KEY']}]})
except anthropic.PermissionDeniedError as error: print(error.response.headers['x-sheriff-reason'])
";
    let outcome = stand
        .jail()
        .file("a.py", script)
        .run(&[&python, "/workspace/a.py"])
        .ok();
    assert_eq!(
        outcome.text(),
        "Hello\nHello stream\n403\nsecret_misdirected",
        "{outcome}"
    );
    let count = |key: &str| outcome.counter(&format!("/egress/llm/{key}"));
    assert_eq!(
        [count("answers"), count("input"), count("output")],
        [2, 1400, 600],
        "{outcome}"
    );
    // What was refused was seen to the end by nobody.
    assert_eq!(site.requests().len(), 2, "{:?}", site.requests());
}
