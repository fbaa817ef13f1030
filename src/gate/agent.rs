//! What is left of an IP address and of a user agent.

use std::fmt::Write;
use std::net::IpAddr;

/// The network of an address: IPv4 /24, IPv6 /48. `None` if it is no address.
#[must_use]
pub fn truncate_ip(text: &str) -> Option<String> {
    match text.trim().parse::<IpAddr>().ok()?.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            Some(format!("{a}.{b}.{c}.0"))
        }
        IpAddr::V6(v6) => {
            let [a, b, c, ..] = v6.segments();
            Some(std::net::Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0).to_string())
        }
    }
}

// The first that is found names the family: browsers carry the names of those that they descend from.
const FAMILIES: [(&str, &str); 14] = [
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("EdgiOS/", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("HeadlessChrome/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Version/", "Safari"),
    ("analytics-node", "analytics-node"),
    ("okhttp/", "okhttp"),
    ("curl/", "curl"),
];

const PLATFORMS: [(&str, &str); 8] = [
    ("iPhone", "iOS"),
    ("iPad", "iOS"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Mac OS X", "macOS"),
    ("Macintosh", "macOS"),
    ("Linux", "Linux"),
];

/// Family, major version and platform, such as `Firefox 128 (Windows)`: too little to tell people apart. What is not known is
/// called `Other`, because an unknown agent may well be a unique one.
#[must_use]
pub fn reduce_agent(agent: &str) -> String {
    let mut out = String::with_capacity(24);
    match FAMILIES.iter().find_map(|(mark, family)| agent.split_once(mark).map(|(_, rest)| (*family, rest))) {
        Some((family, rest)) => {
            out.push_str(family);
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            // Real major versions are short; more digits could be somebody's number.
            if let Some(major) = rest.get(..digits).filter(|m| (1..=4).contains(&m.len())) {
                out.push(' ');
                out.push_str(major);
            }
        }
        None => out.push_str("Other"),
    }
    if let Some((_, platform)) = PLATFORMS.iter().find(|(mark, _)| agent.contains(mark)) {
        // Writing to a string cannot fail.
        write!(out, " ({platform})").unwrap_or_default();
    }
    out
}
