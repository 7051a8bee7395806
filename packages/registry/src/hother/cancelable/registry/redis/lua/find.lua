-- ARGV: id. Replies with the fields of an operation.
return redis.call('HGETALL', key('op', ARGV[1]))
