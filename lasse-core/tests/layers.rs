//! The house plan: a module leans only on the modules below it.

use std::fs;
use std::path::{Path, PathBuf};

/// From the ground up.
const STOREYS: [&str; 20] = [
    "time",
    "line",
    "field",
    "event",
    "frame",
    "decode",
    "log",
    "client",
    "contain",
    "end",
    "source",
    "handler",
    "request",
    "config",
    "outbox",
    "deadlines",
    "connection",
    "http1",
    "mailbox",
    "channel",
];

#[test]
fn no_module_leans_on_one_above_it() {
    for file in sources(&source_root()) {
        let module = storey_of(&file);
        let Some(height) = STOREYS.iter().position(|storey| *storey == module) else {
            assert_eq!(module, "lib", "{} stands on no storey", file.display());
            continue;
        };
        for path in code(&file).split("crate::").skip(1) {
            let below: String =
                path.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let floor = STOREYS.iter().position(|storey| *storey == below);
            assert!(
                floor.is_some_and(|floor| floor <= height),
                "{} leans on {below:?}, which is not below it",
                file.display()
            );
        }
    }
}

#[test]
fn the_core_knows_no_runtime() {
    for file in sources(&source_root()) {
        for runtime in ["tokio::", "std::net", "std::thread::spawn", "async fn"] {
            assert!(!code(&file).contains(runtime), "{} speaks of {runtime}", file.display());
        }
    }
}

/// The text of a file without its comments, where links may lead anywhere.
fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect()
}

fn source_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
}

/// The name of the file, or of the folder, that stands at the root.
fn storey_of(file: &Path) -> String {
    let inner = file.strip_prefix(source_root()).unwrap();
    inner.components().next().unwrap().as_os_str().to_str().unwrap().replace(".rs", "")
}
