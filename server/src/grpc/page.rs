//! Pages of lists. A token remembers the last key that was sent and its place, so that the next page goes on behind it
//! even when the list has changed in between; what the keys are is each service's business.

use tonic::Status;

use super::status::invalid;

const DEFAULT_SIZE: usize = 100;
const MAX_SIZE: usize = 1000;

/// A page of `items` and the token of the next one (empty: there is none). `list` names the list with its filter: a
/// token of another list is refused.
pub(super) fn page<T>(
    items: Vec<T>,
    key: impl Fn(&T) -> &str,
    list: &str,
    page_size: i32,
    page_token: &str,
) -> Result<(Vec<T>, String), Status> {
    let size = match usize::try_from(page_size) {
        Ok(0) => DEFAULT_SIZE,
        Ok(size) => size.min(MAX_SIZE),
        Err(_) => return Err(invalid("page_size", "OUT_OF_RANGE", "use 0 (the server's choice) or more")),
    };
    let start = if page_token.is_empty() {
        0
    } else {
        let (index, last) = decode(page_token, list).ok_or_else(|| {
            invalid("page_token", "BAD_PAGE_TOKEN", "use next_page_token of the same list's page before")
        })?;
        items.iter().position(|item| key(item) == last).map_or(index.min(items.len()), |position| position + 1)
    };
    let end = (start + size).min(items.len());
    let next = if end < items.len() && end > 0 { encode(end, key(&items[end - 1]), list) } else { String::new() };
    Ok((items.into_iter().skip(start).take(end - start).collect(), next))
}

fn encode(index: usize, key: &str, list: &str) -> String {
    format!("{index}\0{list}\0{key}").bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn decode(token: &str, list: &str) -> Option<(usize, String)> {
    if !token.len().is_multiple_of(2) || !token.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let bytes = (0..token.len()).step_by(2).map(|at| u8::from_str_radix(&token[at..at + 2], 16).ok());
    let text = String::from_utf8(bytes.collect::<Option<Vec<_>>>()?).ok()?;
    let (index, rest) = text.split_once('\0')?;
    let (of, key) = rest.split_once('\0')?;
    (of == list).then_some((index.parse().ok()?, key.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(items: &[&'static str], size: i32, token: &str) -> (Vec<&'static str>, String) {
        page(items.to_vec(), |item| item, "letters", size, token).expect("a page")
    }

    #[test]
    fn pages_together_are_the_list() {
        let (mut all, mut token) = of(&["a", "b", "c", "d", "e"], 2, "");
        while !token.is_empty() {
            let (more, next) = of(&["a", "b", "c", "d", "e"], 2, &token);
            all.extend(more);
            token = next;
        }
        assert_eq!(all, ["a", "b", "c", "d", "e"]);
    }

    #[test]
    fn a_list_that_changed_in_between_is_gone_on_with_behind_the_last_key() {
        let (_, token) = of(&["a", "b", "c", "d"], 2, "");
        assert_eq!(of(&["0", "a", "b", "c", "d"], 2, &token).0, ["c", "d"]);
        assert_eq!(of(&["a"], 2, &token).0, Vec::<&str>::new());
    }

    #[test]
    fn foreign_tokens_and_negative_sizes_are_refused_by_name() {
        let (_, token) = of(&["a", "b", "c"], 1, "");
        assert!(page(vec!["a"], |item| item, "numbers", 1, &token).is_err());
        for token in ["x", "zz", "é", "00"] {
            assert!(page(vec!["a"], |item| item, "letters", 1, token).is_err(), "{token}");
        }
        assert!(page(vec!["a"], |item| item, "letters", -1, "").is_err());
    }
}
