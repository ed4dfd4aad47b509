//! Who may call what: a token where the server has any, and the role admin for administration. Health is for everyone.

use std::sync::Arc;

use http::Request;
use http::header::AUTHORIZATION;
use tonic::{Code, Status};

use super::checked::Check;
use super::status::status;
use crate::tokens::{Role, Tokens};

const HEALTH: &str = "/grpc.health.v1.Health/";
const ADMIN: &str = "/whyglass.v1.AdminService/";

/// What a token is needed for.
#[derive(Clone, Debug)]
pub(crate) struct Access(Arc<Rules>);

#[derive(Debug)]
struct Rules {
    tokens: Tokens,
    /// Who calls without a token where none are asked for.
    anyone: Role,
}

impl Access {
    /// Without tokens a server that only its own machine reaches takes anyone for its owner.
    pub(super) fn new(tokens: Tokens, loopback: bool) -> Self {
        Self(Arc::new(Rules { tokens, anyone: if loopback { Role::Admin } else { Role::Viewer } }))
    }

    fn role<B>(&self, request: &Request<B>) -> Result<Role, Status> {
        if self.0.tokens.is_empty() {
            return Ok(self.0.anyone);
        }
        let Some(header) = request.headers().get(AUTHORIZATION) else {
            let message = "this server wants a token: send it as 'authorization: Bearer TOKEN'";
            return Err(status(Code::Unauthenticated, "TOKEN_MISSING", message));
        };
        let given = header.to_str().ok().and_then(|text| text.split_once(' '));
        let token = given.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
        token.and_then(|token| self.0.tokens.role(token)).ok_or_else(|| {
            let message = "this token is none of this server's: ask whoever runs it for another";
            status(Code::Unauthenticated, "TOKEN_WRONG", message)
        })
    }
}

impl Check for Access {
    /// # Errors
    /// UNAUTHENTICATED without a token or with a wrong one, PERMISSION_DENIED with one that may not do this.
    fn check<B>(&self, request: &Request<B>) -> Result<(), Status> {
        let path = request.uri().path();
        if path.starts_with(HEALTH) {
            return Ok(());
        }
        let role = self.role(request)?;
        if path.starts_with(ADMIN) && role < Role::Admin {
            let (reason, advice) = if self.0.tokens.is_empty() {
                ("ADMIN_NEEDS_TOKENS", "start the server with --tokens to have administrators")
            } else {
                ("ADMIN_ONLY", "use a token with the role admin")
            };
            return Err(status(
                Code::PermissionDenied,
                reason,
                format!("administration is for administrators: {advice}"),
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef";

    fn access(role: Option<Role>, loopback: bool) -> Access {
        let mut tokens = Tokens::default();
        if let Some(role) = role {
            tokens.add(role, &TOKEN.parse().expect("a token"));
        }
        Access::new(tokens, loopback)
    }

    fn ask(access: &Access, path: &str, header: Option<&str>) -> Code {
        let mut request = Request::builder().uri(path);
        if let Some(header) = header {
            request = request.header(AUTHORIZATION, header);
        }
        access.check(&request.body(()).expect("a request")).err().map_or(Code::Ok, |refusal| refusal.code())
    }

    const LIST: &str = "/whyglass.v1.ModelService/ListModels";
    const DRAIN: &str = "/whyglass.v1.AdminService/Drain";

    #[test]
    fn a_token_is_wanted_for_everything_but_health() {
        let access = access(Some(Role::Viewer), true);
        assert_eq!(ask(&access, "/grpc.health.v1.Health/Check", None), Code::Ok);
        for path in [LIST, DRAIN, "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "/samples/"] {
            assert_eq!(ask(&access, path, None), Code::Unauthenticated, "{path}");
        }
        assert_eq!(ask(&access, LIST, Some("Bearer 0123456789abcdef")), Code::Ok);
        assert_eq!(ask(&access, LIST, Some("bearer  0123456789abcdef")), Code::Ok);
        for header in ["0123456789abcdef", "Basic 0123456789abcdef", "Bearer", "Bearer 0123456789abcdeg", ""] {
            assert_eq!(ask(&access, LIST, Some(header)), Code::Unauthenticated, "{header}");
        }
    }

    #[test]
    fn administration_is_for_administrators() {
        let header = Some("Bearer 0123456789abcdef");
        assert_eq!(ask(&access(Some(Role::Viewer), true), DRAIN, header), Code::PermissionDenied);
        assert_eq!(ask(&access(Some(Role::Admin), false), DRAIN, header), Code::Ok);
        assert_eq!(ask(&access(None, true), DRAIN, None), Code::Ok);
        assert_eq!(ask(&access(None, false), DRAIN, None), Code::PermissionDenied);
        assert_eq!(ask(&access(None, false), LIST, None), Code::Ok);
    }
}
