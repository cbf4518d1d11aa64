//! gRPC with the library that most programs use: calls of all four kinds, their trailers, a secret in the metadata,
//! and methods that a rule does not name.
//!
//! Not for: HTTP/2 frames (`crates/egress/tests/wire`).

use std::fs;
use std::process::{Command, Stdio};

use super::stand::{Stand, python_with};
use crate::harness::{Child, PATIENCE, identity};

const VALUE: &str = "rpc_R3alValueOfTheService00000000";

/// Says back what it hears, with the metadata that it was told.
const SERVER: &str = "
import grpc, sys
from concurrent import futures
def told(context):
    told = dict(context.invocation_metadata()).get('authorization', 'none')
    print(told, flush=True)
    context.set_trailing_metadata((('x-told', told), ('x-raw-bin', told.encode())))
class Echo(grpc.GenericRpcHandler):
    def service(self, call):
        name = call.method.rsplit('/', 1)[1]
        def one(request, context):
            told(context)
            if request == b'fail': context.abort(grpc.StatusCode.NOT_FOUND, 'no such thing')
            return request
        def many(request, context):
            told(context)
            for at in range(50): yield request + str(at).encode()
        def gather(requests, context):
            told(context)
            return str(sum(len(request) for request in requests)).encode()
        def talk(requests, context):
            told(context)
            for request in requests: yield request
        kinds = {'One': grpc.unary_unary_rpc_method_handler(one), 'Many': grpc.unary_stream_rpc_method_handler(many),
                 'Gather': grpc.stream_unary_rpc_method_handler(gather), 'Talk': grpc.stream_stream_rpc_method_handler(talk),
                 'Hidden': grpc.unary_unary_rpc_method_handler(one)}
        return kinds.get(name)
server = grpc.server(futures.ThreadPoolExecutor(8), handlers=(Echo(),))
read = lambda name: open(f'{sys.argv[1]}/{name}', 'rb').read()
credentials = grpc.ssl_server_credentials([(read('key.pem'), read('certificate.pem'))])
print('port', server.add_secure_port('127.0.0.1:0', credentials), 'ready', flush=True)
server.start()
sys.stdin.read()
";

const CLIENT: &str = "
import grpc, os, queue
token = os.environ['RPC_TOKEN']
metadata = (('authorization', f'Bearer {token}'),)
for options in ((), (('grpc.enable_http_proxy', 0),)):
    with grpc.secure_channel('rpc.example:443', grpc.ssl_channel_credentials(), options) as channel:
        one = channel.unary_unary('/echo.Echo/One')
        answer, call = one.with_call(b'hello' * 1000, metadata=metadata, timeout=30)
        trailers = {name: value for name, value in call.trailing_metadata()}
        print(len(answer), trailers['x-told'] == f'Bearer {token}', b'R3al' in trailers['x-raw-bin'])
        try: one(b'fail', metadata=metadata, timeout=30)
        except grpc.RpcError as error: print(error.code().name, error.details())
        print(sum(1 for _ in channel.unary_stream('/echo.Echo/Many')(b'x', metadata=metadata, timeout=30)))
        print(channel.stream_unary('/echo.Echo/Gather')(iter([b'y' * 1000] * 300), metadata=metadata, timeout=30).decode())
        words = queue.Queue()
        talk = channel.stream_stream('/echo.Echo/Talk')(iter(words.get, None), metadata=metadata, timeout=30)
        for at in range(20):
            words.put(f'word {at} s'.encode()); assert next(talk) == f'word {at} s'.encode()
        words.put(None)
        print(list(talk))
        try: channel.unary_unary('/echo.Echo/Hidden')(b'x', metadata=metadata, timeout=30)
        except grpc.RpcError as error: print(error.code().name)
";

#[test]
fn calls_of_all_kinds_work_with_a_secret_and_other_methods_are_refused() {
    let Some(python) = python_with("grpc") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let identity = identity(&["rpc.example"]);
    fs::write(
        folder.path().join("certificate.pem"),
        &identity.certificate_pem,
    )
    .unwrap();
    fs::write(folder.path().join("key.pem"), &identity.key_pem).unwrap();
    let mut command = Command::new(&python);
    command
        .args(["-c", SERVER])
        .arg(folder.path())
        .stdin(Stdio::piped());
    let mut server = Child::start(command.env_remove("https_proxy").env_remove("http_proxy"));
    let ready = server.await_text(" ready", PATIENCE);
    let port = ready.split(' ').nth(1).unwrap();
    let paths =
        "[\"/echo.Echo/One\", \"/echo.Echo/Many\", \"/echo.Echo/Gather\", \"/echo.Echo/Talk\"]";
    let stand = Stand::new(&format!(
        "[[egress.allow]]\nhost = \"rpc.example\"\nconnect = \"127.0.0.1:{port}\"\nmethods = [\"POST\"]\npaths = {paths}\nsecret = \"rpc\"\n"
    ))
    .secret("rpc", "--host rpc.example --env RPC_TOKEN --prefix rpc_", VALUE);
    let outcome = stand
        .jail()
        .file("a.py", CLIENT)
        .run(&[&python, "/workspace/a.py"])
        .ok();
    let once = "5000 True False\nNOT_FOUND no such thing\n50\n300000\n[]\nPERMISSION_DENIED";
    assert_eq!(outcome.text(), [once; 2].join("\n"), "{outcome}");
    server.close_input();
    let state = server.wait(PATIENCE);
    let told = String::from_utf8_lossy(&state.stdout).into_owned();
    assert_eq!(
        told.matches(&format!("Bearer {VALUE}")).count(),
        10,
        "{told}"
    );
    assert!(!told.contains("none") && !stand.record().contains("R3alValueOfTheService"));
}
