//! Breaks and ends: lag, rewinds, differences, drains.

use super::*;

// K45, `TestCacheIntervalInvalidationStopsWatch`: a reader whose place is overwritten never jumps.
#[test]
fn a_reader_that_history_has_passed_is_reset_or_ended() {
    for (on_expired, expected) in [
        (
            OnExpired::Reset,
            vec!["reset Lagged 0", "p@1009AD", "old@5AD", "end 1009 2"],
        ),
        (OnExpired::Fail, vec!["closed expired"]),
    ] {
        let feed = feed_with(limits(600, 300));
        let begin = Begin {
            on_expired,
            ..begin(after(&feed, 1000))
        };
        let mut told = Told::new(&feed, "", begin);
        assert_eq!(told.all(), ["started Resumed 0"]);
        for version in 1001..1010 {
            set(&feed, "ns/p", version);
        }
        let mut got = told.all();
        got.sort_by_key(|line| !line.starts_with("reset"));
        let mut expected: Vec<String> = expected.into_iter().map(String::from).collect();
        expected[1..].sort();
        got[1..].sort();
        assert_eq!(got, expected);
    }
}

#[test]
fn a_reader_behind_the_log_is_served_from_the_history() {
    let feed = feed_with(limits(1 << 20, 300));
    let mut told = Told::new(&feed, "", begin(after(&feed, 1000)));
    told.all();
    for version in 1001..1010 {
        set(&feed, "ns/p", version);
    }
    let expected: Vec<_> = (1001..1010)
        .map(|v| format!("p@{v}{}", if v == 1001 { "AD" } else { "MO" }))
        .collect();
    assert_eq!(told.all(), expected);
}

#[test]
fn a_rewind_resets_and_changes_the_epoch() {
    let feed = feed();
    let mut told = Told::new(&feed, "", begin(after(&feed, 1000)));
    told.all();
    feed.replace(vec![pod("ns/restored", "u", &[], 7)], rv(50), true);
    assert_eq!(told.all(), ["reset Rewound 1", "restored@7AD", "end 50 1"]);
    set(&feed, "ns/p", 51);
    assert_eq!(told.all(), ["p@51AD"]);
    let fail = Begin {
        on_expired: OnExpired::Fail,
        ..begin(after(&feed, 51))
    };
    let mut strict = Told::new(&feed, "", fail);
    strict.all();
    feed.replace(vec![], rv(20), true);
    assert_eq!(strict.all(), ["closed rewound"]);
}

#[test]
fn a_plan_from_before_a_rewind_is_not_carried_out() {
    let feed = feed();
    let plan = after(&feed, 1000);
    feed.replace(vec![], rv(50), true);
    let mut told = Told::new(&feed, "", begin(plan));
    assert_eq!(
        told.all(),
        ["started Snapshot 1", "reset Rewound 1", "end 50 0"]
    );
}

#[test]
fn a_relist_is_told_as_the_difference() {
    let feed = feed();
    set(&feed, "ns/p", 1001);
    let mut told = Told::new(&feed, "", begin(after(&feed, 1001)));
    told.all();
    feed.replace(vec![pod("ns/q", "q", &[], 1005)], rv(1010), false);
    assert_eq!(told.all(), ["q@1005AD", "old@1010DE", "p@1010DE"]);
    told.pass(INTERVAL);
    assert_eq!(told.all(), ["bookmark 1010"]);
}

