//! The errors of the Lua machine in the words of gopher-lua: scripts catch them with `pcall` and
//! look at the text, and whoever comes from Argo Events knows it.

/// The message, in other words if the machine itself has made it.
pub(super) fn reword(message: &str) -> String {
    let (place, text) = split_place(message);
    let text = reworded(text).unwrap_or_else(|| text.to_owned());
    format!("{place}{text}")
}

/// `<string>:LINE: ` in front; the lines of our own prelude mean nothing to anyone.
fn split_place(message: &str) -> (&str, &str) {
    for (source, counts) in [("<string>:", true), ("prelude:", false)] {
        let Some(rest) = message.strip_prefix(source) else {
            continue;
        };
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if let Some(text) = rest[digits..].strip_prefix(": ") {
            let place = message.len() - text.len();
            return (if counts { &message[..place] } else { "" }, text);
        }
    }
    ("", message)
}

fn reworded(text: &str) -> Option<String> {
    if let Some(rest) = text.strip_prefix("attempt to ") {
        return attempted(rest);
    }
    if let Some(rest) = text.strip_prefix("invalid argument #") {
        let (position, rest) = rest.split_once(" to '")?;
        let (name, why) = rest.split_once('\'')?;
        return Some(format!("bad argument #{position} to {name}{why}"));
    }
    if let Some(rest) = text.strip_prefix("missing argument #") {
        let (position, rest) = rest.split_once(" to '")?;
        let (name, wanted) = rest.split_once("' (")?;
        let wanted = wanted.strip_suffix(" expected)")?;
        return Some(format!(
            "bad argument #{position} to {name} ({wanted} expected, got nil)"
        ));
    }
    if let Some(rest) = text.strip_prefix("invalid 'for' ") {
        let part = match rest.split_once(" (")?.0 {
            "initial value" => "init",
            part => part,
        };
        return Some(format!("for statement {part} must be a number"));
    }
    text.starts_with("wrong number of arguments to '")
        .then(|| "wrong number of arguments".to_owned())
}

/// What follows `attempt to `.
fn attempted(rest: &str) -> Option<String> {
    if let Some(rest) = rest.strip_prefix("perform arithmetic (") {
        let (operation, operands) = rest.split_once(") on ")?;
        let Some((left, right)) = operands.split_once(" and ") else {
            return Some(format!("__{operation} undefined"));
        };
        return Some(cannot(operation, left, right));
    }
    if let Some(operands) = rest.strip_prefix("concatenate ") {
        let (left, right) = operands.split_once(" with ")?;
        return Some(cannot("concat", left, right));
    }
    if let Some(operands) = rest.strip_prefix("compare ") {
        let compared = operands
            .split_once(" < ")
            .or_else(|| operands.split_once(" <= "));
        let (left, right) = compared?;
        return Some(format!("attempt to compare {left} with {right}"));
    }
    if let Some(operands) = rest.strip_prefix("index ") {
        let (object, key) = operands.split_once(" with ")?;
        let key = if key.starts_with('\'') {
            format!(" with key {key}")
        } else {
            // The machine tells the type of other keys only.
            String::new()
        };
        return Some(format!(
            "attempt to index a non-table object({object}){key}"
        ));
    }
    if rest.starts_with("call ") || rest.starts_with("iterate over a ") {
        return Some("attempt to call a non-function object".into());
    }
    if rest.starts_with("get length of a ") {
        return Some("__len undefined".into());
    }
    rest.starts_with("yield across ")
        .then(|| "can not yield from outside of a coroutine".into())
}

fn cannot(operation: &str, left: &str, right: &str) -> String {
    format!("cannot perform {operation} operation between {left} and {right}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(message: &str, expected: &str) {
        assert_eq!(reword(message), expected);
    }

    /// Luau's words, and those that gopher-lua 1.1.2 has for the same fault.
    #[test]
    fn faults_of_the_machine_are_told_as_by_gopher_lua() {
        check(
            "<string>:3: attempt to perform arithmetic (add) on nil and number",
            "<string>:3: cannot perform add operation between nil and number",
        );
        check(
            "<string>:3: attempt to perform arithmetic (unm) on nil",
            "<string>:3: __unm undefined",
        );
        check(
            "<string>:3: attempt to compare number <= nil",
            "<string>:3: attempt to compare number with nil",
        );
        check(
            "<string>:3: attempt to concatenate string with nil",
            "<string>:3: cannot perform concat operation between string and nil",
        );
        check(
            "<string>:3: attempt to index nil with 'x'",
            "<string>:3: attempt to index a non-table object(nil) with key 'x'",
        );
        check(
            "<string>:3: attempt to call missing method 'foo' of table",
            "<string>:3: attempt to call a non-function object",
        );
        check(
            "<string>:3: attempt to get length of a nil value",
            "<string>:3: __len undefined",
        );
        check(
            "<string>:3: invalid argument #2 to 'rep' (number expected, got string)",
            "<string>:3: bad argument #2 to rep (number expected, got string)",
        );
        check(
            "<string>:3: missing argument #1 to 'rep' (string expected)",
            "<string>:3: bad argument #1 to rep (string expected, got nil)",
        );
        check(
            "<string>:3: invalid 'for' initial value (number expected, got string)",
            "<string>:3: for statement init must be a number",
        );
        check(
            "prelude:30: wrong number of arguments to 'insert'",
            "wrong number of arguments",
        );
    }

    #[test]
    fn what_a_script_says_itself_stays() {
        check("<string>:3: no port", "<string>:3: no port");
        check("attempt to open the gate", "attempt to open the gate");
        check("<string>: x", "<string>: x");
        check("", "");
    }
}
