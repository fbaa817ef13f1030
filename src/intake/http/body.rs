//! Reading a request body without letting it grow.
//!
//! Any Content-Type is taken, because the SDKs send JSON as `text/plain` and as `application/x-www-form-urlencoded`. Both the
//! bytes on the wire and the bytes they unpack to are capped while they come, so that neither a long body nor a gzip bomb ever
//! takes more memory than the limits say.

use std::future::poll_fn;
use std::io::Read as _;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use actix_web::http::header;
use actix_web::web::{Bytes, BytesMut, Payload};
use actix_web::{HttpRequest, error::PayloadError};
use flate2::read::MultiGzDecoder;
use futures_util::StreamExt as _;
use tokio::time::error::Elapsed;

use crate::error::{Code, Problem};
use crate::limit::{EVENTS_BODY_BYTES_MAX, EVENTS_UNPACKED_BYTES_MAX};

/// How much of a body that is too large is read and thrown away, so that its sender hears why instead of a broken connection.
const DRAINED_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How long a body may take to arrive.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// What every gzip stream begins with, and no JSON.
const GZIP_MAGIC: [u8; 2] = [0x1F, 0x8B];

/// What the bytes on the wire are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Gzip,
    /// Nothing is said. Proxies and some SDKs lose the header, so gzip is then told by how it begins.
    Unsaid,
}

/// Reads the body of an event request, unpacked.
///
/// # Errors
/// `unsupported_encoding`, `invalid_encoding`, `body_too_large`; `unavailable` if it does not come in time or breaks off.
pub async fn read(req: &HttpRequest, payload: Payload) -> Result<Bytes, Problem> {
    let encoding = match encoding(req) {
        Ok(encoding) => encoding,
        Err(problem) => {
            discard(payload).await;
            return Err(problem);
        }
    };
    let raw = in_time(READ_TIMEOUT, collect(payload, stated_length(req), EVENTS_BODY_BYTES_MAX)).await;
    let raw = raw.map_err(|_elapsed| Problem::new(Code::Unavailable).detail("The body did not arrive in time."))??;
    unpack(encoding, raw)
}

/// Reads and forgets a body, so that its sender hears an answer that was clear before.
pub async fn discard(payload: Payload) {
    let _forgotten = in_time(READ_TIMEOUT, collect(payload, 0, 0)).await;
}

/// Waits for a body, and not for ever. A handler is asked first when the head of a request is read, and again when what came with it is: by
/// then nearly every body is whole, and no timer is set for it.
async fn in_time<T>(long: Duration, reading: impl Future<Output = T>) -> Result<T, Elapsed> {
    let mut reading = pin!(reading);
    let mut asked_before = false;
    let at_once = poll_fn(|cx| match reading.as_mut().poll(cx) {
        Poll::Ready(read) => Poll::Ready(Some(read)),
        Poll::Pending if asked_before => Poll::Ready(None),
        Poll::Pending => {
            asked_before = true;
            // Whoever waits without a timer has to be asked again, whatever happens.
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    });
    match at_once.await {
        Some(read) => Ok(read),
        None => tokio::time::timeout(long, reading).await,
    }
}

fn encoding(req: &HttpRequest) -> Result<Encoding, Problem> {
    let mut seen = Encoding::Unsaid;
    for value in req.headers().get_all(header::CONTENT_ENCODING) {
        let names = value.to_str().map_err(|_not_ascii| Problem::new(Code::UnsupportedEncoding))?;
        for name in names.split(',').map(str::trim).filter(|name| !name.is_empty() && !name.eq_ignore_ascii_case("identity")) {
            let is_gzip = name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip");
            if !is_gzip || seen == Encoding::Gzip {
                return Err(Problem::field(Code::UnsupportedEncoding, "Content-Encoding"));
            }
            seen = Encoding::Gzip;
        }
    }
    Ok(seen)
}

/// How long the body will be, if the sender says so.
fn stated_length(req: &HttpRequest) -> usize {
    let value = req.headers().get(header::CONTENT_LENGTH);
    value.and_then(|value| value.to_str().ok()?.parse().ok()).unwrap_or_default()
}

/// Room for what is stated is made when a second piece comes, so that nobody takes memory by a header alone.
async fn collect(mut payload: Payload, stated: usize, bytes_max: usize) -> Result<Bytes, Problem> {
    let mut first = Bytes::new();
    let mut more = BytesMut::new();
    let mut length = 0_usize;
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| broken(&error))?;
        length = length.saturating_add(chunk.len());
        if length > DRAINED_BYTES_MAX {
            break;
        }
        if length > bytes_max {
            more.clear();
        } else if first.is_empty() && more.is_empty() {
            // Nearly every body comes in one piece, and is then not copied.
            first = chunk;
        } else {
            if more.is_empty() {
                more.reserve(stated.clamp(length, bytes_max));
                more.extend_from_slice(&std::mem::take(&mut first));
            }
            more.extend_from_slice(&chunk);
        }
    }
    if length > bytes_max {
        return Err(Problem::new(Code::BodyTooLarge));
    }
    Ok(if more.is_empty() { first } else { more.freeze() })
}