#[test]
fn a_difference_from_an_old_state_leads_to_the_present() {
    let feed = feed();
    set(&feed, "ns/p", 1001);
    let old: Objects = [
        pod("ns/gone", "g", &[], 3),
        pod("ns/old", "u0", &[("app", "web")], 5),
    ]
    .into_iter()
    .map(|object| (object.key().clone(), object))
    .collect();
    let (difference, head) = feed.difference_from(&old, 0).expect("the same epoch");
    let plan = || Plan::Difference {
        difference: difference.clone(),
        head: head.clone(),
        epoch: 0,
    };
    let mut told = Told::new(&feed, "", begin(plan()));
    assert_eq!(
        told.all(),
        ["started Resynced 0", "p@1001AD", "gone@1001DE"]
    );
    // Where none of it matters to the query a bookmark says where it stands.
    let mut none = Told::new(&feed, "app=db", begin(plan()));
    assert_eq!(none.all(), ["started Resynced 0", "bookmark 1001"]);
}

#[test]
fn upstream_is_told_when_it_changes_and_at_the_start_only_if_it_is_bad() {
    let feed = feed();
    let mut told = Told::new(&feed, "", begin(after(&feed, 1000)));
    assert_eq!(told.all(), ["started Resumed 0"]);
    feed.set_health(UpstreamHealth::Degraded, None);
    assert_eq!(told.all(), ["upstream Degraded"]);
    let mut late = Told::new(&feed, "", begin(after(&feed, 1000)));
    assert_eq!(late.all(), ["started Resumed 0", "upstream Degraded"]);
    // Another reason for the same is no news to those who have begun.
    feed.set_health(UpstreamHealth::Degraded, Some(Obstacle::Forbidden));
    assert_eq!(told.all(), [""; 0]);
    assert!(feed.pulse().borrow().forbidden);
    feed.set_health(UpstreamHealth::Healthy, None);
    assert!(!feed.pulse().borrow().forbidden);
    assert_eq!(told.all(), ["upstream Healthy"]);
}

#[test]
fn planned_ends_hand_out_a_last_position() {
    let feed = feed();
    let now = Instant::now();
    let deadline = Some(now + Duration::from_secs(5));
    let mut told = Told::new(
        &feed,
        "app=db",
        Begin {
            deadline,
            ..begin(after(&feed, 1000))
        },
    );
    told.all();
    set(&feed, "ns/p", 1001);
    told.pass(Duration::from_secs(6));
    assert_eq!(told.all(), ["bookmark 1001", "closed timeout"]);
}

#[test]
fn a_drain_lets_a_reader_read_to_the_end() {
    let feed = feed();
    let mut told = Told::new(&feed, "", begin(after(&feed, 1000)));
    let mut starting = Told::new(&feed, "", begin(Plan::Snapshot(None)));
    told.all();
    set(&feed, "ns/p", 1001);
    feed.drain().begin();
    assert_eq!(
        told.all(),
        [
            "draining 700ms",
            "p@1001AD",
            "bookmark 1001",
            "closed draining"
        ]
    );
    assert_eq!(
        starting.all(),
        ["started Snapshot 0", "draining 700ms", "closed draining"]
    );
}

#[test]
fn a_resource_that_is_gone_ends_its_streams() {
    let feed = feed();
    let mut told = Told::new(&feed, "", begin(after(&feed, 1000)));
    told.all();
    feed.set_health(UpstreamHealth::Degraded, Some(Obstacle::NotServed));
    assert_eq!(
        told.all(),
        ["upstream Degraded", "bookmark 1000", "closed not_served"]
    );
}

// A client that comes right then must find the new state, not the news of before.
#[test]
fn a_resource_is_gone_until_there_is_a_state_of_it() {
    let feed = feed();
    let mut told = Told::new(&feed, "", begin(after(&feed, 1000)));
    told.all();
    feed.set_health(UpstreamHealth::Degraded, Some(Obstacle::NotServed));
    feed.set_health(UpstreamHealth::Degraded, None);
    assert!(feed.pulse().borrow().gone);
    feed.replace(vec![], rv(1010), true);
    assert!(!feed.pulse().borrow().gone);
    assert_eq!(
        told.all(),
        ["upstream Degraded", "reset Rewound 1", "end 1010 0"]
    );
    feed.set_health(UpstreamHealth::Healthy, None);
    assert_eq!(told.all(), ["upstream Healthy"]);
}

