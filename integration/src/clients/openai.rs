//! The `openai` library against a server with the same wire format: answers, streams, and what they cost.
//!
//! Not for: reading usage (`llm`).

use testkit::http::Body;
use testkit::{Http, Request, Response};

use super::echoes::through;
use super::stand::{Stand, python_with};
use crate::harness::identity;

const KEY: &str = "sk-proj-R3alKeyOfTheModel0000000000";

/// Dollars for a million tokens, so that 1,000 in and 500 out cost 2 + 4.
const PRICES: &str = "[llm.prices.\"gpt-x*\"]\ninput = \"2000 USD\"\noutput = \"8000 USD\"\n";

fn chunk(delta: &str, finish: &str, usage: &str) -> String {
    format!(
        "data: {{\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-x-mini\",\
         \"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish}}}]{usage}}}\n\n"
    )
}

fn streamed() -> Response {
    let body = Body::Stream(Box::new(|output| {
        output
            .write_all(chunk("{\"role\":\"assistant\",\"content\":\"\"}", "null", "").as_bytes())?;
        for word in ["Hello", " from", " the", " stream"] {
            output
                .write_all(chunk(&format!("{{\"content\":\"{word}\"}}"), "null", "").as_bytes())?;
        }
        output.write_all(chunk("{}", "\"stop\"", "").as_bytes())?;
        let usage = "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-x-mini\",\"choices\":[],\
             \"usage\":{\"prompt_tokens\":1000,\"completion_tokens\":500,\"total_tokens\":1500}}\n\n";
        output.write_all(usage.as_bytes())?;
        output.write_all(b"data: [DONE]\n\n")
    }));
    Response::new(200, body).header("Content-Type", "text/event-stream")
}

/// The content that servers send compressed where the client takes that, as most do.
fn compressed(content: &str) -> Response {
    Response::ok(through(&["gzip", "-c"], content.as_bytes())).header("Content-Encoding", "gzip")
}

fn model() -> Http {
    Http::tls(&identity(&["api.openai.example"]), |request: &Request| {
        let is_open = request.path() == "/open/v1/chat/completions";
        if !is_open && request.header("authorization") != Some(&format!("Bearer {KEY}")) {
            return Response::new(
                401,
                Body::Bytes(b"{\"error\":{\"message\":\"bad key\"}}".to_vec()),
            )
            .header("Content-Type", "application/json");
        }
        let asked = String::from_utf8_lossy(&request.body).replace(' ', "");
        if asked.contains("\"stream\":true") {
            return streamed();
        }
        let body = "{\"id\":\"c1\",\"object\":\"chat.completion\",\"created\":1,\"model\":\"gpt-x-mini\",\"choices\":[{\"index\":0,\
             \"message\":{\"role\":\"assistant\",\"content\":\"Hello\"},\"finish_reason\":\"stop\"}],\
             \"usage\":{\"prompt_tokens\":1000,\"completion_tokens\":500,\"total_tokens\":1500}}";
        let takes = |coding| {
            request
                .header("accept-encoding")
                .is_some_and(|list| list.contains(coding))
        };
        let answer = if is_open || takes("gzip") {
            compressed(body)
        } else {
            Response::ok(body)
        };
        answer.header("Content-Type", "application/json")
    })
}

fn stand(site: &Http, budget: &str) -> Stand {
    let rules = format!(
        "[[egress.allow]]\nhost = \"api.openai.example\"\nconnect = \"{0}\"\nmethods = [\"POST\"]\npaths = [\"/v1/chat/completions\"]\n\
         secret = \"openai\"\nllm = \"openai\"\n\
         [[egress.allow]]\nhost = \"api.openai.example\"\nconnect = \"{0}\"\npaths = [\"/open/v1/chat/completions\"]\nllm = \"openai\"\n{budget}",
        site.address()
    );
    let options = "--host api.openai.example --env OPENAI_API_KEY --prefix sk-proj-";
    Stand::with(&rules, PRICES).secret("openai", options, KEY)
}

