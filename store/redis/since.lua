-- Since when this server has forgotten nothing: a generation, which ends when the key is gone (a flush), when another
-- process answers (a restart, which may have brought back an older state; a replica that was promoted), and when Redis
-- has evicted anything. KEYS[1] is the generation, ARGV[1] the caller's time, 20 digits.
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
local evicted = string.match(redis.call('INFO', 'stats'), 'evicted_keys:(%d+)')
if not run or not evicted then
  return redis.error_reply('ERR INFO does not tell run_id and evicted_keys')
end
local witness = run .. ':' .. evicted
local known, since = unpack(redis.call('HMGET', KEYS[1], 'witness', 'since'))
if known == witness then
  return since
end
if not since or since < ARGV[1] then
  since = ARGV[1]
end
redis.call('HSET', KEYS[1], 'witness', witness, 'since', since)
return since
