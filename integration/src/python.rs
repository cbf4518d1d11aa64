//! Python as agents use it: TLS, asyncio, multiprocessing, sqlite, virtual environments and pip.
//!
//! Not for: the raw clients of other stories.

use testkit::{Http, Response, index};

use crate::harness::{Jail, identity};

#[test]
fn tls_is_verified_end_to_end_through_the_tunnel() {
    let site = Http::tls(&identity(&["site.example"]), |_| Response::ok("hi"));
    let script = "
import urllib.request
print(urllib.request.urlopen('https://site.example/').read().decode())
try:
    urllib.request.urlopen('https://evil.example/')
except OSError as error:
    print('denied' if '403' in str(error) else error)
";
    let jail = Jail::new().connect("site.example", site.address());
    // Without our authority nobody vouches for the server, so there is no interception in between.
    let outcome = jail.scratch().python(script).ended_with(1);
    assert!(
        outcome.complaint().contains("CERTIFICATE_VERIFY_FAILED"),
        "{outcome}"
    );
    let jail = Jail::new()
        .trusting_us()
        .connect("site.example", site.address());
    assert_eq!(jail.python(script).ok().text(), "hi\ndenied");
}

#[test]
fn asyncio_multiprocessing_and_sqlite_work() {
    let script = "
import asyncio, multiprocessing, sqlite3
def square(n): return n * n
async def echo():
    async def answer(reader, writer):
        writer.write(await reader.readline()); await writer.drain(); writer.close()
    server = await asyncio.start_unix_server(answer, '/tmp/s')
    reader, writer = await asyncio.open_unix_connection('/tmp/s')
    writer.write(b'async\\n')
    print((await reader.readline()).decode().strip())
    child = await asyncio.create_subprocess_exec('echo', 'sub', stdout=-1)
    print((await child.communicate())[0].decode().strip())
    server.close()
if __name__ == '__main__':
    asyncio.run(echo())
    with multiprocessing.get_context('fork').Pool(3) as pool:
        print(sum(pool.map(square, range(100))))
    database = sqlite3.connect('/workspace/data.db')
    database.execute('pragma journal_mode=wal')
    with database:
        database.execute('create table t (n)')
        database.executemany('insert into t values (?)', [(n,) for n in range(1000)])
    print(database.execute('select sum(n) from t').fetchone()[0])
";
    let jail = Jail::new().file("work.py", script);
    let outcome = jail.run(&["/usr/bin/python3", "/workspace/work.py"]).ok();
    assert_eq!(outcome.text(), "async\nsub\n328350\n499500");
}

#[test]
fn pip_installs_from_an_allowed_index_into_a_virtual_environment() {
    let packages = index::python(Some(&identity(&["pypi.example"])));
    let jail = Jail::new()
        .trusting_us()
        .limit("memory=2GiB")
        .connect("pypi.example", packages.address());
    let script = "cd /workspace; /usr/bin/python3 -m venv env; \
        env/bin/pip install -q --disable-pip-version-check --index-url https://pypi.example/simple tinywheel; \
        env/bin/python -c 'import tinywheel; print(tinywheel.greet())'; \
        env/bin/pip install -q --disable-pip-version-check --retries 0 --index-url https://evil.example/simple tinywheel2 \
          2>/dev/null || echo refused";
    let outcome = jail.shell(script).ok();
    assert_eq!(outcome.text(), "hello from a wheel\nrefused");
    assert!(outcome.egress("denied") >= 1, "{outcome}");
}
