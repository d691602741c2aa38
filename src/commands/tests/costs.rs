//! Calls that apply may run on the thread that keeps the group alive.

use crate::{
    command::{Command, Cost},
    commands::table,
};

/// Whoever adds a name has looked: however large the data are, each word of the call costs a constant number of rows, and no
/// value is returned or copied.
const BOUNDED: &str = "\
    decr decrby del exists expire expireat expiretime geoadd hdel hexpire hexpireat hincrby hincrbyfloat \
    hmset hpersist hpexpire hpexpireat hset hsetex hsetnx incr incrby incrbyfloat increx llen lpush lpushx \
    mset msetex msetnx persist pexpire pexpireat pexpiretime pfadd psetex pttl rpush rpushx sadd saddex scard set \
    setex setnx sexpire sexpireat sismember spersist spexpire spexpireat srem touch ttl type unlink xack xackdel xadd xdel xdelex zadd zcard zcount zincrby \
    zlexcount zmscore zrank zrem zrevrank zscore";

#[test]
fn the_commands_whose_words_bound_their_work_are_these() {
    let is_bounded = |command: &&Command| !matches!(command.cost, Cost::Data);
    let rows = table().rows().iter().copied();
    let all = rows.flat_map(|row| std::iter::once(row).chain(row.subcommands));
    let found: Vec<String> = all.filter(is_bounded).map(|row| row.name.to_ascii_lowercase()).collect();
    assert_eq!(found.join(" "), BOUNDED);
}
