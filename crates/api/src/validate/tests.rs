//! The rules, one by one: what is refused, where, and how it is said.

use crate::manifest::{Content, read};

/// What the rules say about `spec` of an object, one problem a line.
#[track_caller]
fn check(kind: &str, spec: &str, expected: &[&str]) {
    check_named("a", kind, spec, expected);
}

#[track_caller]
fn check_named(name: &str, kind: &str, spec: &str, expected: &[&str]) {
    let text = format!(
        "apiVersion: argoproj.io/v1alpha1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec: {spec}"
    );
    let manifest = read("x.yaml", &text);
    assert_eq!(manifest.faults, [], "{text}");
    let problems = match &manifest.objects[0].content {
        Content::EventBus(object) => super::event_bus(object),
        Content::EventSource(object) => super::event_source(object),
        Content::Sensor(object) => super::sensor(object),
        Content::Other(_) => panic!("{kind}"),
    };
    let found: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(found, expected, "{spec}");
}

/// A sensor with the dependencies `a` and `b` and these triggers.
fn with_triggers(triggers: &str) -> String {
    let dependency = |name| format!("{{name: {name}, eventSourceName: s, eventName: e}}");
    format!(
        "{{dependencies: [{}, {}], triggers: [{triggers}]}}",
        dependency("a"),
        dependency("b")
    )
}

/// A sensor with one dependency that has these fields, and a log trigger.
fn with_dependency(fields: &str) -> String {
    format!(
        "{{dependencies: [{{name: a, eventSourceName: s, eventName: e, {fields}}}], \
         triggers: [{{template: {{name: t, log: }}}}]}}"
    )
}

#[test]
fn an_event_bus_needs_exactly_one_kind() {
    let none = "error: spec: invalid spec: either \"nats\", \"jetstream\", \"jetstreamExotic\", or \
                \"kafka\" needs to be specified";
    check("EventBus", "{}", &[none]);
    check(
        "EventBus",
        "{jetstream: {version: latest}, kafka: {url: k}}",
        &["warning: spec.kafka: has no effect beside spec.jetstream"],
    );
}

#[test]
fn each_kind_of_event_bus_has_its_rules() {
    let version = "error: spec.jetstream.version: invalid spec: a version for jetstream needs to be \
                   specified (`latest`, or another version of the controller's configuration)";
    let replicas = "error: spec.jetstream.replicas: invalid spec: a jetstream eventbus requires 1 \
                    replica or >= 3 replicas";
    check(
        "EventBus",
        "{jetstream: {replicas: 2}}",
        &[version, replicas],
    );
    check(
        "EventBus",
        "{jetstream: {version: latest, replicas: 0}}",
        &[replicas],
    );
    check(
        "EventBus",
        "{jetstream: {version: latest, replicas: 4, maxPayload: 8MB}}",
        &[],
    );
    check(
        "EventBus",
        "{jetstream: {version: latest, maxPayload: big}}",
        &[
            "error: spec.jetstream.maxPayload: \"big\" is not a size (a number with a unit, such as \
             1MB or 512KB)",
        ],
    );
    check(
        "EventBus",
        r#"{jetstream: {version: latest, settings: "max_file_store: 1GB\n}\nhttp: 9999\nx {\n"}}"#,
        &[
            "error: spec.jetstream.settings: line 2: \"}\" ends the block that these lines are in \
             (only settings of NATS' jetstream block, such as `max_file_store: 10GB`)",
        ],
    );
    check(
        "EventBus",
        "{kafka: {}}",
        &["error: spec.kafka.url: \"spec.kafka.url\" is missing"],
    );
    check(
        "EventBus",
        "{jetstreamExotic: {tls: {clientCertSecret: {name: a, key: b}}}}",
        &[
            "error: spec.jetstreamExotic.url: \"spec.jetstreamExotic.url\" is missing",
            "error: spec.jetstreamExotic.tls: invalid tls config: clientCertSecret and \
             clientKeySecret have to be set together",
        ],
    );
    check(
        "EventBus",
        "{nats: {exotic: {}}}",
        &[
            "error: spec.nats.exotic.clusterID: \"spec.nats.exotic.clusterID\" is missing",
            "error: spec.nats.exotic.url: \"spec.nats.exotic.url\" is missing",
        ],
    );
    check(
        "EventBus",
        "{nats: {}}",
        &["error: spec.nats: either \"native\" or \"exotic\" must be defined"],
    );
}

