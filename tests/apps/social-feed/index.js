// A social feed between homes, without a network of its own.
//
// A person's posts are in a database of this app. Who follows asks for a link to it, from app to app, and has a live
// copy then. A comment is brought to the author's app, which knows by key who wrote it, and comes back with the copy.
const fs = require('fs')
const http = require('http')
const path = require('path')

const ADB = 'atek.cloud/adb-api'
const HYPERCORE = 'atek.cloud/hypercore-api'
const FEED = 'example.test/feed-api'
const ID = /^[0-9a-z-]{1,64}$/

/** One call through the host. */
function call(api, method, params, home) {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
  const to = `/_atek/gateway?api=${encodeURIComponent(api)}${home ? `&home=${home}` : ''}`
  const headers = {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    ...(process.env.ATEK_HOST_BEARER_TOKEN && { authorization: `Bearer ${process.env.ATEK_HOST_BEARER_TOKEN}` })
  }
  return new Promise((resolve, reject) => {
    const request = http.request({ host: '127.0.0.1', port: process.env.ATEK_HOST_PORT, path: to, method: 'POST', headers }, async (response) => {
      try {
        const answer = JSON.parse(await text(response))
        if (answer.error) reject(new Error(answer.error.message))
        else resolve(answer.result)
      } catch (error) {
        reject(error)
      }
    })
    request.on('error', reject)
    request.end(body)
  })
}

async function text(stream) {
  let all = ''
  for await (const part of stream) {
    all += part
    if (all.length > 1 << 20) throw new Error('too long')
  }
  return all
}

// What is remembered: the database, and the link that each follower was given.
const file = path.join(process.env.HOME, 'feed.json')
const known = fs.existsSync(file) ? JSON.parse(fs.readFileSync(file)) : { dbId: null, links: {} }
function remember() {
  fs.writeFileSync(`${file}.new`, JSON.stringify(known))
  fs.renameSync(`${file}.new`, file)
}

let opening = null
/** The person's own database, made at the first use. */
async function own() {
  if (known.dbId) return known.dbId
  opening ??= call(ADB, 'dbCreate', [{ displayName: 'Feed', replicated: true }]).then(({ dbId }) => {
    known.dbId = dbId
    remember()
    return dbId
  })
  return opening
}

const put = async (at, value) => call(ADB, 'recordPut', [await own(), at, value])
const list = async (dbId, at) => (await call(ADB, 'recordList', [dbId, at, { limit: 200 }])).records
const newId = () => `${Date.now().toString(36)}-${Math.random().toString(36).slice(2, 10)}`
const words = (value) => {
  const said = String(value ?? '').trim()
  if (!said || said.length > 2000) throw new Error('a text has 1 to 2,000 characters')
  return said
}

/** For apps of other homes; `contact` is the key that the host has proven. */
const forContacts = {
  async subscribe(contact) {
    if (!known.links[contact]) {
      const { link } = await call(HYPERCORE, 'share', [await own(), { label: 'Feed' }])
      known.links[contact] = link
      remember()
    }
    return known.links[contact]
  },
  async comment(contact, post, said) {
    if (!ID.test(post)) throw new Error('no such post')
    await call(ADB, 'recordGet', [await own(), `/posts/${post}`])
    await put(`/comments/${post}/${newId()}`, { by: contact, text: words(said), at: Date.now() })
    return true
  }
}

/** For the person at the page. */
const forPerson = {
  post: ({ text }) => put(`/posts/${newId()}`, { text: words(text), at: Date.now() }),
  async follow({ key }) {
    const link = await call(FEED, 'subscribe', [], key)
    const { dbId, id } = await call(HYPERCORE, 'follow', [link, { label: 'Feed' }])
    await put(`/follows/${key}`, { dbId, id })
  },
  async unfollow({ key }) {
    const { value } = await call(ADB, 'recordGet', [await own(), `/follows/${key}`])
    await call(HYPERCORE, 'unfollow', [value.id])
    await call(ADB, 'recordDelete', [await own(), `/follows/${key}`])
  },
  comment: ({ author, post, text }) =>
    author === 'me' ? forContacts.comment('me', post, text) : call(FEED, 'comment', [post, words(text)], author),
  async timeline() {
    const contacts = await call(HYPERCORE, 'contacts', [])
    const names = Object.fromEntries(contacts.map(({ key, label }) => [key, label]))
    const follows = (await list(await own(), '/follows')).map(({ path, value }) => ({ author: path.split('/').at(-1), dbId: value.dbId }))
    const posts = []
    for (const { author, dbId } of [{ author: 'me', dbId: await own() }, ...follows]) {
      const comments = await list(dbId, '/comments')
      for (const { path, value } of await list(dbId, '/posts')) {
        const post = path.split('/').at(-1)
        const under = comments.filter((comment) => comment.path.split('/').at(-2) === post)
        posts.push({ author, name: author === 'me' ? 'You' : (names[author] ?? 'Somebody'), post, ...value, comments: under.map(({ value }) => ({ ...value, name: nameOf(value.by, author, names) })) })
      }
    }
    posts.sort((a, b) => b.at - a.at)
    return { posts, people: contacts.map((person) => ({ ...person, follows: follows.some(({ author }) => author === person.key) })) }
  }
}

// `me` in somebody's database is that person. An own comment there is under the own key, which is no contact of oneself.
const nameOf = (by, author, names) => (by === 'me' ? (author === 'me' ? 'You' : (names[author] ?? 'Somebody')) : (names[by] ?? (author === 'me' ? 'Somebody' : 'You')))

const page = fs.readFileSync(path.join(__dirname, 'page.html'))

async function answer(request, response) {
  const json = (value) => response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value))
  if (request.method === 'GET') return response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(page)
  const contact = request.headers['atek-auth-contact']
  const isApi = request.url === '/_api/feed'
  try {
    const sent = JSON.parse(await text(request))
    if (isApi) {
      const method = contact && Object.hasOwn(forContacts, sent.method) && forContacts[sent.method]
      if (!method) return json({ jsonrpc: '2.0', id: sent.id, error: { code: -32601, message: 'no such method for you' } })
      const result = await method(contact, ...(sent.params ?? [])).then((result) => ({ result }), (error) => ({ error: { code: -1, message: error.message } }))
      return json({ jsonrpc: '2.0', id: sent.id, ...result })
    }
    const task = request.url.slice(1)
    if (contact || !Object.hasOwn(forPerson, task)) return response.writeHead(404).end()
    json({ done: (await forPerson[task](sent)) ?? null })
  } catch (error) {
    json({ error: error.message })
  }
}

http.createServer(answer).listen(process.env.ATEK_ASSIGNED_SOCKET_FILE)
