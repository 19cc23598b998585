//! The scripts that run on Redis. Each does in one step what must not be interrupted.

use std::sync::LazyLock;

use redis::Script;

/// Opens a stream on a new connection, and begins an epoch if it must: if the stream is absent, if
/// the server's replication id is another than before, or if the node knows more than the stream.
/// If the node knows an event that the stream has lost, it records that in the same step: then no
/// event of the epoch comes before.
/// Redis 7 can check first whether the user can call all that any script and the reader call.
///
/// Keys: the [four of the stream](crate::stream::StreamKeys). Arguments: the lifetime of the stream
/// in milliseconds or nothing, the epoch and number of the newest entry that the node knows, the
/// approximate length of the stream, and the epoch and number of the newest event that the node knows.
/// Returns a word; with `open`, then the epoch, the newest and the oldest id, the ending, and whether
/// a loss was recorded (1).
pub(crate) static OPEN: LazyLock<Script> = LazyLock::new(|| {
    Script::new(&format!(
        "{OPEN_SOURCE}{LOSS_SOURCE}
        local opened = open(ARGV[1], ARGV[2], ARGV[3], true)
        if opened[1] == 'open' and opened[5] == '' then
            local id = record_known_loss(ARGV[4], opened, ARGV[5], ARGV[6])
            if id then
                opened[3], opened[6] = id, 1
                if ARGV[1] ~= '' then redis.call('SPUBLISH', KEYS[1], id) end
            end
        end
        return opened"
    ))
});

/// Publishes an event, or ends a channel, or both. The end takes the last number of the epoch, after
/// which Redis refuses others.
///
/// Keys: the four of the stream, and the result of a key of idempotency, if there is one. Arguments:
/// see the source. Without an epoch, it opens the stream first. If the stream has a lifetime, it
/// announces the event to the nodes with readers. Returns the id of the event or else of the newest
/// entry; an ending, if the channel has ended; nil if the stream is absent or the epoch is over; or
/// what [`OPEN`] returns when it cannot open the stream.
pub(crate) static PUBLISH: LazyLock<Script> =
    LazyLock::new(|| Script::new(&format!("{OPEN_SOURCE}{LOSS_SOURCE}{PUBLISH_SOURCE}")));

/// Records that the end of an epoch was lost, once for each epoch.
///
/// Keys: the four of the stream. Arguments: the approximate length of the stream, the epoch, and the
/// epoch whose end was lost. Returns the id of the entry, 0 if there is one already, or nil if the
/// stream is absent.
pub(crate) static RECORD_LOSS: LazyLock<Script> = LazyLock::new(|| {
    Script::new(&format!(
        "{OPEN_SOURCE}{LOSS_SOURCE} return record_loss(ARGV[1], ARGV[2], ARGV[3])"
    ))
});

/// The state of the topics of a stream.
///
/// Keys: the four of the stream. Returns the newest id, the newest epoch and the ends of those
/// before, the place of the newest hole, and the last id of each topic, by name, in the older and the
/// current hash. The name of nothing has the id from which on the hash has all topics.
pub(crate) static TOPICS: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "if redis.call('EXISTS', KEYS[1]) == 0 then return false end
        local info, last = redis.call('XINFO', 'STREAM', KEYS[1]), '0-0'
        for i = 1, #info, 2 do
            if info[i] == 'last-generated-id' then last = info[i + 1] end
        end
        local state = redis.call('HMGET', KEYS[2], 'epoch', 'ends', 'hole')
        return {last, state[1] or '', state[2] or '', state[3] or '',
            redis.call('HGETALL', KEYS[4]), redis.call('HGETALL', KEYS[3])}",
    )
});

const OPEN_SOURCE: &str = "
local function greater(a, b)
    return #a > #b or (#a == #b and a > b)
end

-- If the stream has a lifetime, it begins again. The state lives longer than the stream.
local function prolong(lifetime)
    if lifetime == '' then return end
    redis.call('PEXPIRE', KEYS[1], lifetime)
    redis.call('PEXPIRE', KEYS[2], string.format('%.0f', 2 * lifetime))
    redis.call('PEXPIRE', KEYS[3], lifetime)
    redis.call('PEXPIRE', KEYS[4], lifetime)
end

local function open(lifetime, known_epoch, known_number, is_checked)
-- Without announcements, no node would read what is published.
if lifetime ~= '' and redis.acl_check_cmd and not redis.acl_check_cmd('SPUBLISH', KEYS[1], '') then
    return {'denied', 'SPUBLISH ' .. KEYS[1]}
end
local replication = redis.call('INFO', 'replication')
if string.match(replication, 'role:(%w+)') ~= 'master' then return {'replica'} end
if string.match(redis.call('INFO', 'cluster'), 'cluster_enabled:(%d)') == '1' then
    return {'cluster'}
