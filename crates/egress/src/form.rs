//! How the requests of a connection say where they go: read once, in one way, into a target.
//!
//! Not for: the rest of a head (`plan`), nor verdicts.

use model::{TlsMode, Via};
use policy::{CanonicalPath, Destination, DomainName, Host, Scheme, Target};

use crate::head::Head;
use crate::reason::Cause;
use crate::tunnel::TLS_PORTS;

/// What a connection's requests look like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Form {
    /// The client asks for the proxy: whole URIs, and CONNECT.
    Proxy,
    /// The client knows of no proxy: paths, and `Host` says where to.
    Direct {
        /// The port that it dialled.
        port: u16,
        /// The name whose address it dialled, when it is one of ours.
        aimed: Option<DomainName>,
    },
    /// The content of a tunnel: paths, all for the one destination.
    Within {
        /// What the tunnel was asked for.
        destination: Destination,
        /// How it was asked for.
        via: Via,
        /// The tunnel carries TLS, which this side opened.
        tls: bool,
    },
}

impl Form {
    /// How the requests reach the proxy.
    pub(crate) const fn via(&self) -> Via {
        match self {
            Self::Proxy => Via::Explicit,
            Self::Direct { .. } => Via::Transparent,
            Self::Within { via, .. } => *via,
        }
    }

    /// What happens to TLS.
    pub(crate) const fn tls(&self) -> TlsMode {
        match self {
            Self::Within { tls: true, .. } => TlsMode::Intercept,
            Self::Proxy | Self::Direct { .. } | Self::Within { tls: false, .. } => TlsMode::None,
        }
    }

    /// Where a request that can't be read would have gone, as far as the connection tells.
    pub(crate) fn presumed(&self) -> Option<(String, u16)> {
        match self {
            Self::Proxy => None,
            Self::Direct { port, aimed } => {
                let name = aimed.as_ref().map(ToString::to_string);
                Some((name.unwrap_or_default(), *port))
            }
            Self::Within { destination, .. } => {
                Some((destination.host.to_string(), destination.port))
            }
        }
    }

    /// Where a request goes. `Host` must say the same.
    pub(crate) fn target(&self, head: &Head) -> Result<Target, Cause> {
        match self {
            Self::Proxy => absolute(head),
            Self::Direct { port, aimed } => direct(head, *port, aimed.as_ref()),
            Self::Within {
                destination, tls, ..
            } => within(head, destination, *tls),
        }
    }
}

fn absolute(head: &Head) -> Result<Target, Cause> {
    let target =
        Target::from_absolute_uri(&head.target).map_err(|error| Cause::Malformed(error.code()))?;
    if target.scheme == Scheme::Https {
        return Err(Cause::Malformed("https_needs_connect"));
    }
    match head.fields.one("host")? {
        Some(host) => same_host(host, &target.destination, target.scheme.default_port())?,
        None if head.is_11 => return Err(Cause::Malformed("host_missing")),
        None => {}
    }
    if TLS_PORTS.contains(&target.destination.port) {
        return Err(Cause::NotTls);
    }
    Ok(target)
}

fn direct(head: &Head, port: u16, aimed: Option<&DomainName>) -> Result<Target, Cause> {
    let path = origin(head)?;
    let host = head.fields.one("host")?;
    let host = host.ok_or(Cause::Malformed("host_missing"))?;
    let destination = read_host(host, Scheme::Http.default_port())?;
    let agrees = match (&destination.host, aimed) {
        (_, None) => true,
        (Host::Name(name), Some(aimed)) => name == aimed,
        (Host::V4(_) | Host::V6(_), Some(_)) => false,
    };
    if destination.port != port || !agrees {
        return Err(Cause::Misdirected);
    }
    Ok(Target {
        scheme: Scheme::Http,
        destination,
        path,
    })
}

fn within(head: &Head, destination: &Destination, tls: bool) -> Result<Target, Cause> {
    let scheme = if tls { Scheme::Https } else { Scheme::Http };
    let path = origin(head)?;
    match head.fields.one("host")? {
        Some(host) if read_host(host, scheme.default_port())? == *destination => {}
        Some(_) => return Err(Cause::Misdirected),
        None if head.is_11 => return Err(Cause::Malformed("host_missing")),
        None => {}
    }
    Ok(Target {
        scheme,
        destination: destination.clone(),
        path,
    })
}

/// A path alone. Anything else would name a host a second time, or is for the proxy itself.
fn origin(head: &Head) -> Result<CanonicalPath, Cause> {
    if head.method == "CONNECT" || !head.target.starts_with(b"/") {
        return Err(Cause::Malformed("origin_form_required"));
    }
    CanonicalPath::parse(&head.target).map_err(|error| Cause::Malformed(error.code()))
}

/// Insists that a Host field names the destination.
pub(crate) fn same_host(host: &[u8], wanted: &Destination, port: u16) -> Result<(), Cause> {
    if read_host(host, port)? == *wanted {
        Ok(())
    } else {
        Err(Cause::HostMismatch)
    }
}

fn read_host(host: &[u8], port: u16) -> Result<Destination, Cause> {
    Destination::from_authority(host, Some(port)).map_err(|error| Cause::Malformed(error.code()))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn target(form: &Form, host: &str) -> Result<String, Cause> {
        let text = format!("GET /x HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let head = Head::read(&Bytes::from(text)).unwrap();
        form.target(&head)
            .map(|target| target.destination.to_string())
    }

    #[test]
    fn a_host_field_must_be_the_name_whose_address_was_dialled() {
        let aimed = |name: Option<&str>| Form::Direct {
            port: 80,
            aimed: name.map(|name| DomainName::parse(name.as_bytes()).unwrap()),
        };
        let fine = Ok("a.test:80".to_owned());
        assert_eq!(target(&aimed(None), "a.test"), fine);
        assert_eq!(target(&aimed(Some("a.test")), "A.test."), fine);
        assert_eq!(
            target(&aimed(Some("b.test")), "a.test"),
            Err(Cause::Misdirected)
        );
        assert_eq!(
            target(&aimed(Some("b.test")), "1.1.1.1"),
            Err(Cause::Misdirected)
        );
        assert_eq!(target(&aimed(None), "a.test:81"), Err(Cause::Misdirected));
    }

    #[test]
    fn a_tunnel_has_one_destination_with_its_port() {
        let within = |tls| Form::Within {
            destination: Destination::from_authority(b"a.test:8443", None).unwrap(),
            via: Via::Explicit,
            tls,
        };
        for tls in [true, false] {
            assert_eq!(
                target(&within(tls), "a.test:8443"),
                Ok("a.test:8443".to_owned())
            );
            assert_eq!(target(&within(tls), "a.test"), Err(Cause::Misdirected));
        }
    }
}
