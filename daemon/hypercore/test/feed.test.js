// The demo app tests/apps/social-feed between two homes: its real program, with the real database of each home.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import http from 'node:http'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'node:test'
import createTestnet from 'hyperdht/testnet.js'
import { Home, noDatabase, post, until } from './home.js'

const APP = fileURLToPath(new URL('../../../tests/apps/social-feed/index.js', import.meta.url))
const API = 'example.test/feed-api'
const PERSON = 'core.hypercore'

/** The app of a home, as the host runs it: reached by its socket, and reaching others by the gateway. */
class Feed {
  static async start (home, user) {
    const feed = new Feed()
    feed.user = user
    feed.socket = path.join(home.folder, 'feed.sock')
    const state = path.join(home.folder, 'feed')
    fs.mkdirSync(state)
    feed.gateway = http.createServer((request, response) => feed.pass(home, request, response))
    await new Promise(resolve => feed.gateway.listen(0, '127.0.0.1', resolve))
    feed.process = spawn(process.execPath, [APP], {
      env: { HOME: state, ATEK_HOST_PORT: String(feed.gateway.address().port), ATEK_ASSIGNED_SOCKET_FILE: feed.socket },
      stdio: 'inherit'
    })
    home.app = ({ method, params, contact }) => feed.ask('/_api/feed', { jsonrpc: '2.0', id: 1, method, params }, { 'atek-auth-contact': contact }).then(answer => {
      if (answer.error) throw Object.assign(new Error(answer.error.message), answer.error)
      return answer.result
    })
    await until(() => fs.existsSync(feed.socket))
    return feed
  }

  async pass (home, request, response) {
    let text = ''
    for await (const part of request) text += part
    const { id, method, params } = JSON.parse(text)
    const query = new URL(request.url, 'http://host').searchParams
    const other = query.get('home')
    const call = () => {
      if (other) return home.remote(other, query.get('api'), method, params, 'feed', this.user)
      if (query.get('api') === 'atek.cloud/adb-api') return home.adb(method, params, 'feed', this.user)
      return post(home.env.ATEK_ASSIGNED_SOCKET_FILE, '/_api/hypercore', method, params, this.user, 'feed')
    }
    const answer = await call().then(result => ({ result }), ({ code, message }) => ({ error: { code, message } }))
    response.end(JSON.stringify({ jsonrpc: '2.0', id, ...answer }))
  }

  ask (url, body, more = {}) {
    return new Promise((resolve, reject) => {
      const request = http.request({ socketPath: this.socket, path: url, method: 'POST', agent: false, headers: { 'content-type': 'application/json', ...more } }, async response => {
        let text = ''
        for await (const part of response) text += part
        resolve(text ? JSON.parse(text) : null)
      })
      request.on('error', reject)
      request.end(JSON.stringify(body))
    })
  }

  async act (task, values = {}) {
    const answer = await this.ask(`/${task}`, values)
    if (answer.error) throw new Error(answer.error)
    return answer.done
  }

  posts () {
    return this.act('timeline').then(({ posts }) => posts)
  }

  end () {
    this.process.kill('SIGKILL')
    this.gateway.close()
    this.gateway.closeAllConnections()
  }
}

test('two people of two homes post, follow and comment by an app without a network', { skip: noDatabase }, async t => {
  const testnet = await createTestnet(3)
  const one = await Home.open({ bootstrap: testnet.bootstrap })
  const two = await Home.open({ bootstrap: testnet.bootstrap })
  const [alice, bob] = [await Feed.start(one, 'alice'), await Feed.start(two, 'bob')]
  t.after(async () => {
    for (const feed of [alice, bob]) feed.end()
    for (const home of [one, two]) await home.close()
    await testnet.destroy()
  })
  const ofBob = (method, params) => two.call(method, params, PERSON, 'bob')
  const { link } = await one.call('inviteContact', [{ label: 'Bob', name: 'Alice' }])
  await ofBob('addContact', [link, { name: 'Bob' }])
  const asks = await until(async () => (await one.call('contacts')).find(({ status }) => status === 'asks'))
  await one.call('confirmContact', [asks.id])
  const known = await until(async () => (await ofBob('contacts'))[0]?.status === 'confirmed' && (await ofBob('contacts'))[0])

  await alice.act('post', { text: 'Hello from Alice' })
  await assert.rejects(bob.act('follow', { key: known.key }), /does not let you call/)
  await one.call('allowContact', [asks.id, API])
  await bob.act('follow', { key: known.key })
  const [seen] = await until(async () => { const posts = await bob.posts(); return posts.length && posts })
  assert.deepEqual([seen.name, seen.text], ['Alice', 'Hello from Alice'])
  // Live: what she writes later comes; what he answers is under her post in both homes, with his name.
  await alice.act('post', { text: 'Second' })
  await until(async () => (await bob.posts()).some(({ text }) => text === 'Second'))
  await bob.act('comment', { author: known.key, post: seen.post, text: 'Hello Alice' })
  const comments = async feed => (await feed.posts()).find(({ post }) => post === seen.post).comments.map(({ name, text }) => `${name}: ${text}`)
  assert.deepEqual(await comments(alice), ['Bob: Hello Alice'])
  await until(async () => (await comments(bob))[0] === 'You: Hello Alice')
  // Alice takes it back: he still reads what he follows, and comments no more.
  await one.call('denyContact', [asks.id, API])
  await assert.rejects(bob.act('comment', { author: known.key, post: seen.post, text: 'Again' }), /does not let you call/)
  assert.equal((await comments(alice)).length, 1)
  // A contact's app reaches nothing of the person's own.
  await one.call('allowContact', [asks.id, API])
  for (const method of ['post', 'timeline', 'constructor', '__proto__']) await assert.rejects(two.remote(known.key, API, method, [], 'feed', 'bob'), /no such method/)
  for (const post of ['../follows', 'none', '', null]) await assert.rejects(two.remote(known.key, API, 'comment', [post, 'x'], 'feed', 'bob'))
  await bob.act('unfollow', { key: known.key })
  assert.deepEqual(await bob.posts(), [])
})