#[test]
fn a_login_for_whoever_answers_is_warned_about() {
    let goes = "whoever answers there: the server is not verified";
    let set_tls = "(begin the URL with tls://, or set tls)";
    let exotic = |fields: &str| format!("{{jetstreamExotic: {{{fields}}}}}");
    let secret = "accessSecret: {name: a, key: b}";
    check(
        "EventBus",
        &exotic(&format!("url: 'nats://a:4222', {secret}")),
        &[&format!(
            "warning: spec.jetstreamExotic.accessSecret: the login goes to nats://a:4222, {goes} {set_tls}"
        )],
    );
    check(
        "EventBus",
        &exotic("url: 'nats://me:secret@a:4222'"),
        &[&format!(
            "warning: spec.jetstreamExotic.url: the login goes to nats://a:4222, {goes} {set_tls}"
        )],
    );
    check(
        "EventBus",
        &exotic(&format!(
            "url: 'tls://a', {secret}, tls: {{insecureSkipVerify: true}}"
        )),
        &[&format!(
            "warning: spec.jetstreamExotic.accessSecret: the login goes to tls://a, {goes} (remove \
             insecureSkipVerify, and name the authority in caCertSecret)"
        )],
    );
    for verified in [
        format!("url: 'tls://a', {secret}"),
        format!("url: 'nats://a', {secret}, tls: {{enabled: true}}"),
        "url: 'nats://a:4222'".to_owned(),
    ] {
        check("EventBus", &exotic(&verified), &[]);
    }
    let trigger = |auth: &str| {
        with_triggers(&format!(
            "{{template: {{name: t, nats: {{url: 'nats://a', subject: s, auth: {auth}, \
             payload: [{{src: {{dependencyName: a, dataKey: x}}, dest: x}}]}}}}}}"
        ))
    };
    check(
        "Sensor",
        &trigger("{token: {name: a, key: b}}"),
        &[&format!(
            "warning: spec.triggers[0].template.nats.auth.token: the login goes to nats://a, {goes} {set_tls}"
        )],
    );
    // A seed signs, and is not told.
    check("Sensor", &trigger("{nkey: {name: a, key: b}}"), &[]);
}

#[test]
fn a_template_cannot_hide_what_its_pod_runs() {
    let template = "template: {container: {
          env: [{name: TIPHYS_SPEC, value: /host}, {name: MINE, value: a}],
          volumeMounts: [{name: host, mountPath: /host},
                         {name: host, mountPath: /etc/tiphys/object.json, subPath: evil.json}]}}";
    let expected = [
        "warning: spec.template.container.env[0]: has no effect: TIPHYS_SPEC is set by the controller",
        "warning: spec.template.container.volumeMounts[1].mountPath: has no effect: what the pod runs is \
         mounted there",
    ];
    let spec = with_triggers("{template: {name: t, log: }}");
    let spec = spec.replacen('{', &format!("{{{template}, "), 1);
    check("Sensor", &spec, &expected);
    let spec = format!("{{{template}, calendar: {{e: {{interval: 1h}}}}}}");
    check("EventSource", &spec, &expected);
}

