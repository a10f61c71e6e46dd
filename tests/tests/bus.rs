//! The bus keeps its promises: one suite, run against the embedded bus and against real servers,
//! and what only a server can do wrong.

#![cfg(test)]

#[path = "bus/contract.rs"]
mod contract;
#[path = "bus/faults.rs"]
mod faults;
#[path = "bus/server.rs"]
mod server;
#[path = "bus/wire.rs"]
mod wire;

/// Each promise, once for each implementation.
macro_rules! promises {
    ($($promise:ident)*) => {
        mod embedded {$(
            #[tokio::test]
            async fn $promise() {
                let bus = tiphys_eventbus::embedded::Embedded::new();
                super::contract::$promise(&bus.into()).await;
            }
        )*}
        mod jetstream {$(
            #[tokio::test]
            async fn $promise() {
                let server = super::server::NatsServer::start("").await;
                super::contract::$promise(&server.bus().await).await;
            }
        )*}
    };
}

promises! {
    messages_arrive_in_the_order_they_were_published
    a_second_message_with_the_same_id_is_dropped
    a_message_that_nobody_acknowledged_comes_again
    a_message_given_back_comes_again_after_the_delay
    what_a_subscription_left_comes_to_the_next_one_first_and_at_once
    no_more_than_the_wanted_number_is_in_flight
    the_position_outlives_the_subscription_and_a_change_of_subjects
    what_was_confirmed_does_not_come_again
    a_new_consumer_begins_at_the_wanted_time
    a_star_listens_to_every_event_of_a_source
    overlapping_subjects_deliver_each_message_once
    unsubscribing_forgets_the_position
    the_last_message_of_a_subject_can_be_read
    messages_are_read_back_from_where_one_wants
    everything_is_read_back_in_order
    it_says_how_far_everybody_is
    what_is_stored_later_is_read_when_it_comes
    state_is_kept_under_keys_of_any_kind
    a_key_is_created_once
    rounds_of_two_namespaces_are_kept_apart
    a_message_that_is_too_large_is_refused
    dead_letters_are_kept_until_they_are_removed
    a_dead_letter_that_is_too_large_is_cut
    the_event_of_a_dead_letter_is_delivered_again_to_its_trigger_alone
    a_replay_waits_for_a_consumer_that_nobody_reads
    a_consumer_that_asks_for_replays_later_keeps_its_position
    a_consumer_says_whether_somebody_listens
    dead_letters_say_how_much_of_their_room_they_take
    the_stream_is_created_once_and_its_settings_change
    old_messages_give_way_at_the_limit
    closing_ends_subscriptions
}
