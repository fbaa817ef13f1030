//! `pforte serve`: runs the gateway until it is told to stop.

use std::process::ExitCode;
use std::sync::Arc;

use crate::app::App;
use crate::auth::Operator;
use crate::config::Config;
use crate::{server, telemetry};

/// Runs the gateway.
///
/// # Errors
/// When the policy does not lint, the keys do not fit the data, or the folder or address is taken.
pub fn run(config: Config) -> anyhow::Result<ExitCode> {
    telemetry::start_logging(&config.log);
    actix_web::rt::System::new().block_on(serve(config))
}

async fn serve(config: Config) -> anyhow::Result<ExitCode> {
    let app = App::open(config)?;
    let bound = server::bind(&app)?;
    let note = Operator::announce(&app.config.data, bound.address, &app.operator)?;
    welcome(&app, bound.address);
    let outcome = bound.run(Arc::clone(&app)).await;
    note.withdraw();
    app.close().await?;
    outcome?;
    Ok(ExitCode::SUCCESS)
}

#[expect(clippy::print_stdout, reason = "a command line speaks to its terminal")]
fn welcome(app: &App, address: std::net::SocketAddr) {
    let policy = app.policy.current();
    println!("Pforte serves on http://{address}");
    println!("  start page   http://{address}/");
    println!("  API          http://{address}/docs");
    if app.config.serves_demo() {
        println!("  demo shop    http://{address}/demo");
    }
    println!("  the story    pforte demo     (or: cargo run --release -- demo)");
    println!("  policy       {} ({} purposes, {} sources)", short(&policy.version), policy.purposes.len(), policy.sources.len());
    if let Some(line) = crate::site::curl_line(&policy, &format!("http://{address}")) {
        println!("Try it: a visitor consents, and sends an event.");
        println!("{line}");
    }
    println!("Stop with Ctrl-C.");
}

fn short(version: &str) -> &str {
    version.get(..12).unwrap_or(version)
}
