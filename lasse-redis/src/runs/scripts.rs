//! The scripts of runs: the state of each run is changed in one step.
//!
//! The first key of each script is the prefix of all keys, and the first argument is the time in
//! milliseconds for which a run that has ended is kept. A run has these keys:
//!
//! | key | type | content |
//! |---|---|---|
//! | `run:<id>` | hash | owner, epoch, token and node of the producer, its lease, the number of events, the outcome |
//! | `log:<id>` | stream | the events: entry `1-<number>` |
//! | `readers:<id>` | sorted set | nodes with readers, by the time until which that is true |
//! | `waiting:<id>` | set | nodes that have read everything, and wait for more |
//!
//! All runs share `ids` (by the time at which they expire), `ended` (by the time at which they ended),
//! `bytes`, `owner:<owner>`, and for each node an `inbox` with the runs that it must read again.

use std::sync::LazyLock;

use redis::Script;

/// Checks the server, and calls the commands that the scripts need, so that a user without them is
/// refused at the start.
pub(super) static PROBE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local replication = redis.call('INFO', 'replication')
        if string.match(replication, 'role:(%w+)') ~= 'master' then return 'replica' end
        if string.match(redis.call('INFO', 'cluster'), 'cluster_enabled:(%d)') == '1' then
            return 'cluster'
        end
        local key = KEYS[1] .. 'probe'
        redis.call('DEL', key)
        redis.call('HINCRBY', key, 'a', 1)
        redis.call('HDEL', key, 'a')
        redis.call('HMGET', key, 'a')
        redis.call('SADD', key, 'a')
        redis.call('SPOP', key, 1)
        redis.call('ZADD', key, 1, 'a')
        redis.call('ZRANGE', key, 0, 0)
        redis.call('ZCARD', key)
        redis.call('ZREMRANGEBYSCORE', key, '-inf', 0)
        redis.call('ZREM', key, 'a')
        redis.call('XRANGE', key, '-', '+', 'COUNT', 1)
        return 'master'",
    )
});

/// Starts a run. If there are too many, the run that ended first is forgotten.
///
/// Arguments: the id, its owner, epoch and token, the node, its lease, how many runs there can be, and
/// whether the leases of others can be judged.
/// Returns `started`, `exists`, `foreign` or `full`.
pub(super) static START: LazyLock<Script> = LazyLock::new(|| {
    script(
        "local id, owner, token, lease = ARGV[2], ARGV[3], ARGV[5], ARGV[7]
        local found = redis.call('HMGET', p .. 'run:' .. id, 'owner', 'token')
        if found[1] then
            if found[1] ~= owner then return 'foreign' end
            if found[2] == token then return 'started' end
            return 'exists'
        end
        prune()
        local is_full = redis.call('ZCARD', p .. 'ids') >= tonumber(ARGV[8])
        if is_full and ARGV[9] == '1' then judge_all() end
        if is_full and not forget_oldest() then return 'full' end
        redis.call('DEL', p .. 'log:' .. id, p .. 'readers:' .. id, p .. 'waiting:' .. id)
        redis.call('ZREM', p .. 'ended', id)
        forget_bytes(id)
        redis.call('HSET', p .. 'run:' .. id, 'owner', owner, 'epoch', ARGV[4], 'token', token,
            'node', ARGV[6], 'lease', now + lease, 'count', 0)
        redis.call('ZADD', p .. 'owner:' .. owner, now, id)
        extend(id, owner, lease)
        return 'started'",
    )
});

