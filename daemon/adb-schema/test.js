import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import test from 'node:test'
import { ValidationError, defineSchema, published, timeKey } from './index.js'

const { schema, cases } = JSON.parse(readFileSync(new URL('./cases.json', import.meta.url)))

class MemoryDatabase {
  records = new Map()
  async list (path) {
    const prefix = path.join('\0') + '\0'
    const keys = [...this.records.keys()].filter(key => key.startsWith(prefix)).sort()
    return { records: keys.map(key => this.#record(key)), cursor: 'c' }
  }

  async get (path) { return this.#record(path.join('\0')) }
  async put (path, value) { this.records.set(path.join('\0'), value); return this.#record(path.join('\0')) }
  async delete (path) { this.records.delete(path.join('\0')) }

  #record (key) {
    if (!this.records.has(key)) throw new Error('Not found')
    return { key: key.split('\0').at(-1), path: `/${key.replaceAll('\0', '/')}`, value: this.records.get(key) }
  }
}

test('the verdicts are those of the shared cases', async () => {
  for (const { value, key, error } of cases) {
    const table = published(schema)(new MemoryDatabase())
    if (error) {
      await assert.rejects(table.put('k', value), { name: 'ValidationError', message: error })
    } else {
      const record = await table.create(value)
      assert.equal(record.key, key)
      assert.match(record.value.createdAt, /Z$/)
    }
  }
})

test('what does not fit goes the way the caller says', async () => {
  const db = new MemoryDatabase()
  const table = defineSchema('t', { jsonSchema: { type: 'object', properties: { a: { type: 'string' } } } })(db)
  await db.put(['t', 'bad'], { a: 1 })
  await db.put(['t', 'good'], { a: 'x' })
  const keys = async options => (await table.list(options)).records.map(({ key, valid }) => `${key} ${valid}`)
  assert.deepEqual(await keys(), ['bad false', 'good true'])
  assert.deepEqual(await keys({ onInvalid: 'prune' }), ['good true'])
  assert.deepEqual(await keys({ onInvalid: () => false }), ['good true'])
  assert.deepEqual(await keys({ onInvalid: () => true }), ['bad false', 'good true'])
  assert.deepEqual(await keys({ onInvalid: r => ({ key: `${r.key}!` }) }), ['bad! false', 'good true'])
  await assert.rejects(table.list({ onInvalid: 'throw' }), ValidationError)
  assert.equal((await table.list({})).cursor, 'c')
  assert.equal(await table.get('bad', { onInvalid: 'prune' }), undefined)
})

test('only what does not fit is pruned or asked about when writing', async () => {
  const db = new MemoryDatabase()
  const table = defineSchema('t', { jsonSchema: { type: 'object', properties: { a: { type: 'string' } } } })(db)
  const never = () => assert.fail('asked about a record that fits')
  assert.equal((await table.put('k', { a: 'x' }, { onInvalid: 'prune' })).key, 'k')
  assert.equal((await table.put('k', { a: 'y' }, { onInvalid: never })).value.a, 'y')
  assert.equal(await table.put('k', { a: 1 }, { onInvalid: 'prune' }), undefined)
  assert.equal((await table.get('k')).value.a, 'y')
  assert.equal((await table.put('k', { a: 1 }, { onInvalid: r => ({ value: { a: 'mended' } }) })).value.a, 'mended')
  assert.equal((await table.put('k', { a: 1 }, { onInvalid: 'ignore' })).value.a, 1)
})

test('keys come from the value or from the time', async () => {
  const table = defineSchema('t', { pkey: '/a/b~1c' })(new MemoryDatabase())
  assert.equal((await table.create({ a: { 'b/c': 5 } })).key, '5')
  await assert.rejects(table.create({}), { message: 'Unable to generate key, /a/b~1c found type undefined' })
  const auto = defineSchema('t')(new MemoryDatabase())
  const keys = []
  for (let i = 0; i < 20; i++) keys.push((await auto.create({})).key)
  assert.deepEqual(keys, [...keys].sort())
  assert.equal(new Set(keys).size, 20)
})

test('keys of the same time equal those of the original clients', () => {
  for (const [ms, key] of [
    [4294967547, 'ff00080000000000'],
    [1631000000000, 'ff080bddf967a828'],
    [1700000000000, 'ff080c5e7f2b3828'],
    [1795000000123, 'ff080d0f72b2ec00']
  ]) assert.equal(timeKey(ms), key)
})
