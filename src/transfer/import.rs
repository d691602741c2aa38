//! A file into a node.

use super::report::Report;
use crate::{
    limits::{DATABASES, MULTI_BYTES_MAX},
    moving::{
        Client,
        plan::{Argv, Plan, finish, is_there, may_expire, plan, vanish, without_expired},
    },
    ops::bytes_bar,
    rdb::{Reader, Record},
    remote::Remote,
    resp::{Answer, put_request},
};
use std::{
    collections::VecDeque, fs::File, io::BufReader, path::Path, thread, time::Duration, time::Instant,
};

/// Bytes and commands that may wait for their replies.
const WINDOW_BYTES: usize = 4 * 1024 * 1024;
const WINDOW_COMMANDS: usize = 1000;
/// Of one transaction, unless one command alone is larger.
const GROUP_BYTES: usize = 1024 * 1024;
/// A larger command is in no transaction, which could not take it and its neighbours.
const TRANSACTION_BYTES_MAX: usize = MULTI_BYTES_MAX - GROUP_BYTES;
const GROUP_COMMANDS: usize = 200;
const FILE_BUFFER_BYTES: usize = 1024 * 1024;
/// A busy node answers TRYAGAIN, and has done nothing.
const BUSY_RETRIES_MAX: u32 = 600;
const BUSY_PAUSE: Duration = Duration::from_millis(100);

/// The options of the command line.
pub struct Options<'a> {
    pub to: &'a Remote,
    /// Existing keys are replaced; otherwise they stay.
    pub replace: bool,
}

/// Reads the whole file and reports its content.
pub fn check(path: &Path) -> Result<Report, String> {
    let mut report =
        Report { title: format!("{}: read, nothing imported", path.display()), ..Report::default() };
    let started = Instant::now();
    each(path, &mut report, |_| Ok(()))?;
    report.took = started.elapsed();
    Ok(report)
}

/// Reads the file and makes its keys in a node.
pub fn import(path: &Path, options: &Options<'_>) -> Result<Report, String> {
    let mut report =
        Report { title: format!("{}: imported into {}", path.display(), options.to), ..Report::default() };
    let started = Instant::now();
    let mut node = Node::connect(options)?;
    let done = each(path, &mut report, |part| match part {
        Part::Key(record) => node.take(*record),
        Part::Library(text) => node.load_library(&text),
    })
    .and_then(|()| node.await_replies());
    let Node { imported, expired, kept, libraries_kept, .. } = node;
    if let Err(text) = done {
        let again = "fix the cause, then run it again with --replace";
        return Err(format!("{text}\n{imported} keys of {} read were imported; {again}", report.keys));
    }
    let counts = [("imported", imported), ("expired already", expired), ("existed already and stayed", kept)];
    report.counts.splice(0..0, counts);
    report.counts.push(("libraries of functions that existed already and stayed", libraries_kept));
    report.is_whole &= kept == 0 && libraries_kept == 0;
    report.took = started.elapsed();
    let told = imported.saturating_add(expired).saturating_add(kept);
    if told != report.keys {
        return Err(format!("{} keys were read, but {told} accounted for", report.keys));
    }
    Ok(report)
}

/// What a file consists of.
enum Part {
    Key(Box<Record>),
    /// The text of a library of functions.
    Library(Vec<u8>),
}

/// Visits all parts of a file, with a bar on a terminal, and reports them.
fn each(
    path: &Path,
    report: &mut Report,
    mut visit: impl FnMut(Part) -> Result<(), String>,
) -> Result<(), String> {
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let file = File::open(path).map_err(|error| failed(&error))?;
    report.bytes = file.metadata().map_err(|error| failed(&error))?.len();
    let bar = bytes_bar(report.bytes);
    let mut reader =
        Reader::new(BufReader::with_capacity(FILE_BUFFER_BYTES, file)).map_err(|error| failed(&error))?;
    let mut libraries = 0_u64;
    loop {
        let record = reader.next();
        for text in reader.take_functions() {
            libraries = libraries.saturating_add(1);
            visit(Part::Library(text))?;
        }
        let Some(record) = record else { break };
        let record = record.map_err(|error| failed(&error))?;
        bar.set_position(reader.position());
        bar.set_message(report.keys.to_string());
        report.count(record.db, record.object.type_name(), record.object.elements());
        visit(Part::Key(Box::new(record)))?;
    }
    bar.finish_and_clear();
    let skipped = reader.skipped();
    let modules: u64 = skipped.module_keys.values().sum();
    report.counts.extend([
        ("keys of modules, skipped", modules),
        ("libraries of functions", libraries),
        ("keys without elements, skipped", skipped.empty_keys),
    ]);
    if modules > 0 {
        let names: Vec<&str> = skipped.module_keys.keys().map(String::as_str).collect();
        report.notes.push(format!("modules are not supported: {}", names.join(", ")));
    }
    report.notes.push(format!("RDB version {}, checksum right", reader.version()));
    report.is_whole = modules == 0;
    Ok(())
}