/// Renews the lease of a producer, and appends events. Events that the log has already are skipped, so
/// the call can be repeated. If all runs have too many bytes, those that ended first are forgotten.
///
/// Arguments: the id, the token, the lease, how many bytes all runs can have, the number of the first
/// event, and for each event how many words follow, and these. Returns `ok` and how many nodes have
/// readers; `ended`, the outcome and the number of events; or `absent`.
pub(super) static APPEND: LazyLock<Script> = LazyLock::new(|| {
    script(
        "local id, number = ARGV[2], tonumber(ARGV[6])
        local run, log = p .. 'run:' .. id, p .. 'log:' .. id
        local s = redis.call('HMGET', run, 'token', 'outcome', 'detail', 'count', 'owner')
        if not s[1] or s[1] ~= ARGV[3] then return {'absent'} end
        if s[2] then return {'ended', s[2], s[3], tonumber(s[4])} end
        local count = tonumber(s[4])
        if number > count + 1 then return finish(id, 'failed', 'lost') end
        local at, bytes, before = 7, 0, count
        while at <= #ARGV do
            local words = tonumber(ARGV[at])
            if number > count then
                redis.call('XADD', log, '1-' .. string.format('%.0f', number),
                    unpack(ARGV, at + 1, at + words))
                for i = at + 1, at + words do bytes = bytes + #ARGV[i] end
                count = number
            end
            at, number = at + words + 1, number + 1
        end
        redis.call('HSET', run, 'count', count, 'lease', now + ARGV[4])
        extend(id, s[5], ARGV[4])
        if count > before then
            wake_readers(id)
            redis.call('HINCRBY', p .. 'bytes', id, bytes)
            local total = redis.call('HINCRBY', p .. 'bytes', '*', bytes)
            if total > tonumber(ARGV[5]) then
                prune()
                local function is_over()
                    return tonumber(redis.call('HGET', p .. 'bytes', '*') or 0) > tonumber(ARGV[5])
                end
                while is_over() do
                    if not forget_oldest() then return finish(id, 'failed', 'too_large') end
                end
            end
        end
        redis.call('ZREMRANGEBYSCORE', p .. 'readers:' .. id, '-inf', now)
        return {'ok', redis.call('ZCARD', p .. 'readers:' .. id)}",
    )
});

/// Ends a run; the first outcome counts.
///
/// Arguments: the id, `owner` or `token`, the value that this has, and the outcome with its detail.
/// Returns `ended`, the outcome that counts and the number of events; or `absent`.
pub(super) static END: LazyLock<Script> = LazyLock::new(|| {
    script(
        "local id = ARGV[2]
        local s = redis.call('HMGET', p .. 'run:' .. id, ARGV[3], 'outcome', 'detail', 'node',
            'count')
        if s[1] ~= ARGV[4] then return {'absent'} end
        if s[2] then return {'ended', s[2], s[3], tonumber(s[5])} end
        wake(id, s[4])
        return finish(id, ARGV[5], ARGV[6])",
    )
});

/// Reads events, and registers the node as one that waits for more if these are all.
///
/// Arguments: the id, its owner, the node, for how long it has readers (0: it has none), whether the
/// producer's lease can be judged, the number of the last event that the node has, and how many
/// events are read at most. Returns `run`, the epoch, the outcome and its detail (empty: the run goes
/// on), the number of events, and entries; or `absent`.
pub(super) static READ: LazyLock<Script> = LazyLock::new(|| {
    script(
        "local id, node, after, most = ARGV[2], ARGV[4], ARGV[7], tonumber(ARGV[8])
        local run, readers = p .. 'run:' .. id, p .. 'readers:' .. id
        if redis.call('HGET', run, 'owner') ~= ARGV[3] then return {'absent'} end
        if ARGV[6] == '1' then judge(id) end
        local s = redis.call('HMGET', run, 'epoch', 'outcome', 'detail', 'count')
        if not s[2] then
            if ARGV[5] == '0' then
                redis.call('ZREM', readers, node)
            else
                redis.call('ZADD', readers, now + ARGV[5], node)
                redis.call('PEXPIRE', readers, 3600000)
            end
        end
        local entries =
            redis.call('XRANGE', p .. 'log:' .. id, '(1-' .. after, '+', 'COUNT', most)
        if #entries < most and not s[2] then
            redis.call('SADD', p .. 'waiting:' .. id, node)
            redis.call('PEXPIRE', p .. 'waiting:' .. id, 3600000)
        end
        return {'run', s[1], s[2] or '', s[3] or '', s[4], entries}",
    )
});

