//! A Java program through opened TLS: requests, uploads in chunks, two-way sockets.
//!
//! Not for: where Java is not installed; then the story says that it was skipped.

use std::time::Duration;

use testkit::{Http, Request, Response, websocket};

use super::stand::{Stand, installed};
use crate::harness::identity;

const VALUE: &str = "jv_R3alValueOfTheApi000000000000";

const PROGRAM: &str = r#"
import java.io.*; import java.net.*; import java.net.http.*; import java.util.concurrent.*;
class Main {
    static final String KEY = System.getenv("API_KEY");
    static void ask(HttpClient client, String method, String path, byte[] content) throws Exception {
        var body = content == null ? HttpRequest.BodyPublishers.noBody()
            : HttpRequest.BodyPublishers.ofInputStream(() -> new ByteArrayInputStream(content));
        var request = HttpRequest.newBuilder(URI.create("https://api.example" + path))
            .header("Authorization", "Bearer " + KEY).method(method, body).build();
        var answer = client.send(request, HttpResponse.BodyHandlers.ofString());
        System.out.println(answer.statusCode() + " " + answer.headers().firstValue("x-sheriff-reason")
            .orElse(answer.body().replace(KEY, "KEY")));
    }
    static void talk(HttpClient client) throws Exception {
        var heard = new CompletableFuture<String>();
        var socket = client.newWebSocketBuilder().buildAsync(URI.create("wss://api.example/v1/socket"), new WebSocket.Listener() {
            public CompletionStage<?> onText(WebSocket s, CharSequence text, boolean last) { heard.complete(text.toString()); return null; }
        }).join();
        socket.sendText("hello", true);
        System.out.println("heard " + heard.get(20, TimeUnit.SECONDS));
        socket.abort();
    }
    public static void main(String[] arguments) throws Exception {
        var proxy = ProxySelector.of(new InetSocketAddress("10.77.0.1", 3128));
        HttpClient[] clients = { HttpClient.newBuilder().proxy(proxy).build(), HttpClient.newHttpClient() };
        for (var client : clients) {
            ask(client, "GET", "/v1/x", null);
            ask(client, "POST", "/v1/x", new byte[100000]);
            ask(client, "DELETE", "/v1/x", null);
            ask(client, "GET", "/admin", null);
            talk(client);
        }
        System.exit(0);
    }
}
"#;

#[test]
fn a_java_program_works_with_the_proxys_settings_and_without() {
    if !installed("java") {
        return;
    }
    let site = Http::tls(&identity(&["api.example"]), |request: &Request| {
        if request.path() == "/v1/socket" {
            return websocket::upgrade(request);
        }
        let name = request.header("authorization").unwrap_or("nobody");
        Response::ok(format!("{} {name}", request.body_bytes))
    });
    let stand = Stand::new(&format!(
        "[[egress.allow]]\nhost = \"api.example\"\nconnect = \"{}\"\nmethods = [\"GET\", \"POST\"]\npaths = [\"/v1/**\"]\nsecret = \"api\"\n",
        site.address()
    ))
    .secret("api", "--host api.example --env API_KEY --prefix jv_", VALUE);
    let jail = stand
        .jail()
        .patience(Duration::from_secs(120))
        .file("Main.java", PROGRAM);
    let outcome = jail.shell("java /workspace/Main.java").ok();
    let once = "200 0 Bearer KEY\n200 100000 Bearer KEY\n403 method_not_allowed\n403 path_not_allowed\nheard hello";
    assert_eq!(outcome.text(), [once; 2].join("\n"), "{outcome}");
    let wanted = format!("Bearer {VALUE}");
    let seen = site.requests();
    // Also the handshake, which the program sent without one: the rule names the secret.
    assert_eq!(seen.len(), 6);
    assert!(
        seen.iter()
            .all(|request| request.header("authorization") == Some(&wanted))
    );
}
