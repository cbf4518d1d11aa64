//! Connections that never asked for a proxy. Every destination of a jail leads here, so what the client
//! says decides where it goes: `Host` in HTTP, the server's name in TLS, and on other ports the name whose
//! address it dialled. The address itself decides nothing where there is a name: it is resolved anew.
//!
//! Not for: what follows once that is known (`conversation`, `connect`).

use std::net::IpAddr;

use model::{TlsMode, Via};
use policy::{Destination, DomainName, Host, Scheme};

use crate::authorize::{Unjudged, turn_away};
use crate::client::Client;
use crate::connect::{ask, asked};
use crate::conversation::{Conversation, Next};
use crate::form::Form;
use crate::hello::ACCESS_DENIED;
use crate::reason::Cause;
use crate::session::Session;
use crate::tunnel::{Greeting, alarm, read_hello};

/// The form of what comes to the port of plain HTTP.
pub(crate) fn form(session: &Session, client: &Client) -> Form {
    Form::Direct {
        port: Scheme::Http.default_port(),
        aimed: aimed(session, client),
    }
}

/// Takes a connection to the port of TLS as far as its handshake says where it goes.
pub(crate) async fn greet_tls(conversation: &mut Conversation) -> Next {
    let Conversation {
        session, client, ..
    } = &*conversation;
    let aimed = aimed(session, client);
    let unnamed = address(client).map(host);
    let port = Scheme::Https.default_port();
    let read = read_hello(conversation).await;
    let hello = match read {
        Ok(hello) => hello,
        Err(unread) => return refuse(conversation, aimed, (unread.into(), port)).await,
    };
    let host = match destination(hello.server_name(), aimed.clone(), unnamed) {
        Ok(host) => host,
        Err(cause) => return refuse(conversation, aimed, (cause, port)).await,
    };
    let asked = asked(Via::Transparent, Destination { host, port });
    ask(conversation, &asked, Greeting::None).await
}

/// Where a handshake goes. The name whose address was dialled must be the one in the handshake, if there
/// are both; an address without a name stands for itself.
fn destination(
    named: Option<Result<DomainName, &[u8]>>,
    aimed: Option<DomainName>,
    address: Option<Host>,
) -> Result<Host, Cause> {
    match (named, aimed) {
        (Some(Err(_)), _) => Err(Cause::SniMismatch),
        (Some(Ok(name)), Some(aimed)) if name != aimed => Err(Cause::SniMismatch),
        (Some(Ok(name)), _) | (None, Some(name)) => Ok(Host::Name(name)),
        (None, None) => address.ok_or(Cause::ClientAborted),
    }
}

/// Takes a connection to a port that a rule names: the address that was dialled says which name.
pub(crate) async fn greet_further(conversation: &mut Conversation, port: u16) -> Next {
    let Conversation {
        session, client, ..
    } = &*conversation;
    let host = match aimed(session, client) {
        Some(name) => Host::Name(name),
        None => match address(client).map(host) {
            Some(host) => host,
            None => return Next::Done,
        },
    };
    let asked = asked(Via::Transparent, Destination { host, port });
    ask(conversation, &asked, Greeting::None).await
}

/// The address that the client dialled; every destination leads here, and it is still the local one.
pub(crate) fn address(client: &Client) -> Option<IpAddr> {
    let local = client.stream().local_addr().ok();
    local.map(|local| local.ip())
}

/// The name whose address the client dialled.
fn aimed(session: &Session, client: &Client) -> Option<DomainName> {
    match address(client)? {
        IpAddr::V4(ip) => session.addresses.lookup(ip),
        IpAddr::V6(_) => None,
    }
}

const fn host(ip: IpAddr) -> Host {
    match ip {
        IpAddr::V4(ip) => Host::V4(ip),
        IpAddr::V6(ip) => Host::V6(ip),
    }
}

/// Refuses what never got as far as a verdict.
async fn refuse(
    conversation: &Conversation,
    aimed: Option<DomainName>,
    (cause, port): (Cause, u16),
) -> Next {
    if cause == Cause::ClientAborted {
        return Next::Done;
    }
    let Conversation {
        proxy,
        session,
        client,
        ..
    } = conversation;
    let host = match aimed {
        Some(name) => name.to_string(),
        None => address(client).map_or_else(String::new, |ip| ip.to_string()),
    };
    let unjudged = Unjudged {
        via: Via::Transparent,
        tls: TlsMode::None,
        method: b"",
        host: host.as_bytes(),
        port,
    };
    drop(turn_away(session, &proxy.recorder, unjudged, cause).await);
    alarm(conversation, ACCESS_DENIED).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handshake_must_name_the_host_whose_address_was_dialled() {
        let name = |text: &str| DomainName::parse(text.as_bytes()).unwrap();
        let address = Host::parse("192.0.2.1").unwrap();
        let of = |named: Option<&'static str>, aimed: Option<&str>| {
            let named = named
                .map(|named| DomainName::parse(named.as_bytes()).map_err(|_malformed| &b"?"[..]));
            destination(named, aimed.map(name), Some(address.clone())).map(|host| host.to_string())
        };
        assert_eq!(of(Some("a.test"), Some("a.test")), Ok("a.test".to_owned()));
        assert_eq!(of(Some("b.test"), Some("a.test")), Err(Cause::SniMismatch));
        assert_eq!(of(Some("b.test"), None), Ok("b.test".to_owned()));
        assert_eq!(of(Some("-"), None), Err(Cause::SniMismatch));
        assert_eq!(of(None, Some("a.test")), Ok("a.test".to_owned()));
        assert_eq!(of(None, None), Ok("192.0.2.1".to_owned()));
    }
}