fn broken(error: &PayloadError) -> Problem {
    if matches!(error, PayloadError::Overflow) {
        return Problem::new(Code::BodyTooLarge);
    }
    Problem::new(Code::Unavailable).detail("The body broke off.")
}

fn unpack(encoding: Encoding, raw: Bytes) -> Result<Bytes, Problem> {
    if encoding == Encoding::Unsaid && !raw.starts_with(&GZIP_MAGIC) {
        return Ok(raw);
    }
    let mut out = Vec::with_capacity(raw.len().saturating_mul(4).min(EVENTS_UNPACKED_BYTES_MAX));
    let cap = u64::try_from(EVENTS_UNPACKED_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    let inflated = MultiGzDecoder::new(&*raw).take(cap).read_to_end(&mut out);
    inflated.map_err(|_not_gzip| Problem::new(Code::InvalidEncoding))?;
    if out.len() > EVENTS_UNPACKED_BYTES_MAX {
        return Err(Problem::new(Code::BodyTooLarge));
    }
    Ok(Bytes::from(out))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use actix_web::FromRequest as _;
    use actix_web::test::TestRequest;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    async fn send(encodings: &[&str], body: Vec<u8>) -> Result<Vec<u8>, Code> {
        let mut req = TestRequest::post().set_payload(body);
        for encoding in encodings {
            req = req.append_header((header::CONTENT_ENCODING, *encoding));
        }
        let (req, mut payload) = req.to_http_parts();
        let payload = Payload::from_request(&req, &mut payload).await.unwrap();
        read(&req, payload).await.map(|body| body.to_vec()).map_err(|problem| problem.code)
    }

    #[actix_web::test]
    async fn plain_and_gzipped_bodies_are_read() {
        let json = br#"{"batch":[]}"#.to_vec();
        for encodings in [&[][..], &["identity"], &[""]] {
            assert_eq!(send(encodings, json.clone()).await, Ok(json.clone()), "{encodings:?}");
        }
        for encodings in [&["gzip"][..], &["GZIP"], &["x-gzip"], &["identity, gzip"], &[]] {
            assert_eq!(send(encodings, gzip(&json)).await, Ok(json.clone()), "{encodings:?}");
        }
        assert_eq!(send(&[], Vec::new()).await, Ok(Vec::new()));
    }

    #[actix_web::test]
    async fn a_body_in_pieces_is_whole_however_long_it_is_said_to_be() {
        for stated in ["", "0", "12", "5", "18446744073709551615", "-1", "x"] {
            let pieces = [&b""[..], b"{\"ba", b"tch\":", b"", b"[]}"].map(|piece| Ok(Bytes::from_static(piece)));
            let req = TestRequest::post().insert_header((header::CONTENT_LENGTH, stated)).to_http_request();
            let mut payload = actix_web::dev::Payload::from(futures_util::stream::iter(pieces).boxed_local());
            let payload = Payload::from_request(&req, &mut payload).await.unwrap();
            assert_eq!(read(&req, payload).await.unwrap(), "{\"batch\":[]}", "{stated}");
        }
    }

    #[actix_web::test]
    async fn a_body_that_comes_late_is_whole_and_one_that_does_not_come_is_not_waited_for_for_ever() {
        let short = Duration::from_millis(20);
        assert_eq!(in_time(short, std::future::ready(0)).await, Ok(0));
        for asked in 1..5 {
            let mut left = asked;
            let late = poll_fn(|cx| {
                if left == 0 {
                    return Poll::Ready(asked);
                }
                left -= 1;
                cx.waker().wake_by_ref();
                Poll::Pending
            });
            assert_eq!(in_time(READ_TIMEOUT, late).await, Ok(asked));
        }
        assert!(in_time(short, std::future::pending::<()>()).await.is_err());
    }

    #[actix_web::test]
    async fn gzip_of_several_members_is_one_body() {
        let mut members = gzip(b"{\"batch\":");
        members.extend(gzip(b"[]}"));
        assert_eq!(send(&["gzip"], members).await, Ok(b"{\"batch\":[]}".to_vec()));
    }

    #[actix_web::test]
    async fn other_encodings_are_refused() {
        for encodings in [&["br"][..], &["deflate"], &["zstd"], &["gzip, gzip"], &["gzip", "gzip"], &["gzip, br"]] {
            assert_eq!(send(encodings, gzip(b"{}")).await, Err(Code::UnsupportedEncoding), "{encodings:?}");
        }
    }

    #[actix_web::test]
    async fn what_is_not_gzip_or_not_whole_is_refused() {
        let whole = gzip(&br#"{"batch":[{"type":"page","userId":"u"}]}"#.repeat(20));
        for length in 0..whole.len() {
            assert_eq!(send(&["gzip"], whole[..length].to_vec()).await, Err(Code::InvalidEncoding), "cut to {length}");
        }
        assert_eq!(send(&["gzip"], b"{}".to_vec()).await, Err(Code::InvalidEncoding));
        let mut wrong_sum = whole.clone();
        let sum = whole.len() - 8;
        wrong_sum[sum] ^= 1;
        assert_eq!(send(&["gzip"], wrong_sum).await, Err(Code::InvalidEncoding));
    }

    #[actix_web::test]
    async fn limits_hold_on_the_wire_and_unpacked() {
        let fits = vec![b' '; EVENTS_BODY_BYTES_MAX];
        assert!(send(&[], fits.clone()).await.is_ok());
        assert!(send(&["gzip"], gzip(&vec![b' '; EVENTS_UNPACKED_BYTES_MAX])).await.is_ok());
        let larger = |bytes: usize| vec![b' '; bytes];
        assert_eq!(send(&[], larger(EVENTS_BODY_BYTES_MAX + 1)).await, Err(Code::BodyTooLarge));
        assert_eq!(send(&[], larger(20 * 1024 * 1024)).await, Err(Code::BodyTooLarge));
        assert_eq!(send(&["gzip"], gzip(&larger(EVENTS_UNPACKED_BYTES_MAX + 1))).await, Err(Code::BodyTooLarge));
        let bomb = gzip(&larger(200 * 1024 * 1024));
        assert!(bomb.len() < EVENTS_BODY_BYTES_MAX);
        assert_eq!(send(&["gzip"], bomb).await, Err(Code::BodyTooLarge));
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_unpacking(bytes in proptest::collection::vec(any::<u8>(), 0..200), json in ".{0,50}", flip in any::<(usize, u8)>()) {
            let _read = (unpack(Encoding::Gzip, Bytes::from(bytes.clone())), unpack(Encoding::Unsaid, Bytes::from(bytes)));
            let mut packed = gzip(json.as_bytes());
            prop_assert_eq!(unpack(Encoding::Gzip, Bytes::from(packed.clone())).unwrap(), json.as_bytes());
            let at = flip.0 % packed.len();
            packed[at] ^= flip.1;
            let _read = unpack(Encoding::Gzip, Bytes::from(packed));
        }
    }
}
