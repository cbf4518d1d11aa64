//! The addresses that this network namespace's interfaces hold.
//!
//! Not for: changing them, nor for routes.

use std::net::IpAddr;

use nix::ifaddrs::getifaddrs;

use crate::error::{Context, SysError};

/// All IPv4 and IPv6 addresses of all interfaces, up or down, and the far ends of point-to-point
/// links, which are usually ours too (a veth, a tunnel into a local container).
///
/// # Errors
/// `getifaddrs`'s.
pub fn addresses() -> Result<Vec<IpAddr>, SysError> {
    let mut found = Vec::new();
    for interface in getifaddrs().call("getifaddrs")? {
        for address in [interface.address, interface.destination]
            .into_iter()
            .flatten()
        {
            if let Some(v4) = address.as_sockaddr_in() {
                found.push(IpAddr::V4(v4.ip()));
            } else if let Some(v6) = address.as_sockaddr_in6() {
                found.push(IpAddr::V6(v6.ip()));
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_address_that_a_socket_of_ours_can_bind() {
        let local = IpAddr::from([127, 0, 0, 1]);
        assert!(std::net::TcpListener::bind((local, 0)).is_ok());
        assert!(addresses().unwrap().contains(&local));
    }
}
