//! Arguments of `argo submit` that can be said in a Workflow itself.

use tiphys_api::Problem;

use super::{Arguments, Operation};

/// What `args` can say.
const KNOWN: &str = "-p/--parameter NAME=VALUE, --name, --generate-name, --serviceaccount, -l/--labels NAME=VALUE, \
     --priority and --entrypoint, of submit and submit-from";

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
            problems.push(problem.with_hint(format!("tiphys applies {KNOWN}")));
        };
        if !operation.creates() {
            problem(format!("{arg} means nothing to {}", operation.name()));
            return None;
        }
        let Some((flag, attached)) = split(arg) else {
            problem(format!("{arg} cannot be applied without the argo program"));
            return None;
        };
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

/// The flag, by its long name, and the value that is written together with it.
fn split(arg: &str) -> Option<(&'static str, Option<String>)> {
    const LONG: [&str; 7] = [
        "--parameter",
        "--name",
        "--generate-name",
        "--serviceaccount",
        "--labels",
        "--priority",
        "--entrypoint",
    ];
    if let Some(flag) = LONG.into_iter().find(|flag| *flag == arg) {
        return Some((flag, None));
    }
    if arg.starts_with("--") {
        let (name, value) = arg.split_once('=')?;
        let flag = LONG.into_iter().find(|flag| *flag == name)?;
        return Some((flag, Some(value.to_owned())));
    }
    for (short, flag) in [("-p", "--parameter"), ("-l", "--labels")] {
        if let Some(value) = arg.strip_prefix(short) {
            let value = value.strip_prefix('=').unwrap_or(value);
            return Some((
                flag,
                Some(value.to_owned()).filter(|value| !value.is_empty()),
            ));
        }
    }
    None
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
        ] {
            let error = compile_all(args, operation).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
