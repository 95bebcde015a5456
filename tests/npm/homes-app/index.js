// Programs of the npm registry, unchanged, which think that they have a network: {task: 'write' | 'read', …} by POST.
const http = require('http')
const net = require('net')
const path = require('path')
const Autobase = require('autobase')
const Corestore = require('corestore')
const Hyperbee = require('hyperbee')
const Hyperdrive = require('hyperdrive')
const Hyperswarm = require('hyperswarm')

const store = new Corestore(path.join(process.env.HOME, 'cores'))
let swarm = null

let base = null

function join (core) {
  if (!swarm) {
    swarm = new Hyperswarm()
    swarm.on('connection', connection => base ? base.replicate(connection) : store.replicate(connection))
  }
  return swarm.join(core.discoveryKey).flushed()
}

// The bee and the drive of another home, opened once: a second Hyperdrive of the same key that opens while the first one
// gets its header waits for ever.
const copies = new Map()

function copyOf (beeKey, driveKey) {
  const id = beeKey + driveKey
  if (!copies.has(id)) {
    const bee = new Hyperbee(store.get({ key: Buffer.from(beeKey, 'hex') }), { keyEncoding: 'utf-8', valueEncoding: 'utf-8' })
    copies.set(id, { bee, drive: new Hyperdrive(store, Buffer.from(driveKey, 'hex')) })
  }
  return copies.get(id)
}

const tasks = {
  // {text}: keys of a bee and a drive that hold it.
  write: async ({ text }) => {
    const bee = new Hyperbee(store.get({ name: 'bee' }), { keyEncoding: 'utf-8', valueEncoding: 'utf-8' })
    await bee.put('text', text)
    const drive = new Hyperdrive(store.namespace('drive'))
    await drive.put('/text.txt', Buffer.from(text))
    await join(bee.core)
    await join(drive.core)
    return { bee: bee.core.key.toString('hex'), drive: drive.key.toString('hex') }
  },
  // {bee, drive}: what they hold.
  read: async ({ bee: beeKey, drive: driveKey }) => {
    const { bee, drive } = copyOf(beeKey, driveKey)
    await bee.ready()
    await drive.ready()
    await join(bee.core)
    await join(drive.core)
    await Promise.all([bee.core.update({ wait: true }), drive.core.update({ wait: true })])
    return { bee: (await bee.get('text'))?.value ?? null, drive: (await drive.get('/text.txt'))?.toString() ?? null }
  },
  // {key}: opens a list that several write, of its own or of the key; both keys.
  list: async ({ key }) => {
    base ??= new Autobase(store.namespace('list'), key ? Buffer.from(key, 'hex') : null, {
      valueEncoding: 'json',
      open: store => store.get('view', { valueEncoding: 'json' }),
      apply: async (nodes, view, host) => {
        for (const { value } of nodes) {
          if (value.writer) await host.addWriter(Buffer.from(value.writer, 'hex'), { indexer: true })
          else await view.append(value.text)
        }
      }
    })
    await base.ready()
    await join(base)
    return { key: base.key.toString('hex'), own: base.local.key.toString('hex') }
  },
  // {writer | text}: one more who writes, or one more line; null before this one may write.
  add: async ({ writer, text }) => {
    await base.update()
    return base.writable ? (await base.append({ writer, text }), true) : null
  },
  // What all wrote.
  lines: async () => {
    await base.update()
    return Promise.all(Array.from({ length: base.view.length }, (_, n) => base.view.get(n)))
  },
  // {host, port}: whether there is a way past the host.
  connect: ({ host, port }) => new Promise(resolve => {
    const socket = net.connect({ host, port, timeout: 2000 })
    const end = word => { socket.destroy(); resolve(word) }
    socket.on('connect', () => end('possible'))
    socket.on('timeout', () => end('ETIMEDOUT'))
    socket.on('error', error => end(error.code))
  })
}

http.createServer(async (request, response) => {
  let text = ''
  for await (const part of request) text += part
  response.setHeader('content-type', 'application/json')
  try {
    const task = JSON.parse(text || '{"task":"none"}')
    response.end(JSON.stringify(await (tasks[task.task]?.(task) ?? null)))
  } catch (error) {
    response.end(JSON.stringify({ error: error.message }))
  }
}).listen(process.env.ATEK_ASSIGNED_SOCKET_FILE)
