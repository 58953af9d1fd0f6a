//! Records as messages: `{"messages": [{"role": …, "content": …}, …]}`.

use super::shape::{Message, Shape};

/// A line of a record.
pub(super) fn line(record: &[u8]) -> Result<Vec<u8>, String> {
    let messages: Vec<String> = match Shape::of(record)? {
        Shape::Messages(messages) => messages.iter().map(as_written).collect(),
        Shape::Pair { system, ask, context, answer } => {
            let asked = match context {
                Some(context) => format!(r"{ask}\n\n{context}"),
                None => ask.into_owned(),
            };
            let system = system.map(|system| message("system", &system));
            system.into_iter().chain([message("user", &asked), message("assistant", &answer)]).collect()
        }
        Shape::Text(text) => vec![message("assistant", &text)],
    };
    Ok(format!("{{\"messages\": [{}]}}\n", messages.join(", ")).into_bytes())
}

fn as_written(message_of: &Message<'_>) -> String {
    match message_of.written {
        Some(written) => written.to_owned(),
        None => message(&message_of.role, message_of.content.as_deref().unwrap_or_default()),
    }
}

/// A message of texts that are escaped already.
fn message(role: &str, content: &str) -> String {
    format!("{{\"role\": \"{role}\", \"content\": \"{content}\"}}")
}

#[cfg(test)]
mod tests {
    use super::line;

    fn made(record: &str) -> Result<String, String> {
        line(record.as_bytes()).map(|line| String::from_utf8_lossy(&line).trim_end().to_owned())
    }

    #[test]
    fn every_known_shape_is_messages() {
        let pair = r#"{"messages": [{"role": "user", "content": "a\n\ud800"}, {"role": "assistant", "content": "b"}]}"#;
        assert_eq!(made(r#"{"prompt": "a\n\ud800", "id": 1, "response": "b"}"#).as_deref(), Ok(pair));
        assert_eq!(made(pair).as_deref(), Ok(pair));
        let shared = r#"{"conversations": [{"from": "human", "value": "a\n\ud800"}, {"from": "gpt", "value": "b"}]}"#;
        assert_eq!(made(shared).as_deref(), Ok(pair));
        let lists = r#"{"prompt": [{"role": "user", "content": "a\n\ud800"}], "completion": [{"role": "assistant", "content": "b"}]}"#;
        assert_eq!(made(lists).as_deref(), Ok(pair));
        let alpaca = r#"{"instruction": "a", "input": "b", "output": "c", "system": "s"}"#;
        let asked = r#"{"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "a\n\nb"}, {"role": "assistant", "content": "c"}]}"#;
        assert_eq!(made(alpaca).as_deref(), Ok(asked));
        assert_eq!(made(r#"{"text": "t"}"#).as_deref(), Ok(r#"{"messages": [{"role": "assistant", "content": "t"}]}"#));
        // Tools and parts of a message stay.
        let tools = r#"{"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}], "tools": []}]}"#;
        assert_eq!(made(tools).as_deref(), Ok(tools));
    }

    #[test]
    fn what_no_shape_fits_is_said() {
        for (record, word) in [
            (r#"{"chosen": "a", "rejected": "b"}"#, "chosen, rejected"),
            (r#"{"prompt": "a", "instruction": "b", "output": "c"}"#, "both `instruction` and `prompt`"),
            (r#"{"question": "a", "answer": 3}"#, "`answer` is no text: 3"),
            (r#"{"messages": "hi"}"#, "no list of messages"),
            (r#"{"messages": []}"#, "no message"),
            (r#"{"messages": [{"role": "user"}]}"#, "message 0"),
            (r#"{"prompt": "a", "text": "b"}"#, "none of the known shapes"),
        ] {
            assert!(made(record).is_err_and(|fault| fault.contains(word)), "{record}: {:?}", made(record));
        }
    }
}
