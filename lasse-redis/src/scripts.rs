//! The scripts that run on Redis. Each does in one step what must not be interrupted.

use std::sync::LazyLock;

use redis::Script;

/// Opens a stream on a new connection, and begins an epoch if it must: if the stream is absent, if
/// the server's replication id is another than before, or if the node knows more than the stream.
/// Redis 7 can check first whether the user can call all that any script and the reader call.
///
/// Keys: the stream and its state. Arguments: the epoch and number of the newest entry that the
/// node knows. Returns a word; with `open`, then the epoch, the newest and the oldest id, and the
/// ending.
pub(crate) static OPEN: LazyLock<Script> = LazyLock::new(|| Script::new(OPEN_SOURCE));

/// Publishes an event once for each key of idempotency.
///
/// Keys: the stream and the result of that key. Arguments: the approximate length of the stream,
/// the epoch, the lifetime of the result in milliseconds, and the fields of the event. Returns the
/// id, or nil if the stream is absent.
pub(crate) static PUBLISH_ONCE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local done = redis.call('GET', KEYS[2])
        if done then return done end
        local id = redis.call('XADD', KEYS[1], 'NOMKSTREAM', 'MAXLEN', '~', ARGV[1],
            ARGV[2] .. '-*', unpack(ARGV, 4))
        if id then redis.call('SET', KEYS[2], id, 'PX', ARGV[3]) end
        return id",
    )
});

/// Records that the end of an epoch was lost, once for each epoch.
///
/// Keys: the stream and its state. Arguments: the approximate length of the stream, the epoch, and
/// the epoch whose end was lost. Returns nil if the stream is absent.
pub(crate) static RECORD_LOSS: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local recorded = redis.call('HGET', KEYS[2], 'lost') or ''
        local epoch = ' ' .. ARGV[3] .. ' '
        if string.find(recorded, epoch, 1, true) then return 0 end
        local id = redis.call('XADD', KEYS[1], 'NOMKSTREAM', 'MAXLEN', '~', ARGV[1],
            ARGV[2] .. '-*', 'lasse', 'lost', 'of', ARGV[3])
        if not id then return false end
        redis.call('HSET', KEYS[2], 'lost', string.sub(recorded .. epoch, -1024))
        return 1",
    )
});

/// Ends a channel. The entry takes the last number of the epoch, after which Redis refuses others.
///
/// Keys: the stream and its state. Arguments: the epoch, `finish` or `abort`, and the fields of a
/// last event, if there is one. Returns the id of that event or of the newest entry, an ending if
/// the channel has ended, or nil if the epoch is over.
pub(crate) static END: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local ending = redis.call('HGET', KEYS[2], 'ending')
        if ending then return ending end
        if redis.call('EXISTS', KEYS[1]) == 0 then return false end
        local info = redis.call('XINFO', 'STREAM', KEYS[1])
        local last
        for i = 1, #info, 2 do
            if info[i] == 'last-generated-id' then last = info[i + 1] end
        end
        if string.match(last, '^(%d+)-') ~= ARGV[1] then return false end
        if #ARGV > 2 then
            last = redis.call('XADD', KEYS[1], ARGV[1] .. '-*', unpack(ARGV, 3))
        end
        redis.call('XADD', KEYS[1], ARGV[1] .. '-18446744073709551615',
            'lasse', ARGV[2], 'after', last)
        redis.call('HSET', KEYS[2], 'ending', ARGV[2])
        return last",
    )
});

const OPEN_SOURCE: &str = "
local replication = redis.call('INFO', 'replication')
if string.match(replication, 'role:(%w+)') ~= 'master' then return {'replica'} end
if string.match(redis.call('INFO', 'cluster'), 'cluster_enabled:(%d)') == '1' then
    return {'cluster'}
end
local needed = redis.acl_check_cmd and {
    {'TIME'}, {'EXISTS', KEYS[1]}, {'XINFO', 'STREAM', KEYS[1]},
    {'XADD', KEYS[1], '*', 'a', 'b'}, {'XREAD', 'STREAMS', KEYS[1], '0'},
    {'XRANGE', KEYS[1], '-', '+'}, {'XREVRANGE', KEYS[1], '+', '-'},
    {'HGET', KEYS[2], 'a'}, {'HMGET', KEYS[2], 'a'}, {'HSET', KEYS[2], 'a', 'b'},
    {'GET', KEYS[2] .. ':once:a'}, {'SET', KEYS[2] .. ':once:a', 'b'},
    {'XREAD', 'STREAMS', 'lasse:wake:a', '0'}, {'XADD', 'lasse:wake:a', '*', 'a', 'b'},
    {'PEXPIRE', 'lasse:wake:a', '1'},
} or {}
for _, call in ipairs(needed) do
    if not redis.acl_check_cmd(unpack(call)) then
        return {'denied', table.concat(call, ' ')}
    end
end
local replid = string.match(replication, 'master_replid:(%x+)')
local saved = redis.call('HMGET', KEYS[2], 'epoch', 'replid', 'ending')
local epoch, ending = saved[1], saved[3] or ''
local exists = redis.call('EXISTS', KEYS[1]) == 1
local last, first = '0-0', '0-0'
if exists then
    local info = redis.call('XINFO', 'STREAM', KEYS[1])
    for i = 1, #info, 2 do
        if info[i] == 'last-generated-id' then last = info[i + 1] end
        if info[i] == 'recorded-first-entry-id' then first = info[i + 1] end
    end
end

local function greater(a, b)
    return #a > #b or (#a == #b and a > b)
end
local ms, number = string.match(last, '^(%d+)-(%d+)$')
local is_behind = greater(ARGV[1], ms) or (ARGV[1] == ms and greater(ARGV[2], number))
local is_same = exists and epoch == ms and saved[2] == replid and not is_behind
if is_same or ending ~= '' then
    return {'open', epoch or ms, last, first, ending}
end

local after = ''
if not exists then
    after = '0-0'
elseif ms == epoch then
    after = last
elseif epoch then
    local newest = redis.call('XREVRANGE', KEYS[1], epoch .. '-18446744073709551615',
        epoch .. '-0', 'COUNT', 1)
    if newest[1] then after = newest[1][1] end
end
if #ms > 15 or #ARGV[1] > 15 then return {'exhausted'} end
local time = redis.call('TIME')
local next = math.max(time[1] * 1000 + math.floor(time[2] / 1000), ms + 1, (epoch or 0) + 1, ARGV[1] + 1)
local begun = string.format('%.0f', next)
redis.call('XADD', KEYS[1], begun .. '-0', 'lasse', 'epoch', 'after', after)
redis.call('HSET', KEYS[2], 'epoch', begun, 'replid', replid)
if not exists then first = begun .. '-0' end
return {'open', begun, begun .. '-0', first, ''}
";
