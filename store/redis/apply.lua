-- One operation of store.Apply on the record KEYS[1], a hash of v (version), x (expires), s (schema), c (count), b (body).
-- Versions, counts and times stay text, because numbers of Lua cannot hold them; times all have 20 digits, so that they
-- compare as text. The first write of each way is one that Redis refuses when its memory is full, before anything is done.
local verb, now, given, version, expires, life, schema, body, delta = unpack(ARGV)
local stands, ends = unpack(redis.call('HMGET', KEYS[1], 'v', 'x'))
if ends and ends ~= '' and ends <= now then
  stands = false
end

if verb == 'insert' then
  if stands then return 'exists' end
elseif verb ~= 'add' then
  if not stands then return 'absent' end
  if stands ~= given then return 'version' end
end

if verb == 'check' then
  return given
elseif verb == 'delete' then
  redis.call('DEL', KEYS[1])
  return '0'
elseif verb == 'add' and stands then
  redis.call('HINCRBY', KEYS[1], 'c', delta)
  redis.call('HSET', KEYS[1], 'v', version)
else
  redis.call('HSET', KEYS[1], 'v', version, 'x', expires, 's', schema, 'c', delta, 'b', body)
  if life == '' then
    redis.call('PERSIST', KEYS[1])
  else
    redis.call('PEXPIRE', KEYS[1], life)
  end
end
return redis.call('HGET', KEYS[1], 'c')
