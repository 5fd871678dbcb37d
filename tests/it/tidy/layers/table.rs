//! The layer table of the house, as data.

/// One row of the layer table.
pub(crate) struct Room {
    /// `view` for `src/view.rs` and `src/view/`.
    pub(crate) name: &'static str,
    /// Rooms that it may use besides itself.
    pub(crate) uses: &'static [&'static str],
    /// Of [`WATCHED`], the libraries that it may name.
    pub(crate) libraries: &'static [&'static str],
}

/// Libraries that only the rooms which list them may name. Rooms that list none keep to that in
/// their tests too.
pub(crate) const WATCHED: &[&str] = &[
    "axum",
    "clap",
    "h2",
    "hyper",
    "k8s_openapi",
    "kube",
    "rustls",
    "tokio",
    "tokio_rustls",
    "tokio_stream",
    "tokio_util",
    "tonic",
    "tonic_health",
    "tonic_prost",
    "tonic_reflection",
    "tonic_types",
];

const TOKIO: &[&str] = &["tokio", "tokio_stream", "tokio_util"];
const KUBE: &[&str] = &["tokio", "tokio_stream", "tokio_util", "kube", "k8s_openapi"];
const HTTP: &[&str] = &[
    "tokio",
    "tokio_stream",
    "tokio_util",
    "h2",
    "hyper",
    "rustls",
    "tokio_rustls",
    "tonic",
];
const ADMIN: &[&str] = &["tokio", "tokio_stream", "tokio_util", "axum", "hyper"];
const GRPC: &[&str] = &[
    "tokio",
    "tokio_stream",
    "tokio_util",
    "tonic",
    "tonic_health",
    "tonic_prost",
    "tonic_reflection",
    "tonic_types",
];
/// Of kube only the types of objects: the client asks the daemon, never an apiserver.
const CLIENT: &[&str] = &[
    "tokio",
    "tokio_stream",
    "tokio_util",
    "tonic",
    "tonic_health",
    "tonic_prost",
    "tonic_reflection",
    "tonic_types",
    "kube",
    "rustls",
    "tokio_rustls",
];
const CLI: &[&str] = &[
    "tokio",
    "tokio_stream",
    "tokio_util",
    "tonic",
    "tonic_health",
    "tonic_types",
    "clap",
];

/// The table of `ARCHITECTURE.md`, in the order in which data flows. Nothing that is not listed
/// is allowed; `proto` appears only where protobuf messages may be named.
pub(crate) const ROOMS: &[Room] = &[
    Room {
        name: "proto",
        uses: &[],
        libraries: &["tonic", "tonic_prost", "tonic_types"],
    },
    Room {
        name: "resource",
        uses: &[],
        libraries: &[],
    },
    Room {
        name: "selector",
        uses: &["resource"],
        libraries: &[],
    },
    Room {
        name: "store",
        uses: &["resource"],
        libraries: &[],
    },
    Room {
        name: "view",
        uses: &["proto", "resource", "selector", "store"],
        libraries: &[],
    },
    Room {
        name: "subscription",
        uses: &["resource", "selector", "store", "view"],
        libraries: TOKIO,
    },
    Room {
        name: "reflector",
        uses: &["resource", "store"],
        libraries: KUBE,
    },
    Room {
        name: "access",
        uses: &["resource", "selector"],
        libraries: KUBE,
    },
    Room {
        name: "rbac",
        uses: &["resource", "reflector", "access"],
        libraries: TOKIO,
    },
    Room {
        name: "cacher",
        uses: &[
            "resource",
            "selector",
            "access",
            "store",
            "view",
            "subscription",
            "reflector",
        ],
        libraries: TOKIO,
    },
    Room {
        name: "transport",
        uses: &[],
        libraries: HTTP,
    },
    Room {
        name: "grpc",
        uses: &[
            "proto",
            "resource",
            "selector",
            "store",
            "view",
            "subscription",
            "reflector",
            "cacher",
            "access",
            "transport",
        ],
        libraries: GRPC,
    },
    Room {
        name: "admin",
        uses: &[
            "resource",
            "selector",
            "access",
            "store",
            "view",
            "subscription",
            "reflector",
            "access",
            "cacher",
            "transport",
            "grpc",
        ],
        libraries: ADMIN,
    },
    Room {
        name: "client",
        uses: &["proto"],
        libraries: CLIENT,
    },
    Room {
        name: "cli",
        uses: &["client", "proto"],
        libraries: CLI,
    },
    Room {
        name: "runtime",
        uses: &[
            "proto",
            "resource",
            "selector",
            "store",
            "view",
            "subscription",
            "reflector",
            "cacher",
            "access",
            "rbac",
            "transport",
            "grpc",
            "admin",
            "client",
            "cli",
        ],
        libraries: WATCHED,
    },
];
