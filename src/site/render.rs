//! The API document as a page. It reads the JSON of the document, so whatever stands there is shown.

use askama::Template;
use serde_json::{Map, Value};

use super::page::inline;
use crate::error::Code;

/// How deep a schema is unfolded where it stands inside another one without a name.
const DEPTH_MAX: usize = 4;

#[derive(Template)]
#[template(path = "docs.html")]
struct Docs {
    intro: Vec<String>,
    keys: Vec<Key>,
    groups: Vec<Group>,
    schemas: Vec<Schema>,
}

struct Key {
    name: String,
    description: String,
}

struct Group {
    name: String,
    title: String,
    description: Vec<String>,
    operations: Vec<Operation>,
}

struct Operation {
    method: String,
    path: String,
    anchor: String,
    description: Vec<String>,
    keys: String,
    parameters: Vec<Field>,
    body: Option<Body>,
    answers: Vec<Answer>,
}

struct Field {
    name: String,
    required: bool,
    kind: String,
    description: String,
}

struct Body {
    kind: String,
    fields: Vec<Field>,
    example: Option<String>,
}

struct Answer {
    status: String,
    description: String,
    kind: String,
}

struct Schema {
    name: String,
    description: Vec<String>,
    kind: String,
    fields: Vec<Field>,
}

/// The page, or nothing if the template fails.
pub(super) fn docs(document: &Value) -> Option<String> {
    let page = Docs {
        intro: paragraphs(text(document.get("info"), "description")),
        keys: keys(document),
        groups: groups(document),
        schemas: schemas(document),
    };
    page.render().ok()
}

fn keys(document: &Value) -> Vec<Key> {
    let schemes = document.pointer("/components/securitySchemes").and_then(Value::as_object);
    let key =
        |(name, scheme): (&String, &Value)| Key { name: name.clone(), description: inline(text(Some(scheme), "description")) };
    schemes.into_iter().flatten().map(key).collect()
}

fn groups(document: &Value) -> Vec<Group> {
    let mut groups: Vec<Group> = list(document.get("tags"))
        .map(|tag| Group {
            name: text(Some(tag), "name").to_owned(),
            title: capital(text(Some(tag), "name")),
            description: paragraphs(text(Some(tag), "description")),
            operations: Vec::new(),
        })
        .collect();
    for (path, methods) in map(document.get("paths")) {
        for (method, operation) in map(Some(methods)) {
            let tag = list(operation.get("tags")).next().and_then(Value::as_str).unwrap_or("other");
            let read = self::operation(method, path, operation);
            if let Some(group) = groups.iter_mut().find(|g| g.name == tag) {
                group.operations.push(read);
            } else {
                let (name, title) = (tag.to_owned(), capital(tag));
                groups.push(Group { name, title, description: Vec::new(), operations: vec![read] });
            }
        }
    }
    groups.retain(|group| !group.operations.is_empty());
    groups
}

fn operation(method: &str, path: &str, operation: &Value) -> Operation {
    let mut description = paragraphs(text(Some(operation), "summary"));
    description.extend(paragraphs(text(Some(operation), "description")));
    let security = list(operation.get("security")).flat_map(|one| map(Some(one)).map(key_with_scopes));
    Operation {
        method: method.to_ascii_uppercase(),
        path: path.to_owned(),
        anchor: anchor(method, path),
        description,
        keys: security.collect::<Vec<_>>().join(" or "),
        parameters: list(operation.get("parameters")).map(parameter).collect(),
        body: operation.get("requestBody").and_then(body),
        answers: map(operation.get("responses")).map(|(status, answer)| self::answer(status, answer)).collect(),
    }
}

fn key_with_scopes((name, scopes): (&String, &Value)) -> String {
    let scopes: Vec<&str> = list(Some(scopes)).filter_map(Value::as_str).collect();
    if scopes.is_empty() { name.clone() } else { format!("{name} with {}", scopes.join(" and ")) }
}

fn parameter(parameter: &Value) -> Field {
    let place = text(Some(parameter), "in");
    let kind = kind(parameter.get("schema").unwrap_or(&Value::Null), 0);
    Field {
        name: text(Some(parameter), "name").to_owned(),
        required: flag(parameter, "required"),
        kind: format!("{kind} <span class=\"soft\">{}</span>", inline(place)),
        description: inline(text(Some(parameter), "description")),
    }
}

