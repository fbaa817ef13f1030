# Short names for what is done often. `just` alone lists them.

_list:
    @just --list --unsorted

# runs the gateway on 127.0.0.1:8080
serve *args:
    cargo run --release -- serve {{args}}

# plays the story of Erika Muster against the running gateway
demo:
    cargo run --release -- demo

# exactly what CI runs; `just check --only clippy` for one step
check *args:
    tests/run {{args}}

# what most mistakes are found by, without a browser and other people's SDKs
quick:
    tests/run --only fmt --only test --only clippy

# formats the code
fmt:
    cargo fmt

# writes generated documents anew
update:
    UPDATE=1 cargo test --lib in_the_docs_is_what

# what an event costs, against the bare floor
bench *args:
    cargo bench --bench throughput -- {{args}}

# known vulnerabilities in dependencies; fetches the advisory database
advisories:
    cargo deny check advisories
