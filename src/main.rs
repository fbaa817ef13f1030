//! The command `pforte`.

use std::process::ExitCode;

// Batches make and drop many small strings; the system allocator costs a third of the throughput there.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[expect(clippy::print_stderr, reason = "a command line speaks to its terminal")]
fn main() -> ExitCode {
    match pforte::cli::run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("pforte: {error:#}");
            ExitCode::FAILURE
        }
    }
}
