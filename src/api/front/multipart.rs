//! Multipart bodies (`protocols/transport.md` section 5).
//!
//! Owns the way from parts to name-value pairs. Does not know what the pairs mean.

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::CONTENT_TYPE;

use super::{Head, Pairs};
use crate::error::{Error, Result};

/// Parts of a multipart body.
const MAX_PARTS: usize = 1000;

fn malformed() -> Error {
    Error::malformed("Malformed request")
}

/// The boundary of a request whose media type is `multipart/form-data`; none for every other. One
/// without a boundary is malformed.
pub fn boundary(head: &Head) -> Result<Option<String>> {
    let media_type = head.header(CONTENT_TYPE.as_str()).unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("multipart/form-data") {
        return Ok(None);
    }
    let boundary = multer::parse_boundary(media_type).map_err(|_| malformed())?;
    Ok(Some(boundary))
}

/// The text parts of a body; those with a file name are skipped. Text that is not UTF-8 and more
/// than 1000 parts are malformed.
pub async fn pairs(boundary: String, body: Bytes) -> Result<Pairs> {
    if body.is_empty() {
        return Ok(Pairs::new());
    }
    let stream = Full::<Bytes>::new(body)
        .map_err(|never: Infallible| never)
        .into_data_stream();
    let mut parts = multer::Multipart::new(stream, boundary);
    let mut found = Vec::new();
    let mut count = 0;
    while let Some(part) = parts.next_field().await.map_err(|_| malformed())? {
        count += 1;
        if count > MAX_PARTS {
            return Err(malformed());
        }
        let name = part.name().map(str::to_owned);
        let is_file = part.file_name().is_some();
        let value = part.bytes().await.map_err(|_| malformed())?;
        let (Some(name), false) = (name, is_file) else {
            continue;
        };
        let value = String::from_utf8(value.to_vec()).map_err(|_| malformed())?;
        found.push((name, value));
    }
    Ok(found)
}
