use super::*;

const LENGTH: Duration = Duration::from_mins(5);

fn seeds() -> impl Iterator<Item = u64> {
    0..200
}

#[test]
fn a_seed_draws_the_same_drill_again_and_another_one_another() {
    let drill = Schedule::draw(7, LENGTH);
    assert_eq!(drill, Schedule::draw(7, LENGTH));
    assert_ne!(drill, Schedule::draw(8, LENGTH));
}

/// Whoever changes what is drawn changes these lines, and the meaning of all seeds.
#[test]
fn a_seed_means_the_same_on_every_machine() {
    let drill = Schedule::draw(7, Duration::from_secs(20));
    let lines: Vec<String> = drill.incidents.iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "   3.5 s  sensor      edited",
            "   3.8 s  engine      stopped for 0.3 s",
            "   6.2 s  bus         slow for 10.5 s",
            "   7.7 s  sensor pods killed for 1.6 s",
            "   7.8 s  API server  frozen for 4.6 s",
            "  15.6 s  sensor      edited",
        ]
    );
}

#[test]
fn one_fault_at_a_time_befalls_a_part_and_all_end_with_the_drill() {
    for seed in seeds() {
        let drill = Schedule::draw(seed, LENGTH);
        for part in Part::ALL {
            let mut free = Duration::ZERO;
            for incident in drill.of(part) {
                assert!(incident.at >= free, "seed {seed}: {incident}");
                free = incident.at + incident.lasts;
            }
            assert!(free <= LENGTH, "seed {seed}: {part}");
        }
    }
}

#[test]
fn five_minutes_have_every_kind_of_fault() {
    for seed in seeds() {
        let drill = Schedule::draw(seed, LENGTH);
        for part in Part::ALL {
            for (fault, _) in part.faults() {
                assert!(drill.count(part, *fault) > 0, "seed {seed}: {part} {fault}");
            }
        }
    }
}

#[test]
fn faults_of_different_parts_meet() {
    let drill = Schedule::draw(7, LENGTH);
    let meet = drill.of(Part::Bus).into_iter().any(|bus| {
        let others = drill.of(Part::ApiServer).into_iter();
        let mut others = others.filter(|other| other.at < bus.at + bus.lasts);
        others.any(|other| bus.at < other.at + other.lasts)
    });
    assert!(meet);
}

#[test]
fn what_is_deleted_was_there_and_what_is_left_is_known() {
    for seed in seeds() {
        let drill = Schedule::draw(seed, LENGTH);
        let mut services = BTreeMap::new();
        let mut ports = std::collections::BTreeSet::new();
        for (_, operation) in &drill.operations {
            match operation {
                Operation::Serve {
                    service: name,
                    port,
                } => {
                    assert!(ports.insert(*port), "seed {seed}: {port} comes twice");
                    services.insert(service(*name), *port);
                }
                Operation::Close { service: name } => {
                    assert!(services.remove(&service(*name)).is_some(), "seed {seed}");
                }
                Operation::Attack(_) => {}
            }
        }
        assert_eq!(services, drill.services, "seed {seed}");
        assert!(!services.is_empty(), "seed {seed}");
    }
}

#[test]
fn five_minutes_have_every_attack_and_hundreds_of_operations() {
    for seed in seeds() {
        let operations = Schedule::draw(seed, LENGTH).operations;
        assert!(operations.is_sorted_by_key(|(at, _)| *at));
        let count = |wanted: fn(&Operation) -> bool| {
            operations
                .iter()
                .filter(|(_, operation)| wanted(operation))
                .count()
        };
        assert!(count(|operation| matches!(operation, Operation::Serve { .. })) > 400);
        assert!(count(|operation| matches!(operation, Operation::Close { .. })) > 100);
        for attack in Attack::ALL {
            let attack = Operation::Attack(attack);
            assert!(
                operations.iter().any(|(_, operation)| *operation == attack),
                "seed {seed}: {attack:?}"
            );
        }
    }
}
