//! Script text into blocks and steps, keeping what is needed to write the text back.

use std::time::Duration;

use super::split_words;

/// One file of the corpus.
#[derive(Debug, Default)]
pub struct Script {
    /// The first comment line: what the script proves.
    pub title: String,
    /// What `# covers:` lists, as `name` or `container|sub`, in lower case.
    pub covers: Vec<String>,
    /// `!flotilla-only` before the first block.
    pub flotilla_only: bool,
    /// `!server-args` before the first block; empty when any server will do.
    pub server_args: Vec<String>,
    pub paragraphs: Vec<Paragraph>,
}

/// What blank lines set apart.
#[derive(Debug)]
pub enum Paragraph {
    /// Comments and header directives, kept as they are.
    Prose(Vec<String>),
    Block(Block),
}

/// Commands and the replies they must have.
#[derive(Debug)]
pub struct Block {
    /// The lines above `---`, as written.
    pub source: Vec<String>,
    pub steps: Vec<Step>,
    /// The lines of each expected reply; `None` when nothing was recorded yet.
    pub expected: Option<Vec<Vec<String>>>,
    pub flotilla_only: bool,
}

/// One command or action with what is asked of its reply.
#[derive(Debug)]
pub struct Step {
    /// Line in the file, from 1.
    pub line: usize,
    /// The name after `@`; empty for the first connection.
    pub connection: String,
    pub action: Action,
    pub patterns: Vec<String>,
    pub until: Option<String>,
    pub unordered: bool,
    pub save: Option<String>,
    pub redis_differs: bool,
    pub reference_only: bool,
}

#[derive(Debug, PartialEq)]
pub enum Action {
    Call(Vec<Vec<u8>>),
    SendOnly(Vec<Vec<u8>>),
    Receive,
    Close,
    Sleep(Duration),
}

impl Script {
    pub fn blocks(&self) -> impl Iterator<Item = &Block> {
        self.paragraphs.iter().filter_map(|paragraph| match paragraph {
            Paragraph::Block(block) => Some(block),
            Paragraph::Prose(_) => None,
        })
    }
}

impl Step {
    /// Whether the step yields a reply.
    pub fn replies(&self) -> bool {
        matches!(self.action, Action::Call(_) | Action::Receive)
    }
}

/// Parses the text of a script. The error names the line.
pub fn parse(text: &str) -> Result<Script, String> {
    let mut script = Script::default();
    let mut paragraph: Vec<(usize, &str)> = Vec::new();
    for (index, line) in text.lines().chain([""]).enumerate() {
        let line = line.trim_end();
        if !line.is_empty() {
            paragraph.push((index + 1, line));
        } else if !paragraph.is_empty() {
            add_paragraph(&mut script, &paragraph)?;
            paragraph.clear();
        }
    }
    if script.title.is_empty() {
        return Err("line 1: a script opens with a comment that says in a sentence what it proves".into());
    }
    Ok(script)
}

fn add_paragraph(script: &mut Script, lines: &[(usize, &str)]) -> Result<(), String> {
    if script.title.is_empty()
        && let Some((_, first)) = lines.first()
        && let Some(title) = first.strip_prefix("# ")
    {
        script.title = title.to_owned();
    }
    let is_prose = lines.iter().all(|(_, line)| line.starts_with('#') || header_directive(line));
    if !is_prose {
        script.paragraphs.push(Paragraph::Block(block(lines)?));
        return Ok(());
    }
    for (_, line) in lines {
        if let Some(names) = line.strip_prefix("# covers:") {
            script.covers.extend(names.split(',').map(|name| name.trim().to_lowercase()));
        } else if let Some(args) = line.strip_prefix("!server-args ") {
            script.server_args.extend(args.split_whitespace().map(str::to_owned));
        } else if line.starts_with("!flotilla-only:") {
            script.flotilla_only = true;
        }
    }
    script.paragraphs.push(Paragraph::Prose(lines.iter().map(|(_, line)| (*line).to_owned()).collect()));
    Ok(())
}

fn header_directive(line: &str) -> bool {
    line.starts_with("!server-args ") || line.starts_with("!flotilla-only:")
}

fn block(lines: &[(usize, &str)]) -> Result<Block, String> {
    let end = lines.iter().position(|(_, line)| *line == "---");
    let (source, replies) = match end {
        Some(end) => (lines.get(..end), lines.get(end + 1..)),
        None => (Some(lines), None),
    };
    let source = source.unwrap_or_default();
    let mut block = Block {
        source: source.iter().map(|(_, line)| (*line).to_owned()).collect(),
        steps: Vec::new(),
        expected: replies.map(group_replies),
        flotilla_only: source.iter().any(|(_, line)| line.starts_with("!flotilla-only:")),
    };
    let mut pending = Step::blank();
    for (number, line) in source {
        let at = |error: String| format!("line {number}: {error}");
        if !line.starts_with('#') && !line.starts_with("!flotilla-only:") {
            pending.line = *number;
            if let Some(action) = pending.read(line).map_err(at)? {
                pending.action = action;
                pending.check().map_err(at)?;
                block.steps.push(std::mem::replace(&mut pending, Step::blank()));
            }
        }
    }
    Ok(block)
}

