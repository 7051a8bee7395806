-- Read a part of a listing. ARGV: 1 'ops' or 'done', 2 'up' or 'down' in time, 3 score and 4 id to go on after ('' for
-- the beginning), 5 how many are wanted, 6 'count' or 'read', then filters ('' for none): 7 statuses, 8 part of the
-- name, 9 parent, 10 worker, 11 latest start, 12 cancelling, 13 lowest score.
-- Replies with where to go on ('', '' at the end), how many were found, and the operations.
local set, down, wanted = base .. ARGV[1], ARGV[2] == 'down', tonumber(ARGV[5])
local score, after = ARGV[3], ARGV[4]

local function statuses(text)
  local all = {}
  for each in string.gmatch(text, '%a+') do all[each] = true end
  return all
end
local allowed = statuses(ARGV[7])

local function matches(op)
  local status, name, parent, owner, started, requested =
    unpack(redis.call('HMGET', op, 'status', 'name', 'parent', 'owner', 'started', 'requested'))
  if not status then return false end
  local cancelling = (requested and not has_ended(status)) and '1' or '0'
  return (ARGV[7] == '' or allowed[status])
    and (ARGV[8] == '' or string.find(name or '', ARGV[8], 1, true))
    and (ARGV[9] == '' or parent == ARGV[9])
    and (ARGV[10] == '' or owner == ARGV[10])
    and (ARGV[11] == '' or (started and tonumber(started) <= tonumber(ARGV[11])))
    and (ARGV[12] == '' or cancelling == ARGV[12])
end

local function first_rank()
  if score == '' then return 0 end
  local known = redis.call('ZSCORE', set, after)
  if known and tonumber(known) == tonumber(score) then
    return redis.call(down and 'ZREVRANK' or 'ZRANK', set, after) + 1
  end
  if down then return redis.call('ZCOUNT', set, '(' .. score, '+inf') end
  return redis.call('ZCOUNT', set, '-inf', '(' .. score)
end

-- The order of the set is that of bytes; `<=` would be that of the server's locale.
local function at_most(one, other)
  for i = 1, math.min(#one, #other) do
    local a, b = string.byte(one, i), string.byte(other, i)
    if a ~= b then return a < b end
  end
  return #one <= #other
end

local function seen(id, its_score)
  if score == '' or tonumber(its_score) ~= tonumber(score) then return false end
  if down then return at_most(after, id) end
  return at_most(id, after)
end

local rank, scanned, found, reply = first_rank(), 0, 0, {'', '', 0}
while true do
  local chunk = redis.call(down and 'ZREVRANGE' or 'ZRANGE', set, rank, rank + 99, 'WITHSCORES')
  if #chunk == 0 then break end
  for i = 1, #chunk, 2 do
    local id, its_score = chunk[i], chunk[i + 1]
    if ARGV[13] ~= '' and tonumber(its_score) < tonumber(ARGV[13]) then
      reply[3] = found
      return reply
    end
    scanned = scanned + 1
    if not seen(id, its_score) and matches(key('op', id)) then
      found = found + 1
      if ARGV[6] == 'read' then reply[#reply + 1] = {id, redis.call('HGETALL', key('op', id))} end
    end
    if found >= wanted or scanned >= 2000 then
      if #redis.call('ZRANGE', set, rank + (i + 1) / 2, rank + (i + 1) / 2) > 0 then
        reply[1], reply[2] = its_score, id
      end
      reply[3] = found
      return reply
    end
  end
  rank = rank + #chunk / 2
end
reply[3] = found
return reply
