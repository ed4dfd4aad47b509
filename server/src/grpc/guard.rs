//! Keeps other web sites from driving a server on loopback: a request's host must be a name of this server, and its
//! origin, where a browser sends one, must be this server or a configured one. There is no CORS: nothing is allowed in
//! answer to a preflight.

use std::net::IpAddr;
use std::sync::Arc;

use http::Request;
use http::header::{HOST, ORIGIN};
use http::uri::Authority;
use tonic::{Code, Status};

use super::checked::Check;
use super::status::status;

/// Who may ask.
#[derive(Clone, Debug)]
pub(crate) struct Guard(Arc<Rules>);

#[derive(Debug)]
struct Rules {
    hosts: Vec<String>,
    origins: Vec<String>,
    any_address: bool,
}

impl Guard {
    /// `hosts` are names beside the loopback ones, `origins` are foreign web sites that may ask (`https://host[:port]`).
    /// With `any_address` a host may be any IP address: no web site can claim one that is not its own.
    pub(super) fn new(hosts: &[String], origins: &[String], any_address: bool) -> Self {
        let lower = |names: &[String]| names.iter().map(|name| name.to_ascii_lowercase()).collect();
        Self(Arc::new(Rules { hosts: lower(hosts), origins: lower(origins), any_address }))
    }
}

impl Check for Guard {
    /// # Errors
    /// PERMISSION_DENIED for a host that is not ours and for an origin that is a stranger.
    fn check<B>(&self, request: &Request<B>) -> Result<(), Status> {
        let header = |name| request.headers().get(name).map(|value| value.to_str().unwrap_or("?"));
        let authority = request.uri().authority().map(Authority::as_str).or_else(|| header(HOST)).unwrap_or_default();
        if !self.0.knows_host(authority) {
            let message = format!(
                "'{authority}' is not a name of this server; reach it by a loopback name or configure allow-host"
            );
            return Err(status(Code::PermissionDenied, "HOST_REFUSED", message));
        }
        match header(ORIGIN) {
            Some(origin) if !self.0.knows_origin(origin, authority) => {
                let message =
                    format!("requests from '{origin}' are refused; configure allow-origin to allow that site");
                Err(status(Code::PermissionDenied, "ORIGIN_REFUSED", message))
            }
            _ => Ok(()),
        }
    }
}

impl Rules {
    fn knows_host(&self, authority: &str) -> bool {
        let Ok(parsed) = authority.parse::<Authority>() else { return false };
        let host = parsed.host().to_ascii_lowercase();
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        match address {
            Ok(address) if address.to_canonical().is_loopback() || self.any_address => true,
            _ => host == "localhost" || self.hosts.contains(&host),
        }
    }

    /// A page of this very server is no stranger: its origin names the host that it asks.
    fn knows_origin(&self, origin: &str, authority: &str) -> bool {
        let origin = origin.to_ascii_lowercase();
        let own = origin.split_once("://").is_some_and(|(_, host)| host == authority.to_ascii_lowercase());
        own || self.origins.contains(&origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(guard: &Guard, host: &str, origin: Option<&str>) -> Result<(), Status> {
        let mut request = Request::builder().uri("/whyglass.v1.CatalogService/GetServerInfo").header(HOST, host);
        if let Some(origin) = origin {
            request = request.header(ORIGIN, origin);
        }
        guard.check(&request.body(()).expect("a request"))
    }

    #[test]
    fn loopback_names_may_ask_and_rebound_names_may_not() {
        let guard = Guard::new(&[], &[], false);
        for host in ["localhost:50051", "LOCALHOST", "127.0.0.1:50051", "127.1.2.3", "[::1]:50051"] {
            assert!(ask(&guard, host, None).is_ok(), "{host}");
        }
        for host in ["", "evil.example:50051", "localhost.evil.example", "192.168.0.7:50051", "127.0.0.1.evil.example"]
        {
            assert!(ask(&guard, host, None).is_err(), "{host}");
        }
    }

    #[test]
    fn configured_names_and_addresses_may_ask() {
        let guard = Guard::new(&["Lens.Example".to_owned()], &["https://Desk.example".to_owned()], true);
        assert!(ask(&guard, "lens.example:443", None).is_ok());
        assert!(ask(&guard, "192.168.0.7:50051", None).is_ok());
        assert!(ask(&guard, "lens.example", Some("https://desk.example")).is_ok());
        assert!(ask(&guard, "other.example", None).is_err());
    }

    #[test]
    fn a_foreign_origin_is_refused_and_the_servers_own_is_not() {
        let guard = Guard::new(&[], &[], false);
        assert!(ask(&guard, "localhost:50051", Some("http://localhost:50051")).is_ok());
        for origin in ["https://evil.example", "null", "http://localhost:8080", ""] {
            assert!(ask(&guard, "localhost:50051", Some(origin)).is_err(), "{origin}");
        }
    }
}
