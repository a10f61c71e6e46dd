//! How far the consumers of triggers are: whether one has come to an event.

use tiphys_base::text::one_line;
use tiphys_eventbus::{ConsumerLook, Durable, Look, Position};
use tiphys_simulate::Decision;

/// A line for each trigger that decides about the event at a place of the bus.
pub fn of_event<'d>(
    look: &Look,
    at: Position,
    decisions: impl IntoIterator<Item = Decision<'d>>,
) -> Vec<String> {
    let line = |decision: Decision<'_>| {
        let consumer = consumer(
            look,
            decision.namespace(),
            decision.sensor(),
            decision.trigger(),
        );
        let text = format!("{decision}: {}", state(consumer, at));
        one_line(&text) + "\n"
    };
    decisions.into_iter().map(line).collect()
}

/// A line for each trigger of a sensor that has a consumer.
pub fn of_sensor(look: &Look, namespace: Option<&str>, sensor: &str) -> Vec<String> {
    let consumers = look.consumers.iter().filter_map(|consumer| {
        let (of, name, trigger) = consumer.durable.names()?;
        let is_it = name == sensor && namespace.is_none_or(|namespace| namespace == of);
        let text = format!("  trigger {trigger}: {}", whole(consumer));
        is_it.then(|| one_line(&text) + "\n")
    });
    consumers.collect()
}

fn consumer<'l>(
    look: &'l Look,
    namespace: &str,
    sensor: &str,
    trigger: &str,
) -> Option<&'l ConsumerLook> {
    let wanted = Durable::trigger(namespace, sensor, trigger);
    look.consumers
        .iter()
        .find(|consumer| consumer.durable == wanted)
}

/// Where a consumer is, seen from an event that it waits for.
fn state(consumer: Option<&ConsumerLook>, at: Position) -> String {
    let Some(consumer) = consumer else {
        return "it has no consumer on the bus: the Sensor has not run with it yet".to_owned();
    };
    let is_past = |place: Option<Position>| place.is_some_and(|place| at <= place);
    if !is_past(consumer.reached) {
        return format!("its consumer has not come to it yet: {}", whole(consumer));
    }
    if consumer.in_hand == 0 || is_past(consumer.done) {
        return "its consumer is past it".to_owned();
    }
    format!(
        "its consumer has it in hand, or is past it: {}",
        whole(consumer)
    )
}

fn whole(consumer: &ConsumerLook) -> String {
    let ConsumerLook {
        reached,
        lag,
        in_hand,
        repeated,
        ..
    } = consumer;
    let reached = reached.map_or("at the beginning".to_owned(), |reached| {
        format!("at number {reached}")
    });
    let again = match repeated {
        0 => String::new(),
        repeated => format!(", {repeated} of them not for the first time"),
    };
    format!("{reached}, {lag} to go, {in_hand} in hand{again}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn consumer(reached: u64, done: u64, in_hand: u64) -> ConsumerLook {
        let place = |number| (number > 0).then(|| Position::from_wire(number));
        ConsumerLook {
            durable: Durable::trigger("harbour", "gate", "note"),
            delivered: reached,
            reached: place(reached),
            done: place(done),
            lag: 5,
            in_hand,
            repeated: in_hand / 2,
        }
    }

    #[test]
    fn a_consumer_is_before_an_event_at_it_or_past_it() {
        let at = Position::from_wire(12);
        for (consumer, expected) in [
            (
                None,
                "it has no consumer on the bus: the Sensor has not run with it yet",
            ),
            (
                Some(consumer(0, 0, 0)),
                "its consumer has not come to it yet: at the beginning, 5 to go, 0 in hand",
            ),
            (
                Some(consumer(11, 11, 0)),
                "its consumer has not come to it yet: at number 11, 5 to go, 0 in hand",
            ),
            (
                Some(consumer(12, 9, 3)),
                "its consumer has it in hand, or is past it: at number 12, 5 to go, 3 in hand, 1 of them \
                 not for the first time",
            ),
            (Some(consumer(14, 12, 2)), "its consumer is past it"),
            (Some(consumer(14, 3, 0)), "its consumer is past it"),
        ] {
            assert_eq!(state(consumer.as_ref(), at), expected);
        }
    }

    #[test]
    fn a_sensor_has_a_line_for_each_of_its_triggers() {
        let look = Look {
            consumers: vec![consumer(7, 7, 0)],
            ..Look::default()
        };
        let line = ["  trigger note: at number 7, 5 to go, 0 in hand\n"];
        assert_eq!(of_sensor(&look, Some("harbour"), "gate"), line);
        assert_eq!(of_sensor(&look, None, "gate"), line);
        assert!(of_sensor(&look, Some("docks"), "gate").is_empty());
    }
}
