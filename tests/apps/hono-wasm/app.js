// An app on Hono, for `componentize-js`: what programs do, and what they must not be able to do.
import { getEnvironment } from 'wasi:cli/environment@0.2.10'
import { getDirectories } from 'wasi:filesystem/preopens@0.2.10'
import { Hono } from './node_modules/hono/dist/hono.js'

const folder = (name) => getDirectories().find(([, path]) => path === name)[0]
const read = (from, path, flags = {}) =>
  new TextDecoder().decode(from.openAt({ symlinkFollow: true }, path, flags, { read: true }).read(4096n, 0n)[0])
const write = (to, path, text) => {
  const flags = { create: true, truncate: true }
  to.openAt({ symlinkFollow: true }, path, flags, { write: true }).write(new TextEncoder().encode(text), 0n)
}

// The outcome of an attempt: its error, or what it gave.
const attempt = (what) => {
  try {
    return `done: ${what()}`
  } catch (error) {
    return String(error.payload ?? error)
  }
}

// Kept in memory, so it is one for each instance.
let requests = 0

const app = new Hono()
app.get('/', (c) => c.text(`version ${read(folder('/app'), 'version')}, request ${++requests}`))
app.get('/env', (c) => c.json(Object.fromEntries(getEnvironment())))
app.get('/folders', (c) => c.json(getDirectories().map(([, path]) => path)))
app.post('/echo', async (c) => c.text(await c.req.text(), 201, { 'x-visitor': c.req.header('atek-auth-user') ?? '' }))
app.get('/count', (c) => {
  let count = 0
  try {
    count = Number(read(folder('/state'), 'count'))
  } catch {
    // The first time.
  }
  write(folder('/state'), 'count', String(count + 1))
  console.log(`counted to ${count + 1}`)
  return c.text(String(count + 1))
})
app.get('/fetch', async (c) => {
  try {
    const answer = await fetch(c.req.query('url'))
    return c.text(`${answer.status} ${await answer.text()}`)
  } catch (error) {
    return c.text(`refused: ${error}`)
  }
})
app.get('/call', async (c) => {
  const { api, method } = c.req.query()
  const answer = await fetch(`http://localhost/_atek/gateway?api=${api}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: [] })
  })
  return c.text(`${answer.status} ${await answer.text()}`)
})
app.get('/loop', () => {
  for (;;);
})
app.get('/bomb', () => {
  const all = []
  for (;;) all.push(new Uint8Array(1 << 20).fill(1))
})
app.get('/handles', (c) => {
  const all = []
  for (;;) all.push(folder('/state'))
})
app.get('/attempts', (c) => {
  const [app, state] = [folder('/app'), folder('/state')]
  return c.json({
    'a file above its folders': attempt(() => read(state, '../../../etc/passwd')),
    'an absolute path': attempt(() => read(state, '/etc/passwd')),
    'a link that leads out': attempt(() => {
      state.symlinkAt('../../../etc/passwd', 'out')
      return read(state, 'out')
    }),
    'an absolute link': attempt(() => state.symlinkAt('/etc/passwd', 'away')),
    'its own package': attempt(() => write(app, 'version', '9')),
    'its own native code': attempt(() => write(app, '.atek-wasm/x.cwasm', '9')),
    'the socket of its unit': attempt(() => read(state, '../../run/atek/host/host.sock'))
  })
})

// What comes of a request: a status, or the code of a JSON-RPC error.
const ask = async (url, options) => {
  try {
    const answer = await fetch(url, options)
    const text = await answer.text()
    const { error } = text.startsWith('{') ? JSON.parse(text) : {}
    return answer.ok && !error ? 'possible' : `${answer.status} ${error?.code ?? ''}`.trim()
  } catch {
    return 'refused'
  }
}
const rpc = (api, method, params, headers) =>
  ask(`http://localhost/_atek/gateway?api=${api}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
  })

// Everything that a component can try, with the address of the box and the key of another person's app.
app.get('/attack', async (c) => {
  const { box, other } = c.req.query()
  const [app, state] = [folder('/app'), folder('/state')]
  const open = (path) => state.openAt({ symlinkFollow: true }, path, { directory: true }, { read: true })
  const system = { 'atek-auth-user': 'system', 'atek-auth-service': 'system' }
  return c.json({
    'write into its own state': attempt(() => write(state, 'mine', '1')),
    'read its own package': attempt(() => read(app, 'version')),
    'ask the host who it is': await rpc('atek.cloud/user-sessions-api', 'whoami', []),
    'the folder above its state': attempt(() => open('..')),
    'the state of another app': attempt(() => read(state, `../atek-app-${other}/secret`)),
    'the variables of its process': attempt(() => read(state, '../proc/self/environ')),
    'the token of its app': 'ATEK_HOST_BEARER_TOKEN' in Object.fromEntries(getEnvironment()) ? 'possible' : 'missing',
    'the configuration of the host': attempt(() => read(state, '../var/lib/atek/config.json')),
    'a hard link to its package': attempt(() => app.linkAt({}, 'version', state, 'linked')),
    'a file moved into its package': attempt(() => state.renameAt('mine', app, 'theirs')),
    'a file removed from its package': attempt(() => app.unlinkFileAt('version')),
    'a folder made in its package': attempt(() => app.createDirectoryAt('made')),
    'a device of the box': attempt(() => read(state, '/dev/mem')),
    'HTTP to the loopback of the box': await ask('http://127.0.0.1:7778/'),
    'HTTP to the box': await ask(`http://${box}/`),
    'HTTP to a device at home': await ask('http://10.77.0.2:7777/'),
    'HTTP to the internet': await ask('http://example.org/'),
    'HTTPS to the internet': await ask('https://example.org/'),
    'an app of another person': await rpc('example.test/hello', 'get', ['secret']),
    'that app with a name in its headers': await rpc('example.test/hello', 'get', ['secret'], system),
    'the configuration of the host by its API': await rpc('atek.cloud/inspect-api', 'getConfig', []),
    'the same with a name in its headers': await rpc('atek.cloud/inspect-api', 'getConfig', [], system),
    'an install of another app': await rpc('atek.cloud/services-api', 'install', [{ sourceUrl: 'file:///srv/apps/escape' }]),
    'a permission that it gives itself': await rpc('atek.cloud/permissions-api', 'grant', [
      { service: 'hono', permission: 'direct' }
    ]),
    'a database of the host': await rpc('atek.cloud/adb-api', 'adminListDbsByOwningUser', ['system'])
  })
})
app.fire()
