-- ARGV: for how many seconds lost workers and their operations stay listed, history limit. 1 if there is more to do.
local more = 0
for _, worker in ipairs(redis.call('ZRANGEBYSCORE', base .. 'workers', '-inf', '(' .. seconds(now), 'LIMIT', 0, 4)) do
  redis.call('ZREM', base .. 'workers', worker)
  redis.call('ZREM', base .. 'limits', worker)
  redis.call('ZADD', base .. 'reaping', seconds(now), worker)
  redis.call('UNLINK', key('pending', worker), key('inbox', worker))
  publish('worker_lost', worker)
  more = 1
end
for _, worker in ipairs(redis.call('ZRANGE', base .. 'reaping', 0, 3)) do
  more = 1
  local ids = redis.call('SPOP', key('owned', worker), 500)
  for _, id in ipairs(ids) do
    lose(worker, id)
    redis.call('SADD', key('lost', worker), id)
  end
  if #ids == 0 then
    redis.call('ZADD', base .. 'gone', redis.call('ZSCORE', base .. 'reaping', worker), worker)
    redis.call('ZREM', base .. 'reaping', worker)
  end
end
local old = seconds(now - tonumber(ARGV[1]))
for _, worker in ipairs(redis.call('ZRANGEBYSCORE', base .. 'gone', '-inf', old, 'LIMIT', 0, 4)) do
  more = 1
  local ids = redis.call('SPOP', key('lost', worker), 500)
  for _, id in ipairs(ids) do
    local known = redis.call('HMGET', key('op', id), 'owner', 'status')
    if known[1] == worker and known[2] == 'lost' then unlist(id) end
  end
  if #ids == 0 then
    redis.call('ZREM', base .. 'gone', worker)
    redis.call('UNLINK', key('worker', worker))
  end
end
trim(tonumber(ARGV[2]))
return more
