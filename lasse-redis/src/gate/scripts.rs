//! The scripts of the gate, which count the streams of all nodes.

use std::sync::LazyLock;

use redis::{Script, Value};

use super::slots::SlotId;
use crate::error::Failure;
use crate::reply::text;

/// Renews the lease of a node, or takes one in place of those of the same process. Calls the commands
/// that the gate needs, so that a user without them is refused at the start.
///
/// Keys: the set of nodes and a key for replies. Arguments: the node, its lease in milliseconds,
/// whether the lease can be a new one, and how the names of the nodes of this process begin. Returns 1,
/// or 0 if the lease was lost.
pub(super) static LEASE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local time = redis.call('TIME')
        local now = time[1] * 1000 + math.floor(time[2] / 1000)
        local expiry = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or 0)
        if expiry < now and ARGV[3] == '0' then return 0 end
        if ARGV[3] == '1' then
            redis.call('RPUSH', KEYS[2], '')
            redis.call('LRANGE', KEYS[2], 0, 0)
            redis.call('PEXPIRE', KEYS[2], 1)
            redis.call('ZCARD', KEYS[1])
            redis.call('ZCOUNT', KEYS[1], 0, 0)
            redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
            for _, node in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
                local is_own = string.sub(node, 1, #ARGV[4]) == ARGV[4]
                if is_own then redis.call('ZREM', KEYS[1], node) end
            end
            redis.call('ZREM', KEYS[1], '')
        end
        redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
        redis.call('PEXPIRE', KEYS[1], 86400000)
        return 1",
    )
});

/// Counts streams. Streams of nodes without a lease are removed first. The score of a stream is the time
/// at which it was admitted. If it can replace others but is not open yet, it has the greatest score
/// instead: it has a place, and replaces none.
///
/// Keys: the set of nodes, and for each stream the set of its key. Arguments: the node, the limit, the
/// policy (`refuse`, `replace`, or `keep` for streams that were admitted before), the lifetime of the
/// sets in milliseconds, and for each stream its number, when it was admitted, and whether it is open.
/// A time of up to 0 is an age: the stream has no score yet. Times are in microseconds. Returns `lost` if
/// the node has no lease; `refused`; or `counted`, the time of Redis, the numbers of the streams that have
/// only a place, and the streams that must end.
pub(super) static ADMIT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local time = redis.call('TIME')
        local now, now_ms = time[1] * 1000000 + time[2], time[1] * 1000 + math.floor(time[2] / 1000)
        local known = {}
        local function is_alive(node)
            if known[node] == nil then
                known[node] = tonumber(redis.call('ZSCORE', KEYS[1], node) or 0) >= now_ms
            end
            return known[node]
        end
        if not is_alive(ARGV[1]) then return {'lost'} end
        local limit, policy, no_time = tonumber(ARGV[2]), ARGV[3], 4000000000000000
        local before_no_time = string.format('(%.0f', no_time)
        local reserved, replaced = {}, {}
        for i = 2, #KEYS do
            local key, at = KEYS[i], 3 * i - 1
            local member = ARGV[1] .. '/' .. ARGV[at]
            for _, other in ipairs(redis.call('ZRANGE', key, 0, 999)) do
                if not is_alive(string.match(other, '^(%x+)/') or '') then
                    redis.call('ZREM', key, other)
                end
            end
            if policy ~= 'keep' and limit == 0 then return {'refused'} end
            local score = redis.call('ZSCORE', key, member)
            score = score and tonumber(score)
            local others = redis.call('ZCARD', key) - (score and 1 or 0)
            if policy == 'refuse' and others >= limit then return {'refused'} end
            local is_waiting = policy == 'replace' and ARGV[at + 2] == '0'
            if is_waiting and not score and others >= limit then score = no_time end
            if not is_waiting or not score then
                local admitted = tonumber(ARGV[at + 1])
                if admitted <= 0 then admitted = now + admitted end
                -- A call that takes long makes no stream younger.
                score = math.min(admitted, score or admitted)
            end
            if score == no_time then reserved[#reserved + 1] = ARGV[at] end
            redis.call('ZADD', key, string.format('%.0f', score), member)
            redis.call('PEXPIRE', key, ARGV[4])
            if policy == 'replace' then
                local over = redis.call('ZCOUNT', key, '-inf', before_no_time) - limit
                if over > 0 then
                    local last = math.min(over, 1000) - 1
                    for _, other in ipairs(redis.call('ZRANGE', key, 0, last)) do
                        replaced[#replaced + 1] = other
                    end
                end
            end
        end
        return {'counted', string.format('%.0f', now), reserved, replaced}",
    )
});

/// Counts the nodes that have a lease.
///
/// Key: the set of nodes.
pub(super) static NODES: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local time = redis.call('TIME')
        local now = time[1] * 1000 + math.floor(time[2] / 1000)
        return redis.call('ZCOUNT', KEYS[1], now, '+inf')",
    )
});

/// The reply of [`ADMIT`].
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply {
    Counted(Counted),
    Refused,
    /// The node has no lease.
    Lost,
}

/// Streams that Redis counts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Counted {
    /// The time of Redis, in microseconds.
    pub(super) now: i64,
    /// The streams that have only a place until they open.
    pub(super) reserved: Vec<SlotId>,
    /// The streams of all nodes that must end.
    pub(super) replaced: Vec<String>,
}

/// Reads the reply of [`ADMIT`].
pub(super) fn reply(value: &Value) -> Result<Reply, Failure> {
    let Value::Array(parts) = value else {
        return Err(Failure::Refused("the script returned no list".into()));
    };
    let word = parts.first().and_then(text);
    match (word, parts.as_slice()) {
        (Some("counted"), [_, now, Value::Array(reserved), Value::Array(replaced)]) => {
            let counted = Counted {
                now: text(now).and_then(|now| now.parse().ok()).unwrap_or_default(),
                reserved: reserved.iter().filter_map(|id| text(id)?.parse().ok()).collect(),
                replaced: replaced.iter().filter_map(text).map(str::to_owned).collect(),
            };
            Ok(Reply::Counted(counted))
        }
        (Some("refused"), _) => Ok(Reply::Refused),
        (Some("lost"), _) => Ok(Reply::Lost),
        _ => Err(Failure::Refused("the script returned something else".into())),
    }
}
