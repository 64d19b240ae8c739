"""The Lua that keeps limits, breakers and budgets exact across processes.

A script runs alone, so what it checks still holds when it takes. Time is the server's own, in microseconds, the same
for everybody. All keys share one hash tag, so a cluster keeps them on one node.
"""

from __future__ import annotations

PREFIX = "{mlc}:"

_NOW = "local t = redis.call('TIME') local now = t[1] * 1000000 + t[2]\n"

# A sliding window is a sorted set of ids by time; amounts other than 1 stand in a hash, their sum in a key of its own.
_WINDOW = """
local MINUTE = 60000000
local function expire(key, weighed)
  local gone = redis.call('ZRANGEBYSCORE', key, '-inf', now - MINUTE)
  for _, id in ipairs(gone) do
    redis.call('ZREM', key, id)
    if weighed then
      local amount = redis.call('HGET', key .. ':amount', id)
      if amount then
        redis.call('DECRBY', key .. ':sum', amount)
        redis.call('HDEL', key .. ':amount', id)
      end
    end
  end
end
local function used(key, weighed)
  expire(key, weighed)
  if weighed then return tonumber(redis.call('GET', key .. ':sum') or '0') end
  return redis.call('ZCARD', key)
end
local function window_wait(key, weighed, amount, limit)
  if amount > limit then return math.huge end
  local excess = used(key, weighed) + amount - limit
  if excess <= 0 then return 0 end
  local log = redis.call('ZRANGE', key, 0, 9999, 'WITHSCORES')
  for i = 1, #log, 2 do
    excess = excess - (weighed and tonumber(redis.call('HGET', key .. ':amount', log[i]) or '0') or 1)
    if excess <= 0 then return math.max(1000, log[i + 1] + MINUTE - now) end
  end
  return MINUTE
end
local function bucket_spent(key, limit)
  local state = redis.call('HMGET', key, 'spent', 'at')
  local spent, at = tonumber(state[1] or '0'), tonumber(state[2] or '0')
  return math.max(0, spent - (now - at) * limit / MINUTE)
end
local function bucket_wait(key, amount, limit)
  if amount > limit then return math.huge end
  local missing = bucket_spent(key, limit) + amount - limit
  if missing <= 0.000001 then return 0 end
  return math.max(1000, missing * MINUTE / limit)
end
local function wait_for(key, algorithm, weighed, amount, limit)
  if limit < 0 then return 0 end
  if algorithm == 'token_bucket' then return bucket_wait(key .. ':bucket', amount, limit) end
  return window_wait(key, weighed, amount, limit)
end
local function capped(tokens, limit)
  if limit < 0 then return tokens end
  return math.min(tokens, limit)
end
local function take(key, algorithm, weighed, id, amount, limit)
  if limit < 0 then return end
  if algorithm == 'token_bucket' then
    redis.call('HSET', key .. ':bucket', 'spent', bucket_spent(key .. ':bucket', limit) + amount, 'at', now)
    redis.call('PEXPIRE', key .. ':bucket', 120000)
    return
  end
  redis.call('ZADD', key, now, id)
  redis.call('PEXPIRE', key, 120000)
  if weighed then
    redis.call('HSET', key .. ':amount', id, amount)
    redis.call('INCRBY', key .. ':sum', amount)
    redis.call('PEXPIRE', key .. ':amount', 120000)
    redis.call('PEXPIRE', key .. ':sum', 120000)
  end
end
local function correct(key, algorithm, weighed, id, old, new, limit)
  if limit < 0 or old == new then return end
  if algorithm == 'token_bucket' then
    local spent = math.max(0, bucket_spent(key .. ':bucket', limit) + new - old)
    redis.call('HSET', key .. ':bucket', 'spent', spent, 'at', now)
    redis.call('PEXPIRE', key .. ':bucket', 120000)
  elseif not weighed then
    if new == 0 then redis.call('ZREM', key, id) end
  elseif redis.call('HEXISTS', key .. ':amount', id) == 1 then
    redis.call('HSET', key .. ':amount', id, new)
    redis.call('INCRBY', key .. ':sum', new - old)
  end
end
"""

# KEYS: one per level. ARGV: id, tokens, lease (us), then concurrency, rpm, tpm (-1: none), algorithm of each level.
# Returns {1} when taken, else {0, wait in us or -1, indices of the levels that refuse...}.
TAKE = (
    _NOW
    + _WINDOW
    + """
local id, tokens, lease = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local answer, wait = {0, -1}, -1
for i, key in ipairs(KEYS) do
  local at = 4 + (i - 1) * 4
  local places, rpm, tpm, algorithm = tonumber(ARGV[at]), tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), ARGV[at + 3]
  redis.call('ZREMRANGEBYSCORE', key .. ':active', '-inf', now)
  local full = places >= 0 and redis.call('ZCARD', key .. ':active') >= places
  local rate = math.max(wait_for(key .. ':requests', algorithm, false, 1, rpm),
                        wait_for(key .. ':tokens', algorithm, true, capped(tokens, tpm), tpm))
  if full or rate > 0 then answer[#answer + 1] = i end
  if rate > 0 then wait = math.max(wait, math.min(rate, 3600000000)) end
end
if #answer > 2 then
  answer[2] = math.ceil(wait)
  return answer
end
for i, key in ipairs(KEYS) do
  local at = 4 + (i - 1) * 4
  redis.call('ZADD', key .. ':active', now + lease, id)
  redis.call('PEXPIRE', key .. ':active', math.ceil(lease / 500))
  take(key .. ':requests', ARGV[at + 3], false, id, 1, tonumber(ARGV[at + 1]))
  local tpm = tonumber(ARGV[at + 2])
  take(key .. ':tokens', ARGV[at + 3], true, id, capped(tokens, tpm), tpm)
end
return {1}
"""
)

