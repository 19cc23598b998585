//! What the other crates export, this crate exports too.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

#[test]
fn every_public_name_of_the_adapters_is_reachable() {
    let exported: BTreeSet<String> = ["lib.rs", "axum.rs", "hyper.rs", "tokio.rs"]
        .iter()
        .flat_map(|file| exported_names(&root().join("src").join(file)))
        .collect();
    for adapter in ["lasse-tokio", "lasse-hyper"] {
        let names = exported_names(&root().join("..").join(adapter).join("src/lib.rs"));
        assert!(names.len() > 10, "{adapter}: {names:?}");
        for name in names {
            let is_internal = INTERNAL.contains(&name.as_str());
            assert!(exported.contains(&name) || is_internal, "{adapter}::{name} is missing");
        }
    }
}

/// The names in the `pub use` statements of a file, except those of inner modules.
fn exported_names(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap();
    let text = text.split("\npub mod server {").next().unwrap_or_default();
    let code: String = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let statements = code.split(';').filter_map(|statement| statement.split_once("pub use "));
    statements
        .flat_map(|(_, path)| {
            let names = path.rsplit_once("::").map_or(path, |(_, names)| names);
            let names = path.split_once('{').map_or(names, |(_, names)| names);
            names.trim_end_matches(['}', ' ']).split(',').map(|name| name.trim().to_owned())
        })
        .filter(|name| !name.is_empty() && name != "*")
        .collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The crate itself, and what only `lasse-hyper` needs of `lasse-tokio`.
const INTERNAL: [&str; 2] = ["lasse_core", "chance"];
