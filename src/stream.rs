//! Answers that are made while they are fetched, and handed over in pieces: memory stays flat however long they are.

use std::io::{self, Write};

use actix_web::{HttpResponse, HttpResponseBuilder, web};
use tokio::sync::mpsc;

use crate::error::{Code, Problem};

/// How large a piece is, in bytes.
const PIECE_BYTES: usize = 64 * 1024;
/// How many pieces wait for a slow line; then the making of the answer waits, too.
const PIECES_WAITING_MAX: usize = 4;

/// Answers with what `write` writes, on a thread that may block. What cannot be made at all is answered with a problem; what breaks off
/// later breaks the connection, so that whoever fetches it sees that it is not whole.
///
/// # Errors
/// The problem of an error that came before the first piece.
pub async fn answer<E: std::fmt::Display + Send + 'static>(
    mut head: HttpResponseBuilder,
    write: impl FnOnce(&mut Pieces) -> Result<(), E> + Send + 'static,
    problem: impl FnOnce(&E) -> Problem,
) -> Result<HttpResponse, Problem> {
    let (sender, mut receiver) = mpsc::channel(PIECES_WAITING_MAX);
    let writing = actix_web::rt::spawn(web::block(move || {
        let mut pieces = Pieces { waiting: Vec::new(), begun: false, sender };
        let done = write(&mut pieces);
        if let (Err(error), true) = (&done, pieces.begun) {
            tracing::error!(%error, "an answer broke off");
            drop(pieces.sender.blocking_send(Err(io::Error::other("broken off"))));
        } else if done.is_ok() {
            // It fails when nobody fetches any more.
            drop(pieces.flush());
        }
        done
    }));
    let Some(first) = receiver.recv().await else {
        let done = writing.await.ok().and_then(Result::ok);
        return Err(done.and_then(Result::err).map_or_else(|| Problem::new(Code::Unavailable), |error| problem(&error)));
    };
    let rest = futures_util::stream::unfold(receiver, async |mut receiver| Some((receiver.recv().await?, receiver)));
    let pieces = futures_util::StreamExt::chain(futures_util::stream::iter([first]), rest);
    Ok(head.insert_header(("Cache-Control", "no-store")).streaming(Box::pin(pieces)))
}

/// Hands what is written on in pieces.
pub struct Pieces {
    waiting: Vec<u8>,
    /// Whether a piece is on its way already.
    begun: bool,
    sender: mpsc::Sender<io::Result<web::Bytes>>,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.waiting.extend_from_slice(bytes);
        if self.waiting.len() >= PIECE_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        self.begun = true;
        let piece = std::mem::take(&mut self.waiting);
        let sent = self.sender.blocking_send(Ok(web::Bytes::from(piece)));
        sent.map_err(|_gone| io::Error::from(io::ErrorKind::BrokenPipe))
    }
}
