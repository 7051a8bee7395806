-- ARGV: worker, 'forget' or 'lose', ids that this worker holds no more, though it has not said how they ended.
local worker = ARGV[1]
for i = 3, #ARGV do
  local id = ARGV[i]
  if redis.call('SREM', key('owned', worker), id) == 1 and redis.call('HGET', key('op', id), 'owner') == worker then
    redis.call('SREM', key('pending', worker), id)
    if ARGV[2] == 'lose' then
      lose(worker, id)
      unlist(id)
    else
      unlist(id)
      redis.call('UNLINK', key('op', id))
    end
  end
end
return {'OK'}
