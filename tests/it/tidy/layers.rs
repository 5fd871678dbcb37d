//! The direction of the house: which room may use which, and which libraries stay where.

mod table;

use self::table::{ROOMS, WATCHED};
use super::{
    Samples,
    source::{Source, words},
};

/// Each room uses only rooms that its row allows, and has a row.
pub(super) fn rooms(sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in sources {
        let Some(name) = source.room() else { continue };
        let Some(room) = ROOMS.iter().find(|room| room.name == name) else {
            complaints.push(format!(
                "{}: no row for the room `{name}`: add it to the layer table and ARCHITECTURE.md",
                source.path
            ));
            continue;
        };
        for used in used_rooms(&source.code) {
            let known = ROOMS.iter().any(|room| room.name == used);
            if known && used != name && !room.uses.contains(&used) {
                complaints.push(format!("{}: `{name}` may not use `{used}`", source.path));
            }
        }
        let depth = source.path.matches('/').count();
        if source.product.contains(&"super::".repeat(depth)) {
            complaints.push(format!(
                "{}: reaches another room through `super`: write `crate::`",
                source.path
            ));
        }
    }
    complaints
}

/// The first path segments after `crate::`, groups included.
fn used_rooms(code: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for at in words(code, "crate") {
        let Some(rest) = code[at + "crate".len()..].trim_start().strip_prefix("::") else {
            continue;
        };
        let rest = rest.trim_start();
        match rest.strip_prefix('{') {
            Some(group) => found.extend(group_heads(group)),
            None => found.push(head(rest)),
        }
    }
    found
}

fn head(path: &str) -> &str {
    let end = path
        .find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(path.len());
    &path[..end]
}

/// The heads of `a::b, c::{d, e}, f}`.
fn group_heads(group: &str) -> Vec<&str> {
    let (mut depth, mut start, mut heads) = (0, 0, Vec::new());
    for (at, byte) in group.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b',' if depth == 0 => {
                heads.push(head(group[start..at].trim_start()));
                start = at + 1;
            }
            b'}' if depth == 0 => {
                heads.push(head(group[start..at].trim_start()));
                break;
            }
            b'}' => depth -= 1,
            _ => {}
        }
    }
    heads
}

/// Each watched library is named only in the rooms that list it.
pub(super) fn libraries(sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in sources {
        let Some(room) = ROOMS.iter().find(|room| source.room() == Some(room.name)) else {
            continue;
        };
        let judged = if room.libraries.is_empty() {
            &source.code
        } else {
            &source.product
        };
        for library in WATCHED {
            if !room.libraries.contains(library) && names(judged, library) {
                complaints.push(format!(
                    "{}: `{}` may not name `{library}`",
                    source.path, room.name
                ));
            }
        }
    }
    complaints
}

/// Whether `code` names the crate `library`, and not an item of that name in some module.
fn names(code: &str, library: &str) -> bool {
    words(code, library).any(|at| {
        let before = code[..at].trim_end();
        let after = code[at + library.len()..].trim_start();
        let inside_path = before
            .strip_suffix("::")
            .is_some_and(|path| path.ends_with(|c: char| c.is_alphanumeric() || c == '_'));
        !inside_path
            && (after.starts_with("::") || before.ends_with("use") || before.ends_with("crate"))
    })
}

/// The judge shares no code with the accused.
pub(super) fn independence(sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in sources {
        let inside = source.path.starts_with("tests/support/");
        if inside && source.is_rust() && names(&source.code, "informerd") {
            complaints.push(format!("{}: names `informerd`", source.path));
        }
        if source.path == "tests/support/Cargo.toml" && source.text.lines().any(depends_on_daemon) {
            complaints.push(format!("{}: depends on `informerd`", source.path));
        }
    }
    complaints
}

fn depends_on_daemon(line: &str) -> bool {
    let line: String = line.chars().filter(|c| !c.is_whitespace()).collect();
    line.starts_with("informerd=")
        || line.starts_with("informerd.")
        || line.starts_with('[') && line.ends_with("dependencies.informerd]")
        || line.contains("package=\"informerd\"")
}

/// Self test of [`rooms`].
pub(super) const ROOM_SAMPLES: Samples = Samples {
    refused: &[
        &[("src/view.rs", "use crate::grpc::X;")],
        &[(
            "src/view/index.rs",
            "use crate::{store::S, cacher::{A, B}};",
        )],
        &[("src/store.rs", "fn f() -> crate::view::View {}")],
        &[("src/store.rs", "use crate::proto::v1::Frame;")],
        &[("src/client.rs", "use crate::{proto::v1, resource::Gvr};")],
        &[("src/store.rs", "use super::view::View;")],
        &[("src/store/history.rs", "use super::super::view::View;")],
        &[("src/novel.rs", "//! Nobody knows this room.")],
    ],
    accepted: &[
        &[(
            "src/view.rs",
            "use crate::{store::S, resource::{A, B}, view::X};",
        )],
        &[("src/view/index.rs", "use super::Index; // not crate::grpc")],
        &[("src/lib.rs", "pub mod novel;")],
        &[("src/runtime.rs", "use crate::{grpc::S, cli::C};")],
    ],
};

/// Self test of [`libraries`].
pub(super) const LIBRARY_SAMPLES: Samples = Samples {
    refused: &[
        &[("src/store.rs", "use tokio::sync::Notify;")],
        &[(
            "src/store.rs",
            "#[cfg(test)] mod tests { #[tokio::test] async fn f() {} }",
        )],
        &[("src/grpc.rs", "use kube::Client;")],
        &[("src/admin.rs", "use clap;")],
        &[("src/subscription.rs", "fn f() -> ::tonic::Status {}")],
    ],
    accepted: &[
        &[(
            "src/store.rs",
            "//! Names neither tokio::sync nor kube::Client.",
        )],
        &[(
            "src/grpc.rs",
            "use crate::reflector::kube::X; struct MyTokio;",
        )],
        &[("src/reflector.rs", "use kube::Client;")],
        &[("src/cli.rs", "use clap::Parser;")],
        &[("src/client/tests.rs", "use h2::server;")],
    ],
};

/// Self test of [`independence`].
pub(super) const INDEPENDENCE_SAMPLES: Samples = Samples {
    refused: &[
        &[(
            "tests/support/Cargo.toml",
            "[dependencies]\ninformerd = { path = \"../..\" }",
        )],
        &[(
            "tests/support/Cargo.toml",
            "[dev-dependencies.informerd]\npath = \"../..\"",
        )],
        &[(
            "tests/support/Cargo.toml",
            "daemon = { package = \"informerd\", path = \"../..\" }",
        )],
        &[("tests/support/src/lib.rs", "use informerd::store::Store;")],
    ],
    accepted: &[
        &[(
            "tests/support/Cargo.toml",
            "[package]\nname = \"informerd-support\"",
        )],
        &[("tests/it/main.rs", "use informerd::store::Store;")],
        &[(
            "tests/support/tests/x.rs",
            "use informerd_support::trace::Trace;",
        )],
    ],
};
