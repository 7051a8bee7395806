-- ARGV: worker, history limit. What still runs is lost to the others, and its worker will not be back. 1 if there is more to do.
local worker = ARGV[1]
local ids = redis.call('SPOP', key('owned', worker), 500)
for _, id in ipairs(ids) do
  lose(worker, id)
  if redis.call('HGET', key('op', id), 'owner') == worker then unlist(id) end
end
trim(tonumber(ARGV[2]))
if #ids == 500 then return 1 end
if redis.call('ZREM', base .. 'workers', worker) == 1 then publish('worker_left', worker) end
redis.call('ZREM', base .. 'limits', worker)
redis.call('UNLINK', key('worker', worker), key('pending', worker), key('inbox', worker))
return 0
