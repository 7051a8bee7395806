-- ARGV: worker, lease in seconds, loop lag. Replies with the requests to cancel that were not acknowledged yet.
local worker = ARGV[1]
if not redis.call('ZSCORE', base .. 'workers', worker) then return {'GONE'} end
redis.call('ZADD', base .. 'workers', 'XX', seconds(now + tonumber(ARGV[2])), worker)
redis.call('HSET', key('worker', worker), 'beat', seconds(now), 'lag', ARGV[3])
local reply = {'OK'}
for _, id in ipairs(redis.call('SMEMBERS', key('pending', worker))) do
  local request = redis.call('HMGET', key('op', id), 'owner', 'reason', 'message', 'origin')
  if request[1] == worker and request[2] then
    reply[#reply + 1] = {'CANCEL', id, request[2], request[3] or '', request[4] or ''}
  else
    redis.call('SREM', key('pending', worker), id)
  end
  if #reply > 500 then break end
end
return reply
