-- ARGV: id, whether somebody waits for the end, then the fields of the request. Replies with a state and the operation.
local id = ARGV[1]
local op = key('op', id)
local old = redis.call('HMGET', op, 'owner', 'status', 'requested', 'delivered')
local owner, status = old[1], old[2]
if not owner then return {'not_found'} end
if has_ended(status) then return {'ended', redis.call('HGETALL', op)} end
local state = old[3] and 'already_requested' or 'requested'
if ARGV[2] == '1' then redis.call('HSET', op, 'awaited', '1') end
if state == 'requested' then
  redis.call('HSET', op, 'requested', seconds(now), unpack(ARGV, 3))
  publish('cancel_requested', owner, id)
end
if status ~= 'lost' and not old[4] then
  local inbox, request = key('inbox', owner), redis.call('HMGET', op, 'reason', 'message', 'origin')
  redis.call('SADD', key('pending', owner), id)
  redis.call('XADD', inbox, 'MAXLEN', '~', 1000, '*',
             'id', id, 'reason', request[1], 'message', request[2] or '', 'origin', request[3] or '')
  redis.call('PEXPIRE', inbox, 600000)
end
return {state, redis.call('HGETALL', op)}
