//! `NO_PROXY`: which hosts are reached directly.

use std::net::IpAddr;

/// A parsed `NO_PROXY`.
#[derive(Clone, Debug, Default)]
pub(super) struct Bypass(Vec<Rule>);

#[derive(Clone, Debug)]
struct Rule {
    hosts: Hosts,
    port: Option<u16>,
}

#[derive(Clone, Debug)]
enum Hosts {
    All,
    Net(IpAddr, u8),
    /// Lower case, with its leading dot.
    Below(String),
    /// Lower case, without a dot in front.
    AtOrBelow(String),
}

impl Bypass {
    pub(super) fn parse(list: &str) -> Self {
        Self(list.split(',').map(str::trim).filter_map(Rule::parse).collect())
    }

    pub(super) fn covers(&self, host: &str, port: u16) -> bool {
        let ip: Option<IpAddr> = host.parse().ok();
        let local = host == "localhost" || ip.is_some_and(|ip| ip.is_loopback());
        local || self.0.iter().any(|rule| rule.port.is_none_or(|p| p == port) && rule.hosts.contain(host, ip))
    }
}

impl Rule {
    fn parse(entry: &str) -> Option<Self> {
        let entry = entry.to_ascii_lowercase();
        let any_port = |hosts| Some(Self { hosts, port: None });
        if entry == "*" {
            return any_port(Hosts::All);
        }
        if let Some((net, bits)) = entry.split_once('/') {
            let (ip, bits) = (net.parse::<IpAddr>().ok()?, bits.parse().ok()?);
            return (bits <= width(ip)).then_some(Self { hosts: Hosts::Net(ip, bits), port: None });
        }
        // A bare IPv6 address has colons of its own.
        if let Ok(ip) = entry.parse::<IpAddr>() {
            return any_port(Hosts::Net(ip, width(ip)));
        }
        let (host, port) = match entry.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse().ok()?)),
            None => (entry.as_str(), None),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let hosts = match host.parse::<IpAddr>() {
            Ok(ip) => Hosts::Net(ip, width(ip)),
            Err(_) => match host.strip_prefix('*').unwrap_or(host) {
                "" | "." => return None,
                below if below.starts_with('.') => Hosts::Below(below.to_owned()),
                name => Hosts::AtOrBelow(name.to_owned()),
            },
        };
        Some(Self { hosts, port })
    }
}

impl Hosts {
    fn contain(&self, host: &str, ip: Option<IpAddr>) -> bool {
        match self {
            Self::All => true,
            Self::Net(net, bits) => ip.is_some_and(|ip| same_net(ip, *net, *bits)),
            Self::Below(suffix) => host.ends_with(suffix),
            Self::AtOrBelow(name) => host.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')),
        }
    }
}

const fn width(ip: IpAddr) -> u8 {
    if ip.is_ipv4() { 32 } else { 128 }
}

fn same_net(a: IpAddr, b: IpAddr, bits: u8) -> bool {
    // Left-aligned in 128 bits, so that one mask serves both families.
    let aligned = |ip| match ip {
        IpAddr::V4(ip) => u128::from(ip.to_bits()) << 96,
        IpAddr::V6(ip) => ip.to_bits(),
    };
    let differing = aligned(a) ^ aligned(b);
    a.is_ipv4() == b.is_ipv4() && differing.leading_zeros() >= u32::from(bits)
}
