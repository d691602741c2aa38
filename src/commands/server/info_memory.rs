//! INFO memory: memory used by data and buffers, and memory of the process.

use super::info::line;
use crate::{
    commands::scripting::{self, Kept},
    session::{Node, ProcessUsage},
};
use std::sync::atomic::Ordering;

/// What is kept of scripts and functions, and what this node has compiled of it.
fn scripts(node: &Node, out: &mut String) {
    let (Kept { scripts, libraries }, (eval, functions)) = (Kept::of(node), scripting::compiled_bytes());
    let (scripts_bytes, vm) =
        (scripts.bytes.saturating_add(scripts.loaded_bytes), eval.saturating_add(functions));
    let texts = scripts_bytes.saturating_add(libraries.bytes);
    line(out, "used_memory_lua", eval);
    line(out, "used_memory_vm_eval", eval);
    line(out, "used_memory_lua_human", human(eval as u64));
    line(out, "used_memory_scripts_eval", scripts_bytes);
    line(out, "number_of_cached_scripts", scripts.scripts.saturating_add(scripts.loaded));
    line(out, "number_of_functions", libraries.functions);
    line(out, "number_of_libraries", libraries.libraries);
    line(out, "used_memory_vm_functions", functions);
    line(out, "used_memory_vm_total", vm);
    line(out, "used_memory_vm_total_human", human(vm as u64));
    line(out, "used_memory_functions", libraries.bytes);
    line(out, "used_memory_scripts", texts);
    line(out, "used_memory_scripts_human", human(texts));
}

/// What the data take at rest, which is what `maxmemory` bounds.
fn data(node: &Node, out: &mut String) {
    let published = node.group.store.published();
    let state = published.state();
    line(out, "flotilla_dataset_bytes", state.bytes());
    line(out, "flotilla_dataset_bytes_human", human(state.bytes()));
    let largest = node.group.store.known_largest_keys();
    line(out, "flotilla_largest_keys_known", u8::from(largest.is_complete));
    let largest_bytes = largest.keys.first().map_or(0, |key| key.bytes);
    line(out, "flotilla_largest_key_bytes", largest_bytes);
    line(out, "flotilla_dataset_counted", u8::from(state.counts_bytes() && state.is_counted()));
}

pub(super) fn memory(node: &Node, out: &mut String) {
    let (usage, store, used) = (ProcessUsage::read(), node.group.store.stats(), node.memory());
    let total = used.total();
    node.memory_marks.note(total);
    let (startup, peak) = (
        node.memory_marks.startup.load(Ordering::Relaxed).min(total),
        node.memory_marks.peak.load(Ordering::Relaxed),
    );
    let overhead = used.overhead();
    let percent = |part: u64, whole: u64| format!("{:.2}%", ratio(part, whole) * 100.0);
    let mut sized = |name: &str, bytes: u64| {
        line(out, name, bytes);
        line(out, &format!("{name}_human"), human(bytes));
    };
    sized("used_memory", total);
    sized("used_memory_rss", usage.rss_bytes);
    sized("used_memory_peak", peak);
    line(out, "used_memory_peak_perc", percent(total, peak));
    line(out, "used_memory_overhead", overhead);
    line(out, "used_memory_startup", startup);
    line(out, "used_memory_dataset", used.dataset());
    line(out, "used_memory_dataset_perc", percent(used.dataset(), total));
    // The allocator does not tell; as in a Redis that uses libc's.
    line(out, "allocator_allocated", total);
    line(out, "allocator_active", usage.rss_bytes);
    line(out, "allocator_resident", usage.rss_bytes);
    let mut sized = |name: &str, bytes: u64| {
        line(out, name, bytes);
        line(out, &format!("{name}_human"), human(bytes));
    };
    sized("total_system_memory", usage.system_memory_bytes);
    scripts(node, out);
    let limit = node.config.settings().data_limit.bytes;
    line(out, "maxmemory", limit);
    line(out, "maxmemory_human", human(limit));
    line(out, "maxmemory_policy", node.config.value("maxmemory-policy"));
    data(node, out);
    let beyond = i128::from(usage.rss_bytes) - i128::from(total);
    let times = format!("{:.2}", ratio(usage.rss_bytes, total));
    line(out, "allocator_frag_ratio", &times);
    line(out, "allocator_frag_bytes", beyond);
    line(out, "allocator_rss_ratio", "1.00");
    line(out, "allocator_rss_bytes", 0);
    line(out, "rss_overhead_ratio", "1.00");
    line(out, "rss_overhead_bytes", 0);
    line(out, "mem_fragmentation_ratio", &times);
    line(out, "mem_fragmentation_bytes", beyond);
    line(out, "mem_not_counted_for_evict", 0);
    line(out, "mem_replication_backlog", 0);
    line(out, "mem_total_replication_buffers", 0);
    line(out, "mem_clients_slaves", 0);
    line(out, "mem_clients_normal", used.clients);
    line(out, "mem_cluster_links", 0);
    line(out, "mem_aof_buffer", used.proposals);
    line(out, "mem_allocator", "mimalloc");
    line(out, "active_defrag_running", 0);
    line(out, "lazyfree_pending_objects", 0);
    line(out, "lazyfreed_objects", 0);
    line(out, "flotilla_maxmemory_clients_bytes", node.clients.memory.bytes_max());
    line(out, "flotilla_hot_cache_bytes", store.hot_bytes);
    line(out, "flotilla_hot_cache_records", store.hot_records);
    line(out, "flotilla_hot_cache_hits", store.hot_hits);
    line(out, "flotilla_hot_cache_misses", store.hot_misses);
    line(out, "flotilla_block_cache_bytes", store.block_cache_bytes);
    line(out, "flotilla_memtable_bytes", store.memtable_bytes);
    line(out, "flotilla_table_readers_bytes", store.table_reader_bytes);
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

fn human(bytes: u64) -> String {
    let mut size = bytes as f64;
    for unit in ["B", "K", "M", "G", "T"] {
        if size < 1024.0 || unit == "T" {
            return if unit == "B" { format!("{bytes}B") } else { format!("{size:.2}{unit}") };
        }
        size /= 1024.0;
    }
    format!("{bytes}B")
}