# KEYS: one per level. ARGV: id, reserved tokens, tokens used, 1 if the call was made, then rpm, tpm, algorithm of each.
SETTLE = (
    _NOW
    + _WINDOW
    + """
local id, reserved, tokens, made = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4] == '1'
for i, key in ipairs(KEYS) do
  local at = 5 + (i - 1) * 3
  redis.call('ZREM', key .. ':active', id)
  correct(key .. ':requests', ARGV[at + 2], false, id, 1, made and 1 or 0, tonumber(ARGV[at]))
  local tpm = tonumber(ARGV[at + 1])
  correct(key .. ':tokens', ARGV[at + 2], true, id, capped(reserved, tpm), made and tokens or 0, tpm)
end
"""
)

# KEYS: level keys, each with the id in ARGV at the same index; ARGV[#KEYS + 1] is the lease.
RENEW = (
    _NOW
    + """
local lease = tonumber(ARGV[#KEYS + 1])
for i, key in ipairs(KEYS) do
  if redis.call('ZSCORE', key .. ':active', ARGV[i]) then
    redis.call('ZADD', key .. ':active', now + lease, ARGV[i])
    redis.call('PEXPIRE', key .. ':active', math.ceil(lease / 500))
  end
end
"""
)

# KEYS: one per level. ARGV: rpm, tpm, algorithm of each. Returns active, requests, tokens of each, flat.
COUNT = (
    _NOW
    + _WINDOW
    + """
local answer = {}
local function count(key, algorithm, weighed, limit)
  if limit < 0 then return 0 end
  if algorithm == 'token_bucket' then return math.ceil(bucket_spent(key .. ':bucket', limit)) end
  return used(key, weighed)
end
for i, key in ipairs(KEYS) do
  local at = 1 + (i - 1) * 3
  redis.call('ZREMRANGEBYSCORE', key .. ':active', '-inf', now)
  answer[#answer + 1] = redis.call('ZCARD', key .. ':active')
  answer[#answer + 1] = count(key .. ':requests', ARGV[at + 2], false, tonumber(ARGV[at]))
  answer[#answer + 1] = count(key .. ':tokens', ARGV[at + 2], true, tonumber(ARGV[at + 1]))
end
return answer
"""
)

_BREAKER = (
    _NOW
    + """
local key, probes = KEYS[1], KEYS[1] .. ':probes'
local threshold, recovery, allowed = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local got = redis.call('HMGET', key, 'state', 'failures', 'epoch', 'opened')
local state, failures = got[1] or 'closed', tonumber(got[2] or '0')
local epoch, opened = tonumber(got[3] or '0'), tonumber(got[4] or '0')
redis.call('ZREMRANGEBYSCORE', probes, '-inf', now)
local function enter(new)
  state, epoch = new, epoch + 1
  redis.call('DEL', probes)
end
local function store()
  redis.call('HSET', key, 'state', state, 'failures', failures, 'epoch', epoch, 'opened', opened)
  redis.call('PEXPIRE', key, 86400000)
end
local function seen(admitted, probe)
  local shown, left = state, 0
  if state == 'open' then left = math.max(0, recovery - (now - opened)) end
  if state == 'open' and left == 0 then shown = 'half_open' end
  return {admitted, epoch, probe, shown, failures, left, redis.call('ZCARD', probes)}
end
"""
)

# ARGV after the settings: the probe's id and its lease in us.
BREAKER_ADMIT = (
    _BREAKER
    + """
if state == 'closed' then return seen(1, 0) end
if state == 'open' then
  if now - opened < recovery then return seen(0, 0) end
  enter('half_open')
  store()
end
if redis.call('ZCARD', probes) >= allowed then return seen(0, 0) end
redis.call('ZADD', probes, now + tonumber(ARGV[5]), ARGV[4])
redis.call('PEXPIRE', probes, math.ceil(tonumber(ARGV[5]) / 500))
return seen(1, 1)
"""
)

# ARGV after the settings: the probe's id or '', the permit's epoch, the outcome.
BREAKER_REPORT = (
    _BREAKER
    + """
if tonumber(ARGV[5]) ~= epoch then return seen(0, 0) end
redis.call('ZREM', probes, ARGV[4])
if ARGV[6] == 'success' then
  if state == 'half_open' then enter('closed') end
  if failures > 0 or state ~= got[1] then failures = 0 store() end
elseif ARGV[6] == 'failure' then
  failures = failures + 1
  if state == 'half_open' or failures >= threshold then
    enter('open')
    opened = now
  end
  store()
end
return seen(0, 0)
"""
)

# ARGV after the settings: 'open', 'closed' or '' to look only.
BREAKER_SET = (
    _BREAKER
    + """
if ARGV[4] ~= '' then
  enter(ARGV[4])
  if ARGV[4] == 'open' then opened = now else failures = 0 end
  store()
end
return seen(0, 0)
"""
)

# KEYS: allowances. ARGV: amount, seconds to keep, then the limit of each. Returns 0, or the index of the one too small,
# and what each has spent.
BOOK = """
local amount, keep = tonumber(ARGV[1]), tonumber(ARGV[2])
local answer = {0}
for i, key in ipairs(KEYS) do
  answer[i + 1] = tonumber(redis.call('GET', key) or '0')
  if answer[1] == 0 and answer[i + 1] + amount > tonumber(ARGV[2 + i]) then answer[1] = i end
end
if answer[1] == 0 then
  for i, key in ipairs(KEYS) do
    answer[i + 1] = redis.call('INCRBY', key, amount)
    redis.call('EXPIRE', key, keep)
  end
end
return answer
"""
