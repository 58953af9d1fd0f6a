//! Records as a question and its answer: `{"instruction": …, "input": …, "output": …}`.

use super::shape::{Message, Shape};

/// A line of a record; or why there is no such line of it.
pub(super) fn line(record: &[u8]) -> Result<Vec<u8>, String> {
    let (instruction, input, output) = match Shape::of(record)? {
        Shape::Messages(messages) => {
            let [asked, answered] = &messages[..] else {
                let fault =
                    format!("it has {} messages, and there is room for a question and its answer", messages.len());
                return Err(fault);
            };
            (content(asked, "user")?, "".into(), content(answered, "assistant")?)
        }
        Shape::Pair { system: Some(system), .. } if !system.is_empty() => {
            return Err("it has a field `system`, for which there is no room".to_owned());
        }
        Shape::Pair { ask, context, answer, .. } => (ask, context.unwrap_or_default(), answer),
        Shape::Text(text) => ("".into(), "".into(), text),
    };
    Ok(format!("{{\"instruction\": \"{instruction}\", \"input\": \"{input}\", \"output\": \"{output}\"}}\n")
        .into_bytes())
}

/// What a message of this role says.
fn content<'a>(message: &Message<'a>, role: &str) -> Result<super::shape::Said<'a>, String> {
    match &message.content {
        Some(content) if message.role == role => Ok(content.clone()),
        Some(_) => Err(format!("it has a message of role `{}` where one of `{role}` is expected", message.role)),
        None => Err(format!("what its message of role `{role}` says is not one text")),
    }
}

#[cfg(test)]
mod tests {
    use super::line;

    fn made(record: &str) -> Result<String, String> {
        line(record.as_bytes()).map(|line| String::from_utf8_lossy(&line).trim_end().to_owned())
    }

    #[test]
    fn questions_with_one_answer_fit() {
        let pair = r#"{"instruction": "a", "input": "", "output": "b\u0000"}"#;
        let chat = r#"{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b\u0000"}]}"#;
        assert_eq!(made(r#"{"question": "a", "answer": "b\u0000", "more": {}}"#).as_deref(), Ok(pair));
        assert_eq!((made(pair).as_deref(), made(chat).as_deref()), (Ok(pair), Ok(pair)));
        assert_eq!(made(r#"{"input": "a", "output": "b\u0000"}"#).as_deref(), Ok(pair));
        assert_eq!(made(r#"{"text": "t"}"#).as_deref(), Ok(r#"{"instruction": "", "input": "", "output": "t"}"#));
    }

    #[test]
    fn what_does_not_fit_is_said() {
        let said = |role: &str| format!(r#"{{"role": "{role}", "content": "x"}}"#);
        let chat = |roles: &[&str]| {
            format!(r#"{{"messages": [{}]}}"#, roles.iter().map(|role| said(role)).collect::<Vec<_>>().join(","))
        };
        for (record, word) in [
            (chat(&["system", "user", "assistant"]), "3 messages"),
            (chat(&["system", "assistant"]), "role `system`"),
            (r#"{"prompt": "a", "response": "b", "system": "s"}"#.to_owned(), "`system`"),
            (
                r#"{"messages": [{"role": "user", "content": []}, {"role": "assistant", "content": "b"}]}"#.to_owned(),
                "not one text",
            ),
        ] {
            assert!(made(&record).is_err_and(|fault| fault.contains(word)), "{record}");
        }
    }
}