end
local needed = is_checked and redis.acl_check_cmd and {
    {'TIME'}, {'EXISTS', KEYS[1]}, {'XINFO', 'STREAM', KEYS[1]},
    {'XADD', KEYS[1], '*', 'a', 'b'}, {'XREAD', 'STREAMS', KEYS[1], '0'},
    {'XRANGE', KEYS[1], '-', '+'}, {'XREVRANGE', KEYS[1], '+', '-'},
    {'HGET', KEYS[2], 'a'}, {'HMGET', KEYS[2], 'a'}, {'HSET', KEYS[2], 'a', 'b'},
    {'GET', KEYS[2] .. ':once:a'}, {'SET', KEYS[2] .. ':once:a', 'b'},
    {'XREAD', 'STREAMS', 'lasse:wake:a', '0'}, {'XADD', 'lasse:wake:a', '*', 'a', 'b'},
    {'PEXPIRE', 'lasse:wake:a', '1'}, {'PEXPIRE', KEYS[1], '1'},
    {'HSET', KEYS[3], 'a', 'b'}, {'HLEN', KEYS[3]}, {'HGETALL', KEYS[3]},
    {'UNLINK', KEYS[4]}, {'RENAME', KEYS[3], KEYS[4]},
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

local ms, number = string.match(last, '^(%d+)-(%d+)$')
local is_behind = greater(known_epoch, ms) or (known_epoch == ms and greater(known_number, number))
local is_same = exists and epoch == ms and saved[2] == replid and not is_behind
if is_same or ending ~= '' then
    prolong(lifetime)
    return {'open', epoch or ms, last, first, ending, 0}
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
if #ms > 15 or #known_epoch > 15 then return {'exhausted'} end
local time = redis.call('TIME')
local next = math.max(time[1] * 1000 + math.floor(time[2] / 1000), ms + 1, (epoch or 0) + 1,
    known_epoch + 1)
local begun = string.format('%.0f', next)
redis.call('XADD', KEYS[1], begun .. '-0', 'lasse', 'epoch', 'after', after)
redis.call('HSET', KEYS[2], 'epoch', begun, 'replid', replid)
if after == '' or after == '0-0' then
    redis.call('HSET', KEYS[2], 'hole', begun .. '-0')
else
    local ends = redis.call('HGET', KEYS[2], 'ends') or ''
    redis.call('HSET', KEYS[2], 'ends', string.sub(ends .. ' ' .. after, -2048))
end
if first == '0-0' then first = begun .. '-0' end
prolong(lifetime)
return {'open', begun, begun .. '-0', first, '', 0}
end
";

const LOSS_SOURCE: &str = "
local function record_loss(max_len, epoch, lost)
    local recorded = redis.call('HGET', KEYS[2], 'lost') or ''
    local entry = ' ' .. lost .. ' '
    if string.find(recorded, entry, 1, true) then return 0 end
    local id = redis.call('XADD', KEYS[1], 'NOMKSTREAM', 'MAXLEN', '~', max_len,
        epoch .. '-*', 'lasse', 'lost', 'of', lost)
    if not id then return false end
    redis.call('HSET', KEYS[2], 'lost', string.sub(recorded .. entry, -1024), 'hole', id)
    return id
end

-- The caller may know an event of an older epoch that the opened stream has lost. If so, and unless
-- that is recorded, returns the id of the entry that records it.
local function record_known_loss(max_len, opened, known_epoch, known_number)
    local epoch, first = opened[2], opened[4]
    if known_epoch == '0' or not greater(epoch, known_epoch) then return false end
    local newest = redis.call('XREVRANGE', KEYS[1], known_epoch .. '-18446744073709551615',
        known_epoch .. '-0', 'COUNT', 1)[1]
    local is_lost
    if newest then
        is_lost = greater(known_number, string.match(newest[1], '-(%d+)$'))
    else
        -- All of that epoch, unless it was trimmed.
        is_lost = first ~= '0-0' and not greater(string.match(first, '^(%d+)'), known_epoch)
    end
    if not is_lost then return false end
    local id = record_loss(max_len, epoch, known_epoch)
    return id ~= 0 and id
end
";

const PUBLISH_SOURCE: &str = "
local max_len, epoch, known_epoch, known_number = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local lifetime, result_lifetime, topic, most_topics, ending = ARGV[5], ARGV[6], ARGV[7], ARGV[8],
    ARGV[9]
local FIELDS = 10
if KEYS[5] then
    local done = redis.call('GET', KEYS[5])
    if done then return done end
end

local last
if epoch == '' then
    local opened = open(lifetime, known_epoch, known_number)
    if opened[1] ~= 'open' then return opened end
    if opened[5] ~= '' then return opened[5] end
    epoch, last = opened[2], opened[3]
    last = record_known_loss(max_len, opened, known_epoch, known_number) or last
elseif ending ~= '' then
    local before = redis.call('HGET', KEYS[2], 'ending')
    if before then return before end
    if redis.call('EXISTS', KEYS[1]) == 0 then return false end
    local info = redis.call('XINFO', 'STREAM', KEYS[1])
    for i = 1, #info, 2 do
        if info[i] == 'last-generated-id' then last = info[i + 1] end
    end
    if string.match(last, '^(%d+)-') ~= epoch then return false end
end

if ARGV[FIELDS] then
    last = redis.call('XADD', KEYS[1], 'NOMKSTREAM', 'MAXLEN', '~', max_len, epoch .. '-*',
        unpack(ARGV, FIELDS))
    if not last then return false end
end
if topic ~= '' then
    local added = redis.pcall('HSET', KEYS[3], topic, last)
    if type(added) == 'table' then
        -- The key is another program's. Without the hash, nothing is known of topics.
        redis.call('UNLINK', KEYS[3])
    elseif added == 1 then
        local count = redis.call('HLEN', KEYS[3])
        if count == 1 then
            redis.call('HSET', KEYS[3], '', last)
        elseif count > tonumber(most_topics) then
            redis.call('UNLINK', KEYS[4])
            redis.call('RENAME', KEYS[3], KEYS[4])
            redis.call('HSET', KEYS[3], '', last)
        end
    end
end
if KEYS[5] then redis.call('SET', KEYS[5], last, 'PX', result_lifetime) end
if ending ~= '' then
    redis.call('XADD', KEYS[1], epoch .. '-18446744073709551615', 'lasse', ending, 'after', last)
    redis.call('HSET', KEYS[2], 'ending', ending)
end
if lifetime ~= '' then
    prolong(lifetime)
    local at = ending ~= '' and epoch .. '-18446744073709551615' or last
    redis.call('SPUBLISH', KEYS[1], at)
end
return last
";