#[test]
fn leaving_gives_everything_back() {
    let feed = feed();
    let told: Vec<_> = (0..100)
        .map(|at| Told::new(&feed, &format!("n={}", at % 10), begin(after(&feed, 1000))))
        .collect();
    assert_eq!((feed.size().views, feed.size().subscriptions), (10, 100));
    drop(told);
    assert_eq!((feed.size().views, feed.size().subscriptions), (0, 0));
}

// F65: whoever joins stands either before or after a write, never in between.
#[test]
fn joining_while_events_stream_in_loses_and_repeats_nothing() {
    let feed = feed();
    let last = 3000;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for version in 1001..=last {
                set(&feed, "ns/p", version);
            }
        });
        for reader in 0..4 {
            let feed = feed.clone();
            scope.spawn(move || {
                for round in 0..50 {
                    let label = format!("app!=x{}", (reader + round) % 3);
                    let mut told = Told::new(&feed, &label, begin(Plan::Snapshot(None)));
                    let mut seen: Option<u64> = None;
                    let mut ended = None;
                    while ended.is_none_or(|end| seen.unwrap_or(end) < (end + 20).min(last)) {
                        for line in told.all() {
                            if let Some(rest) = line.strip_prefix("end ") {
                                let version = rest.split(' ').next().expect("a version");
                                ended = version.parse().ok();
                                seen = ended;
                            } else if let (Some(before), Some(rest)) =
                                (seen, line.strip_prefix("p@"))
                            {
                                let version: u64 = rest[..rest.len() - 2].parse().expect("number");
                                assert_eq!(version, before + 1, "{line}");
                                seen = Some(version);
                            }
                        }
                        std::thread::yield_now();
                    }
                }
            });
        }
    });
}

/// Pods whose labels take so many bytes.
fn padded(sizes: &[usize]) -> Vec<Arc<crate::resource::Object>> {
    let pod = |(at, size): (usize, &usize)| {
        let padding = "x".repeat(*size);
        let version = 1001 + at as u64;
        pod(&format!("ns/p{at:03}"), "u", &[("pad", &padding)], version)
    };
    sizes.iter().enumerate().map(pod).collect()
}

/// The lengths of all messages with events, and the tokens in them.
fn messages(told: &mut Told) -> (Vec<usize>, Vec<String>) {
    let (mut lengths, mut tokens) = (Vec::new(), Vec::new());
    while let Some(item) = told.next() {
        if let Ok(Item::Events(slices)) = item {
            lengths.push(slices.iter().map(bytes::Bytes::len).sum());
            tokens.extend(events(&slices).into_iter().map(|event| event.resume_token));
        }
    }
    (lengths, tokens)
}

#[test]
fn a_large_difference_is_told_in_small_messages() {
    let feed = feed_with(limits(64 << 20, 1 << 20));
    feed.replace(padded(&[2000; 500]), rv(2000), false);
    let mut told = Told::new(&feed, "", begin(after(&feed, 1000)));
    let (lengths, tokens) = messages(&mut told);
    assert!(
        lengths.iter().all(|length| *length <= 256 << 10),
        "{lengths:?}"
    );
    assert_eq!(tokens.len(), 501);
    assert_eq!(tokens.iter().position(|token| !token.is_empty()), Some(500));
}

// A drain or a planned end must not wait until a slow reader has all of it.
#[test]
fn a_large_difference_is_cut_short_by_an_end() {
    let feed = feed_with(limits(64 << 20, 1 << 20));
    feed.replace(padded(&[2000; 500]), rv(2000), false);
    let begin = Begin {
        deadline: Some(Instant::now() + Duration::from_secs(3600)),
        ..begin(after(&feed, 1000))
    };
    let mut planned = Told::new(&feed, "", begin.clone());
    let mut drained = Told::new(&feed, "", begin);
    for told in [&mut planned, &mut drained] {
        assert!(matches!(told.poll(), Some(Ok(Item::Control(_)))));
        assert!(matches!(told.poll(), Some(Ok(Item::Events(_)))));
    }
    planned.pass(Duration::from_secs(3601));
    assert_eq!(planned.all(), ["closed timeout"]);
    feed.drain().begin();
    assert_eq!(drained.all(), ["draining 700ms", "closed draining"]);
}

