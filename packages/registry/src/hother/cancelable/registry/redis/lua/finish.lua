-- Write how operations have ended; also of those that were never listed, since they ended too soon for that.
for_each(function(id, score, fields)
  local old = stored(id)
  if not old then
    reply[#reply + 1] = {'TAKEN', id}
    return
  end
  local is_mine = mine[old.owner or '']
  if is_mine and has_ended(old.status) and old.started == fields.started then return end  -- written before
  local is_new = not is_mine or has_ended(old.status)
  begin(id, old, is_new)
  if is_new then old = {} end
  write(id, old, fields)
  unlist(id)
  if is_new then publish('started', worker, id) end
  if fields.reason and fields.requested ~= old.requested then publish('cancel_requested', worker, id) end
  if fields.delivered and not old.delivered then publish('cancel_delivered', worker, id) end
  local ended = tonumber(fields.ended)
  archive(id, fields.status, ended)
  if fields.started then observe('duration', ended - tonumber(fields.started)) end
  if fields.status == 'cancelled' and fields.reason then count('reason:' .. fields.reason, 1) end
  if fields.requested and fields.delivered then
    observe('delivery', tonumber(fields.delivered) - tonumber(fields.requested))
    observe('unwind', ended - tonumber(fields.delivered))
  end
  publish('finished', worker, id)
  awaited(id)
end)
trim(limit)
return reply