#[test]
fn a_resource_source_needs_its_fields() {
    check(
        "EventSource",
        "{resource: {e: {}}}",
        &[
            "error: spec.resource.e.version: version must be specified",
            "error: spec.resource.e.resource: resource must be specified",
            "error: spec.resource.e.eventTypes: event types must be specified",
        ],
    );
    check(
        "EventSource",
        "{resource: {e: {version: v1, resource: pods, eventTypes: [ADDED, delete],
          filter: {labels: [{operation: In, key: a}, {key: a, operation: gt, value: x}],
                   fields: [{value: x}, {key: a, operation: '=~'}, {key: a}]}}}}",
        &[
            "error: spec.resource.e.eventTypes[0]: unknown event type: ADDED (did you mean `ADD`?)",
            "error: spec.resource.e.eventTypes[1]: unknown event type: delete (did you mean `DELETE`?)",
            "error: spec.resource.e.filter.labels[0].operation: unknown operator \"In\" of a label \
             selector (did you mean `in`?)",
            "error: spec.resource.e.filter.labels[1].value: operator gt needs a whole number",
            "error: spec.resource.e.filter.fields[0].key: key can't be empty for selector",
            "error: spec.resource.e.filter.fields[1].operation: invalid operator \"=~\", only =, == \
             and != are supported (did you mean `==`?)",
        ],
    );
    check(
        "EventSource",
        "{resource: {e: {version: v1, resource: pods, eventTypes: []}}}",
        &["warning: spec.resource.e.eventTypes: without any type nothing is published"],
    );
}

#[test]
fn a_calendar_source_needs_a_time() {
    check(
        "EventSource",
        "{calendar: {a: {}, b: {interval: 5x}, c: {interval: 500ms}, d: {schedule: '@dally'},
          e: {schedule: '* * * * *', interval: 1s, timezone: Mars/Base, exclusionDates: [x]},
          f: {interval: 1s, persistence: {catchup: {maxDuration: 5}}}}}"
            .replace("5}", "\"5\"}")
            .as_str(),
        &[
            "error: spec.calendar.a: must have either schedule or interval",
            "error: spec.calendar.b.interval: unknown unit \"x\" in duration \"5x\": use ns, us, ms, s, m or h",
            "error: spec.calendar.c.interval: interval has to be at least 1s",
            "error: spec.calendar.d.schedule: unknown schedule \"@dally\": there are @yearly, @annually, @monthly, \
             @weekly, @daily, @midnight, @hourly and @every with a duration",
            "warning: spec.calendar.e.interval: has no effect beside schedule",
            "error: spec.calendar.e.timezone: invalid timezone \"Mars/Base\" (an IANA name like Europe/Paris)",
            "warning: spec.calendar.e.exclusionDates[0]: has no effect: it does not begin with EXDATE: \
             (write it like EXDATE:20260101T000000Z)",
            "error: spec.calendar.f.persistence.catchup.maxDuration: missing unit in duration \"5\": \
             ns, us, ms, s, m or h",
        ],
    );
}

#[test]
fn a_web_server_needs_a_path_and_a_port() {
    check(
        "EventSource",
        "{webhook: {a: {}, b: {port: http, endpoint: /b, method: post},
                    c: {port: '1', endpoint: /c}, d: {port: '1', endpoint: /c}}}",
        &[
            "error: spec.webhook.a.endpoint: endpoint can't be empty",
            "error: spec.webhook.a.port: port can't be empty",
            "error: spec.webhook.b.port: failed to parse server port http",
            "warning: spec.webhook.b.method: methods are written in capitals (write POST)",
            "error: spec.webhook.d: port 1, endpoint /c and method POST are those of spec.webhook.c",
        ],
    );
}

