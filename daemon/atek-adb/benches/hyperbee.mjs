// What the original stands on, on the same disk: Hyperbee over a hypercore in a folder.
// Usage: node hyperbee.mjs FOLDER NODE_MODULES_FOLDER RECORDS SECONDS; prints one line of JSON.
import { createRequire } from 'module'
import { join } from 'path'

const [folder, modules, records, seconds] = process.argv.slice(2)
const require = createRequire(join(modules, 'index.js'))
const Hyperbee = require('hyperbee')
const Hypercore = require('hypercore')

const core = new Hypercore(folder)
const bee = new Hyperbee(core, { keyEncoding: 'utf-8', valueEncoding: 'json' })
await bee.ready()

const key = n => `bench.example\0r\0${String(n).padStart(8, '0')}`
const value = n => ({ n, text: 'x'.repeat(100) })

async function rate (work, parallel = 1) {
  const end = Date.now() + Number(seconds) * 1000
  let count = 0
  const start = process.hrtime.bigint()
  await Promise.all(Array.from({ length: parallel }, async () => {
    while (Date.now() < end) { await work(count); count++ }
  }))
  return count / (Number(process.hrtime.bigint() - start) / 1e9)
}

const batch = bee.batch()
for (let n = 0; n < Number(records); n++) await batch.put(key(n), value(n))
await batch.flush()

const random = () => Math.floor(Math.random() * Number(records))
const out = {}
out.put1 = await rate(n => bee.put(key(random()), value(n)))
out.put32 = await rate(n => bee.put(key(random()), value(n)), 32)
out.get = await rate(() => bee.get(key(random())), 32)
out.list = await rate(async () => {
  const from = Math.floor(Math.random() * (Number(records) - 100))
  let seen = 0
  for await (const _ of bee.createReadStream({ gte: key(from), limit: 100 })) seen++
  if (seen !== 100) throw new Error(`listed ${seen}`)
})
out.diff = await rate(async () => {
  for await (const _ of bee.createDiffStream(bee.version - 100)) { /* read it */ }
})
console.log(JSON.stringify(out))
process.exit(0)
