-- Replies with the time and one row for each worker: id, end of its lease, how many operations it has, its fields.
local reply = {seconds(now)}
for _, name in ipairs({'workers', 'reaping', 'gone'}) do
  for _, worker in ipairs(redis.call('ZRANGE', base .. name, 0, -1)) do
    local deadline = name == 'workers' and redis.call('ZSCORE', base .. name, worker) or '0'
    local held = redis.call('SCARD', key('owned', worker))
    reply[#reply + 1] = {worker, deadline, held, redis.call('HGETALL', key('worker', worker))}
  end
end
return reply
