//! The identity endpoint of a machine: Azure's instance metadata service, App Service's, or Azure Arc's.

use serde_json::json;

use super::World;
use super::entra::decoded;
use crate::https::{Reply, Request};

/// What a request to the endpoint must look like.
#[derive(Clone, Debug, Default)]
pub enum IdentityRequest {
    /// As the instance metadata service wants it.
    #[default]
    Imds,
    /// With this value in `X-IDENTITY-HEADER`.
    AppService(String),
    /// After a challenge that names this file, with its content.
    Arc(String, String),
    /// An answer with this status to everything.
    Status(u16),
}

/// The machine.
#[derive(Default)]
pub(crate) struct Machine {
    pub(crate) assigned: Vec<(String, String)>,
    pub(crate) expects: IdentityRequest,
}

impl World {
    pub(super) fn machine_answer(&mut self, request: &Request) -> Reply {
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        let fields: Vec<(&str, String)> =
            query.split('&').filter_map(|field| field.split_once('=')).map(|(n, v)| (n, decoded(v))).collect();
        let field = |name: &str| fields.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str());
        let refused = |status: u16, error: &str| {
            Reply::json(status, &json!({"error": error, "error_description": "Identity not found"}))
        };
        let version = match &self.machine.expects {
            IdentityRequest::Status(status) => return refused(*status, "told_so"),
            IdentityRequest::Imds => {
                if path != "/metadata/identity/oauth2/token" || request.header("metadata") != Some("true") {
                    return refused(400, "bad_request_102");
                }
                "2018-02-01"
            }
            IdentityRequest::AppService(secret) => {
                if request.header("x-identity-header") != Some(secret) {
                    return refused(401, "unauthorized");
                }
                "2019-08-01"
            }
            IdentityRequest::Arc(file, content) => {
                if request.header("authorization") != Some(&format!("Basic {content}")) {
                    let challenge = format!("Basic realm={file}");
                    return refused(401, "unauthorized").header("WWW-Authenticate", &challenge);
                }
                "2020-06-01"
            }
        };
        let Some(resource) = field("resource").filter(|_| field("api-version") == Some(version)) else {
            return refused(400, "invalid_request");
        };
        // Each endpoint has its own name for a resource id, and takes no notice of the other's.
        let by_resource = if version == "2018-02-01" { "msi_res_id" } else { "mi_res_id" };
        let named = ["client_id", by_resource, "object_id"].iter().find_map(|name| Some((*name, field(name)?)));
        if let Some((name, value)) = named
            && !self.machine.assigned.iter().any(|(known, right)| known == name && right == value)
        {
            return refused(400, "invalid_request");
        }
        let (now, life) = (self.now(), self.tokens.life);
        let token = self.tokens.token(resource, named.map_or("system", |(_, value)| value), now);
        // As texts, which is what these endpoints write.
        let granted = json!({
            "access_token": token,
            "expires_in": life.to_string(),
            "expires_on": (now + life).to_string(),
            "resource": resource,
            "token_type": "Bearer",
        });
        Reply::json(200, &granted)
    }
}
