-- ARGV: where a reader stands, '' for nowhere yet. Replies with where the feed stands, and 1 if that reader missed something.
local function parts(id)
  local time, number = string.match(id, '(%d+)-?(%d*)')
  return tonumber(time), tonumber(number) or 0
end
local function greater(one, other)
  local a, b = parts(one)
  local c, d = parts(other)
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
