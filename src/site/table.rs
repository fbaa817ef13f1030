//! Tables for spreadsheets.

use actix_web::HttpResponse;

use crate::error::{Code, Problem};

/// Rows as a table (RFC 4180). Cells that people write are made harmless before; `next` says where a further page begins.
///
/// # Errors
/// `unavailable` if it cannot be written.
pub fn csv(columns: &[&str], rows: impl Iterator<Item = Vec<String>>, next: Option<&str>) -> Result<HttpResponse, Problem> {
    let write = || -> Result<Vec<u8>, csv::Error> {
        let mut table = csv::Writer::from_writer(Vec::new());
        table.write_record(columns)?;
        for row in rows {
            table.write_record(row)?;
        }
        Ok(table.into_inner().map_err(csv::IntoInnerError::into_error)?)
    };
    let table = write().map_err(|error| {
        tracing::error!(%error, "a table could not be written");
        Problem::new(Code::Unavailable)
    })?;
    let mut answer = HttpResponse::Ok();
    if let Some(next) = next {
        answer.insert_header(("x-next", next));
    }
    Ok(answer.content_type("text/csv; charset=utf-8").insert_header(("Cache-Control", "no-store")).body(table))
}
