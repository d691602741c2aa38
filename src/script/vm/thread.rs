//! Coroutines: each has a stack of values and of frames. The current one is in the machine; those that wait for it to yield
//! are a list beside it; all others are in the heap.

use super::{
    Fail, Vm,
    value::{Id, Loaded, Value},
};
use std::rc::Rc;

/// A call of a Lua function.
pub struct Frame {
    pub code: Rc<Loaded>,
    pub function: Id,
    /// Where the caller goes on.
    pub caller_pc: usize,
    /// The function's place on the stack, which its results take.
    pub at: usize,
    pub base: usize,
    pub extra: usize,
    /// The number of results that the caller wants.
    pub results: u8,
    /// Called from a library function or for a metamethod: its results leave the loop.
    pub is_entry: bool,
    pub tail_calls: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Suspended,
    /// It runs, or waits for one that it resumed.
    Running,
    Dead,
}

pub struct Thread {
    pub stack: Vec<Value>,
    pub frames: Vec<Frame>,
    pub status: Status,
    /// Not yet started: what it will call.
    pub start: Option<Value>,
    /// Where it goes on, and where the results of its yield go: their place and number.
    pub resume_pc: usize,
    pub awaited: Option<(usize, u8)>,
}

/// What a coroutine is counted with.
const THREAD_BYTES: usize = 512;

impl Thread {
    pub fn new(start: Option<Value>) -> Self {
        Thread {
            stack: Vec::new(),
            frames: Vec::new(),
            status: Status::Suspended,
            start,
            resume_pc: 0,
            awaited: None,
        }
    }

    pub fn bytes(&self) -> usize {
        let stack = self.stack.len().saturating_mul(size_of::<Value>());
        let frames = self.frames.len().saturating_mul(size_of::<Frame>());
        THREAD_BYTES.saturating_add(stack).saturating_add(frames)
    }
}

/// How a resumed coroutine stopped.
pub enum Resumed {
    Values(Vec<Value>),
    /// It is dead; the error that killed it.
    Error(Value),
}

impl Vm<'_> {
    pub fn new_thread(&mut self, start: Value) -> Result<Id, Fail> {
        self.heap.take(THREAD_BYTES)?;
        Ok(self.heap.threads.add(Thread::new(Some(start))))
    }

    /// Memory of the stacks that are in use.
    pub fn stack_bytes(&self) -> usize {
        let waiting: usize = self.waiting.iter().map(|(_, thread)| thread.bytes()).sum();
        waiting.saturating_add(self.thread.bytes())
    }

    pub fn status(&self, id: Id) -> Status {
        self.heap.threads.get(id).map_or(Status::Dead, |thread| thread.status)
    }

    /// Whether it waits for a coroutine that it resumed.
    pub fn is_waiting(&self, id: Id) -> bool {
        self.waiting.iter().any(|(waiting, _)| *waiting == Some(id))
    }

    /// Lets a coroutine run until it yields or ends. `Err`: the run as a whole ends.
    pub fn resume(&mut self, id: Id, arguments: &[Value]) -> Result<Resumed, Fail> {
        if self.status(id) != Status::Suspended {
            let what = match self.status(id) {
                Status::Dead => "dead",
                _ if self.is_waiting(id) => "normal",
                _ => "running",
            };
            let text = self.string(format!("cannot resume {what} coroutine").into_bytes())?;
            return Ok(Resumed::Error(text));
        }
        if self.depth >= super::machine::DEPTH_MAX {
            let text = self.string(b"C stack overflow".to_vec())?;
            return Ok(Resumed::Error(text));
        }
        let running = Thread { status: Status::Running, ..Thread::new(None) };
        let Some(slot) = self.heap.threads.get_mut(id) else { return Ok(Resumed::Error(Value::Nil)) };
        let next = std::mem::replace(slot, running);
        self.heap.used = self.heap.used.saturating_sub(next.bytes().saturating_sub(THREAD_BYTES));
        let pc = self.pc;
        let previous = std::mem::replace(&mut self.thread, next);
        self.waiting.push((self.thread_id, previous));
        self.thread_id = Some(id);
        let nesting = std::mem::replace(&mut self.nesting, 0);
        self.depth = self.depth.saturating_add(1);
        let outcome = self.start_or_continue(arguments);
        self.depth = self.depth.saturating_sub(1);
        self.nesting = nesting;
        self.pc = pc;
        let (previous_id, previous) = self.waiting.pop().unwrap_or((None, Thread::new(None)));
        let mut done = std::mem::replace(&mut self.thread, previous);
        self.thread_id = previous_id;
        done.status = if done.awaited.is_some() { Status::Suspended } else { Status::Dead };
        if done.status == Status::Dead {
            done = Thread { status: Status::Dead, ..Thread::new(None) };
        }
        let bytes = done.bytes().saturating_sub(THREAD_BYTES);
        if let Some(slot) = self.heap.threads.get_mut(id) {
            *slot = done;
        }
        self.heap.take(bytes)?;
        match outcome {
            Ok(values) => Ok(Resumed::Values(values)),
            Err(Fail::Raised(raised)) => Ok(Resumed::Error(raised.value)),
            Err(other) => Err(other),
        }
    }

    fn start_or_continue(&mut self, arguments: &[Value]) -> Result<Vec<Value>, Fail> {
        self.charge(10)?;
        match self.thread.start.take() {
            Some(function) => self.call_in_thread(function, arguments),
            None => {
                self.pc = self.thread.resume_pc;
                if let Some((at, results)) = self.thread.awaited.take() {
                    self.put_results(at, arguments, results);
                }
                let is_native = std::mem::replace(&mut self.is_native, false);
                let outcome = self.execute_from(0);
                self.is_native = is_native;
                outcome
            }
        }
    }
}