/// A line at the margin opens a reply, indented lines belong to it.
fn group_replies(lines: &[(usize, &str)]) -> Vec<Vec<String>> {
    let mut replies: Vec<Vec<String>> = Vec::new();
    for (_, line) in lines {
        match replies.last_mut() {
            Some(reply) if line.starts_with(' ') => reply.push((*line).to_owned()),
            _ => replies.push(vec![(*line).to_owned()]),
        }
    }
    replies
}

impl Step {
    fn blank() -> Step {
        Step {
            line: 0,
            connection: String::new(),
            // Replaced before the step is kept: `read` decides.
            action: Action::Receive,
            patterns: Vec::new(),
            until: None,
            unordered: false,
            save: None,
            redis_differs: false,
            reference_only: false,
        }
    }

    /// Takes one line; an action ends the step.
    fn read(&mut self, line: &str) -> Result<Option<Action>, String> {
        let Some(directive) = line.strip_prefix('!') else {
            return self.command(line).map(Some);
        };
        let (name, rest) = directive.split_once(' ').unwrap_or((directive, ""));
        let rest = rest.trim();
        match name {
            "match" => self.patterns.push(rest.to_owned()),
            "until" => self.until = Some(rest.to_owned()),
            "unordered" => self.unordered = true,
            "save" => self.save = Some(rest.to_owned()),
            "redis-differs:" => self.redis_differs = true,
            "reference-only:" => self.reference_only = true,
            // Marks the command that follows; `command` sees it.
            "send-only" => self.action = Action::SendOnly(Vec::new()),
            "receive" | "close" => {
                self.connection = rest.trim_start_matches('@').to_owned();
                return Ok(Some(if name == "close" { Action::Close } else { Action::Receive }));
            }
            "sleep" => return duration(rest).map(|time| Some(Action::Sleep(time))),
            _ => return Err(format!("unknown directive !{name}")),
        }
        Ok(None)
    }

    fn command(&mut self, line: &str) -> Result<Action, String> {
        let mut text = line;
        if let Some(rest) = line.strip_prefix('@') {
            let (name, rest) = rest.split_once(' ').ok_or("a connection without a command")?;
            self.connection = name.to_owned();
            text = rest;
        }
        let words = split_words(text)?;
        Ok(match self.action {
            Action::SendOnly(_) => Action::SendOnly(words),
            _ => Action::Call(words),
        })
    }

    fn check(&self) -> Result<(), String> {
        if self.redis_differs && self.patterns.is_empty() {
            return Err("!redis-differs needs a !match that says what is right".into());
        }
        let asks = !self.patterns.is_empty() || self.until.is_some() || self.save.is_some() || self.unordered;
        if asks && !self.replies() {
            return Err("nothing can be asked of a step without a reply".into());
        }
        Ok(())
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let millis = text.strip_suffix("ms").and_then(|number| number.parse().ok());
    millis.map(Duration::from_millis).ok_or_else(|| format!("a time is written like 20ms, not {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# Proves something.\n# covers: a, b|c\n\n# about\nSET k \"v 1\"\n!match :<int>\n@x TTL k\n\
                        !send-only\nGET k\n!receive\n---\n+OK\n(matches)\n*1\n  :1\n\nPING\n";

    #[test]
    fn a_script_is_parsed_into_steps_and_grouped_replies() {
        let script = parse(TEXT).unwrap();
        assert_eq!(script.title, "Proves something.");
        assert_eq!(script.covers, ["a", "b|c"]);
        let blocks: Vec<_> = script.blocks().collect();
        assert_eq!(blocks.len(), 2);
        assert_eq!(blocks[0].steps.len(), 4);
        assert_eq!(
            blocks[0].steps[0].action,
            Action::Call(vec![b"SET".to_vec(), b"k".to_vec(), b"v 1".to_vec()])
        );
        assert_eq!(blocks[0].steps[1].connection, "x");
        assert_eq!(blocks[0].steps[1].line, 7);
        assert_eq!(blocks[0].steps[2].action, Action::SendOnly(vec![b"GET".to_vec(), b"k".to_vec()]));
        assert_eq!(blocks[0].steps[3].action, Action::Receive);
        let expected = blocks[0].expected.as_ref().unwrap();
        assert_eq!(expected.len(), 3);
        assert_eq!(expected[2], ["*1", "  :1"]);
        assert!(blocks[1].expected.is_none());
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        assert!(parse("SET a 1\n").is_err());
        assert_eq!(parse("# T.\n\n!what\nGET a\n").unwrap_err(), "line 3: unknown directive !what");
        assert!(parse("# T.\n\n!redis-differs: why\nGET a\n").is_err());
    }
}
