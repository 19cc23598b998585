//! The scripts of the gate, which count the streams of all nodes.

use std::sync::LazyLock;

use redis::{Script, Value};

use crate::error::Failure;
use crate::reply::text;

/// Renews the lease of a node, or takes one. Calls the commands that the gate needs, so that a user
/// without them is refused at the start.
///
/// Keys: the set of nodes and a key for replies. Arguments: the node, its lease in milliseconds, and
/// whether the lease can be a new one. Returns 1, or 0 if the lease was lost.
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
            redis.call('ZRANGE', KEYS[1], 0, 0)
            redis.call('ZREM', KEYS[1], '')
            redis.call('ZCARD', KEYS[1])
            redis.call('ZCOUNT', KEYS[1], 0, 0)
            redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
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
/// sets in milliseconds, and for each stream its number, its age in milliseconds, and whether it is
/// open. Returns `counted`, or `reserved` if a stream has only a place, and the streams that must end;
/// `refused`, or `lost` if the node has no lease.
pub(super) static ADMIT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local time = redis.call('TIME')
        local now = time[1] * 1000 + math.floor(time[2] / 1000)
        local known = {}
        local function is_alive(node)
            if known[node] == nil then
                known[node] = tonumber(redis.call('ZSCORE', KEYS[1], node) or 0) >= now
            end
            return known[node]
        end
        if not is_alive(ARGV[1]) then return {'lost'} end
        local limit, policy, reserved = tonumber(ARGV[2]), ARGV[3], '1000000000000000'
        local result = {'counted'}
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
            local others = redis.call('ZCARD', key) - (score and 1 or 0)
            if policy == 'refuse' and others >= limit then return {'refused'} end
            local is_waiting = policy == 'replace' and ARGV[at + 2] == '0'
            if is_waiting and not score and others >= limit then score = reserved end
            if not is_waiting or not score then
                -- A call that takes long makes no stream younger.
                local admitted = now - ARGV[at + 1]
                score = math.min(admitted, tonumber(score) or admitted)
            end
            if score == reserved then result[1] = 'reserved' end
            redis.call('ZADD', key, score, member)
            redis.call('PEXPIRE', key, ARGV[4])
            if policy == 'replace' then
                local over = redis.call('ZCOUNT', key, '-inf', '(' .. reserved) - limit
                if over > 0 then
                    local last = math.min(over, 1000) - 1
                    for _, other in ipairs(redis.call('ZRANGE', key, 0, last)) do
                        result[#result + 1] = other
                    end
                end
            end
        end
        return result",
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
pub(super) enum Admitted {
    /// The streams are counted, and these must end.
    Counted(Vec<String>),
    /// The same, but one has only a place until it opens.
    Reserved(Vec<String>),
    Refused,
}

/// Reads the reply of [`ADMIT`]. `None` if the node has no lease.
pub(super) fn admitted(reply: &Value) -> Result<Option<Admitted>, Failure> {
    let Value::Array(parts) = reply else {
        return Err(Failure::Refused("the script returned no list".into()));
    };
    let mut words = parts.iter().filter_map(text);
    match words.next() {
        Some("counted") => Ok(Some(Admitted::Counted(words.map(str::to_owned).collect()))),
        Some("reserved") => Ok(Some(Admitted::Reserved(words.map(str::to_owned).collect()))),
        Some("refused") => Ok(Some(Admitted::Refused)),
        Some("lost") => Ok(None),
        _ => Err(Failure::Refused("the script returned something else".into())),
    }
}
