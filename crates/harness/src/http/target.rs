//! The target of a request (RFC 9112 §3.2) and the host that it is for
//! (RFC 9110 §7.2).
//!
//! Strict, as RFC 3986 is: what one server forgives, the next one may read
//! in another way.

use std::net::Ipv6Addr;

/// The path that a target asks for: that of its origin or absolute form,
/// `*`, or nothing in the authority form of CONNECT. `None` where it has none
/// of these forms, or not the one that the method needs.
pub(super) fn path<'a>(method: &str, target: &'a str) -> Option<&'a str> {
    if method == "CONNECT" {
        return is_authority(target).then_some("");
    }
    if target == "*" {
        return (method == "OPTIONS").then_some("*");
    }
    let path = match target.starts_with('/') {
        true => target,
        false => without_origin(target)?,
    };
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let is_right = is_made_of(path, b":@/") && is_made_of(query, b":@/?");
    is_right.then_some(if path.is_empty() { "/" } else { path })
}

/// What an absolute form has after its scheme and authority.
fn without_origin(target: &str) -> Option<&str> {
    let (scheme, rest) = target.split_once("://")?;
    let at = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(at);
    let is_right = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
        // RFC 9110 §4.2.1: without a host it is invalid.
        && !authority.is_empty()
        && !authority.starts_with(':')
        && is_host(authority);
    is_right.then_some(path)
}

/// Whether a target is a host and a port, as CONNECT needs it.
fn is_authority(target: &str) -> bool {
    let (host, port) = target.rsplit_once(':').unwrap_or_default();
    !host.is_empty() && port.parse::<u16>().is_ok() && is_host(target)
}

/// Whether a value is one of the Host header: a host, which may be empty,
/// and perhaps a port.
pub(super) fn is_host(value: &str) -> bool {
    let (host_is_right, rest) = match value.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((host, rest)) => (host.parse::<Ipv6Addr>().is_ok(), rest),
            None => (false, ""),
        },
        None => {
            let at = value.find(':').unwrap_or(value.len());
            let (host, rest) = value.split_at(at);
            (is_made_of(host, b""), rest)
        }
    };
    let port = rest.strip_prefix(':').unwrap_or(rest);
    let port_is_right = port.len() < rest.len() || rest.is_empty();
    host_is_right && port_is_right && port.bytes().all(|b| b.is_ascii_digit())
}

/// Whether all is what RFC 3986 lets stand in a host, or one of `further`.
fn is_made_of(text: &str, further: &[u8]) -> bool {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let stands = match byte {
            b'%' => {
                let mut digit =
                    || bytes.next().is_some_and(|b| b.is_ascii_hexdigit());
                digit() && digit()
            }
            _ => {
                byte.is_ascii_alphanumeric()
                    || b"-._~!$&'()*+,;=".contains(&byte)
                    || further.contains(&byte)
            }
        };
        if !stands {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_has_its_path() {
        for (method, target, expected) in [
            ("GET", "/", "/"),
            ("GET", "/a?b", "/a"),
            ("GET", "//a/b", "//a/b"),
            ("GET", "/a?b=http://c/?d", "/a"),
            ("GET", "/a://b/", "/a://b/"),
            ("GET", "/%7Ea;b=c@d", "/%7Ea;b=c@d"),
            ("GET", "http://localhost:5000", "/"),
            ("GET", "HTTP://localhost/?x", "/"),
            ("GET", "http://localhost?x", "/"),
            ("GET", "http://[::1]:80/a", "/a"),
            ("OPTIONS", "*", "*"),
            ("CONNECT", "localhost:80", ""),
        ] {
            assert_eq!(path(method, target), Some(expected), "{target}");
        }
    }

    #[test]
    fn what_has_none_of_the_forms_is_refused() {
        for (method, target) in [
            ("GET", ""),
            ("GET", "a"),
            ("GET", "*"),
            ("GET", "localhost:80"),
            ("GET", "/#a"),
            ("GET", "/a|b"),
            ("GET", "/\"a"),
            ("GET", "/\u{fc}"),
            ("GET", "/%"),
            ("GET", "/%1"),
            ("GET", "/%1x"),
            ("GET", "http:///a"),
            ("GET", "http://:80/"),
            ("GET", "http://user@localhost/"),
            ("GET", "1http://localhost/"),
            ("GET", "://localhost/"),
            ("CONNECT", "/"),
            ("CONNECT", "localhost"),
            ("CONNECT", ":80"),
            ("CONNECT", "localhost:99999"),
            ("OPTIONS", "**"),
        ] {
            assert_eq!(path(method, target), None, "{method} {target}");
        }
    }

    #[test]
    fn hosts_are_told_from_what_is_none() {
        for host in ["", "a", "a:", "a:80", "1.2.3.4", "[::1]", "[::1]:80"] {
            assert!(is_host(host), "{host}");
        }
        for host in [
            "a b", "a, b", "a:b", "a:80:80", "a/b", "u@a", "[::1", "[a]",
            "[::1]80", "a]", "%", "http://a", "\u{fc}",
        ] {
            assert!(!is_host(host), "{host}");
        }
    }
}
