//! A C project: unpacked, compiled with make and gcc, run, and packed again.
//!
//! Not for: Rust (`rust`).

use testkit::archive;

use crate::harness::Jail;

const MAIN: &str = "#include <stdio.h>\nint answer(void);\nint main(void) { printf(\"%d\\n\", answer()); return 0; }\n";
const ANSWER: &str =
    "#include <math.h>\nint answer(void) { volatile double x = 1764; return (int) sqrt(x); }\n";
const MAKEFILE: &str =
    "CFLAGS = -O2 -Wall -Werror\nprogram: main.o answer.o\n\t$(CC) -o $@ $^ -lm\n";

#[test]
fn a_c_project_builds_runs_and_is_packed() {
    let members: &[(&str, &[u8])] = &[
        ("project/main.c", MAIN.as_bytes()),
        ("project/answer.c", ANSWER.as_bytes()),
        ("project/Makefile", MAKEFILE.as_bytes()),
    ];
    let packed = archive::gzip(&archive::tar(members));
    let jail = Jail::new().file("project.tar.gz", packed);
    let script = "cd /workspace; tar xzf project.tar.gz; cd project; make -s -j2; ./program; \
                  cd ..; tar czf result.tar.gz project/program";
    assert_eq!(jail.shell(script).ok().text(), "42");
    assert!(jail.path("result.tar.gz").metadata().unwrap().len() > 1000);
}
