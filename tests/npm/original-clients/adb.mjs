// The original's clients, unmodified, against a bare ADB.
// Usage: node adb.mjs SOCKET
// A forwarder stands for the host: it names the caller by the bearer token, "USER/SERVICE".
import assert from 'node:assert/strict'
import http from 'node:http'

const [socketPath] = process.argv.slice(2)

const forwarder = http.createServer((request, response) => {
  const [user, service] = request.headers.authorization.replace('Bearer ', '').split('/')
  const forwarded = http.request({
    socketPath,
    path: '/_api/adb',
    method: request.method,
    headers: { 'Content-Type': request.headers['content-type'], 'Atek-Auth-User': user, 'Atek-Auth-Service': service }
  }, answer => {
    response.writeHead(answer.statusCode, answer.headers)
    answer.pipe(response)
  })
  request.pipe(forwarded)
})
await new Promise(resolve => forwarder.listen(0, resolve))
process.env.ATEK_HOST_PORT = forwarder.address().port
// They read the port when they are imported.
const { default: adb, defineSchema } = await import('@atek-cloud/adb-api')
const tables = await import('@atek-cloud/adb-tables')

const as = who => adb.api.$setAuthHeader(`Bearer ${who}`)

const steps = {
  async 'the host makes and finds the server database' () {
    as('system/system')
    await adb.api.init({ serverDbId: '' })
    const { serverDbId } = await adb.api.getConfig()
    assert.match(serverDbId, /^[0-9a-f]{64}$/)
    const desc = await adb.db(serverDbId).describe()
    assert.deepEqual(desc, { dbId: serverDbId, writable: true, isServerDb: true, owner: { userKey: 'system', serviceKey: 'system' }, access: 'private' })
  },

  async 'the table package works on the server database' () {
    const server = adb.db((await adb.api.getConfig()).serverDbId)
    const user = await tables.users(server).create({ username: 'alice', hashedPassword: 'h', role: 'admin' })
    assert.match(user.key, /^[0-9a-f]{16}/)
    const got = await tables.users(server).get(user.key)
    assert.equal(got.valid, true)
    assert.equal(got.value.username, 'alice')
    await assert.rejects(tables.users(server).create({ username: 'a' }), /must/)
    const db = adb.db('listed', {})
    await db.isReady
    const { records } = await tables.databases(server).list()
    assert.equal(records.find(r => r.key === db.dbId).value.alias, 'listed')
    assert.ok(records.every(r => r.valid))
  },

  async 'records are created, read, listed, replaced and deleted' () {
    as('bob/notes')
    const db = adb.db({})
    await db.isReady
    const table = defineSchema('example.com/test', {
      pkey: '/id',
      jsonSchema: {
        type: 'object',
        properties: { id: { type: 'string' }, flag: { type: 'boolean' }, createdAt: { type: 'string', format: 'date-time' } },
        required: ['id', 'createdAt']
      }
    })(db)
    for (let i = 0; i < 10; i++) await table.create({ id: `record${i}`, flag: i % 2 === 0 })
    const { records } = await table.list()
    assert.deepEqual(records.map(r => r.key), Array.from({ length: 10 }, (_, i) => `record${i}`))
    for (const [i, record] of records.entries()) {
      assert.equal(record.seq, i + 1)
      assert.equal(record.path, `/example.com/test/record${i}`)
      assert.equal(record.url, `hyper://${db.dbId}${record.path}`)
      assert.equal(typeof record.value.createdAt, 'string')
    }
    const some = await table.list({ gt: 'record3', lte: 'record6', reverse: true, limit: 2 })
    assert.deepEqual(some.records.map(r => r.key), ['record6', 'record5'])
    await table.put('record0', { ...records[0].value, flag: false })
    assert.equal((await table.get('record0')).value.flag, false)
    await table.delete('record0')
    await assert.rejects(table.get('record0'), { code: -32003, message: 'Not found: example.com,test,record0' })
  },

  async 'validation is the client\'s, with its options' () {
    const db = adb.db('valid', { access: 'private' })
    const table = defineSchema(['v'], { pkey: ['/a', '/b'], jsonSchema: { type: 'object', properties: { a: { type: 'string' }, b: { type: 'number' } }, required: ['a'] } })(db)
    assert.equal((await table.create({ a: 'x', b: 1 })).key, 'x,1')
    await db.put(['v', 'bad'], { a: 3 })
    assert.deepEqual((await table.list()).records.map(r => r.valid), [false, true])
    assert.equal((await table.list({ onInvalid: 'prune' })).records.length, 1)
    await assert.rejects(table.list({ onInvalid: 'throw' }), /must be string/)
    await assert.rejects(table.put('k', { a: 1 }), /\/a must be string/)
    const patched = await table.get('bad', { onInvalid: r => ({ ...r, value: { a: 'mended' } }) })
    assert.equal(patched.value.a, 'mended')
    const auto = defineSchema('auto')(db)
    const first = await auto.create({ n: 1 })
    const second = await auto.create({ n: 2 })
    assert.ok(first.key < second.key)
  },

  async 'aliases, configuration and lists belong to the calling service' () {
    const config = await adb.api.dbGetConfig('valid')
    assert.deepEqual(config, { alias: 'valid', access: 'private' })
    const mine = await adb.api.dbList()
    assert.equal(mine.length, 2)
    as('bob/other')
    assert.deepEqual(await adb.api.dbList(), [])
    await assert.rejects(adb.api.dbGetConfig('valid'), { message: 'Invalid database ID: valid' })
    const id = mine.find(db => db.alias === 'valid').dbId
    await assert.rejects(adb.api.recordGet(id, 'v/bad'), { message: `Not authorized to access ${id}` })
    assert.deepEqual(await adb.api.adminListDbsByOwningUser('bob'), [])
    await assert.rejects(adb.api.adminListDbsByOwningUser('system'))
  },

  async 'what the server refuses, the client rejects' () {
    as('bob/notes')
    await assert.rejects(adb.api.toString2(), { code: -32601 })
    await assert.rejects(adb.api.recordGet(1, 'a'), { code: -32001, message: 'Parameter 1 must be string' })
    const large = { text: 'x'.repeat(5 << 20) }
    await assert.rejects(adb.db('valid').put('large', large), /longer than/)
  }
}

for (const [name, step] of Object.entries(steps)) {
  try {
    await step()
    console.log(`ok ${name}`)
  } catch (error) {
    console.log(`failed ${name}`)
    console.error(error)
    process.exit(1)
  }
}
process.exit(0)
