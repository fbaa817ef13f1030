//! Each role with each page and each act: what `docs/console.md` says, and nothing else.

use crate::harness::officers::{BEHIND_A_PROXY, Officer};
use crate::harness::people::Person;
use crate::harness::{CANARY, Gateway, project};

const ROLES: [&str; 4] = ["dpo", "auditor", "support", "admin"];

/// Pages, and who may see them.
const PAGES: &[(&str, &[&str])] = &[
    ("/console/requests", &["dpo", "auditor", "support"]),
    ("/console/requests/{id}", &["dpo", "auditor", "support"]),
    ("/console/file", &["dpo", "support"]),
    ("/console/register.csv", &["dpo", "auditor"]),
    ("/console/proof", &["dpo", "auditor"]),
    ("/console/audit", &["dpo", "auditor"]),
    ("/console/audit.csv", &["dpo", "auditor"]),
    ("/console/consents", &ROLES),
    ("/console/policy", &ROLES),
    ("/console/policy?version={version}", &ROLES),
    ("/console/policy/versions", &ROLES),
    ("/console/policy/comparison?old={version}&new={version}", &ROLES),
    ("/console/policy/texts/{version}", &["dpo", "auditor"]),
    ("/console/processing", &ROLES),
    ("/console/processing.csv", &ROLES),
    ("/console/destinations", &ROLES),
    ("/console/ledger", &ROLES),
    ("/console/officers", &["admin"]),
    ("/console/account", &ROLES),
];

/// Acts, with a field each, and who may do them. They are sent so that they fail for whoever may: what counts is who is refused.
const ACTS: &[(&str, &[&str])] = &[
    ("/console/requests/{id}/approve", &["dpo"]),
    ("/console/requests/{id}/refuse", &["dpo"]),
    ("/console/requests/{id}/extend", &["dpo"]),
    ("/console/requests/{id}/lift", &["dpo"]),
    ("/console/requests/{id}/confirm", &["dpo"]),
    ("/console/requests/{id}/identify", &["dpo", "support"]),
    ("/console/requests/{id}/send_link", &["dpo", "support"]),
    ("/console/requests/{id}/note", &["dpo", "support"]),
    ("/console/file", &["dpo", "support"]),
    ("/console/proof", &["dpo", "auditor"]),
    ("/console/destinations/archive/replay", &["admin"]),
    ("/console/officers", &["admin"]),
    ("/console/officers/nobody/role", &["admin"]),
    ("/console/officers/nobody/remove", &["admin"]),
];

#[test]
fn each_role_sees_and_does_what_the_table_says() {
    let gateway = Gateway::with_options(&project().join("policies"), &BEHIND_A_PROXY);
    let erika = Person::new("erika");
    let mut officers: Vec<Officer<'_>> =
        ROLES.iter().map(|role| Officer::invited_by_command(&gateway, &format!("the-{role}"), role)).collect();
    let id = officers[0].files("access", &erika.email);
    let versions = gateway.get("/v1/policy/versions", &format!("Bearer {}", gateway.operator())).json();
    let version = versions["versions"][0]["version"].as_str().unwrap();
    for (role, officer) in ROLES.iter().zip(&mut officers) {
        let home = officer.browser.get("/console");
        let first = if *role == "admin" { "/console/destinations" } else { "/console/requests" };
        assert_eq!((home.status, home.header("location")), (303, Some(first)), "{role}");
        for (path, may) in PAGES {
            let page = officer.browser.get(&path.replace("{id}", &id).replace("{version}", version));
            assert_eq!(page.status, if may.contains(role) { 200 } else { 403 }, "{role} {path}: {}", page.text);
        }
        let page = officer.browser.get(&format!("/console/requests/{id}"));
        let sees_whom = ["dpo", "support"].contains(role);
        assert_eq!(page.text.contains(CANARY), sees_whom, "{role} sees whom it is about");
        let csrf = officer.browser.csrf();
        for (path, may) in ACTS {
            let answer = officer.browser.post(&path.replace("{id}", &id), &[("csrf", &csrf)]);
            let refused = answer.status == 403;
            assert_eq!(refused, !may.contains(role), "{role} {path}: {} {}", answer.status, answer.text);
        }
    }
    let audit = officers[1].browser.get("/console/audit.csv?who=officer%3Athe-auditor");
    assert!(!audit.text.contains(",shown,"), "who does not see whom it is about is not noted as having seen it: {}", audit.text);
}

#[test]
fn the_table_of_the_docs_is_the_table_of_the_code() {
    let docs = std::fs::read_to_string(project().join("docs/console.md")).unwrap();
    for (name, roles) in pforte::officers::AUTHORITIES {
        let row = docs.lines().find(|line| line.starts_with(&format!("| `{name}` |"))).unwrap_or_else(|| panic!("{name}"));
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        for (at, role) in ["dpo", "auditor", "support", "admin"].iter().enumerate() {
            let has = roles.iter().any(|has| has.name() == *role);
            assert_eq!(cells[at + 3] == "yes", has, "{name}, {role}: {row}");
        }
    }
}