/// Lists the runs of an owner.
///
/// Arguments: the owner, and whether leases can be judged. Returns the id, the outcome and its detail
/// of each in turn (empty: the run continues).
pub(super) static LIST: LazyLock<Script> = LazyLock::new(|| {
    script(
        "local key, result = p .. 'owner:' .. ARGV[2], {}
        for _, id in ipairs(redis.call('ZRANGE', key, 0, 9999)) do
            local run = p .. 'run:' .. id
            if redis.call('HGET', run, 'owner') == ARGV[2] then
                if ARGV[3] == '1' then judge(id) end
                local s = redis.call('HMGET', run, 'outcome', 'detail')
                result[#result + 1] = id
                result[#result + 1] = s[1] or ''
                result[#result + 1] = s[2] or ''
            else
                redis.call('ZREM', key, id)
            end
        end
        return result",
    )
});

fn script(body: &str) -> Script {
    Script::new(&format!("{PRELUDE}{body}"))
}

const PRELUDE: &str = "
local p, keep = KEYS[1], ARGV[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function wake(id, node)
    redis.call('XADD', p .. 'inbox:' .. node, 'MAXLEN', '~', 10000, '*', 'run', id)
    redis.call('PEXPIRE', p .. 'inbox:' .. node, 60000)
end

local function wake_readers(id)
    for _, node in ipairs(redis.call('SPOP', p .. 'waiting:' .. id, 10000)) do wake(id, node) end
end

local function expire(id, owner, time)
    redis.call('PEXPIRE', p .. 'run:' .. id, time)
    redis.call('PEXPIRE', p .. 'log:' .. id, time)
    redis.call('PEXPIRE', p .. 'owner:' .. owner, time)
    redis.call('ZADD', p .. 'ids', now + time, id)
    redis.call('PEXPIRE', p .. 'ids', time + 3600000)
    redis.call('PEXPIRE', p .. 'bytes', time + 3600000)
end

local function extend(id, owner, lease)
    expire(id, owner, lease + keep)
end

local function finish(id, outcome, detail)
    local run = p .. 'run:' .. id
    redis.call('HSET', run, 'outcome', outcome, 'detail', detail)
    expire(id, redis.call('HGET', run, 'owner'), keep + 0)
    redis.call('ZADD', p .. 'ended', now, id)
    redis.call('PEXPIRE', p .. 'ended', keep + 3600000)
    redis.call('DEL', p .. 'readers:' .. id)
    wake_readers(id)
    return {'ended', outcome, detail, tonumber(redis.call('HGET', run, 'count') or 0)}
end

local function judge(id)
    local s = redis.call('HMGET', p .. 'run:' .. id, 'outcome', 'lease')
    if not s[1] and s[2] and tonumber(s[2]) < now then finish(id, 'failed', 'lost') end
end

-- If the lease of a run is over, it expires within the time that an ended run is kept.
local function judge_all()
    local last = now + keep
    for _, id in ipairs(redis.call('ZRANGE', p .. 'ids', '-inf', last, 'BYSCORE', 'LIMIT', 0, 1000)) do
        judge(id)
    end
end

local function forget_bytes(id)
    local bytes = redis.call('HGET', p .. 'bytes', id)
    if bytes then
        redis.call('HINCRBY', p .. 'bytes', '*', -bytes)
        redis.call('HDEL', p .. 'bytes', id)
    end
end

local function prune()
    for _, id in ipairs(redis.call('ZRANGE', p .. 'ids', '-inf', now, 'BYSCORE', 'LIMIT', 0, 1000)) do
        forget_bytes(id)
        redis.call('ZREM', p .. 'ids', id)
        redis.call('ZREM', p .. 'ended', id)
    end
end

local function forget_oldest()
    local id = redis.call('ZRANGE', p .. 'ended', 0, 0)[1]
    if not id then return false end
    local owner = redis.call('HGET', p .. 'run:' .. id, 'owner')
    if owner then redis.call('ZREM', p .. 'owner:' .. owner, id) end
    redis.call('DEL', p .. 'run:' .. id, p .. 'log:' .. id, p .. 'readers:' .. id,
        p .. 'waiting:' .. id)
    forget_bytes(id)
    redis.call('ZREM', p .. 'ids', id)
    redis.call('ZREM', p .. 'ended', id)
    return true
end

";
