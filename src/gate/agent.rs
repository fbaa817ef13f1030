//! What is left of an IP address and of a user agent.

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

// The first that an agent has names its family: browsers carry the names of those that they descend from.
const FAMILIES: [(&str, &str); 14] = [
    ("Edg", "Edge"),
    ("EdgA", "Edge"),
    ("EdgiOS", "Edge"),
    ("OPR", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("FxiOS", "Firefox"),
    ("Firefox", "Firefox"),
    ("CriOS", "Chrome"),
    ("HeadlessChrome", "Chrome"),
    ("Chrome", "Chrome"),
    ("Version", "Safari"),
    ("analytics-node", "analytics-node"),
    ("okhttp", "okhttp"),
    ("curl", "curl"),
];

// The first that an agent has, here too: Android calls itself Linux.
const PLATFORMS: [(&str, &str); 8] = [
    ("iPhone", "iOS"),
    ("iPad", "iOS"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Mac", "macOS"),
    ("Macintosh", "macOS"),
    ("Linux", "Linux"),
];

/// Family, major version and platform, such as `Firefox 128 (Windows)`: too little to tell people apart. What is not known is
/// called `Other`, because an unknown agent may well be a unique one.
#[must_use]
pub fn reduce_agent(agent: &str) -> String {
    let mut family: Option<(usize, &str)> = None;
    let mut platform = usize::MAX;
    for word in agent.split([' ', ';', '(', ')']) {
        if let Some((name, version)) = word.split_once('/') {
            let rank = FAMILIES.iter().position(|(mark, _)| *mark == name);
            if let Some(rank) = rank.filter(|rank| family.is_none_or(|(best, _)| *rank < best)) {
                family = Some((rank, version));
            }
        } else if let Some(rank) = PLATFORMS.iter().position(|(mark, _)| *mark == word) {
            platform = platform.min(rank);
        }
    }
    let mut out = String::with_capacity(24);
    let name = family.and_then(|(rank, version)| Some((FAMILIES.get(rank)?.1, version)));
    let (name, version) = name.unwrap_or(("Other", ""));
    out.push_str(name);
    let digits = version.bytes().take_while(u8::is_ascii_digit).count();
    // Real major versions are short; more digits could be somebody's number.
    if let Some(major) = version.get(..digits).filter(|m| (1..=4).contains(&m.len())) {
        out.push(' ');
        out.push_str(major);
    }
    if let Some((_, platform)) = PLATFORMS.get(platform) {
        out.push_str(" (");
        out.push_str(platform);
        out.push(')');
    }
    out
}
