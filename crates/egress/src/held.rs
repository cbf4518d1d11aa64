//! Content of a request that is had whole before anything is sent, since its hash is to be signed.
//!
//! Not for: signing (`vault`).

use bytes::BytesMut;
use sha2::{Digest, Sha256};

use crate::content::{Piece, Source};
use crate::conversation::Conversation;
use crate::fields::Framing;
use crate::http1::{End, Inflow};
use crate::limits::{BODY_IDLE, HELD_MAX};
use crate::plan::Plan;
use crate::reason::Cause;

/// Reads the request's content, puts it back as if it had come with a length, and returns its hash.
/// Trailers go: they would come behind a length.
///
/// # Errors
/// [`Cause::BodyTooLarge`] beyond [`HELD_MAX`], and whatever is wrong with the content.
pub(crate) async fn hold(
    conversation: &mut Conversation,
    plan: &mut Plan,
) -> Result<[u8; 32], Cause> {
    let Conversation {
        client,
        buffer,
        held,
        ..
    } = conversation;
    let client = &*client;
    *held = true;
    if plan.fields.all("expect").next().is_some() {
        // Who waits for this would wait for ever: the server is asked later.
        let written = End::write(client, b"HTTP/1.1 100 Continue\r\n\r\n").await;
        written.map_err(|_gone| Cause::ClientAborted)?;
        plan.fields.remove("expect");
    }
    let mut source = Inflow::new(client, buffer, plan.framing, BODY_IDLE);
    let content = whole(&mut source).await?;
    plan.framing = Framing::Length(content.len() as u64);
    let hash = Sha256::digest(&content).into();
    let behind = std::mem::replace(buffer, content);
    buffer.extend_from_slice(&behind);
    Ok(hash)
}

/// Reads content to its end.
///
/// # Errors
/// As for [`hold`].
pub(crate) async fn whole(source: &mut impl Source) -> Result<BytesMut, Cause> {
    let mut content = BytesMut::new();
    loop {
        match source.take()? {
            Some(Piece::Data(data)) if content.len() + data.len() > HELD_MAX => {
                return Err(Cause::BodyTooLarge);
            }
            Some(Piece::Data(data)) => content.extend_from_slice(data),
            Some(Piece::End(_)) => return Ok(content),
            None => source.wait().await?,
        }
    }
}
