//! The regular expressions of a path (`match`, `search`): the library compiles them anew for every value.

use jsonpath_rust::parser::model::{
    Filter, FilterAtom, FnArg, JpQuery, Literal, Segment, Selector, Test, TestFunction,
};

use crate::regex;

/// What compiling a pattern takes at least, in visits of a value.
const LEAST_VISITS: usize = 200;

/// How many bytes of a compiled pattern are made in the time of a visit.
const BYTES_OF_VISIT: usize = 16;

/// How many visits all patterns are worth, each compiled once. `None`: one is not written in the path, so
/// that nothing is known about it.
pub(super) fn visits(query: &JpQuery) -> Option<usize> {
    of_segments(&query.segments)
}

/// The sum, if all are known.
fn sum<T>(parts: &[T], visits: impl Fn(&T) -> Option<usize>) -> Option<usize> {
    parts
        .iter()
        .try_fold(0_usize, |sum, part| Some(sum.saturating_add(visits(part)?)))
}

fn of_segments(segments: &[Segment]) -> Option<usize> {
    sum(segments, of_segment)
}

fn of_segment(segment: &Segment) -> Option<usize> {
    match segment {
        Segment::Descendant(inner) => of_segment(inner),
        Segment::Selector(selector) => of_selector(selector),
        Segment::Selectors(selectors) => sum(selectors, of_selector),
    }
}

fn of_selector(selector: &Selector) -> Option<usize> {
    match selector {
        Selector::Filter(filter) => of_filter(filter),
        _ => Some(0),
    }
}

fn of_filter(filter: &Filter) -> Option<usize> {
    match filter {
        Filter::Or(filters) | Filter::And(filters) => sum(filters, of_filter),
        Filter::Atom(FilterAtom::Filter { expr, .. }) => of_filter(expr),
        Filter::Atom(FilterAtom::Test { expr, .. }) => of_test(expr),
        // Those functions give what cannot be compared.
        Filter::Atom(FilterAtom::Comparison(_)) => Some(0),
    }
}

fn of_test(test: &Test) -> Option<usize> {
    match test {
        Test::RelQuery(segments) => of_segments(segments),
        Test::AbsQuery(query) => visits(query),
        Test::Function(function) => of_function(function),
    }
}

fn of_function(function: &TestFunction) -> Option<usize> {
    match function {
        TestFunction::Search(text, pattern) | TestFunction::Match(text, pattern) => {
            let FnArg::Literal(Literal::String(pattern)) = pattern else {
                return None;
            };
            let visits = LEAST_VISITS.saturating_add(regex::estimate(pattern) / BYTES_OF_VISIT);
            Some(visits.saturating_add(of_argument(text)?))
        }
        TestFunction::Custom(_, arguments) => sum(arguments, of_argument),
        TestFunction::Length(argument) => of_argument(argument),
        TestFunction::Value(argument) | TestFunction::Count(argument) => of_argument(argument),
    }
}

fn of_argument(argument: &FnArg) -> Option<usize> {
    match argument {
        FnArg::Literal(_) => Some(0),
        FnArg::Test(test) => of_test(test),
        FnArg::Filter(filter) => of_filter(filter),
    }
}
