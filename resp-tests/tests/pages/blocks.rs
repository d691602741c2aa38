//! The fenced blocks of a page, and the steps that they are.

use crate::session::Step;

/// What a block is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    Sh,
    Console,
    Python,
    Js,
    Go,
    /// Not run.
    Shown,
}

/// A fenced block.
#[derive(Debug)]
pub struct Block {
    pub language: Language,
    /// Of its first line within the page, from 1.
    pub line: usize,
    pub lines: Vec<String>,
}

/// All blocks of a page. A block without a language, or in one that nobody runs, is an error: it would escape.
pub fn blocks(page: &str) -> Result<Vec<Block>, String> {
    let mut found: Vec<Block> = Vec::new();
    let mut is_open = false;
    for (at, line) in page.lines().enumerate() {
        match line.strip_prefix("```") {
            Some("") if is_open => is_open = false,
            Some(word) if !is_open => {
                let language =
                    language(word).ok_or_else(|| format!("line {}: a block in '{word}'", at + 1))?;
                found.push(Block { language, line: at + 2, lines: Vec::new() });
                is_open = true;
            }
            Some(_) => return Err(format!("line {}: a block within a block", at + 1)),
            None if is_open => found.last_mut().unwrap().lines.push(line.to_owned()),
            // Four spaces make a block, too, with no language.
            None if line.starts_with("    ") && at > 0 && page.lines().nth(at - 1) == Some("") => {
                return Err(format!("line {}: an indented block", at + 1));
            }
            None => {}
        }
    }
    if is_open { Err("a block has no end".to_owned()) } else { Ok(found) }
}

fn language(word: &str) -> Option<Language> {
    Some(match word {
        "sh" => Language::Sh,
        "console" => Language::Console,
        "python" => Language::Python,
        "js" => Language::Js,
        "go" => Language::Go,
        "text" | "toml" | "yaml" => Language::Shown,
        _ => return None,
    })
}

impl Block {
    /// What is to be run, in order.
    pub fn steps(&self) -> Vec<Step> {
        let text = self.lines.join("\n");
        match self.language {
            Language::Shown => Vec::new(),
            Language::Console => self.commands(),
            language => {
                let expected = (language != Language::Sh).then(|| vec![self.last_comment()]);
                vec![Step { language, line: self.line, text, expected }]
            }
        }
    }

    /// The commands of a console, each with what it prints. One that goes on in the next line ends with a backslash.
    fn commands(&self) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::new();
        let mut goes_on = false;
        for (at, line) in self.lines.iter().enumerate() {
            if let Some(text) = line.strip_prefix("$ ") {
                let (line, text) = (self.line + at, text.to_owned());
                goes_on = text.ends_with('\\');
                steps.push(Step { language: Language::Console, line, text, expected: Some(Vec::new()) });
                continue;
            }
            let step = steps.last_mut().expect("a console begins with a command");
            if goes_on {
                goes_on = line.ends_with('\\');
                step.text = format!("{}\n{line}", step.text);
            } else {
                step.expected.as_mut().unwrap().push(line.trim_end().to_owned());
            }
        }
        steps
    }

    fn last_comment(&self) -> String {
        let comment = |line: &String| {
            let at = line.rfind("# ").or_else(|| line.rfind("// "))?;
            line.get(at..).map(|comment| comment.trim_start_matches(['#', '/', ' ']).to_owned())
        };
        self.lines.iter().rev().find_map(comment).expect("a program says in a comment what it prints")
    }
}

#[test]
fn blocks_become_steps() {
    let page = "x\n```sh\na &\nb\n```\n```console\n$ c \\\n  d\n1\n...\n$ e\n```\n```go\nf // go get x\ng // hi\n}\n```\n";
    let steps: Vec<Step> = blocks(page).unwrap().iter().flat_map(Block::steps).collect();
    let got: Vec<(usize, &str, Option<Vec<String>>)> =
        steps.iter().map(|step| (step.line, step.text.as_str(), step.expected.clone())).collect();
    let lines = |lines: &[&str]| Some(lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>());
    assert_eq!(got[0], (3, "a &\nb", None));
    assert_eq!(got[1], (7, "c \\\n  d", lines(&["1", "..."])));
    assert_eq!(got[2], (11, "e", lines(&[])));
    assert_eq!(got[3], (14, "f // go get x\ng // hi\n}", lines(&["hi"])));
}

#[test]
fn no_block_escapes() {
    for page in ["```\nls\n```\n", "```ruby\nputs 1\n```\n", "text\n\n    ls\n", "```sh\nls\n"] {
        assert!(blocks(page).is_err(), "{page}");
    }
}