#[test]
fn files_that_are_listed_have_no_new_names() {
    check(
        "EventSource",
        "{sftp: {a: {eventType: CREATE|RENAME, watchPathConfig: {directory: /a, path: x},
                     address: {name: s, key: a},
                     password: {name: s, key: p}, sshKeySecret: {name: s, key: k}}},
          hdfs: {b: {type: MADE, directory: /a, path: x, addresses: ['h:1'], hdfsUser: u}}}",
        &[
            "error: spec.sftp.a.eventType: nobody tells that a file has another name (it is a REMOVE of the one and a \
             CREATE of the other)",
            "error: spec.sftp.a.username: username must be specified",
            "warning: spec.sftp.a.password: has no effect beside sshKeySecret",
            "error: spec.hdfs.b.type: unknown operation \"MADE\" (one of CREATE, WRITE, REMOVE, CHMOD)",
        ],
    );
}

#[test]
fn other_sources_need_their_fields() {
    check(
        "EventSource",
        "{file: {a: {eventType: MADE, watchPathConfig: {directory: data, path: /x}},
                 b: {eventType: CREATE, watchPathConfig: {directory: /a}}},
          kafka: {c: {url: k, topic: t, connectionBackoff: {duration: '5'},
                      sasl: {mechanism: PLAIM}},
                  d: {url: k, topic: t, partition: first, version: 2.5.0,
                      config: 'consumer: {fetch: {min: many}}'},
                  e: {url: k, topic: t, partition: '1', schemaRegistry: {url: r},
                      consumerGroup: {groupName: g, rebalanceStrategy: fair},
                      config: 'net: {dialTimeout: 3s}'}}}",
        &[
            "error: spec.file.a.eventType: unknown operation \"MADE\" (one of CREATE, WRITE, REMOVE, RENAME, CHMOD)",
            "error: spec.file.a.watchPathConfig.directory: directory must be an absolute file path",
            "error: spec.file.a.watchPathConfig.path: path must be a relative file path",
            "error: spec.file.b.watchPathConfig: either path or pathRegexp must be specified",
            "error: spec.kafka.c: either partition or consumerGroup must be specified",
            "error: spec.kafka.c.connectionBackoff.duration: invalid backoff configuration, read \
             duration: missing unit in duration \"5\": ns, us, ms, s, m or h",
            "error: spec.kafka.c.sasl.mechanism: invalid sasl config: mechanism \"PLAIM\" is not \
             known (did you mean `PLAIN`?)",
            "error: spec.kafka.c.sasl.userSecret: userSecret must be specified",
            "error: spec.kafka.c.sasl.passwordSecret: passwordSecret must be specified",
            "error: spec.kafka.d.partition: \"first\" is no number of a partition",
            "warning: spec.kafka.d.version: has no effect: client and brokers agree on what both know",
            "error: spec.kafka.d.config: consumer.fetch.min: a number of bytes is needed",
            "warning: spec.kafka.e.consumerGroup.rebalanceStrategy: \"fair\" is not known: range is used",
            "warning: spec.kafka.e.partition: has no effect beside consumerGroup",
            "warning: spec.kafka.e.config: net.dialTimeout: no effect here",
            "warning: spec.kafka.e.schemaRegistry: has no effect without jsonBody",
        ],
    );
}

#[test]
fn events_of_one_object_fit_together() {
    check(
        "EventSource",
        "{}",
        &["error: spec: no event source is configured, so there is nothing to run"],
    );
    check(
        "EventSource",
        "{calendar: {a: {interval: 1s}}, webhook: {a: {port: '1', endpoint: /a}}}",
        &[
            "error: spec.webhook.a: more than one \"a\" found in the spec",
            "error: spec.webhook.a: event sources with rolling update and recreate update strategy \
             can not be put together (calendar and webhook need an EventSource each)",
        ],
    );
}

