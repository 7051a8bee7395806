-- Replies with how many are listed, pending, lost and kept, and the counters.
return {
  redis.call('ZCARD', base .. 'ops'), redis.call('SCARD', base .. 'pending'), redis.call('SCARD', base .. 'lost'),
  redis.call('ZCARD', base .. 'done'), redis.call('HGETALL', base .. 'stats'),
}
