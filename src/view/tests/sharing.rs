//! What is shared, who is woken, and what the index finds.

use super::*;

#[test]
fn all_who_ask_the_same_are_given_the_same_bytes() {
    let mut stage = Stage::new();
    let (one, two) = (stage.view(&query("a=1")), stage.view(&query("a in (1)")));
    assert!(Arc::ptr_eq(&one, &two));
    let readers = [
        one.join(stage.cache.head().seq, stage.now),
        two.join(stage.cache.head().seq, stage.now),
    ];
    let start = stage.cache.head().seq;
    stage.apply(vec![Delta::Added(pod("ns/p", "u", &[("a", "1")], 1001))]);
    let [a, b] = readers.map(|reader| stage.read(&one, reader, start));
    assert_eq!(a[0].as_ptr(), b[0].as_ptr());
}

#[test]
fn a_snapshot_is_shared_until_the_view_changes() {
    let mut stage = Stage::new();
    let view = stage.view(&query("app=web"));
    stage.apply(vec![Delta::Added(pod(
        "ns/p",
        "u",
        &[("app", "web")],
        1001,
    ))]);
    let snapshot = |stage: &Stage| {
        let head = stage.cache.head();
        view.snapshot(|| stage.cache.snapshot(), &head)
    };
    let first = snapshot(&stage);
    stage.apply(vec![Delta::Added(pod("ns/other", "v", &[], 1002))]);
    let second = snapshot(&stage);
    assert!(Arc::ptr_eq(&first, &second));
    let [one, two] = [&first, &second].map(|shared| shared.join());
    let (Chunk::Events(a), Chunk::Events(b)) = (first.next(one), second.next(two)) else {
        panic!("there is an object");
    };
    assert_eq!(a.as_ptr(), b.as_ptr());
    assert_eq!(first.next(one), Chunk::End(1));
    stage.apply(vec![Delta::Modified(pod(
        "ns/p",
        "u",
        &[("app", "web")],
        1003,
    ))]);
    assert!(!Arc::ptr_eq(&first, &snapshot(&stage)));
}

#[test]
fn snapshots_walk_only_the_namespaces_that_are_asked_for_in_the_order_of_keys() {
    let mut stage = Stage::new();
    let keys = ["t1/x", "t1-bad/x", "t0/x", "t1/a", "t10/x"];
    let deltas = keys
        .iter()
        .enumerate()
        .map(|(at, key)| Delta::Added(pod(key, key, &[], 1001 + at as u64)))
        .collect();
    stage.apply(deltas);
    let names = |namespaces: &[String]| {
        let spec = FilterSpec {
            namespaces,
            ..FilterSpec::default()
        };
        let query = Query::new(
            Membership::new(spec).expect("valid"),
            EventTypes::ALL,
            false,
        );
        let Snapshot { objects, head } = stage.cache.snapshot();
        let snapshot = Snapshot { objects, head };
        let shared = SharedSnapshot::new(query, snapshot, Budget::new(1 << 20));
        let reader = shared.join();
        let mut keys = Vec::new();
        loop {
            match shared.next(reader) {
                Chunk::Events(chunk) => {
                    keys.extend(
                        events(&[chunk])
                            .iter()
                            .map(|e| format!("{}/{}", e.namespace, e.name)),
                    );
                }
                Chunk::Working => {}
                Chunk::Full | Chunk::Gone => panic!("there is room"),
                Chunk::End(count) => {
                    assert_eq!(count, keys.len() as u64);
                    return keys;
                }
            }
        }
    };
    assert_eq!(names(&[]), ["t0/x", "t1-bad/x", "t1/a", "t1/x", "t10/x"]);
    assert_eq!(names(&["t1".to_owned()]), ["t1/a", "t1/x"]);
    assert_eq!(
        names(&["t10".to_owned(), "t0".to_owned()]),
        ["t0/x", "t10/x"]
    );
}

#[test]
fn a_large_snapshot_comes_in_chunks_and_loses_nothing() {
    let mut stage = Stage::new();
    let big = "x".repeat(2000);
    let deltas: Vec<_> = (0..9000)
        .map(|at| {
            let labels = [
                ("pad", big.as_str()),
                ("in", if at % 3 == 0 { "yes" } else { "no" }),
            ];
            Delta::Added(pod(&format!("ns/p{at:05}"), "u", &labels, 1001 + at))
        })
        .collect();
    stage.apply(deltas);
    for (labels, expected) in [("", 9000), ("in=yes", 3000), ("in=never", 0)] {
        let budget = Budget::new(64 << 20);
        let shared = SharedSnapshot::new(query(labels), stage.cache.snapshot(), budget);
        let reader = shared.join();
        let mut count = 0;
        let end = loop {
            match shared.next(reader) {
                Chunk::Events(chunk) => {
                    assert!(chunk.len() < 300 * 1024);
                    count += events(&[chunk]).len() as u64;
                }
                Chunk::Working => {}
                Chunk::Full | Chunk::Gone => panic!("there is room"),
                Chunk::End(end) => break end,
            }
        };
        assert_eq!((count, end), (expected, expected), "{labels}");
    }
}

