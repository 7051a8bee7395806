-- Write how running operations stand. Replies with requests to cancel that were made while their process was away.
for_each(function(id, score, fields)
  local old = stored(id)
  if not old then
    reply[#reply + 1] = {'TAKEN', id}
    return
  end
  local is_new = not mine[old.owner or ''] or has_ended(old.status)
  local is_back = not is_new and old.status == 'lost'
  if is_new or is_back or old.owner ~= worker then
    begin(id, old, is_new)
    redis.call('SADD', key('owned', worker), id)
    if is_new then old = {} end
  end
  local asked = not is_new and old.requested and not old.delivered and not fields.reason
  if asked and old.owner ~= worker then
    redis.call('SADD', key('pending', worker), id)
    reply[#reply + 1] = {'CANCEL', id, old.reason, old.message or '', old.origin or ''}
  end
  write(id, old, fields)
  redis.call('ZADD', base .. 'ops', 'NX', score, id)
  if is_new or is_back then publish('started', worker, id) end
  if fields.reason and fields.requested ~= old.requested then publish('cancel_requested', worker, id) end
  if fields.delivered and not old.delivered then publish('cancel_delivered', worker, id) end
  if fields.stuck and fields.stuck ~= old.stuck then publish('stuck', worker, id) end
  if fields.progress and fields.progress ~= old.progress then publish('progress', worker, id) end
end)
return reply