const CLIENT: &str = "
import openai
client = openai.OpenAI(base_url='https://api.openai.example/v1', max_retries=0, timeout=30)
ask = dict(model='gpt-x-mini', messages=[{'role': 'user', 'content': 'hi'}])
def whole(): return client.chat.completions.create(**ask).choices[0].message.content
def stream():
    parts = client.chat.completions.create(stream=True, stream_options={'include_usage': True}, **ask)
    return ''.join(part.choices[0].delta.content or '' for part in parts if part.choices)
";

#[test]
fn whole_and_streamed_answers_arrive_and_their_tokens_and_cost_are_on_the_meter() {
    let Some(python) = python_with("openai") else {
        return;
    };
    let site = model();
    let stand = stand(&site, "");
    let script = format!(
        "{CLIENT}
print(whole()); print(stream())
try: client.models.list()
except openai.PermissionDeniedError as error: print(error.status_code)"
    );
    let outcome = stand
        .jail()
        .file("a.py", &script)
        .run(&[&python, "/workspace/a.py"])
        .ok();
    assert_eq!(
        outcome.text(),
        "Hello\nHello from the stream\n403",
        "{outcome}"
    );
    let usage = stand.daemon().json(&["egress", "usage", "--json"]);
    for totals in [
        &outcome.report["egress"]["llm"],
        &usage["sessions"][0]["llm"],
    ] {
        let count = |key: &str| {
            totals[key]
                .as_u64()
                .unwrap_or_else(|| panic!("{key}: {usage:#}"))
        };
        assert_eq!(
            [count("answers"), count("input"), count("output")],
            [2, 2000, 1000],
            "{outcome}"
        );
        assert_eq!(
            (&totals["cost"], count("estimated")),
            (&"12.00 USD".into(), 0),
            "{outcome}"
        );
    }
}

#[test]
fn a_compressed_answer_is_counted_without_any_secret_in_play() {
    let Some(python) = python_with("openai") else {
        return;
    };
    let site = model();
    let stand = stand(&site, "");
    let script = CLIENT.replace("example/v1'", "example/open/v1', api_key='none'")
        + "\nprint(whole()); print(stream())";
    let outcome = stand
        .jail()
        .file("a.py", &script)
        .run(&[&python, "/workspace/a.py"])
        .ok();
    assert_eq!(outcome.text(), "Hello\nHello from the stream", "{outcome}");
    let count = |key: &str| outcome.counter(&format!("/egress/llm/{key}"));
    assert_eq!(
        [
            count("answers"),
            count("input"),
            count("output"),
            count("estimated")
        ],
        [2, 2000, 1000, 0],
        "{outcome}"
    );
}

#[test]
fn a_stream_that_is_broken_off_costs_at_least_what_came() {
    let Some(python) = python_with("openai") else {
        return;
    };
    let site = model();
    let stand = stand(&site, "");
    let script = format!(
        "{CLIENT}
parts = client.chat.completions.create(stream=True, **ask)
next(iter(parts)); parts.close(); client.close()"
    );
    let outcome = stand
        .jail()
        .file("a.py", &script)
        .run(&[&python, "/workspace/a.py"])
        .ok();
    assert_eq!(outcome.counter("/egress/llm/answers"), 1, "{outcome}");
    assert!(outcome.counter("/egress/llm/output") > 0, "{outcome}");
}

#[test]
fn a_budget_of_tokens_ends_the_next_question() {
    let Some(python) = python_with("openai") else {
        return;
    };
    let site = model();
    let stand = stand(
        &site,
        "[budget]\nllm_tokens = 2000\non_exceeded = \"stop\"\n",
    );
    let script = format!(
        "{CLIENT}
for ask_it in (whole, stream, whole):
    try: print(ask_it())
    except openai.APIStatusError as error: print(error.status_code, error.response.headers['x-sheriff-reason'])"
    );
    let outcome = stand
        .jail()
        .file("a.py", &script)
        .run(&[&python, "/workspace/a.py"]);
    assert!(outcome.text().starts_with("Hello\n"), "{outcome}");
    assert!(site.requests().len() <= 2, "{outcome}");
}
