//! The question in an address: its names and values.

use std::collections::HashMap;

use percent_encoding::percent_decode_str;
use tiphys_http::Uri;

use crate::fail::Failure;

/// Names and values. An empty value counts as none.
#[derive(Debug, Default)]
pub(crate) struct Query(HashMap<String, String>);

impl Query {
    pub(crate) fn of(uri: &Uri) -> Self {
        let pairs = uri.query().unwrap_or_default().split('&');
        let pairs = pairs.filter_map(|pair| {
            let (name, value) = pair.split_once('=')?;
            let value = decoded(value);
            (!value.is_empty()).then(|| (decoded(name), value))
        });
        Self(pairs.collect())
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(crate) fn owned(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }

    pub(crate) fn number(&self, name: &str) -> Result<Option<u64>, Failure> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        let number = text.parse();
        let number = number.map_err(|_| Failure::bad(format!("{name}: {text:?} is no number")))?;
        Ok(Some(number))
    }

    pub(crate) fn needed(&self, name: &str) -> Result<&str, Failure> {
        let missing = || Failure::bad(format!("{name} is missing"));
        self.text(name).ok_or_else(missing)
    }
}

fn decoded(text: &str) -> String {
    let text = text.replace('+', " ");
    percent_decode_str(&text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_browsers_write_them() {
        let query = Query::of(
            &"/api/events?text=a%20b+c%26&limit=5&sensor=&x"
                .parse()
                .unwrap(),
        );
        assert_eq!(query.text("text"), Some("a b c&"));
        assert_eq!(query.number("limit").unwrap(), Some(5));
        assert_eq!(query.text("sensor"), None);
        assert_eq!(query.number("before").unwrap(), None);
        let wrong = Query::of(&"/?limit=many".parse().unwrap()).number("limit");
        assert_eq!(wrong.unwrap_err().error(), "limit: \"many\" is no number");
    }
}
