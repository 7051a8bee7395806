-- ARGV: worker, ids whose request to cancel has arrived.
return redis.call('SREM', key('pending', ARGV[1]), unpack(ARGV, 2))
