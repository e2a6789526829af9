# Each recipe is one line over cargo: without just, type the line itself.

# List the recipes.
default:
    @just --list --unsorted

# Start the backend and every deployment, and show their logs until Ctrl-C.
[group('talk')]
run-all *ARGS:
    cargo talk run-all {{ARGS}}

# Start, hammer and measure every deployment, one after the other.
[group('talk')]
bench *ARGS:
    cargo talk bench {{ARGS}}

# Kill and exchange workers under load; --long for more of it, --peers too.
[group('talk')]
torture *ARGS:
    cargo talk torture {{ARGS}}

# Keep thousands of requests in flight: just scale native --in-flight 5000
[group('talk')]
scale *ARGS:
    cargo talk scale {{ARGS}}

# Load deployments for minutes, and see that they do not grow.
[group('talk')]
soak *ARGS:
    cargo talk soak {{ARGS}}

# Which model fits a workload, and up to what load: just sweep --quick
[group('talk')]
sweep *ARGS:
    cargo talk sweep {{ARGS}}

# Tell again which model fits, from what a sweep kept.
[group('talk')]
answer *ARGS:
    cargo talk answer {{ARGS}}

# Show each warning of the slides on this machine: just caveats dns
[group('talk')]
caveats *ARGS:
    cargo talk caveats {{ARGS}}

# Hammer a port with N requests, as on the slides.
[group('talk')]
hammer PORT='5000' N='20' *ARGS:
    cargo hammer --port {{PORT}} --nb_requests {{N}} {{ARGS}}

# What runs now: masters, workers and threads; live: just ps --watch
[group('talk')]
ps *ARGS:
    cargo talk ps {{ARGS}}

# Show two apps as a diff, which is the concurrency model: just diff sync async
[group('talk')]
diff A B:
    -@git diff --no-index --unified=100 crates/app-{{A}}/src/main.rs crates/app-{{B}}/src/main.rs

# :5000, one process.
[group('deployment')]
basic *ARGS:
    cargo talk run basic {{ARGS}}

# :5001, four processes.
[group('deployment')]
process *ARGS:
    cargo talk run process {{ARGS}}

# :5002, one process of four threads.
[group('deployment')]
thread *ARGS:
    cargo talk run thread {{ARGS}}

# :5003, two processes of two threads.
[group('deployment')]
mix *ARGS:
    cargo talk run mix {{ARGS}}

# :5400, two processes with a pool of threads for the calls.
[group('deployment')]
executor *ARGS:
    cargo talk run executor {{ARGS}}

# :5100, two event loops that take one request at a time.
[group('deployment')]
async *ARGS:
    cargo talk run async {{ARGS}}

# :5101, the same with two threads each.
[group('deployment')]
async-threads *ARGS:
    cargo talk run async-threads {{ARGS}}

# :5110, an event loop per core, without a limit.
[group('deployment')]
native *ARGS:
    cargo talk run native {{ARGS}}

# :5200, fifty coroutines in each of two processes, on may_minihttp.
[group('deployment')]
coroutine *ARGS:
    cargo talk run coroutine {{ARGS}}

# :5201, the same on the harness's HTTP code.
[group('deployment')]
coroutine-sockets *ARGS:
    cargo talk run coroutine-sockets {{ARGS}}

# :5300, two blocking processes that offload their calls.
[group('deployment')]
offload *ARGS:
    cargo talk run offload {{ARGS}}

# The delay server alone: just slow-backend --max-waiting 100
[group('app')]
slow-backend *ARGS:
    cargo run --release --package slow-backend -- {{ARGS}}

# One app alone: just app-sync crates/app-sync/process.toml --http :8000
[group('app')]
app-sync *ARGS:
    cargo run --release --package app-sync -- {{ARGS}}

# One app alone.
[group('app')]
app-threaded *ARGS:
    cargo run --release --package app-threaded -- {{ARGS}}

# One app alone.
[group('app')]
app-async *ARGS:
    cargo run --release --package app-async -- {{ARGS}}

# One app alone.
[group('app')]
app-coroutine *ARGS:
    cargo run --release --package app-coroutine -- {{ARGS}}

# One app alone.
[group('app')]
app-offload *ARGS:
    cargo run --release --package app-offload -- {{ARGS}}

# The hammer beside wrk and oha, where they are installed: just bench-hammer 9 2
[group('development')]
bench-hammer ROUNDS='5' SECONDS='3':
    cargo bench --package hammer --bench peers -- {{ROUNDS}} {{SECONDS}}

# Everything that can be tested without the real ports.
[group('development')]
test *ARGS:
    cargo test --workspace {{ARGS}}

# Fuzz heads, deployment or workload files (fuzz/README.md): just fuzz head
[group('development')]
fuzz TARGET='head' *ARGS:
    mkdir -p fuzz/corpus/{{TARGET}} && cargo +nightly fuzz run {{TARGET}} fuzz/corpus/{{TARGET}} fuzz/seeds/{{TARGET}} -- {{ARGS}}

# Format and clippy, warnings denied.
[group('development')]
lint:
    cargo fmt --all --check && cargo clippy --workspace --all-targets -- -D warnings

# Everything at once, and a page that shows it live.
[group('talk')]
serve *ARGS:
    cargo talk serve {{ARGS}}

# The page of what was benched last: just report results.json
[group('talk')]
report *ARGS:
    cargo talk report {{ARGS}}

# Record every request and call of some deployments: just trace async thread
[group('talk')]
trace *ARGS:
    cargo talk trace {{ARGS}}

# Draw the README's picture anew, from a real run.
[group('development')]
timeline:
    cargo talk trace basic thread async offload coroutine --requests 20 --output target/timeline.json --svg docs/timeline.svg

# What the trace costs: just bench-trace ROUNDS MS
[group('development')]
bench-trace *ARGS:
    cargo bench --package talk --bench trace -- {{ARGS}}

# What calls of no time cost, beside bare servers: just bench-zero ROUNDS MS
[group('development')]
bench-zero *ARGS:
    cargo bench --package talk --bench zero -- {{ARGS}}

# What CI runs.
[group('development')]
ci:
    bash .ci/run