#[test]
fn names_that_the_bus_reads_otherwise_are_warned_of() {
    let odd = "'.' in a name has a meaning of its own on the bus";
    let safe = "(letters, digits, `-` and `_` are safe)";
    check_named(
        "a.b",
        "EventSource",
        "{calendar: {'c.d': {interval: 1s}}}",
        &[
            &format!("warning: metadata.name: {odd} {safe}"),
            &format!("warning: spec.calendar[\"c.d\"]: {odd} {safe}"),
        ],
    );
    check(
        "Sensor",
        "{dependencies: [{name: a/b, eventSourceName: s.t, eventName: e}],
          triggers: [{template: {name: 't u', log: }}]}",
        &[
            "warning: spec.dependencies[0].name: '/' in a name has a meaning of its own on the bus \
             (letters, digits, `-`, `_` and `=` are safe)",
            &format!("warning: spec.dependencies[0].eventSourceName: {odd} {safe}"),
            "warning: spec.triggers[0].template.name: ' ' in a name has a meaning of its own on the \
             bus (letters, digits, `-`, `_` and `=` are safe)",
        ],
    );
}

#[test]
fn a_sensor_needs_dependencies_and_triggers() {
    check(
        "Sensor",
        "{}",
        &[
            "error: spec.dependencies: no event dependencies found",
            "error: spec.triggers: no triggers found",
        ],
    );
    check(
        "Sensor",
        "{dependencies: [{}], triggers: [{}, {template: {}}]}",
        &[
            "error: spec.dependencies[0].name: event dependency must define a name",
            "error: spec.dependencies[0].eventSourceName: event dependency must define the EventSourceName",
            "error: spec.dependencies[0].eventName: event dependency must define the EventName",
            "error: spec.triggers[0].template: trigger template can't be nil",
            "error: spec.triggers[1].template.name: trigger must define a name",
            "error: spec.triggers[1].template: no trigger type: there is nothing to do (exactly one \
             of k8s, argoWorkflow, http, awsLambda, azureEventHubs, azureServiceBus, kafka, pulsar, \
             nats, slack, openWhisk, custom, log, email)",
        ],
    );
}

#[test]
fn names_are_unique() {
    check(
        "Sensor",
        "{dependencies: [{name: a, eventSourceName: s, eventName: e}, {name: a, eventSourceName: s, eventName: f}],
          triggers: [{template: {name: t, log: }}, {template: {name: t, log: }}]}",
        &[
            "error: spec.dependencies[1].name: duplicate dependency name: a",
            "error: spec.triggers[1].template.name: duplicate trigger name: t",
        ],
    );
}

#[test]
fn filters_have_their_rules() {
    let at = "spec.dependencies[0]";
    check(
        "Sensor",
        &with_dependency(
            "filtersLogicalOperator: xor, filters: {exprLogicalOperator: AND, dataLogicalOperator: nor,
             exprs: [{expr: a}, {expr: a, fields: [{path: x}]}],
             data: [{path: a, type: int, value: ['1'], comparator: '=='}, {type: string, value: ['']},
                    {path: a, type: string, value: [b], comparator: '>'}],
             context: {id: x},
             time: {start: '9:00', stop: '24:00:00', timezone: Mars}}",
        ),
        &[
            &format!("error: {at}.filters.exprLogicalOperator: logical operator AND not supported (did you mean `and`?)"),
            &format!("error: {at}.filters.dataLogicalOperator: logical operator nor not supported (did you mean `or`?)"),
            &format!("error: {at}.filters.exprs[0]: one of expr filters is not valid (expr and fields must be not empty)"),
            &format!("error: {at}.filters.exprs[1].fields[0]: one of expr filters is not valid (path and name in a field must be not empty)"),
            &format!("error: {at}.filters.data[0].comparator: comparator == not supported (did you mean `=`?)"),
            &format!("error: {at}.filters.data[0].type: unsupported JSON type 'int' (one of bool, number, string)"),
            &format!("error: {at}.filters.data[1]: one of data filters is not valid (type, path and value must be not empty)"),
            &format!("error: {at}.filters.data[1].value[0]: one of data filters is not valid (value must be not empty)"),
            &format!("warning: {at}.filters.data[2].comparator: texts have no order: this never matches (use `type: number`, or an entry of `exprs`)"),
            &format!("error: {at}.filters.context: no fields specified in ctx filter (aka all events will be discarded)"),
            &format!("error: {at}.filters.time.timezone: invalid timezone 'Mars' (an IANA name like Europe/Paris)"),
            &format!("error: {at}.filters.time.start: \"9:00\" is not a time of the day (write it like 09:30:00)"),
            &format!("error: {at}.filters.time.stop: \"24:00:00\" is not a time of the day (write it like 09:30:00)"),
            &format!("error: {at}.filtersLogicalOperator: logical operator xor not supported (did you mean `or`?)"),
        ],
    );
    check(
        "Sensor",
        &with_dependency(
            "filters: {time: {start: '9:00:00', stop: '09:00:00.0'}}, transform: {jq: ., script: return event}",
        ),
        &[
            &format!(
                "error: {at}.filters.time.stop: invalid event time filter: stop '09:00:00.0' is equal to start '9:00:00'"
            ),
            &format!("warning: {at}.transform.script: has no effect beside jq"),
        ],
    );
}