/// The request behind an outstanding reply.
struct Sent {
    db: u32,
    request: Vec<u8>,
}

struct Node<'a> {
    client: Client,
    options: &'a Options<'a>,
    now_ms: u64,
    db: u32,
    sent: VecDeque<Sent>,
    sent_bytes: usize,
    /// Begins the names under which large values are built.
    own_name: String,
    own_names: u64,
    imported: u64,
    expired: u64,
    kept: u64,
    libraries_kept: u64,
}

impl<'a> Node<'a> {
    fn connect(options: &'a Options<'a>) -> Result<Self, String> {
        let mut client = Client::connect(options.to)?;
        let now_ms = client.time_ms()?;
        client.done(&[b"SELECT", b"0"])?;
        Ok(Node {
            client,
            options,
            now_ms,
            db: 0,
            sent: VecDeque::new(),
            sent_bytes: 0,
            own_name: format!("flotilla:import:{}", uuid::Uuid::new_v4().simple()),
            own_names: 0,
            imported: 0,
            expired: 0,
            kept: 0,
            libraries_kept: 0,
        })
    }

    fn take(&mut self, mut record: Record) -> Result<(), String> {
        if record.db >= DATABASES {
            return Err(format!("the file has a database {}, the node has {DATABASES}", record.db));
        }
        let has_elements = without_expired(&mut record.object, self.now_ms);
        if !has_elements || record.expires_at_ms.is_some_and(|at| at <= self.now_ms) {
            self.expired = self.expired.saturating_add(1);
            return Ok(());
        }
        let own = format!("{}:{}", self.own_name, self.own_names);
        match plan(&record, own.as_bytes(), self.options.replace) {
            Plan::Restore(argv) => self.restore(record.db, &argv),
            Plan::Pieces(pieces) => {
                self.own_names = self.own_names.saturating_add(1);
                self.build(&record, own.as_bytes(), &pieces)
            }
        }
    }

    fn load_library(&mut self, text: &[u8]) -> Result<(), String> {
        self.await_replies()?;
        let words: &[&[u8]] = match self.options.replace {
            true => &[b"FUNCTION", b"LOAD", b"REPLACE", text],
            false => &[b"FUNCTION", b"LOAD", text],
        };
        match self.answers_to(&[&words.iter().map(|word| word.to_vec()).collect()])?.pop() {
            Some(Answer::Text(_)) => {}
            Some(Answer::Error(why)) if why.contains("already exists") => {
                self.libraries_kept = self.libraries_kept.saturating_add(1);
            }
            other => return Err(format!("{}: FUNCTION LOAD: {other:?}", self.options.to)),
        }
        Ok(())
    }

    fn restore(&mut self, db: u32, argv: &Argv) -> Result<(), String> {
        if db != self.db {
            self.await_replies()?;
            self.select(db)?;
        }
        let words: Vec<&[u8]> = argv.iter().map(Vec::as_slice).collect();
        let mut request = Vec::new();
        put_request(&mut request, &words);
        self.client.send_request(&request)?;
        self.sent_bytes = self.sent_bytes.saturating_add(request.len());
        self.sent.push_back(Sent { db, request });
        while self.sent_bytes > WINDOW_BYTES || self.sent.len() > WINDOW_COMMANDS {
            self.receive()?;
        }
        Ok(())
    }

    fn select(&mut self, db: u32) -> Result<(), String> {
        self.client.done(&[b"SELECT", db.to_string().as_bytes()])?;
        self.db = db;
        Ok(())
    }

    /// Waits for all replies.
    fn await_replies(&mut self) -> Result<(), String> {
        while !self.sent.is_empty() {
            self.receive()?;
        }
        Ok(())
    }

    fn receive(&mut self) -> Result<(), String> {
        let answer = self.client.receive()?;
        let Some(sent) = self.sent.pop_front() else {
            return Err("the node sent a reply without a command".to_owned());
        };
        self.sent_bytes = self.sent_bytes.saturating_sub(sent.request.len());
        if is_busy(&answer) {
            // Replies behind it come first; each key stands alone, so the order of requests does not matter.
            self.await_replies()?;
            if sent.db != self.db {
                self.select(sent.db)?;
            }
            let answer = self.again(&sent.request)?;
            return self.judge(answer);
        }
        self.judge(answer)
    }

    /// Sends a request until the node has time for it.
    fn again(&mut self, request: &[u8]) -> Result<Answer, String> {
        for _ in 0..BUSY_RETRIES_MAX {
            thread::sleep(BUSY_PAUSE);
            self.client.send_request(request)?;
            let answer = self.client.receive()?;
            if !is_busy(&answer) {
                return Ok(answer);
            }
        }
        Err("the node is still busy (TRYAGAIN) after a minute".to_owned())
    }

    fn judge(&mut self, answer: Answer) -> Result<(), String> {
        match answer {
            Answer::Error(text) if text.starts_with("BUSYKEY") => self.kept = self.kept.saturating_add(1),
            Answer::Error(text) => return Err(format!("{}: {text}", self.options.to)),
            _ => self.imported = self.imported.saturating_add(1),
        }
        Ok(())
    }

