//! A Go program, compiled in the jail, through opened TLS.
//!
//! Not for: where Go is not installed; then the story says that it was skipped.

use std::time::Duration;

use testkit::{Http, Request, Response};

use super::stand::{Stand, installed};
use crate::harness::identity;

const VALUE: &str = "go_R3alValueOfTheApi000000000000";

const PROGRAM: &str = r#"package main

import ("bufio"; "crypto/tls"; "fmt"; "io"; "net/http"; "os"; "strings"; "sync")

func ask(client *http.Client, method, url string, body io.Reader) {
	request, _ := http.NewRequest(method, url, body)
	request.Header.Set("Authorization", "Bearer " + os.Getenv("API_KEY"))
	answer, err := client.Do(request)
	if err != nil { fmt.Println("failed", strings.Contains(err.Error(), "Forbidden")); return }
	defer answer.Body.Close()
	line, _ := bufio.NewReader(answer.Body).ReadString('\n')
	reason := answer.Header.Get("X-Sheriff-Reason")
	if reason != "" { line = reason }
	fmt.Println(answer.StatusCode, strings.ReplaceAll(strings.TrimSpace(line), os.Getenv("API_KEY"), "KEY"))
}

func main() {
	transports := []*http.Transport{
		{Proxy: http.ProxyFromEnvironment},
		{},
		{Proxy: http.ProxyFromEnvironment, TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{}},
	}
	for _, transport := range transports {
		client := &http.Client{Transport: transport}
		ask(client, "GET", "https://api.example/v1/x", nil)
		// Of unknown length, so in chunks.
		ask(client, "POST", "https://api.example/v1/x", io.LimitReader(bufio.NewReader(zeros{}), 100000))
		ask(client, "DELETE", "https://api.example/v1/x", nil)
		ask(client, "GET", "https://api.example/admin", nil)
		var all sync.WaitGroup
		for n := 0; n < 20; n++ {
			all.Add(1)
			go func() {
				defer all.Done()
				answer, err := client.Get("https://api.example/v1/y")
				if err != nil { fmt.Println(err); return }
				io.Copy(io.Discard, answer.Body)
				answer.Body.Close()
			}()
		}
		all.Wait()
	}
}

type zeros struct{}
func (zeros) Read(p []byte) (int, error) { for i := range p { p[i] = 0 }; return len(p), nil }
"#;

#[test]
fn a_go_program_works_with_the_proxys_settings_and_without() {
    if !installed("go") {
        return;
    }
    let site = Http::tls(&identity(&["api.example"]), |request: &Request| {
        let name = request.header("authorization").unwrap_or("nobody");
        Response::ok(format!("{} {name}\n", request.body_bytes))
    });
    let stand = Stand::new(&format!(
        "[[egress.allow]]\nhost = \"api.example\"\nconnect = \"{}\"\nmethods = [\"GET\", \"POST\"]\npaths = [\"/v1/**\"]\nsecret = \"api\"\n",
        site.address()
    ))
    .secret("api", "--host api.example --env API_KEY --prefix go_", VALUE);
    let jail = stand
        .jail()
        .patience(Duration::from_secs(240))
        .file("main.go", PROGRAM);
    let script = "cd /workspace; export GOCACHE=/workspace/cache GOPATH=/tmp/go GOFLAGS=-p=2 CGO_ENABLED=0; go build -o /workspace/x main.go; ./x";
    let outcome = jail.shell(script).ok();
    let once =
        "200 0 Bearer KEY\n200 100000 Bearer KEY\n403 method_not_allowed\n403 path_not_allowed";
    assert_eq!(outcome.text(), [once; 3].join("\n"), "{outcome}");
    let seen = site.requests();
    assert_eq!(seen.len(), 3 * 22);
    let wanted = format!("Bearer {VALUE}");
    // Also those that the program sent without one: the rule names the secret.
    assert!(
        seen.iter()
            .all(|request| request.header("authorization") == Some(&wanted))
    );
}
