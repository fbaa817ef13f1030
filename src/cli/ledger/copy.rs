//! Where a copy of the log lies: a folder, or a server.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::egress::Local;
use crate::ledger::verify::Copy;

/// How often a server that says that it is asked too often is asked again.
const TRIES_MAX: u32 = 60;
/// How long to wait before that.
const PAUSE: Duration = Duration::from_secs(1);

/// Opens a copy by its folder or address.
pub(super) fn open(place: &str) -> anyhow::Result<Box<dyn Copy>> {
    if place.starts_with("http://") || place.starts_with("https://") {
        return Ok(Box::new(Served::new(place)?));
    }
    let folder = PathBuf::from(place);
    anyhow::ensure!(folder.is_dir(), "{place} is neither a folder nor an address");
    Ok(Box::new(Folder(folder)))
}

struct Folder(PathBuf);

impl Copy for Folder {
    fn read(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        match std::fs::read(self.0.join(path)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            read => read.map(Some),
        }
    }
}

/// A log that is served.
pub(super) struct Served {
    url: String,
    http: Local,
}

impl Served {
    pub(super) fn new(url: &str) -> anyhow::Result<Self> {
        Ok(Self { url: url.trim_end_matches('/').to_owned(), http: Local::new()? })
    }
}

impl Copy for Served {
    fn read(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        let url = format!("{}/{path}", self.url);
        for _ in 0..TRIES_MAX {
            match self.http.fetch(&url).map_err(io::Error::other)? {
                (200, bytes) => return Ok(Some(bytes)),
                (404, _) => return Ok(None),
                (429, _) => self.http.pause(PAUSE),
                (status, _) => return Err(io::Error::other(format!("{url} answers {status}"))),
            }
        }
        Err(io::Error::other(format!("{url} does not want to be asked so often")))
    }
}
