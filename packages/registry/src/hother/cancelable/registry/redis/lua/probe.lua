-- Write something and remove it again: whether that is allowed.
redis.call('HSET', base .. 'probe', 'at', seconds(now))
return redis.call('UNLINK', base .. 'probe')
