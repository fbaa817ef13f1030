//! How a gateway is started: options, each also an environment variable. The only file that reads the environment.

use std::net::SocketAddr;
use std::path::PathBuf;

/// What `pforte serve` needs to know. Everything has a default that works on a fresh clone.
#[derive(Clone, Debug, clap::Args)]
pub struct Config {
    /// The address to serve on
    #[arg(long, env = "PFORTE_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// The folder for everything that is stored
    #[arg(long, env = "PFORTE_DATA", default_value = "data")]
    pub data: PathBuf,
    /// The folder for key material; keep it apart from backups of the data
    #[arg(long, env = "PFORTE_KEYS", default_value = "keys")]
    pub keys: PathBuf,
    /// The folder with the policy
    #[arg(long, env = "PFORTE_POLICIES", default_value = "policies")]
    pub policies: PathBuf,
    /// The folder under which file destinations write; their own paths are relative to it
    #[arg(long, env = "PFORTE_OUT", default_value = ".")]
    pub out: PathBuf,
    /// What is logged: off, error, warn, info, debug
    #[arg(long, env = "PFORTE_LOG", default_value = "info")]
    pub log: String,
    /// Threads that answer requests; 0: one per core
    #[arg(long, env = "PFORTE_WORKERS", default_value_t = 0)]
    pub workers: usize,
    /// Memory for the store's cache, in MiB
    #[arg(long, env = "PFORTE_CACHE_MIB", default_value_t = 256)]
    pub cache_mib: u64,
}

/// Where a command finds the running gateway.
#[derive(Clone, Debug, clap::Args)]
pub struct Remote {
    /// The gateway's address; by default what the running gateway wrote into its data folder
    #[arg(long, env = "PFORTE_URL")]
    pub url: Option<String>,
    /// The gateway's data folder; the operator token is read from it
    #[arg(long, env = "PFORTE_DATA", default_value = "data")]
    pub data: PathBuf,
    /// A secret key; by default the operator token of the data folder
    #[arg(long, env = "PFORTE_KEY", hide_env_values = true)]
    pub key: Option<String>,
}

/// Where a command finds the folders of a gateway, running or not.
#[derive(Clone, Debug, clap::Args)]
pub struct Folders {
    /// The folder for everything that is stored
    #[arg(long, env = "PFORTE_DATA", default_value = "data")]
    pub data: PathBuf,
    /// The folder with the policy
    #[arg(long, env = "PFORTE_POLICIES", default_value = "policies")]
    pub policies: PathBuf,
}
