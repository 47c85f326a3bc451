# What people do here every day. `just` alone lists it.

_list:
    @just --list

# Format, lint, test: what must be green before each commit
check:
    cargo fmt --all --check
    cargo clippy --all-targets -- -D warnings
    cargo test

# Format everything
format:
    cargo fmt --all

# Licences, advisories, duplicates (needs cargo-deny)
deny:
    cargo deny check

# Put the programs of this tree where cargo puts programs
install:
    cargo install --locked --path .

# Show the queue at work
demo: install
    queuectl demo

# Draw the picture of the README from what the demo shows (needs Python 3.9 and its venv)
picture:
    cargo build
    python3 -m venv target/picture
    target/picture/bin/pip install --quiet pyte==0.8.2
    PATH="$PWD/target/debug:$PATH" target/picture/bin/python docs/picture/draw.py queuectl demo >target/demo.svg
    mv target/demo.svg docs/demo.svg

# One group of tests, for example `just test cli::dlq`
test name:
    cargo test --test queuectl -- {{ name }}

# What needs a PostgreSQL server, which the tests start themselves; several machines need root
postgres:
    QUEUECTL_TEST_REQUIRE=postgres cargo test --test queuectl -- postgres
    QUEUECTL_TEST_REQUIRE=postgres cargo test --test durability -- machines

# The tests of durability in their long form: hours; `just storm kill` for some
storm *names:
    QUEUECTL_STORM=1 cargo test --features planted-bugs --test durability -- --nocapture {{ names }}

# Measure: all, or some, for example `just bench drain idle`; --quick does a tenth
bench *names:
    cargo bench --bench queuectl -- {{ names }}

# Measure the queue on PostgreSQL, on a server that is thrown away; --quick, --long
bench-postgres *flags:
    cargo bench --bench queuectl -- machines server-store server-bulk server-latency idle-transaction server-look server-counts {{ flags }}

# Exactly what the continuous integration runs
ci:
    bash .ci/run