    /// A large value, piece by piece, then under its key.
    fn build(&mut self, record: &Record, own: &[u8], pieces: &[Argv]) -> Result<(), String> {
        self.await_replies()?;
        if record.db != self.db {
            self.select(record.db)?;
        }
        if !self.options.replace && self.client.number(&[b"EXISTS", &record.key])? > 0 {
            self.kept = self.kept.saturating_add(1);
            return Ok(());
        }
        let (mut group, mut bytes, mut is_first) = (Vec::new(), 0_usize, true);
        for piece in pieces {
            let size = piece.iter().map(Vec::len).fold(0, usize::saturating_add);
            if !group.is_empty()
                && (group.len() >= GROUP_COMMANDS || bytes.saturating_add(size) > GROUP_BYTES)
            {
                let is_there = self.together(&std::mem::take(&mut group), own, is_first)?;
                if !is_there {
                    return self.has_gone(record, own);
                }
                (bytes, is_first) = (0, false);
            }
            bytes = bytes.saturating_add(size);
            group.push(piece);
        }
        if !self.together(&group, own, is_first)? {
            return self.has_gone(record, own);
        }
        let finish = finish(record, own, self.options.replace);
        match self.answers_to(&finish.each_ref())?.into_iter().nth(1) {
            Some(Answer::Integer(0)) => self.kept = self.kept.saturating_add(1),
            Some(Answer::Error(text)) if text.contains("no such key") => {
                return self.has_gone(record, own);
            }
            Some(Answer::Error(text)) => return Err(format!("{}: {text}", self.options.to)),
            Some(Answer::Integer(_) | Answer::Text(_)) => self.imported = self.imported.saturating_add(1),
            other => return Err(format!("{}: unexpected reply to RENAME: {other:?}", self.options.to)),
        }
        Ok(())
    }

    /// Handles a partly built value that is gone.
    fn has_gone(&mut self, record: &Record, own: &[u8]) -> Result<(), String> {
        // A later piece may have begun it anew.
        self.client.done(&[b"DEL", own])?;
        if !may_expire(record) {
            return Err(format!("{}: the partly built value of a large key disappeared", self.options.to));
        }
        self.expired = self.expired.saturating_add(1);
        Ok(())
    }

    /// Commands that build a value; each must succeed. `false`: the value built before has disappeared meanwhile.
    fn together(&mut self, commands: &[&Argv], own: &[u8], is_first: bool) -> Result<bool, String> {
        let (before, after) = (is_there(own), vanish(own));
        let all: Vec<&Argv> =
            std::iter::once(&before).chain(commands.iter().copied()).chain([&after]).collect();
        let bytes = commands.iter().flat_map(|argv| argv.iter()).map(Vec::len).fold(0, usize::saturating_add);
        let answers =
            if bytes <= TRANSACTION_BYTES_MAX { self.answers_to(&all)? } else { self.in_turn(&all)? };
        if let Some(Answer::Error(text)) = answers.iter().find(|answer| matches!(answer, Answer::Error(_))) {
            return Err(format!("{}: {text}", self.options.to));
        }
        let was_there = is_first || matches!(answers.first(), Some(Answer::Integer(1)));
        Ok(was_there && matches!(answers.last(), Some(Answer::Integer(1))))
    }

    /// As `answers_to`, one after the other.
    fn in_turn(&mut self, commands: &[&Argv]) -> Result<Vec<Answer>, String> {
        let mut answers = Vec::with_capacity(commands.len());
        for argv in commands {
            answers.extend(self.answers_to(&[argv])?);
        }
        Ok(answers)
    }

    /// Commands whose order matters: a transaction is done as a whole or, if the node is busy, not at all.
    fn answers_to(&mut self, commands: &[&Argv]) -> Result<Vec<Answer>, String> {
        let mut request = Vec::new();
        let is_one = commands.len() == 1;
        if !is_one {
            put_request(&mut request, &[b"MULTI"]);
        }
        for argv in commands {
            let words: Vec<&[u8]> = argv.iter().map(Vec::as_slice).collect();
            put_request(&mut request, &words);
        }
        if !is_one {
            put_request(&mut request, &[b"EXEC"]);
        }
        for _ in 0..BUSY_RETRIES_MAX {
            self.client.send_request(&request)?;
            let mut answer = self.client.receive()?;
            for _ in 0..if is_one { 0 } else { commands.len().saturating_add(1) } {
                answer = self.client.receive()?;
            }
            if is_busy(&answer) {
                thread::sleep(BUSY_PAUSE);
                continue;
            }
            return Ok(match answer {
                Answer::List(answers) if !is_one => answers,
                answer => vec![answer],
            });
        }
        Err("the node is still busy (TRYAGAIN) after a minute".to_owned())
    }
}

fn is_busy(answer: &Answer) -> bool {
    matches!(answer, Answer::Error(text) if text.starts_with("TRYAGAIN") || text.starts_with("LOADING"))
}
