//! How a gateway is started: options, each also an environment variable. The only file that reads the environment.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use actix_web::http::Uri;
use anyhow::Context as _;
use ipnet::IpNet;

use crate::egress::smtp::SmtpUrl;
use crate::ledger::Trust;
use crate::vault::archive::Passphrase;
use crate::vault::{Digits, Master};

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
    /// Proxies in front whose `X-Forwarded-For` is believed, as addresses or networks, separated by commas
    #[arg(long, env = "PFORTE_TRUSTED_PROXIES", value_delimiter = ',', value_parser = network)]
    pub trusted_proxies: Vec<IpNet>,
    /// After how many days identifiers are moved to a new index key, so that residues of the erased mean nothing; 0: never
    #[arg(long, env = "PFORTE_INDEX_KEY_DAYS", default_value_t = 30)]
    pub index_key_days: u32,
    /// How long a withdrawal waits for a recipient that does not answer, in milliseconds; then the request is cut off
    #[arg(long, env = "PFORTE_WITHDRAWAL_CUT_MS", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(10..=60_000))]
    pub withdrawal_cut_ms: u64,
    /// Where the master key comes from
    #[command(flatten)]
    pub master: MasterKey,
    /// How mail to people is sent
    #[command(flatten)]
    pub mail: Mail,
    /// A file with the witnesses that are asked to cosign the ledger (C2SP tlog-policy); without it none is asked
    #[arg(long, env = "PFORTE_WITNESSES")]
    pub witnesses: Option<PathBuf>,
    /// Where others reach the gateway, for links and for what other companies are told
    #[arg(long, env = "PFORTE_PUBLIC_URL")]
    pub public_url: Option<PublicUrl>,
    /// Whether the demo shop is served at `/demo`; by default only where nobody but this machine is served
    #[arg(long, env = "PFORTE_DEMO")]
    pub demo: Option<bool>,
}

impl Config {
    /// Whether the demo shop is served. Unless somebody says so, only on a gateway that is plainly for trying out: it listens on a
    /// loopback address, and neither a public URL nor a proxy in front is configured.
    #[must_use]
    pub fn serves_demo(&self) -> bool {
        let alone = self.listen.ip().is_loopback() && self.public_url.is_none() && self.trusted_proxies.is_empty();
        self.demo.unwrap_or(alone)
    }
}

/// How mail to people is sent; without a server it is written to `mail` in the data folder.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Mail {
    /// The mail server: `smtps://user:password@host`, or `smtp://…` for STARTTLS
    #[arg(long, env = "PFORTE_SMTP_URL", hide_env_values = true, group = "smtp")]
    pub smtp_url: Option<SmtpUrl>,
    /// A file that holds the URL of the mail server, for its password is in it
    #[arg(long, env = "PFORTE_SMTP_URL_FILE", group = "smtp")]
    pub smtp_url_file: Option<PathBuf>,
    /// Who mails come from: an address, or `Name <address>`
    #[arg(long, env = "PFORTE_MAIL_FROM")]
    pub mail_from: Option<String>,
}

impl Mail {
    /// The mail server, if there is one.
    ///
    /// # Errors
    /// When the file with the URL cannot be read, or holds something else.
    pub fn server(&self) -> anyhow::Result<Option<SmtpUrl>> {
        let of_file = |path: &PathBuf| {
            let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            text.parse::<SmtpUrl>().with_context(|| format!("what stands in {}", path.display()))
        };
        Ok(self.smtp_url_file.as_ref().map(of_file).transpose()?.or_else(|| self.smtp_url.clone()))
    }
}

/// Reads a file with witnesses.
///
/// # Errors
/// Which file, which line, and why.
pub fn read_witnesses(path: &Path) -> anyhow::Result<Trust> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    Trust::parse(&text).with_context(|| format!("{} cannot be taken", path.display()))
}

/// Where others reach the gateway: `https://privacy.example.org`, perhaps with a path. Plain HTTP is for this machine alone, because
/// links in mails are as good as a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl(String);

impl PublicUrl {
    /// As it is written, without a slash at its end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PublicUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let uri: Uri = text.parse().map_err(|_not_a_url| "must be a URL")?;
        let host = uri.host().unwrap_or_default();
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        let is_here = bare.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        match uri.scheme_str() {
            Some("https") if !host.is_empty() => {}
            Some("http") if is_here => {}
            _ => return Err("must be https://…; http:// is for this machine alone"),
        }
        if uri.query().is_some() || text.contains(['#', '@', '<', '>', '"']) {
            return Err("must hold neither a query nor a fragment nor a user");
        }
        Ok(Self(text.trim_end_matches('/').to_owned()))
    }
}

/// A network, or an address on its own.
fn network(text: &str) -> Result<IpNet, String> {
    let alone = || text.parse::<IpAddr>().map(IpNet::from);
    text.parse().or_else(|_no_network| alone()).map_err(|_no_address| String::from("write 10.0.0.0/8, 127.0.0.1 or fd00::/8"))
}

