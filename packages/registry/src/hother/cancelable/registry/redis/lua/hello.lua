-- ARGV: worker, lease in seconds, history limit, then fields of its row.
local worker = ARGV[1]
if redis.call('ZADD', base .. 'workers', seconds(now + tonumber(ARGV[2])), worker) == 1 then
  redis.call('HSET', key('worker', worker), 'started', seconds(now), 'beat', seconds(now), unpack(ARGV, 4))
  redis.call('ZADD', base .. 'limits', ARGV[3], worker)
  publish('worker_up', worker)
end
return {'OK'}
