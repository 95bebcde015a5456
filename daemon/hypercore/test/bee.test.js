import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import Corestore from 'corestore'
import Hyperbee from 'hyperbee'
import messages from 'hyperbee/lib/messages.js'
import { BeeReader } from '../src/bee.js'

const ENCODING = { keyEncoding: 'utf-8', valueEncoding: 'json' }

function storeOf (t) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'atek-bee-'))
  const store = new Corestore(folder)
  t.after(async () => { await store.close(); fs.rmSync(folder, { recursive: true, force: true }) })
  return store
}

/** Exchanges what two stores know, until `end`. */
function connect (one, two) {
  const [a, b] = [one.replicate(true), two.replicate(false)]
  for (const stream of [a, b]) stream.on('error', () => {})
  a.pipe(b).pipe(a)
  return async () => {
    const closed = [a, b].map(stream => new Promise(resolve => stream.once('close', resolve)))
    a.destroy()
    b.destroy()
    await Promise.all(closed)
  }
}

test('what is here of a log is read at once, also when its writer went as it said that there is more', async t => {
  const [theirs, ours] = [storeOf(t), storeOf(t)]
  const bee = new Hyperbee(theirs.get({ name: 'log' }), ENCODING)
  await bee.ready()
  for (let n = 0; n < 10; n++) await bee.put(`r/${n}`, n)
  const core = ours.get({ key: bee.core.key })
  await core.ready()
  let end = connect(theirs, ours)
  await core.update({ wait: true })
  await core.download({ start: 0, end: core.length }).done()
  await end()
  const here = core.length
  await bee.put('r/more', 10)
  end = connect(theirs, ours)
  // A new length comes with its signature, before any block of it.
  while (core.length === here) await core.update({ wait: true })
  await end()
  assert.equal(await core.has(here), false)

  const reader = new BeeReader(core.session(), ENCODING, { wait: 1000 })
  t.after(() => reader.close())
  const begin = performance.now()
  const found = []
  for await (const { key } of reader.history({ gte: 1, lt: here })) found.push(key)
  assert.deepEqual(found, Array.from({ length: 10 }, (_, n) => `r/${n}`))
  assert.equal((await reader.get(here, 'r/3')).value, 3)
  const all = []
  for await (const { key } of reader.entries(here, { gte: 'r/', lt: 'r0' })) all.push(key)
  assert.equal(all.length, 10)
  assert.ok(performance.now() - begin < 500, 'a block that is not needed was waited for')
})

test('a block whose tree cannot be read is said to be damaged, whatever its bytes are', async t => {
  const store = storeOf(t)
  const bee = new Hyperbee(store.get({ name: 'header' }), ENCODING)
  await bee.ready()
  await bee.put('first', 1)
  const header = await bee.core.get(0, { valueEncoding: 'binary' })
  // A wire type that there is none of, a length beyond the end, a number that never ends.
  for (const [name, index] of [['type', [0x0f]], ['length', [0x0a, 0x7f]], ['number', Array(12).fill(0xff)]]) {
    const core = store.get({ name })
    await core.append([header, messages.Node.encode({ key: Buffer.from('a'), value: Buffer.from('1'), index: Buffer.from(index) })])
    const reader = new BeeReader(core.session(), ENCODING, { writer: 'b0b' })
    const read = async () => { for await (const entry of reader.entries(2, {})) assert.fail(entry.key) }
    await assert.rejects(read(), error => /block 1 is damaged, or made to mislead/.test(error.message) && error.writer === 'b0b', name)
    await reader.close()
  }
})