/// Where the master key comes from; by default `master.key` in the key folder.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct MasterKey {
    /// A file elsewhere with the master key, 64 hexadecimal digits
    #[arg(long, env = "PFORTE_MASTER_KEY_FILE", group = "master")]
    pub master_key_file: Option<PathBuf>,
    /// A command that prints the master key, such as a client of a KMS
    #[arg(long, env = "PFORTE_MASTER_KEY_COMMAND", group = "master")]
    pub master_key_command: Option<String>,
    /// The master key itself; better as an environment variable than as an option, which others can see
    #[arg(long, env = "PFORTE_MASTER_KEY", hide_env_values = true, group = "master")]
    pub master_key: Option<Digits>,
}

impl MasterKey {
    /// As the vault takes it.
    #[must_use]
    pub fn source(&self) -> Master {
        match self {
            Self { master_key: Some(digits), .. } => Master::Digits(digits.clone()),
            Self { master_key_command: Some(command), .. } => Master::Command(command.clone()),
            Self { master_key_file: Some(path), .. } => Master::File(path.clone()),
            Self { .. } => Master::Folder,
        }
    }
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

/// Where a gateway runs whose folders are not at hand.
#[derive(Clone, Debug, clap::Args)]
pub struct Elsewhere {
    /// The gateway's address, if it runs elsewhere; its keys are not at hand then
    #[arg(long, env = "PFORTE_URL")]
    pub url: Option<String>,
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

/// Where a command finds the data folder, and how others reach the gateway.
#[derive(Clone, Debug, clap::Args)]
pub struct Doorstep {
    /// The folder for everything that is stored
    #[arg(long, env = "PFORTE_DATA", default_value = "data")]
    pub data: PathBuf,
    /// Where others reach the gateway, for links
    #[arg(long, env = "PFORTE_PUBLIC_URL")]
    pub public_url: Option<PublicUrl>,
}

/// Where a command finds the keys of a gateway, and what they belong to.
#[derive(Clone, Debug, clap::Args)]
pub struct Keyring {
    /// The folder for everything that is stored
    #[arg(long, env = "PFORTE_DATA", default_value = "data")]
    pub data: PathBuf,
    /// The folder for key material
    #[arg(long, env = "PFORTE_KEYS", default_value = "keys")]
    pub keys: PathBuf,
}

/// What backups of keys are sealed under.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct KeysPassphrase {
    /// A file with the passphrase of backups of keys, at least 12 characters
    #[arg(long, env = "PFORTE_BACKUP_PASSPHRASE_FILE", group = "phrase")]
    pub passphrase_file: Option<PathBuf>,
    /// The passphrase itself; better as an environment variable than as an option, which others can see
    #[arg(long, env = "PFORTE_BACKUP_PASSPHRASE", hide_env_values = true, group = "phrase")]
    pub passphrase: Option<Digits>,
}

impl KeysPassphrase {
    /// As the vault takes it.
    ///
    /// # Errors
    /// When it cannot be read or is too short.
    pub fn read(&self) -> anyhow::Result<Option<Passphrase>> {
        let text = match self {
            Self { passphrase: Some(text), .. } => text.clone(),
            Self { passphrase_file: Some(path), .. } => {
                let read = std::fs::read_to_string(path);
                Digits::new(read.map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?)
            }
            Self { .. } => return Ok(None),
        };
        Ok(Some(Passphrase::new(&text)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_is_served_only_where_nobody_else_is_unless_somebody_says_so() {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            config: Config,
        }
        let serves = |words: &[&str]| {
            let line = ["pforte"].iter().chain(words);
            <Line as clap::Parser>::parse_from(line).config.serves_demo()
        };
        assert!(serves(&[]) && serves(&["--listen", "[::1]:8080"]));
        for open in
            [&["--listen", "0.0.0.0:8080"][..], &["--public-url", "https://p.example"], &["--trusted-proxies", "127.0.0.1"]]
        {
            assert!(!serves(open), "{open:?}");
            assert!(serves(&[open, &["--demo", "true"]].concat()), "{open:?}");
        }
        assert!(!serves(&["--demo", "false"]));
    }

    #[test]
    fn links_in_mails_begin_with_https_or_lead_to_this_machine() {
        for (url, base) in [
            ("https://privacy.example.org", "https://privacy.example.org"),
            ("https://example.org/privacy/", "https://example.org/privacy"),
            ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
            ("http://[::1]:8080", "http://[::1]:8080"),
            ("http://localhost", "http://localhost"),
        ] {
            assert_eq!(url.parse(), Ok(PublicUrl(base.to_owned())), "{url}");
        }
        for url in ["http://example.org", "http://localhost.example", "https://u@example.org", "https://a/?x", "ftp://a", "a", ""]
        {
            assert!(url.parse::<PublicUrl>().is_err(), "{url}");
        }
    }
}
