//! The further TCP ports of a jail: those that its rules name beside the ones that every cell has.
//!
//! Not for: opening them (`network`), nor for who may connect to what (`egress`).

/// TCP ports that every cell has: DNS, HTTP, HTTPS and the explicit proxy.
pub const FIXED_PORTS: [u16; 4] = [53, 80, 443, 3128];

/// Most further ports of one jail. Each costs a descriptor in two processes and a place in one message.
pub const PORTS_MAX: usize = 64;

/// The sockets of a prepared jail travel in one message.
const _: () = assert!(crate::answer::LISTENERS.len() + 1 + PORTS_MAX <= sys::seqpacket::FDS_MAX);

/// Ports that no jail gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PortsError {
    /// More than [`PORTS_MAX`].
    #[error(
        "the egress rules name {count} TCP ports besides 53, 80, 443 and 3128; at most {PORTS_MAX} can be opened for one jail"
    )]
    TooMany {
        /// How many.
        count: usize,
    },
    /// 0, or one of [`FIXED_PORTS`].
    #[error("{port} is not a further port")]
    NotFurther {
        /// Which.
        port: u16,
    },
    /// A port that is there twice.
    #[error("port {port} is there twice")]
    Twice {
        /// Which.
        port: u16,
    },
}

/// True for a port that a jail has only if its rules name it.
#[must_use]
pub fn is_further_port(port: u16) -> bool {
    port != 0 && !FIXED_PORTS.contains(&port)
}

/// Checks the bounds that both sides rely on.
///
/// # Errors
/// The first bound that is broken.
pub fn check_ports(ports: &[u16]) -> Result<(), PortsError> {
    if ports.len() > PORTS_MAX {
        return Err(PortsError::TooMany { count: ports.len() });
    }
    for (index, &port) in ports.iter().enumerate() {
        if !is_further_port(port) {
            return Err(PortsError::NotFurther { port });
        }
        if ports.iter().take(index).any(|earlier| *earlier == port) {
            return Err(PortsError::Twice { port });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_each_further_port_once_and_so_many_of_them() {
        assert_eq!(check_ports(&[]), Ok(()));
        assert_eq!(check_ports(&[22, 5432, 65535]), Ok(()));
        for port in [0, 53, 80, 443, 3128] {
            let error = Err(PortsError::NotFurther { port });
            assert_eq!(check_ports(&[22, port]), error);
        }
        let twice = Err(PortsError::Twice { port: 22 });
        assert_eq!(check_ports(&[22, 23, 22]), twice);
        let many: Vec<u16> = (1000..).take(PORTS_MAX + 1).collect();
        assert_eq!(check_ports(&many[1..]), Ok(()));
        let error = check_ports(&many).unwrap_err();
        assert!(error.to_string().contains("65 TCP ports"), "{error}");
    }
}
