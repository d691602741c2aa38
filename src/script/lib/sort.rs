//! `table.sort`: Lua 5.1's quicksort, so that equal elements end up in the order that Redis gives them.

use super::{
    arguments::{at, function, table},
    table::list,
};
use crate::script::vm::{Fail, Value, Vm};

type Done = Result<(), Fail>;

struct Sort<'v, 'h> {
    vm: &'v mut Vm<'h>,
    values: Vec<Value>,
    less: Value,
}

pub fn sort(vm: &mut Vm<'_>, arguments: &[Value], _: &mut Vec<Value>) -> Done {
    let id = table(arguments, 1)?;
    let less = if at(arguments, 2).is_nil() { Value::Nil } else { function(arguments, 2)? };
    let values = list(vm, id)?;
    if values.len() < 2 {
        return Ok(());
    }
    let roots = vm.roots.len();
    vm.roots.extend_from_slice(&values);
    let last = values.len();
    let mut sort = Sort { vm, values, less };
    let sorted = sort.range(1, last);
    let Sort { vm, values, .. } = sort;
    vm.roots.truncate(roots);
    // What was exchanged before an error stays exchanged, as there.
    for (index, value) in (1_usize..).zip(values) {
        vm.heap.raw_set_index(id, index, value)?;
    }
    sorted
}

impl Sort<'_, '_> {
    fn get(&self, index: usize) -> Value {
        self.values.get(index.wrapping_sub(1)).copied().unwrap_or(Value::Nil)
    }

    fn swap(&mut self, a: usize, b: usize) {
        if a != b && (1..=self.values.len()).contains(&a) && (1..=self.values.len()).contains(&b) {
            self.values.swap(a.wrapping_sub(1), b.wrapping_sub(1));
        }
    }

    fn less(&mut self, a: Value, b: Value) -> Result<bool, Fail> {
        self.vm.charge(2)?;
        if self.less.is_nil() {
            self.vm.less(a, b)
        } else {
            Ok(self.vm.call_one(self.less, &[a, b])?.is_true())
        }
    }

    fn range(&mut self, low: usize, high: usize) -> Done {
        let (mut low, mut high) = (low, high);
        while low < high {
            if self.less(self.get(high), self.get(low))? {
                self.swap(low, high);
            }
            if high.saturating_sub(low) == 1 {
                break;
            }
            let middle = low.midpoint(high);
            if self.less(self.get(middle), self.get(low))? {
                self.swap(middle, low);
            } else if self.less(self.get(high), self.get(middle))? {
                self.swap(middle, high);
            }
            if high.saturating_sub(low) == 2 {
                break;
            }
            let pivot = self.get(middle);
            self.swap(middle, high - 1);
            let split = self.partition(low, high, pivot)?;
            // The smaller part first: the depth is logarithmic.
            if split.saturating_sub(low) < high.saturating_sub(split) {
                self.range(low, split.saturating_sub(1))?;
                low = split + 1;
            } else {
                self.range(split + 1, high)?;
                high = split.saturating_sub(1);
            }
        }
        Ok(())
    }

    fn partition(&mut self, low: usize, high: usize, pivot: Value) -> Result<usize, Fail> {
        let (mut up, mut down) = (low, high - 1);
        loop {
            up += 1;
            while self.less(self.get(up), pivot)? {
                if up > high {
                    return Err(Fail::message("invalid order function for sorting"));
                }
                up += 1;
            }
            down = down.saturating_sub(1);
            while self.less(pivot, self.get(down))? {
                if down < low || down == 0 {
                    return Err(Fail::message("invalid order function for sorting"));
                }
                down -= 1;
            }
            if down < up {
                break;
            }
            self.swap(up, down);
        }
        self.swap(high - 1, up);
        Ok(up)
    }
}
