-- ARGV: where a reader stands, '' for nowhere yet. Replies with where the feed stands, and 1 if that reader missed something.
local function greater(one, other)
  local a, b, c, d = string.match(one .. '|' .. other, '(%d+)-(%d+)|(%d+)-(%d+)')
  a, b, c, d = tonumber(a), tonumber(b), tonumber(c), tonumber(d)
  return a > c or (a == c and b > d)
end
local newest = redis.call('XREVRANGE', base .. 'events', '+', '-', 'COUNT', 1)
local last = newest[1] and newest[1][1] or '0-0'
local missed = 0
if ARGV[1] ~= '' and ARGV[1] ~= '0-0' then
  local oldest = redis.call('XRANGE', base .. 'events', '-', '+', 'COUNT', 1)
  if not oldest[1] or greater(oldest[1][1], ARGV[1]) or greater(ARGV[1], last) then missed = 1 end
end
return {last, missed}