#[test]
fn parameters_refer_to_dependencies() {
    let at = "spec.triggers[0].template.http";
    check(
        "Sensor",
        &with_triggers(
            "{template: {name: t, http: {url: x,
               payload: [{src: {dependencyName: a}, dest: ''}, {dest: x}],
               parameters: [{src: {dependencyName: aa}, dest: x}, {src: {}, operation: add}]}}}",
        ),
        &[
            &format!(
                "error: {at}.parameters[0].src.dependencyName: there is no dependency \"aa\" in this sensor (did you mean `a`?)"
            ),
            &format!(
                "error: {at}.parameters[1].src.dependencyName: parameter dependency name can't be empty"
            ),
            &format!("error: {at}.parameters[1].dest: parameter destination can't be empty"),
            &format!(
                "error: {at}.parameters[1].operation: parameter operation add is invalid (one of overwrite, append, prepend)"
            ),
            &format!("error: {at}.payload[1].src: parameter source can't be empty"),
        ],
    );
}

#[test]
fn triggers_have_their_rules() {
    let template = "spec.triggers[0].template";
    check(
        "Sensor",
        &with_triggers("{template: {name: t, k8s: {operation: remove, source: {}}, log: }}"),
        &[
            &format!(
                "error: {template}.log: more than one trigger type: k8s is there already (write a trigger for each)"
            ),
            &format!(
                "error: {template}.k8s.source: k8s trigger does not contain an absolute action (one of resource, inline, file, url, configmap, git, s3)"
            ),
            &format!(
                "error: {template}.k8s.operation: unknown operation type remove (one of create, update, patch, delete)"
            ),
        ],
    );
    check(
        "Sensor",
        &with_triggers("{template: {name: t, http: {method: post, secureHeaders: [{}]}}}"),
        &[
            &format!("error: {template}.http.url: server URL is not specified"),
            &format!(
                "error: {template}.http.method: only GET, DELETE, PATCH, POST and PUT methods are supported (did you mean `POST`?)"
            ),
            &format!("error: {template}.http.secureHeaders[0].name: name must be specified"),
            &format!(
                "error: {template}.http.secureHeaders[0].valueFrom: valueFrom must be specified"
            ),
        ],
    );
    check(
        "Sensor",
        &with_triggers("{template: {name: t, nats: {}}}"),
        &[
            &format!("error: {template}.nats.url: nats server url can't be empty"),
            &format!("error: {template}.nats.subject: nats subject can't be empty"),
            &format!("error: {template}.nats.payload: payload can't be nil"),
        ],
    );
    check(
        "Sensor",
        &with_triggers("{template: {name: t, argoWorkflow: {source: {inline: x}}}}"),
        &[],
    );
    check(
        "Sensor",
        &with_triggers(
            "{template: {name: t, log: , conditionsReset: [{}, {byTime: {cron: '* *', timezone: X}}]}}",
        ),
        &[
            &format!("error: {template}.conditionsReset[0]: invalid conditionsReset"),
            &format!(
                "error: {template}.conditionsReset[1].byTime.cron: invalid cron expression \"* *\" (a cron expression has 5 fields (minute hour day month weekday), found 2)"
            ),
            &format!(
                "error: {template}.conditionsReset[1].byTime.timezone: invalid timezone \"X\" (an IANA name like Europe/Paris)"
            ),
        ],
    );
}

