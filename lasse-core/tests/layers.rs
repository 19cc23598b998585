//! The layers of the crate: a module depends only on the modules below it.

use std::fs;
use std::path::{Path, PathBuf};

/// From the lowest to the highest.
const LAYERS: [&str; 23] = [
    "time",
    "line",
    "field",
    "event",
    "frame",
    "notice",
    "decode",
    "topic",
    "log",
    "client",
    "contain",
    "end",
    "dialect",
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
fn a_module_depends_only_on_modules_below_it() {
    for file in sources(&source_root()) {
        let module = module_of(&file);
        let Some(layer) = layer_of(&module) else {
            assert_eq!(module, "lib", "{} is in no layer", file.display());
            continue;
        };
        for path in code(&file).split("crate::").skip(1) {
            let used: String =
                path.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            assert!(
                layer_of(&used).is_some_and(|below| below <= layer),
                "{} depends on {used:?}, which is not below it",
                file.display()
            );
        }
    }
}

#[test]
fn the_core_uses_no_runtime() {
    for file in sources(&source_root()) {
        for runtime in ["tokio::", "std::net", "std::thread::spawn", "async fn"] {
            assert!(!code(&file).contains(runtime), "{} uses {runtime}", file.display());
        }
    }
}

/// The text of a file without its comments, which can link to any module.
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

fn layer_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| *layer == module)
}

/// The name of the file or folder at the root.
fn module_of(file: &Path) -> String {
    let inner = file.strip_prefix(source_root()).unwrap();
    inner.components().next().unwrap().as_os_str().to_str().unwrap().replace(".rs", "")
}
