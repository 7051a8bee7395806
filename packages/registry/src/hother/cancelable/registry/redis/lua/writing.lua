-- What PUT and FINISH share: ARGV is worker, earlier ids of the same process, history limit, then the operations.
local worker, limit = ARGV[1], tonumber(ARGV[3])
if not redis.call('ZSCORE', base .. 'workers', worker) then return {'GONE'} end

local mine = {[worker] = true}
for each in string.gmatch(ARGV[2], '%S+') do mine[each] = true end
local reply = {'OK'}

-- What is stored of an operation; nil where another process has its id and holds it.
local function stored(id)
  local names = {'owner', 'status', 'started', 'requested', 'delivered', 'reason', 'message', 'origin', 'stuck', 'progress'}
  local old = {}
  for i, value in ipairs(redis.call('HMGET', key('op', id), unpack(names))) do old[names[i]] = value end
  if old.owner and not mine[old.owner] and not has_ended(old.status) and old.status ~= 'lost'
     and holds_lease(old.owner) then
    return nil
  end
  return old
end

-- Make room for a new operation, or take one over from an earlier incarnation; true if it is new.
local function begin(id, old, is_new)
  if old.owner then
    redis.call('SREM', key('owned', old.owner), id)
    redis.call('SREM', key('pending', old.owner), id)
    if is_new or old.status == 'lost' then unarchive(id, old.status) end
    if not is_new and old.status == 'lost' then count('ended:lost', -1) end
  end
  if is_new then
    redis.call('UNLINK', key('op', id))
    count('started', 1)
  end
end

-- Write the fields. A request from elsewhere keeps its time where it is the one that has won.
local function write(id, old, fields)
  local op = key('op', id)
  if fields.reason then
    if old.requested and old.reason == fields.reason and (old.message or '') == (fields.message or '') then
      fields.requested = old.requested
      fields.origin = old.origin or fields.origin
    end
    redis.call('HDEL', op, 'reason', 'message', 'origin', 'requested', 'delivered')
  end
  local flat = {'owner', worker}
  for name, value in pairs(fields) do
    flat[#flat + 1] = name
    flat[#flat + 1] = value
  end
  redis.call('HSET', op, unpack(flat))
  sort_in(id, fields.status)
end

-- Call `each(id, score, fields)` for every operation that was given.
local function for_each(each)
  local i = 4
  while i <= #ARGV do
    local id, score, last, fields = ARGV[i], ARGV[i + 1], i + 2 + 2 * tonumber(ARGV[i + 2]), {}
    for j = i + 3, last, 2 do fields[ARGV[j]] = ARGV[j + 1] end
    each(id, score, fields)
    i = last + 1
  end
end