#[test]
fn what_surrounds_a_trigger_has_rules() {
    let at = "spec.triggers[0]";
    check(
        "Sensor",
        &with_triggers(
            "{template: {name: t, http: {url: x}}, policy: {k8s: {}, status: {}},
              rateLimit: {unit: Minutes}, retryStrategy: {duration: '1', factor: x},
              dlqTrigger: {template: {name: l, log: }, dlqTrigger: {atLeastOnce: true}}}",
        ),
        &[
            &format!("warning: {at}.policy.k8s: has no effect on a trigger of type http"),
            &format!(
                "error: {at}.policy.status.allow: list of allowed response status is not specified"
            ),
            &format!(
                "error: {at}.retryStrategy.duration: invalid backoff configuration, read duration: missing unit in duration \"1\": ns, us, ms, s, m or h"
            ),
            &format!(
                "warning: {at}.rateLimit.unit: \"Minutes\" counts as Second (did you mean `Minute`?)"
            ),
            &format!("error: {at}.rateLimit.requestsPerUnit: requestsPerUnit has to be at least 1"),
            &format!(
                "error: {at}.atLeastOnce: to use dlqTrigger, trigger.atLeastOnce must be set to true"
            ),
            &format!(
                "error: {at}.dlqTrigger.atLeastOnce: atLeastOnce must be set to true within the dlqTrigger"
            ),
            &format!(
                "error: {at}.dlqTrigger.atLeastOnce: to use dlqTrigger, trigger.atLeastOnce must be set to true"
            ),
            &format!("error: {at}.dlqTrigger.dlqTrigger.template: trigger template can't be nil"),
        ],
    );
    check(
        "Sensor",
        &with_triggers(
            "{template: {name: t, k8s: {source: {inline: x}}}, policy: {k8s: {}, status: {allow: [200]}}}",
        ),
        &[
            &format!("error: {at}.policy.k8s.labels: resource labels are not specified"),
            &format!("warning: {at}.policy.status: has no effect on a trigger of type k8s"),
        ],
    );
}

#[test]
fn a_jetstream_source_names_its_stream() {
    check(
        "EventSource",
        "{nats: {ev: {url: 'nats://a', subject: s, jetstream: {durable: a.b, deliver: nwe}}}}",
        &[
            "error: spec.nats.ev.jetstream.stream: stream must be specified",
            "error: spec.nats.ev.jetstream.durable: \"a.b\" cannot be a name: no space and none of .*>/\\",
            "error: spec.nats.ev.jetstream.deliver: \"nwe\" is not known (did you mean `new`?)",
        ],
    );
}

#[test]
fn an_nsq_source_names_what_nsqd_takes() {
    check(
        "EventSource",
        "{nsq: {ev: {hostAddress: 'l:4161', topic: 'a b', channel: '#ephemeral', authSecret: {name: s, key: k}}}}",
        &[
            "error: spec.nsq.ev.topic: \"a b\" cannot be a name: 64 letters, digits and ._- at most, and #ephemeral at the end",
            "error: spec.nsq.ev.channel: \"#ephemeral\" cannot be a name: 64 letters, digits and ._- at most, and #ephemeral at the end",
            "warning: spec.nsq.ev.authSecret: the secret goes to whoever answers: the server is not verified (name the authority of its certificate in tls.caCertSecret)",
        ],
    );
    check(
        "EventSource",
        "{nsq: {ev: {hostAddress: 'l:4161', topic: a.b-C_9#ephemeral, channel: c}}}",
        &[],
    );
}
