// The original's npm clients, unmodified, against a booted host. One line on stdout per claim
// that held; the first that does not ends the program with its error and exit code 1.
//
// Environment: ATEK_HOST_PORT, ATEK_HOST_BEARER_TOKEN (a system token), APP_SOURCE (a folder),
// APP_HOST (the app's host name and port).

import assert from 'node:assert/strict'
import inspectApi from '@atek-cloud/inspect-api'
import { createClient as createServicesClient } from '@atek-cloud/services-api'
import { createClient as createUsersClient } from '@atek-cloud/users-api'
import { createClient as createSessionsClient } from '@atek-cloud/user-sessions-api'
import adb, { defineSchema } from '@atek-cloud/adb-api'
import { users as usersTable, services as servicesTable } from '@atek-cloud/adb-tables'
import { fetch, CookieJar } from '@atek-cloud/node-fetch-cookies'

const PORT = process.env.ATEK_HOST_PORT
const { APP_SOURCE, APP_HOST } = process.env
const PASSWORD = 'correct horse battery'

const claims = {
  async 'inspect-api: isReady and getConfig' () {
    assert.equal(await inspectApi.isReady(), true)
    const config = await inspectApi.getConfig()
    assert.match(config.serverDbId, /^[0-9a-f]{64}$/)
    assert.ok(Array.isArray(config.coreServices) && config.coreServices.length > 0)
    assert.ok(!JSON.stringify(config).includes(process.env.ATEK_HOST_BEARER_TOKEN), 'tokens are shown')
  },

  async 'users-api: create, list, get, update, settings' () {
    const users = createUsersClient()
    const alice = await users.create({ username: 'alice', password: PASSWORD, role: 'admin' })
    assert.equal(alice.username, 'alice')
    assert.equal(alice.role, 'admin')
    const bob = await users.create({ username: 'bobby', password: PASSWORD })
    assert.deepEqual((await users.list()).users.map(user => user.username).sort(), ['alice', 'bobby'])
    await assert.rejects(users.create({ username: 'alice', password: PASSWORD }), { message: 'This username has already been taken' })
    await assert.rejects(users.create({ username: 'system', password: PASSWORD }), { message: 'The username system is reserved' })
    await assert.rejects(users.get('nobody'), { message: 'Not found: atek.cloud,user,nobody' })
    await users.update(bob.key, { username: 'bob' })
    assert.equal((await users.get(bob.key)).username, 'bob')
    // Only an app that is there and is the user's own.
    await assert.rejects(users.updateSettings(bob.key, { mainServiceId: 'app' }), /has no app/)
    assert.deepEqual(await users.getSettings(bob.key), {})
  },

  async 'services-api: install, list, get, stop, start, configure' () {
    const services = createServicesClient()
    const installed = await services.install({ sourceUrl: APP_SOURCE, id: 'app', user: 'alice' })
    assert.equal(installed.status, 'active')
    assert.equal(installed.settings.id, 'app')
    assert.equal(installed.settings.package.sourceType, 'file')
    assert.ok((await services.list()).services.some(service => service.key === installed.key))
    const users = createUsersClient()
    const alice = (await users.list()).users.find(user => user.username === 'alice')
    assert.deepEqual(await users.updateSettings(alice.key, { mainServiceId: 'app' }), { mainServiceId: 'app' })
    assert.deepEqual(await users.getSettings(alice.key), { mainServiceId: 'app' })
    await services.stop('app')
    assert.equal((await services.get('app')).status, 'inactive')
    await services.start('app')
    assert.equal((await services.get('app')).status, 'active')
    await services.configure('app', { config: { greeting: 'hello' } })
    assert.deepEqual((await services.get('app')).settings.config, { greeting: 'hello' })
    await services.restart('app')
    await assert.rejects(services.install({ sourceUrl: APP_SOURCE, id: 'app', user: 'alice' }), { message: 'App already exists under the ID: app' })
    await assert.rejects(services.get('nothing'), { message: 'Not authorized' })
  },

  async 'user-sessions-api: login, whoami and logout by cookie' () {
    const jar = new CookieJar()
    const call = async (method, params) => {
      const response = await fetch(jar, `http://localhost:${PORT}/_atek/gateway?api=atek.cloud/user-sessions-api`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
      })
      return response.json()
    }
    const wrong = await call('login', [{ username: 'alice', password: 'wrong horse' }])
    assert.equal(wrong.error.message, 'Username or password was incorrect')
    assert.equal(wrong.error.code, -32003)
    assert.deepEqual((await call('whoami', [])).result, { isActive: false })
    assert.deepEqual((await call('login', [{ username: 'alice', password: PASSWORD }])).result, { isActive: true, username: 'alice' })
    // The host says more than the original to who asks in person.
    const { isActive, username } = (await call('whoami', [])).result
    assert.deepEqual({ isActive, username }, { isActive: true, username: 'alice' })
    const page = await fetch(jar, `http://${APP_HOST}/`)
    assert.equal(page.status, 200)
    assert.match(await page.text(), /app of the original clients/)
    assert.equal((await call('logout', [])).result, null)
    assert.deepEqual((await call('whoami', [])).result, { isActive: false })
  },

  async 'user-sessions-api: whoami with a system token' () {
    assert.deepEqual(await createSessionsClient().whoami(), { isActive: true, username: 'system' })
  },

  async 'adb-api: tables with a schema' () {
    const cats = defineSchema('example.com/cats', {
      pkey: '/id',
      jsonSchema: {
        type: 'object',
        required: ['id', 'name'],
        properties: { id: { type: 'string' }, name: { type: 'string' }, createdAt: { type: 'string', format: 'date-time' } }
      }
    })
    const table = cats(adb.db('clients'))
    const kit = await table.create({ id: 'kit', name: 'Kit' })
    assert.equal(kit.key, 'kit')
    assert.ok(kit.value.createdAt)
    await table.create({ id: 'abe', name: 'Abe' })
    assert.deepEqual((await table.list()).records.map(record => record.key), ['abe', 'kit'])
    const got = await table.get('kit')
    assert.equal(got.valid, true)
    assert.equal(got.value.name, 'Kit')
    await assert.rejects(table.put('kit', { id: 'kit' }), /name/)
    await table.put('kit', { id: 'kit', name: 'Kitty' })
    assert.equal((await table.get('kit')).value.name, 'Kitty')
    await table.delete('kit')
    await assert.rejects(table.get('kit'), /Not found/)
  },

  async 'adb-tables: the host reads and writes the original shapes' () {
    const { serverDbId } = await inspectApi.getConfig()
    const db = adb.db(serverDbId)
    const users = (await usersTable(db).list()).records
    assert.ok(users.length >= 2 && users.every(record => record.valid))
    const services = (await servicesTable(db).list()).records
    assert.ok(services.length >= 1 && services.every(record => record.valid))
    assert.equal((await db.describe()).isServerDb, true)
  },

  async 'node-rpc inside an app: RPC, databases and the WebSocket transport' () {
    const jar = new CookieJar()
    await fetch(jar, `http://localhost:${PORT}/_atek/gateway?api=atek.cloud/user-sessions-api`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'login', params: [{ username: 'alice', password: PASSWORD }] })
    })
    const report = await (await fetch(jar, `http://${APP_HOST}/report`)).json()
    assert.deepEqual(report, { whoami: { isActive: true, username: 'alice' }, double: 42, note: { text: 'hi' }, echo: 'through the host' })
  },

  async 'services-api and users-api: uninstall and delete' () {
    const services = createServicesClient()
    await services.uninstall('app')
    await assert.rejects(services.get('app'), { message: 'Not authorized' })
    const users = createUsersClient()
    for (const user of (await users.list()).users) {
      if (user.username === 'bob') await users.delete(user.key)
    }
    assert.deepEqual((await users.list()).users.map(user => user.username), ['alice'])
  }
}

for (const [claim, check] of Object.entries(claims)) {
  try {
    await check()
    console.log(`held: ${claim}`)
  } catch (error) {
    console.error(`did not hold: ${claim}`)
    console.error(error)
    process.exit(1)
  }
}
process.exit(0)