fn body(body: &Value) -> Option<Body> {
    let (media, content) = map(body.get("content")).next()?;
    let schema = content.get("schema").unwrap_or(&Value::Null);
    let example = content.get("example").or_else(|| schema.get("example"));
    Some(Body {
        kind: format!("{} as <code>{}</code>", kind(schema, 0), inline(media)),
        fields: fields(schema),
        example: example.and_then(|value| serde_json::to_string_pretty(value).ok()),
    })
}

fn answer(status: &str, answer: &Value) -> Answer {
    let schema = map(answer.get("content")).next().and_then(|(_, content)| content.get("schema"));
    let said = text(Some(answer), "description");
    Answer {
        status: status.to_owned(),
        description: if said.is_empty() { codes(status) } else { inline(said) },
        kind: schema.map(|schema| kind(schema, 0)).unwrap_or_default(),
    }
}

/// What a refusal with this status can be about, where the document says no more.
fn codes(status: &str) -> String {
    let codes = Code::ALL.iter().filter(|code| code.status().to_string() == status);
    codes.map(|code| format!("<a href=\"/docs/errors#{0}\"><code>{0}</code></a>", code.as_str())).collect::<Vec<_>>().join(" ")
}

fn schemas(document: &Value) -> Vec<Schema> {
    let all = document.pointer("/components/schemas");
    let read = |(name, schema): (&String, &Value)| {
        let fields = fields(schema);
        Schema {
            name: name.clone(),
            description: paragraphs(text(Some(schema), "description")),
            kind: if fields.is_empty() { kind(schema, 0) } else { String::new() },
            fields,
        }
    };
    map(all).map(read).collect()
}

fn fields(schema: &Value) -> Vec<Field> {
    let required: Vec<&str> = list(schema.get("required")).filter_map(Value::as_str).collect();
    let field = |(name, field): (&String, &Value)| Field {
        name: name.clone(),
        required: required.contains(&name.as_str()),
        kind: kind(field, 0),
        description: inline(text(Some(field), "description")),
    };
    let own = map(schema.get("properties")).map(field);
    let parts = list(schema.get("allOf")).flat_map(fields);
    own.chain(parts).collect()
}

/// What a schema allows, in a few words of HTML.
fn kind(schema: &Value, depth: usize) -> String {
    if depth > DEPTH_MAX {
        return String::from("…");
    }
    if let Some(name) = schema.get("$ref").and_then(Value::as_str).and_then(|path| path.rsplit('/').next()) {
        return format!("<a href=\"#schema-{0}\">{0}</a>", inline(name));
    }
    if let Some(values) = schema.get("enum") {
        return list(Some(values)).map(|value| format!("<code>{}</code>", inline(&plain(value)))).collect::<Vec<_>>().join(" ");
    }
    for several in ["oneOf", "anyOf"] {
        if schema.get(several).is_some() {
            return list(schema.get(several)).map(|one| kind(one, depth + 1)).collect::<Vec<_>>().join(" or ");
        }
    }
    let names: Vec<String> = match schema.get("type") {
        Some(Value::Array(names)) => names.iter().map(plain).collect(),
        Some(name) => vec![plain(name)],
        None => vec![String::from("any")],
    };
    let words = names.iter().map(|name| match name.as_str() {
        "array" => format!("list of {}", kind(schema.get("items").unwrap_or(&Value::Null), depth + 1)),
        "object" => match schema.get("additionalProperties") {
            Some(values @ Value::Object(_)) => format!("map to {}", kind(values, depth + 1)),
            _ => String::from("object"),
        },
        name => inline(name),
    });
    words.collect::<Vec<_>>().join(" or ")
}

/// The paragraphs of a description. What stands under `# Errors` is for readers of the code; the answers say it here.
fn paragraphs(text: &str) -> Vec<String> {
    let text = text.split("# Errors").next().unwrap_or_default();
    text.split("\n\n").map(str::trim).filter(|p| !p.is_empty()).map(inline).collect()
}

fn anchor(method: &str, path: &str) -> String {
    let words: Vec<&str> = path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    format!("{method}-{}", words.join("-"))
}

fn capital(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn text<'a>(value: Option<&'a Value>, name: &str) -> &'a str {
    value.and_then(|v| v.get(name)).and_then(Value::as_str).unwrap_or_default()
}

fn flag(value: &Value, name: &str) -> bool {
    value.get(name).and_then(Value::as_bool).unwrap_or_default()
}

fn list(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    value.and_then(Value::as_array).into_iter().flatten()
}

fn map(value: Option<&Value>) -> impl Iterator<Item = (&String, &Value)> {
    value.and_then(Value::as_object).into_iter().flat_map(Map::iter)
}
