//! Every endpoint of the API says who may call it, and refuses everybody else. The list is the `OpenAPI` document itself: an endpoint
//! that is added without an authority is found here.

use serde_json::Value;

use crate::harness::people::basic;
use crate::harness::{Gateway, project};

/// What anybody may see: nothing here is about a person.
const PUBLIC: &[&str] = &[
    "GET /healthz",
    "GET /readyz",
    "GET /metrics",
    "GET /openapi.json",
    "GET /.well-known/jwks.json",
    "GET /.well-known/authzen-configuration",
    "GET /.well-known/gpc.json",
    "GET /ledger/checkpoint",
    "GET /ledger/key",
    "GET /ledger/witnessed",
    "GET /ledger/tile/{path}",
    "GET /v1/ledger/proof",
    "GET /v1/ledger/consistency",
    "GET /opendsr/discovery",
    "GET /opendsr/certificate.pem",
    "GET /v1/projects/{write_key}/settings",
];

/// Who may call is in the URL and in the signature: without either, nothing happens.
const SIGNED: [&str; 1] = ["POST /opendsr/callbacks/{token}"];

/// Browsers and SDKs call these with a write key in the path or query, and get something harmless whatever it is.
const HARMLESS: [&str; 3] = ["GET /sourceConfig/", "POST /v1/m", "GET /pixel/v1/{call}"];

/// What stands in the paths of calls that are refused. One line each, in the order of the alphabet.
const PARAMETERS: &[(&str, &str)] = &[
    ("call", "track"),
    ("customer_id", "cus_00000000000000000000000000000000"),
    ("destination", "partner"),
    ("domain", "shop"),
    ("duty", "invoices"),
    ("hash", "0000000000000000000000000000000000000000000000000000000000000000"),
    ("id", "req_00000000000000000000000000000000"),
    ("path", "0/000"),
    ("receipt", "rcp_00"),
    ("source", "web"),
    ("step", "approve"),
    ("token", "0"),
    ("write_key", "wk_none"),
];

struct Endpoint {
    name: String,
    method: String,
    path: String,
    /// The scopes of the secret key that it takes, if it takes one.
    scopes: Option<Vec<String>>,
    write_key: bool,
}

fn name_of(method: &str, path: &str) -> String {
    format!("{method} {path}")
}

fn endpoints(gateway: &Gateway) -> Vec<Endpoint> {
    let document = gateway.get("/openapi.json", "").json();
    let mut all = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let security = operation["security"].as_array().cloned().unwrap_or_default();
            let find = |name: &str| security.iter().find_map(|way| way.get(name).cloned());
            let scopes = find("secret_key").map(|scopes| serde_json::from_value::<Vec<String>>(scopes).unwrap());
            let method = method.to_uppercase();
            let filled = PARAMETERS.iter().fold(path.clone(), |path, (name, value)| path.replace(&format!("{{{name}}}"), value));
            assert!(!filled.contains('{'), "{path}: say here what stands in it");
            let filled = if name_of(&method, path) == "GET /v1/consents" { format!("{filled}?userId=u") } else { filled };
            let name = name_of(&method, path);
            all.push(Endpoint { name, method, path: filled, scopes, write_key: find("write_key").is_some() });
        }
    }
    assert!(all.len() > 20, "the document has hardly any endpoints");
    all
}

fn call(gateway: &Gateway, endpoint: &Endpoint, authorization: &str) -> (u16, String) {
    let headers = [("Authorization", authorization), ("Content-Type", "application/json")];
    let headers = if authorization.is_empty() { &headers[1..] } else { &headers[..] };
    // Sound enough to be refused for nothing but the key.
    let body = match endpoint.path.as_str() {
        "/v1/consents" => r#"{"userId":"u","method":"portal","decisions":{"analytics":"denied"}}"#,
        "/v1/batch" => r#"{"batch":[{"type":"track","event":"e","userId":"u"}]}"#,
        _ => r#"{"event":"e","userId":"u","groupId":"g","previousId":"p","name":"n"}"#,
    };
    let answer = gateway.request(&endpoint.method, &endpoint.path, headers, body.as_bytes());
    let field = serde_json::from_str::<Value>(&answer.text).ok().and_then(|body| body["field"].as_str().map(str::to_owned));
    (answer.status, field.unwrap_or_default())
}

fn key(gateway: &Gateway, scope: &str) -> String {
    let policies = project().join("policies");
    let made =
        gateway.command(&["key", "create", "--source", "service", "--scope", scope, "--policies", policies.to_str().unwrap()]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let text = String::from_utf8(made.stdout).unwrap();
    format!("Bearer {}", text.lines().next().unwrap())
}

#[test]
fn every_endpoint_refuses_whoever_may_not_call_it() {
    let gateway = Gateway::start();
    let (explain, rights) = (key(&gateway, "explain"), key(&gateway, "rights"));
    // Proven once, they do not count as guesses any more.
    assert_eq!(gateway.get("/v1/requests", &rights).status, 200);
    assert_eq!(gateway.get("/v1/requests", &explain).status, 403);
    for endpoint in endpoints(&gateway) {
        let name = endpoint.name.as_str();
        let Some(scopes) = &endpoint.scopes else {
            let known = PUBLIC.contains(&name) || HARMLESS.contains(&name) || SIGNED.contains(&name) || endpoint.write_key;
            assert!(known, "{name} has no authority: say in its `security` who may call it, or here that anybody may");
            continue;
        };
        let nobody = call(&gateway, &endpoint, "").0;
        assert_eq!(nobody, 401, "{name} without a key");
        let guessed = call(&gateway, &endpoint, "Bearer sk_000000000000_0000000000000000000000000000000000000000000").0;
        assert!(matches!(guessed, 401 | 429), "{name} with a wrong key: {guessed}; guesses are few per second");
        if endpoint.write_key {
            assert_eq!(call(&gateway, &endpoint, &basic("wk_nobody")).0, 401, "{name} with an unknown write key");
        } else {
            assert_eq!(call(&gateway, &endpoint, &basic("wk_web")).0, 401, "{name} with a public write key");
        }
        for scope in scopes {
            let other = if scope == "explain" { &rights } else { &explain };
            assert_eq!(call(&gateway, &endpoint, other), (403, scope.clone()), "{name} with a key of another scope");
        }
    }
}
