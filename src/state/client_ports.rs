//! The ports at which a node serves clients.

/// How a client speaks to a node, so that it is told the ports at which others speak like that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortKind {
    Plain,
    Tls,
}

/// See the module.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClientPorts {
    /// The port without TLS; if there is none, the one with it. 0 = unknown.
    pub first: u16,
    /// The port with TLS; 0 = none.
    pub tls: u16,
}

impl ClientPorts {
    /// For clients of this kind; if there is none, the other.
    pub fn of(self, kind: PortKind) -> u16 {
        match kind {
            PortKind::Tls if self.tls != 0 => self.tls,
            PortKind::Tls | PortKind::Plain => self.first,
        }
    }

    /// The port without TLS.
    pub fn plain(self) -> Option<u16> {
        (self.first != self.tls && self.first != 0).then_some(self.first)
    }

    pub fn has(self, port: i64) -> bool {
        port != 0 && (i64::from(self.first) == port || i64::from(self.tls) == port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_told_the_port_of_its_kind_or_the_only_one() {
        let both = ClientPorts { first: 1, tls: 2 };
        let plain = ClientPorts { first: 1, tls: 0 };
        let tls = ClientPorts { first: 2, tls: 2 };
        for (ports, for_plain, for_tls, has_plain) in
            [(both, 1, 2, Some(1)), (plain, 1, 1, Some(1)), (tls, 2, 2, None)]
        {
            assert_eq!((ports.of(PortKind::Plain), ports.of(PortKind::Tls)), (for_plain, for_tls));
            assert_eq!(ports.plain(), has_plain);
        }
        assert!(both.has(2) && both.has(1) && !plain.has(0));
    }
}
