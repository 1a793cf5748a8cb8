//! Events within spans.

use std::cell::Cell;
use std::fmt;

use tracing::field::Empty;
use tracing::{debug_span, error_span, info, info_span};

use super::kept::{handed_over, one};

#[test]
fn a_record_names_its_spans_from_the_outermost_to_the_innermost() {
    let record = one(|| {
        let _request = info_span!("request", id = 7, path = "/pay").entered();
        let _payment = debug_span!("payment").entered();
        let _card = error_span!("card", kind = ?"debit").entered();
        info!("paid");
    });
    let expected = [
        "request{id=Signed(7),path=/pay}",
        "payment{}",
        "card{kind=\"debit\"}",
    ];
    assert_eq!(record.spans, expected);
}

#[test]
fn an_event_is_where_it_says_it_is() {
    let records = handed_over(|| {
        let elsewhere = info_span!("elsewhere");
        let _here = info_span!("here").entered();
        info!(parent: &elsewhere, "there");
        info!(parent: None, "nowhere");
        info!("here");
    });
    let spans: Vec<_> = records.into_iter().map(|record| record.spans).collect();
    assert_eq!(spans, [vec!["elsewhere{}"], vec![], vec!["here{}"]]);
}

#[test]
fn values_that_are_known_later_are_in_later_records() {
    let records = handed_over(|| {
        let request = info_span!("request", id = 1, user = Empty, status = Empty);
        let _inside = request.enter();
        info!("before");
        request.record("user", "anna");
        info!("known");
        let _inner = info_span!("inner").entered();
        request.record("status", 200);
        info!("inside of another one");
        request.record("user", "berta");
        info!("changed");
    });
    let spans: Vec<_> = records
        .iter()
        .map(|record| record.spans.join(" "))
        .collect();
    let expected = [
        "request{id=Signed(1)}",
        "request{id=Signed(1),user=anna}",
        "request{id=Signed(1),user=anna,status=Signed(200)} inner{}",
        "request{id=Signed(1),status=Signed(200),user=berta} inner{}",
    ];
    assert_eq!(spans, expected);
}

#[test]
fn a_value_of_every_type_survives_a_later_one() {
    let record = one(|| {
        let span = info_span!(
            "all",
            text = "a",
            signed = -1,
            unsigned = 1_u64,
            float = 0.5,
            yes = true,
            less = i128::MIN,
            more = u128::MAX,
            later = Empty
        );
        span.record("later", 1);
        let _inside = span.enter();
        info!("");
    });
    let expected = format!(
        "all{{text=a,signed=Signed(-1),unsigned=Unsigned(1),float=Float(0.5),yes=Bool(true),\
         less=Signed128({}),more=Unsigned128({}),later=Signed(1)}}",
        i128::MIN,
        u128::MAX
    );
    assert_eq!(record.spans, [expected]);
}

#[test]
fn a_spans_fields_are_formatted_once_however_many_records_are_made_in_it() {
    thread_local!(static ASKED: Cell<u32> = const { Cell::new(0) });
    struct Counted;
    impl fmt::Debug for Counted {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            ASKED.set(ASKED.get() + 1);
            f.write_str("counted")
        }
    }
    let records = handed_over(|| {
        let _inside = info_span!("span", counted = ?Counted).entered();
        (0..100).for_each(|number| info!(number));
    });
    assert_eq!((records.len(), ASKED.get()), (100, 1));
    assert!(
        records
            .iter()
            .all(|record| record.spans == ["span{counted=counted}"])
    );
}

#[test]
fn of_too_many_spans_the_innermost_are_kept() {
    fn within(depth: u32) {
        let _inside = info_span!("span", depth).entered();
        match depth {
            0 => info!("deep"),
            _ => within(depth - 1),
        }
    }
    let record = one(|| within(99));
    assert!(record.is_cut);
    assert_eq!((record.spans.len(), record.message.as_str()), (64, "deep"));
    assert_eq!(record.spans[63], "span{depth=Unsigned(0)}");
    let record = one(|| within(63));
    assert_eq!((record.spans.len(), record.is_cut), (64, false));
}

#[test]
fn what_is_cut_from_a_span_is_marked_in_its_records() {
    let records = handed_over(|| {
        let long = "x".repeat(100_000);
        let span = info_span!("long", long, later = Empty);
        let _inside = span.enter();
        info!("cut");
        span.record("later", 1);
        info!("cut, too");
    });
    assert!(records.iter().all(|record| record.is_cut));
    assert_eq!(records[0].message, "cut");
}
