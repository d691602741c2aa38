// ioredis as a client of a cluster, of sentinels, or of any node, while the leader dies.
// usage: failover.js cluster|sentinel|plain PORT...      (see python/failover.py)
'use strict'

const Redis = require('ioredis')

const [kind, ...words] = process.argv.slice(2)
const ports = words.map(Number)
const WAIT_MS = 30000

function connect() {
  const nodes = ports.map((port) => ({ host: '127.0.0.1', port }))
  const options = { maxRetriesPerRequest: 3, commandTimeout: 8000 }
  if (kind === 'cluster') return new Redis.Cluster(nodes, { redisOptions: options, clusterRetryStrategy: () => 100 })
  if (kind === 'sentinel') return new Redis({ ...options, sentinels: nodes, name: 'flotilla', sentinelRetryStrategy: () => 100 })
  return new Redis({ ...options, ...nodes[0] })
}

const sleep = (ms) => new Promise((done) => setTimeout(done, ms))
const line = () => new Promise((done) => process.stdin.once('data', done))

async function main() {
  const client = connect()
  client.on('error', () => {})
  const acknowledged = new Map()
  for (let number = 0; number < 200; number++) {
    await client.set(`before:${number}`, String(number))
    acknowledged.set(`before:${number}`, String(number))
  }
  await Promise.all(Array.from({ length: 100 }, (_, number) => client.set(`piped:${number}`, String(number))))
  for (let number = 0; number < 100; number++) acknowledged.set(`piped:${number}`, String(number))
  // Another node leads, the old leader lives: what a client asks of it must bring the client to the new one.
  await client.xadd('stream', '1-0', 'field', 'value')
  await client.xgroup('CREATE', 'stream', 'group', '0')
  const transferred = line()
  console.log('transfer')
  await transferred
  const given = await client.xreadgroup('GROUP', 'group', 'consumer', 'BLOCK', 1000, 'STREAMS', 'stream', '>')
  if (given[0][1].length !== 1) throw new Error(`given ${JSON.stringify(given)}`)
  const read = await client.xread('BLOCK', 1000, 'STREAMS', 'stream', '0')
  if (read[0][1].length !== 1) throw new Error(`read ${JSON.stringify(read)}`)
  await client.watch('before:0')
  await client.unwatch()
  console.log('kill')
  await line()
  const began = Date.now()
  let first = null
  let errors = 0
  for (let number = 0; number < 200; ) {
    try {
      await client.set(`after:${number}`, String(number))
    } catch (error) {
      errors++
      if (Date.now() - began > WAIT_MS) throw error
      await sleep(50)
      continue
    }
    first ??= Date.now() - began
    acknowledged.set(`after:${number}`, String(number))
    number++
  }
  for (const [key, value] of acknowledged) {
    const found = await client.get(key)
    if (found !== value) throw new Error(`${key}: ${found}, not ${value}`)
  }
  console.log(`first write after ${first / 1000} s, ${errors} errors`)
  console.log('held')
  process.exit(0)
}

main().catch((error) => {
  console.error(error)
  process.exit(1)
})