// Clients are promised batches under 1 MiB unless one object alone is larger.
#[test]
fn a_large_object_has_a_message_of_its_own() {
    let sizes = [250 << 10, 900 << 10, 10, 10];
    let feed = feed_with(limits(64 << 20, 1 << 20));
    feed.replace(padded(&sizes), rv(2000), false);
    for plan in [after(&feed, 1000), Plan::Snapshot(None)] {
        let (lengths, _) = messages(&mut Told::new(&feed, "", begin(plan)));
        let sizes: Vec<usize> = lengths.iter().map(|length| length >> 10).collect();
        assert_eq!(sizes, [250, 900, 0]);
    }
}

// The older state is kept alive by those alone who are yet to be told of it.
#[test]
fn a_difference_is_shared_and_let_go_by_its_last_reader() {
    let feed = feed_with(limits(64 << 20, 1 << 20));
    feed.replace(padded(&[2000; 500]), rv(2000), true);
    let old: Objects = padded(&[3000; 500])
        .into_iter()
        .map(|object| (object.key().clone(), object))
        .collect();
    feed.replace(vec![], rv(3000), false);
    let epoch = feed.epoch();
    let used = || feed.budget().size().used;
    let before = used();
    let (difference, head) = feed.difference_from(&old, epoch).expect("the same epoch");
    let once = used() - before;
    assert!(once > 500 * 3000, "{once}");
    let plan = || Plan::Difference {
        difference: difference.clone(),
        head: head.clone(),
        epoch,
    };
    let mut readers = [(), ()].map(|()| Told::new(&feed, "", begin(plan())));
    assert_eq!(used() - before, once);
    drop((difference, head));
    for told in &mut readers {
        assert!(used() - before >= once);
        assert_eq!(messages(told).1.len(), 500);
    }
    assert_eq!(used(), before);
}

// Tokens of the old epoch must not be taken for ones of the new.
#[test]
fn a_rewind_in_the_middle_of_a_difference_leaves_its_tokens_in_their_epoch() {
    let feed = feed_with(limits(64 << 20, 1 << 20));
    feed.replace(padded(&[2000; 500]), rv(2000), false);
    let difference = feed.difference_from(&Objects::new(), 0);
    let (difference, head) = difference.expect("the same epoch");
    let plan = Plan::Difference {
        difference,
        head,
        epoch: 0,
    };
    let mut told = Told::new(&feed, "", begin(plan));
    told.poll();
    told.poll();
    feed.replace(vec![], rv(50), true);
    let mut token = String::new();
    while let Some(Ok(Item::Events(slices))) = told.next() {
        token = events(&slices)
            .pop()
            .expect("no empty message")
            .resume_token;
    }
    let position = feed.scope(&query("")).position(&token).expect("our own");
    assert_eq!((position.epoch, position.version), (0, rv(2000)));
    assert_eq!(told.all(), ["end 50 0"]);
}

// What is left of it is not known any more.
#[test]
fn a_rewind_cuts_a_group_that_is_read_from_the_history() {
    let feed = feed_with(limits(64 << 20, 1 << 20));
    feed.replace(padded(&[2000; 500]), rv(2000), false);
    let mut told = Told::new(&feed, "", begin(after(&feed, 1000)));
    told.poll();
    assert!(matches!(told.poll(), Some(Ok(Item::Events(_)))));
    feed.replace(vec![], rv(50), true);
    assert_eq!(told.all(), ["reset Rewound 1", "end 50 0"]);
}
