//! Answers in the providers' published formats, whole, streamed, cut and split.

use super::*;

fn read(kind: LlmKind, body: &str) -> Option<LlmUsage> {
    let whole = {
        let mut reader = UsageReader::new(kind);
        reader.push(body.as_bytes());
        reader.finish(400)
    };
    let mut reader = UsageReader::new(kind);
    for byte in body.as_bytes() {
        reader.push(std::slice::from_ref(byte));
    }
    assert_eq!(reader.finish(400), whole, "the split of a body matters");
    whole
}

fn stated(model: &str, [input, cached, cache_written, output]: [u64; 4]) -> LlmUsage {
    LlmUsage {
        model: Some(model.to_owned()),
        input,
        cached,
        cache_written,
        output,
        estimated: false,
    }
}

const CHAT: &str = r#"{"id":"c","object":"chat.completion","model":"gpt-x-1","choices":[{"index":0,
"message":{"role":"assistant","content":"say \"usage\": {\"prompt_tokens\": 1}","model":"no"}}],
"usage":{"prompt_tokens":120,"completion_tokens":30,"total_tokens":150,
"prompt_tokens_details":{"cached_tokens":100},"completion_tokens_details":{"reasoning_tokens":9}}}"#;

const CHAT_STREAM: &str = "data: {\"model\":\"gpt-x-1\",\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"usage\":null}\r\n\r\n\
: keep-alive\r\n\r\n\
data: {\"model\":\"gpt-x-1\",\"choices\":[{\"delta\":{\"content\":\"b\"}}],\"usage\":null}\r\n\r\n\
data: {\"model\":\"gpt-x-1\",\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":2,\"total_tokens\":11}}\r\n\r\n\
data: [DONE]\r\n\r\n";

const RESPONSES_STREAM: &str = "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"model\":\"gpt-y\",\"usage\":null}}\n\n\
event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"hi\"}\n\n\
event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"model\":\"gpt-y\",\"usage\":{\"input_tokens\":37,\"input_tokens_details\":{\"cached_tokens\":30},\"output_tokens\":11,\"total_tokens\":48}}}\n\n";

const MESSAGES: &str = r#"{"id":"m","type":"message","model":"claude-x","content":[{"type":"text","text":"hi"}],
"usage":{"input_tokens":10,"cache_creation_input_tokens":20,"cache_read_input_tokens":30,"output_tokens":5}}"#;

const MESSAGES_STREAM: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"claude-x\",\"usage\":{\"input_tokens\":25,\"cache_read_input_tokens\":4,\"output_tokens\":1}}}\n\n\
event: ping\ndata: {\"type\":\"ping\"}\n\n\
event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hello\"}}\n\n\
event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":15}}\n\n\
event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

#[test]
fn reads_documents_of_both_shapes() {
    assert_eq!(
        read(LlmKind::Openai, CHAT),
        Some(stated("gpt-x-1", [20, 100, 0, 30]))
    );
    assert_eq!(
        read(LlmKind::Anthropic, MESSAGES),
        Some(stated("claude-x", [10, 30, 20, 5]))
    );
    let embedding = r#"{"object":"list","data":[{"embedding":[0.1,-2e-3]}],"model":"embed-3","usage":{"prompt_tokens":8,"total_tokens":8}}"#;
    assert_eq!(
        read(LlmKind::Openai, embedding),
        Some(stated("embed-3", [8, 0, 0, 0]))
    );
}

#[test]
fn reads_streams_of_all_three_interfaces() {
    assert_eq!(
        read(LlmKind::Openai, CHAT_STREAM),
        Some(stated("gpt-x-1", [9, 0, 0, 2]))
    );
    assert_eq!(
        read(LlmKind::Openai, RESPONSES_STREAM),
        Some(stated("gpt-y", [7, 30, 0, 11]))
    );
    assert_eq!(
        read(LlmKind::Anthropic, MESSAGES_STREAM),
        Some(stated("claude-x", [25, 4, 0, 15]))
    );
}

#[test]
fn reasoning_that_is_in_the_total_alone_is_counted() {
    let body =
        r#"{"model":"m","usage":{"prompt_tokens":5,"completion_tokens":1,"total_tokens":106}}"#;
    assert_eq!(
        read(LlmKind::Openai, body),
        Some(stated("m", [5, 0, 0, 101]))
    );
}

#[test]
fn a_stream_that_does_not_say_is_guessed_from_its_events() {
    let silent: String = CHAT_STREAM
        .split_inclusive("\r\n\r\n")
        .filter(|event| !event.contains("prompt_tokens"))
        .collect();
    let usage = read(LlmKind::Openai, &silent).unwrap();
    assert!(usage.estimated);
    assert_eq!(usage.input, 100);
    assert!(usage.output >= 2);
}

#[test]
fn an_answer_that_is_broken_off_before_its_counts_costs_nonetheless() {
    let (start, _end) =
        MESSAGES_STREAM.split_at(MESSAGES_STREAM.find("event: message_delta").unwrap());
    let many = start.replace(
        "data: {\"type\":\"ping\"}\n\n",
        &"data: {\"type\":\"ping\"}\n\n".repeat(50),
    );
    let usage = read(LlmKind::Anthropic, &many).unwrap();
    assert!(usage.estimated && usage.output >= 50, "{usage:?}");
    assert_eq!((usage.input, usage.cached), (25, 4));
    let (cut, _usage) = CHAT.split_at(CHAT.find(",\n\"usage\"").unwrap());
    let usage = read(LlmKind::Openai, cut).unwrap();
    assert!(usage.estimated && usage.output >= 40, "{usage:?}");
    assert_eq!(usage.input, 100);
}

#[test]
fn what_is_no_generation_costs_nothing() {
    for body in [
        "",
        " \n",
        r#"{"object":"list","data":[{"id":"gpt-x","object":"model"}]}"#,
        "\u{89}PNG\r\n\r\n binary",
        "[]",
    ] {
        assert_eq!(read(LlmKind::Openai, body), None, "{body:?}");
    }
}

#[test]
fn a_model_name_that_is_none_is_left_out() {
    for name in ["a\\u001b[31m", "", "a b", &"x".repeat(129)] {
        let body = format!(r#"{{"model":"{name}","usage":{{"prompt_tokens":5}}}}"#);
        let usage = read(LlmKind::Openai, &body).unwrap();
        assert_eq!((usage.model, usage.input), (None, 5), "{name:?}");
    }
}
