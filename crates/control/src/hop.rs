//! The proxy that egress has to go through, as the warden hands it over.
//!
//! Not for: speaking to it (`egress`).

use std::os::fd::OwnedFd;

use egress::hop::{Credentials, Resolve};
use egress::{Hop, HopSpec};
use policy::host::PatternError;
use policy::{Destination, DestinationError, HostPattern};
use vault::SecretValue;
use warrant::HopEntry;
use warrant::secrets::ValueAt;

use crate::secrets::read_value;

/// A hop that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum HopError {
    /// Its address is none.
    #[error("upstream proxy: {0}")]
    Server(#[from] DestinationError),
    /// A host that is to be dialled directly is none.
    #[error("upstream proxy: no_proxy: {0}")]
    Direct(#[from] PatternError),
}

/// Reads what the warden handed over. Credentials that can't be had make the hop useless, not absent.
///
/// # Errors
/// [`HopError`]; the warden has checked the same before.
pub fn hop((entry, file): (HopEntry, Option<OwnedFd>)) -> Result<Hop, HopError> {
    let direct = entry.direct.iter().map(|text| HostPattern::parse(text));
    let server = Destination::from_authority(entry.server.as_bytes(), None)?;
    Ok(Hop::new(HopSpec {
        server,
        credentials: credentials(entry.credentials, file),
        direct: direct.collect::<Result<_, _>>()?,
        resolve: if entry.resolves {
            Resolve::There
        } else {
            Resolve::Here
        },
    }))
}

fn credentials(at: Option<ValueAt>, file: Option<OwnedFd>) -> Credentials {
    let missing = |reason: &str| Credentials::Missing(reason.to_owned());
    let file = match (at, file) {
        (None, _) => return Credentials::None,
        (Some(ValueAt::Attached), Some(file)) => file,
        (Some(ValueAt::Missing(reason)), _) => return missing(&reason),
        (Some(ValueAt::Attached | ValueAt::Vault), _) => return missing("they did not arrive"),
    };
    let value = match read_value(file) {
        Ok(mut bytes) => SecretValue::new(std::mem::take(&mut *bytes)),
        Err(error) => return missing(&error.to_string()),
    };
    match value {
        // RFC 7617 2: what stands before the first colon is the user.
        Ok(value) if value.expose().contains(&b':') => Credentials::Basic(value),
        Ok(_) => missing("they are not USER:PASSWORD"),
        Err(error) => missing(&error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(credentials: Option<ValueAt>) -> HopEntry {
        HopEntry {
            server: "10.0.0.1:3128".to_owned(),
            direct: vec!["git.test".to_owned()],
            resolves: false,
            credentials,
        }
    }

    #[test]
    fn credentials_that_cannot_be_had_never_become_none() {
        let file = |text: &[u8]| sys::fds::memory_file(c"test", text).unwrap();
        let read = |at, file| format!("{:?}", credentials(at, file));
        assert_eq!(read(None, None), "None");
        let attached = || Some(ValueAt::Attached);
        assert_eq!(read(attached(), Some(file(b"user:pw\n"))), "Basic(..)");
        for (at, file) in [
            (attached(), None),
            (attached(), Some(file(b"no colon"))),
            (attached(), Some(file(b""))),
            (Some(ValueAt::Vault), None),
            (Some(ValueAt::Missing("gone".to_owned())), None),
        ] {
            assert_eq!(read(at, file), "Missing");
        }
        assert!(hop((entry(None), None)).is_ok());
        let mut bad = entry(None);
        bad.direct = vec!["*".to_owned()];
        assert!(hop((bad, None)).is_err());
    }
}
