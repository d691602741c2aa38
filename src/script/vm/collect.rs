//! The collector: marks what can be reached, drops the rest. It keeps a list of what is still to be looked at, so deep
//! structures need no stack.

use super::{
    Vm,
    heap::{CELL_BYTES, FUNCTION_BYTES, STRING_BYTES},
    thread::Thread,
    value::{BASE, Function, Id, Value},
};

#[derive(Default)]
struct Marks {
    strings: Vec<bool>,
    tables: Vec<bool>,
    functions: Vec<bool>,
    cells: Vec<bool>,
    threads: Vec<bool>,
    open: Vec<Value>,
}

fn set(marks: &mut [bool], id: Id) -> bool {
    match marks.get_mut(id as usize) {
        Some(mark) if !*mark => {
            *mark = true;
            true
        }
        _ => false,
    }
}

impl Marks {
    fn visit(&mut self, value: Value) {
        match value {
            Value::Nil | Value::Bool(_) | Value::Number(_) | Value::Native(_) | Value::Null => {}
            Value::Str(id) => {
                if id & BASE == 0 {
                    set(&mut self.strings, id);
                }
            }
            Value::Table(id) => {
                if id & BASE == 0 && set(&mut self.tables, id) {
                    self.open.push(value);
                }
            }
            Value::Function(id) => {
                if set(&mut self.functions, id) {
                    self.open.push(value);
                }
            }
            Value::Thread(id) => {
                if set(&mut self.threads, id) {
                    self.open.push(value);
                }
            }
            Value::Cell(id) => {
                if set(&mut self.cells, id) {
                    self.open.push(value);
                }
            }
        }
    }

    fn visit_thread(&mut self, thread: &Thread) {
        thread.stack.iter().for_each(|value| self.visit(*value));
        thread.frames.iter().for_each(|frame| self.visit(Value::Function(frame.function)));
        thread.start.iter().for_each(|value| self.visit(*value));
    }
}

impl Vm<'_> {
    /// Drops all that nothing refers to.
    #[cold]
    pub fn collect(&mut self) {
        let heap = &self.heap;
        let mut marks = Marks {
            strings: vec![false; heap.strings.slots.len()],
            tables: vec![false; heap.tables.len()],
            functions: vec![false; heap.functions.len()],
            cells: vec![false; heap.cells.len()],
            threads: vec![false; heap.threads.len()],
            open: Vec::new(),
        };
        marks.visit_thread(&self.thread);
        for (id, thread) in &self.waiting {
            id.iter().for_each(|id| marks.visit(Value::Thread(*id)));
            marks.visit_thread(thread);
        }
        self.thread_id.iter().for_each(|id| marks.visit(Value::Thread(*id)));
        self.roots.iter().for_each(|value| marks.visit(*value));
        self.settings.registered.iter().for_each(|function| marks.visit(function.callback));
        // KEYS and ARGV.
        [0, 1].into_iter().for_each(|table| marks.visit(Value::Table(table)));
        for loaded in &self.loaded {
            loaded.constants.iter().for_each(|value| marks.visit(*value));
        }
        while let Some(value) = marks.open.pop() {
            self.visit_inside(value, &mut marks);
        }
        let heap = &mut self.heap;
        heap.strings.slots.sweep(&marks.strings);
        heap.tables.sweep(&marks.tables);
        heap.functions.sweep(&marks.functions);
        heap.cells.sweep(&marks.cells);
        heap.threads.sweep(&marks.threads);
        self.heap.used = self.recount();
        self.heap.threshold = self.heap.next_threshold();
        // Marking and sweeping is work as well.
        let objects = marks.strings.len() + marks.tables.len() + marks.functions.len() + marks.cells.len();
        self.heap.strings.spend(objects.saturating_add(self.heap.used / 256));
    }

    fn visit_inside(&self, value: Value, marks: &mut Marks) {
        match value {
            Value::Table(id) => {
                let table = self.heap.table(id);
                table.meta.iter().for_each(|meta| marks.visit(Value::Table(*meta)));
                table.for_each_pair(|key, value| {
                    marks.visit(key);
                    marks.visit(value);
                });
            }
            Value::Function(id) => match self.heap.functions.get(id) {
                Some(Function::Lua { upvalues, .. }) => {
                    upvalues.iter().for_each(|cell| marks.visit(Value::Cell(*cell)));
                }
                Some(Function::Bound { values, .. }) => values.iter().for_each(|value| marks.visit(*value)),
                None => {}
            },
            Value::Thread(id) => {
                if let Some(thread) = self.heap.threads.get(id) {
                    marks.visit_thread(thread);
                }
            }
            Value::Cell(id) => {
                self.heap.cells.get(id).iter().for_each(|value| marks.visit(**value));
            }
            Value::Nil
            | Value::Bool(_)
            | Value::Number(_)
            | Value::Native(_)
            | Value::Null
            | Value::Str(_) => {}
        }
    }

    /// What there is, counted anew.
    fn recount(&self) -> usize {
        let heap = &self.heap;
        let strings: usize = heap
            .strings
            .slots
            .iter()
            .map(|string| STRING_BYTES.saturating_add(string.text.bytes().len()))
            .sum();
        let tables: usize = heap.tables.iter().map(super::Table::bytes).sum();
        let functions: usize = heap
            .functions
            .iter()
            .map(|function| {
                let values = match function {
                    Function::Lua { upvalues, .. } => upvalues.len(),
                    Function::Bound { values, .. } => values.len(),
                };
                FUNCTION_BYTES.saturating_add(values.saturating_mul(size_of::<Value>()))
            })
            .sum();
        let cells = heap.cells.iter().count().saturating_mul(CELL_BYTES);
        let threads: usize = heap.threads.iter().map(Thread::bytes).sum();
        heap.code_bytes
            .saturating_add(strings)
            .saturating_add(tables)
            .saturating_add(functions)
            .saturating_add(cells)
            .saturating_add(threads)
    }
}
