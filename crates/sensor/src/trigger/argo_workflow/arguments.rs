//! Arguments of the `argo` program that can be said without it.

use tiphys_api::Problem;

use super::{Arguments, Operation, steps};

use Operation::{Resubmit, Resume, Retry, Stop, Submit, SubmitFrom};

/// What can be said: a flag, its short form if it has one, and the operations that it means something to.
const FLAGS: [(&str, &str, &[Operation]); 10] = [
    ("--parameter", "-p", &[Submit, SubmitFrom, Resubmit]),
    ("--priority", "", &[Submit, SubmitFrom, Resubmit]),
    ("--name", "", &[Submit, SubmitFrom]),
    ("--generate-name", "", &[Submit, SubmitFrom]),
    ("--serviceaccount", "", &[Submit, SubmitFrom]),
    ("--labels", "-l", &[Submit, SubmitFrom]),
    ("--entrypoint", "", &[Submit, SubmitFrom]),
    ("--node-field-selector", "", &[Resume, Retry, Stop]),
    (RESTART, "", &[Retry]),
    ("--message", "", &[Stop]),
];

/// The flag that needs no value.
const RESTART: &str = "--restart-successful";

/// What an operation can be told, for people.
fn known(operation: Operation) -> String {
    let flags = FLAGS.iter().filter(|(_, _, of)| of.contains(&operation));
    let flags: Vec<&str> = flags.map(|(flag, _, _)| *flag).collect();
    match flags.as_slice() {
        [] => format!("{} takes no arguments", operation.name()),
        flags => format!(
            "of {} tiphys applies {}",
            operation.name(),
            flags.join(", ")
        ),
    }
}

/// Reads arguments; `field` is their field path. Faults are added to `problems`.
pub(super) fn compile(
    args: &[String],
    operation: Operation,
    field: &str,
    problems: &mut Vec<Problem>,
) -> Option<Arguments> {
    let mut arguments = Arguments::default();
    let mut left = args.iter().enumerate();
    while let Some((index, arg)) = left.next() {
        let mut problem = |message: String| {
            let problem = Problem::error(format!("{field}[{index}]"), message);
            problems.push(problem.with_hint(known(operation)));
        };
        let Some((flag, of, attached)) = split(arg) else {
            problem(format!("{arg} cannot be applied without the argo program"));
            return None;
        };
        if !of.contains(&operation) {
            problem(format!("{arg} means nothing to {}", operation.name()));
            return None;
        }
        let attached = attached.or_else(|| (flag == RESTART).then(|| "true".to_owned()));
        let value = attached.or_else(|| left.next().map(|(_, value)| value.clone()));
        let Some(value) = value else {
            problem(format!("{arg} needs a value"));
            return None;
        };
        if let Err(message) = apply(&mut arguments, flag, value) {
            problem(message);
            return None;
        }
    }
    Some(arguments)
}

/// The flag, by its long name, the operations that it is for, and the value that is written together with it.
fn split(arg: &str) -> Option<(&'static str, &'static [Operation], Option<String>)> {
    if arg.starts_with("--") {
        let (name, value) = match arg.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (arg, None),
        };
        let (flag, _, of) = FLAGS.iter().find(|(flag, _, _)| *flag == name)?;
        return Some((flag, of, value));
    }
    let mut short = FLAGS.iter().filter(|(_, short, _)| !short.is_empty());
    short.find_map(|(flag, short, of)| {
        let value = arg.strip_prefix(short)?;
        let value = value.strip_prefix('=').unwrap_or(value);
        let value = Some(value.to_owned()).filter(|value| !value.is_empty());
        Some((*flag, *of, value))
    })
}

fn apply(arguments: &mut Arguments, flag: &str, value: String) -> Result<(), String> {
    let pair = |text: &str| {
        let (name, value) = text.split_once('=').unwrap_or_default();
        if name.is_empty() {
            return Err(format!("{flag} {text} is not NAME=VALUE"));
        }
        Ok((name.to_owned(), value.to_owned()))
    };
    match flag {
        "--parameter" => arguments.parameters.push(pair(&value)?),
        "--labels" => {
            for part in value.split(',') {
                arguments.labels.push(pair(part)?);
            }
        }
        "--priority" => {
            let priority = value
                .parse()
                .map_err(|_| format!("{flag} {value} is no number"))?;
            arguments.priority = Some(priority);
        }
        "--name" => arguments.name = Some(value),
        "--generate-name" => arguments.generate_name = Some(value),
        "--serviceaccount" => arguments.service_account = Some(value),
        "--node-field-selector" => arguments.steps = steps::selector(&value)?,
        "--message" => arguments.message = Some(value),
        RESTART => {
            let is_wanted = value.parse();
            arguments.restart_successful =
                is_wanted.map_err(|_| format!("{flag}={value} is neither true nor false"))?;
        }
        _ => arguments.entrypoint = Some(value),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compile_all(args: &[&str], operation: Operation) -> Result<Arguments, String> {
        let args: Vec<String> = args.iter().map(ToString::to_string).collect();
        let mut problems = Vec::new();
        compile(&args, operation, "args", &mut problems).ok_or_else(|| problems[0].to_string())
    }

    #[test]
    fn arguments_are_read_in_every_spelling() {
        let read = compile_all(
            &[
                "-p",
                "a=1",
                "--parameter",
                "b=x=y",
                "-p=c=",
                "--parameter=d=4",
                "-l",
                "k=v,m=n",
                "--labels=o=p",
                "--priority",
                "-3",
                "--name=fixed",
                "--serviceaccount",
                "robot",
                "--entrypoint",
                "main",
                "--generate-name",
                "g-",
            ],
            Operation::Submit,
        );
        let pairs = |pairs: &[(&str, &str)]| {
            pairs
                .iter()
                .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
                .collect::<Vec<_>>()
        };
        let expected = Arguments {
            name: Some("fixed".into()),
            generate_name: Some("g-".into()),
            parameters: pairs(&[("a", "1"), ("b", "x=y"), ("c", ""), ("d", "4")]),
            labels: pairs(&[("k", "v"), ("m", "n"), ("o", "p")]),
            service_account: Some("robot".into()),
            priority: Some(-3),
            entrypoint: Some("main".into()),
            ..Arguments::default()
        };
        assert_eq!(read, Ok(expected));
    }

    #[test]
    fn arguments_that_cannot_be_applied_are_refused_by_name() {
        for (args, operation, expected) in [
            (
                &["--watch"][..],
                Operation::Submit,
                "--watch cannot be applied",
            ),
            (&["-f", "x"], Operation::Submit, "-f cannot be applied"),
            (&["-p"], Operation::SubmitFrom, "-p needs a value"),
            (
                &["-p", "x"],
                Operation::Submit,
                "--parameter x is not NAME=VALUE",
            ),
            (
                &["--priority", "high"],
                Operation::Submit,
                "--priority high is no number",
            ),
            (&["-p", "a=b"], Operation::Stop, "-p means nothing to stop"),
            (
                &["--memoized"],
                Operation::Resubmit,
                "--memoized cannot be applied",
            ),
            (
                &["--message=no"],
                Operation::Resume,
                "--message=no means nothing to resume (of resume tiphys applies --node-field-selector)",
            ),
            (
                &["--restart-successful=maybe"],
                Operation::Retry,
                "--restart-successful=maybe is neither true nor false",
            ),
            (
                &["--node-field-selector", "colour=red"],
                Operation::Resume,
                "steps have no field \"colour\"",
            ),
        ] {
            let error = compile_all(args, operation).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