#[test]
fn only_readers_of_matching_views_are_woken_and_only_once() {
    let mut stage = Stage::new();
    let web = stage.view(&query("app=web"));
    let db = stage.view(&query("app=db"));
    let counts: [Arc<Count>; 2] = Default::default();
    let start = stage.cache.head().seq;
    for (view, count) in [&web, &db].into_iter().zip(&counts) {
        let reader = view.join(stage.cache.head().seq, stage.now);
        let waker = Waker::from(count.clone());
        assert_eq!(
            view.read(reader, start, 1, stage.now, &waker),
            Read::Pending
        );
    }
    let object = |at| Delta::Modified(pod("ns/p", "u", &[("app", "web")], at));
    assert_eq!(stage.apply(vec![object(1001), object(1002)]), 1);
    assert_eq!(stage.apply(vec![object(1003)]), 0);
    assert_eq!(counts.map(|count| count.0.load(Ordering::Relaxed)), [1, 0]);
}

#[test]
fn a_log_over_its_limit_leaves_its_slowest_readers_behind() {
    let mut stage = Stage::new();
    let start = stage.cache.head().seq;
    let mint = || -> Mint { Box::new(|_| String::new()) };
    stage.registry = Registry::new(Budget::new(1 << 20), 1000);
    let view = stage.registry.view(&query(""), mint, start);
    let reader = view.join(stage.cache.head().seq, stage.now);
    for version in 1001..1011 {
        stage.apply(vec![Delta::Modified(pod("ns/p", "u", &[], version))]);
    }
    let read = |after| view.read(reader, after, 1 << 20, stage.now, Waker::noop());
    assert_eq!(read(start), Read::Behind(start));
    let Read::Run(run) = read(stage.cache.head().seq.back(2)) else {
        panic!("still there")
    };
    assert_eq!(events(&run.slices).len(), 2);
    assert_eq!(run.position, Some(rv(1010)));
}

#[test]
fn idle_views_are_dropped() {
    let mut stage = Stage::new();
    let view = stage.view(&query("a=1"));
    let readers = [
        view.join(stage.cache.head().seq, stage.now),
        view.join(stage.cache.head().seq, stage.now),
    ];
    assert!(!view.leave(readers[0]));
    stage.registry.release(view.query());
    assert_eq!(stage.registry.size().0, 1);
    assert!(view.leave(readers[1]));
    stage.registry.release(view.query());
    assert_eq!(stage.registry.size().0, 0);
    assert_eq!(
        stage.apply(vec![Delta::Added(pod("ns/p", "u", &[("a", "1")], 1001))]),
        0
    );
}

/// Every view must get exactly what asking it directly would give: the index may not lose any.
#[test]
fn the_index_finds_every_view_that_is_concerned() {
    let specs: Vec<(Vec<String>, Vec<String>, &str, &str)> = vec![
        (vec![], vec![], "", ""),
        (vec!["n1".into()], vec![], "", ""),
        (vec!["n1".into(), "n2".into()], vec!["p1".into()], "", ""),
        (vec![], vec!["p1".into(), "p2".into()], "a=1", ""),
        (vec![], vec![], "a=1", ""),
        (vec![], vec![], "a=1,b!=2", ""),
        (vec![], vec![], "a!=1", ""),
        (vec![], vec![], "!a", ""),
        (vec!["n2".into()], vec![], "a in (1,2)", ""),
        (vec![], vec![], "", "metadata.uid=u1"),
        (vec![], vec![], "", "metadata.uid!=u1,metadata.name=p0"),
        (vec![], vec![], "", "metadata.absent="),
    ];
    let queries: Vec<Query> = specs
        .iter()
        .map(|(namespaces, names, labels, fields)| {
            let spec = FilterSpec {
                namespaces,
                names,
                label_selector: labels,
                field_selector: fields,
            };
            Query::new(
                Membership::new(spec).expect("valid"),
                EventTypes::ALL,
                false,
            )
        })
        .collect();
    let mut stage = Stage::new();
    let views: Vec<_> = queries.iter().map(|query| stage.view(query)).collect();
    let readers: Vec<_> = views
        .iter()
        .map(|view| view.join(stage.cache.head().seq, stage.now))
        .collect();
    let mut random = fastrand::Rng::with_seed(7);
    let mut expected = vec![0; queries.len()];
    let start = stage.cache.head();
    for version in 1001..2001 {
        let key = format!("n{}/p{}", random.u8(0..4), random.u8(0..4));
        let uid = format!("u{}", random.u8(0..3));
        let (a, b) = (random.u8(0..3).to_string(), random.u8(0..3).to_string());
        let labels: &[(&str, &str)] = if random.bool() {
            &[("a", &a), ("b", &b)]
        } else {
            &[]
        };
        let object = pod(&key, &uid, labels, version);
        let delta = if random.u8(0..4) == 0 {
            Delta::Deleted(object)
        } else {
            Delta::Modified(object)
        };
        let changes = stage.cache.apply(vec![delta], stage.now);
        stage.registry.publish(&changes);
        for (query, count) in queries.iter().zip(&mut expected) {
            let shown = changes
                .iter()
                .flat_map(|c| transition(query, c))
                .flatten()
                .count();
            *count += shown;
        }
    }
    assert!(expected.iter().all(|count| *count > 20), "{expected:?}");
    let Head { seq, .. } = start;
    for (at, view) in views.iter().enumerate() {
        let shown = events(&stage.read(view, readers[at], seq)).len();
        assert_eq!(shown, expected[at], "{}", queries[at]);
    }
}
