-- What all scripts share. KEYS[1] is the prefix of the namespace; times are seconds on this server's clock.
local base = KEYS[1]
local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1000000

local function seconds(number)
  return string.format('%.6f', number)
end

local function key(kind, id)
  return base .. kind .. ':' .. id
end

local function has_ended(status)
  return status == 'completed' or status == 'cancelled' or status == 'failed'
end

local function holds_lease(worker)
  local deadline = redis.call('ZSCORE', base .. 'workers', worker)
  return deadline and tonumber(deadline) >= now
end

-- A started event shows the operation as it was entered, even where its end is written in the same breath.
local later = {ended = true, error = true, reason = true, message = true, origin = true, requested = true,
               delivered = true, progress = true, stuck = true}

local function publish(kind, worker, id)
  local entry = {'kind', kind, 'time', seconds(now), 'worker', worker}
  if id then
    entry[#entry + 1] = 'id'
    entry[#entry + 1] = id
    local fields = redis.call('HGETALL', key('op', id))
    for i = 1, #fields, 2 do
      local name, value = fields[i], fields[i + 1]
      if name == 'status' and kind == 'started' and has_ended(value) then value = 'running' end
      if name ~= 'metadata' and name ~= 'awaited' and not (kind == 'started' and later[name]) then
        entry[#entry + 1] = name
        entry[#entry + 1] = value
      end
    end
  end
  redis.call('XADD', base .. 'events', 'MAXLEN', '~', 10000, '*', unpack(entry))
end

local function count(field, step)
  redis.call('HINCRBY', base .. 'stats', field, step)
end

local function observe(field, value)
  value = math.max(value, 0)
  count(field .. ':count', 1)
  redis.call('HINCRBYFLOAT', base .. 'stats', field .. ':sum', seconds(value))
  local greatest = redis.call('HGET', base .. 'stats', field .. ':max')
  if not greatest or value > tonumber(greatest) then
    redis.call('HSET', base .. 'stats', field .. ':max', seconds(value))
  end
end

-- The sets tell how many of those listed are pending or lost; all others run.
local function sort_in(id, status)
  for _, each in ipairs({'pending', 'lost'}) do
    redis.call(status == each and 'SADD' or 'SREM', base .. each, id)
  end
end

local function unlist(id)
  redis.call('ZREM', base .. 'ops', id)
  redis.call('SREM', base .. 'pending', id)
  redis.call('SREM', base .. 'lost', id)
end

local function archive(id, status, ended)
  redis.call('ZADD', base .. 'done', string.format('%.3f', ended * 1000), id)
  count('ended:' .. status, 1)
  count('kept:' .. status, 1)
end

local function unarchive(id, status)
  if redis.call('ZREM', base .. 'done', id) == 1 then
    count('kept:' .. status, -1)
  end
end

-- Of the limits of those that take part, and of who asks, the greatest holds.
local function trim(limit)
  local greatest = redis.call('ZREVRANGE', base .. 'limits', 0, 0, 'WITHSCORES')[2]
  limit = math.max(limit, tonumber(greatest or 0))
  local excess = redis.call('ZCARD', base .. 'done') - limit
  if excess > 0 then
    local oldest = redis.call('ZPOPMIN', base .. 'done', math.min(excess, 500))
    for i = 1, #oldest, 2 do
      local id = oldest[i]
      local status = redis.call('HGET', key('op', id), 'status')
      if status then count('kept:' .. status, -1) end
      unlist(id)
      redis.call('UNLINK', key('op', id))
    end
  end
end

local function awaited(id)
  if redis.call('HGET', key('op', id), 'awaited') then
    redis.call('XADD', key('end', id), 'MAXLEN', '~', 10, '*', 'at', seconds(now))
    redis.call('PEXPIRE', key('end', id), 60000)
  end
end

local function lose(worker, id)
  local op = key('op', id)
  local known = redis.call('HMGET', op, 'owner', 'status')
  if known[1] ~= worker or not (known[2] == 'running' or known[2] == 'pending') then return end
  redis.call('HSET', op, 'status', 'lost')
  sort_in(id, 'lost')
  archive(id, 'lost', now)
  publish('lost', worker, id)
  awaited(id)
end
