// Takes all of one thing when asked to. It answers first, and begins after.
const fs = require('fs')
const http = require('http')
const net = require('net')
const { spawn } = require('child_process')
const { Worker } = require('worker_threads')

const hoarded = []
const refusals = []
// How many of the thing are taken: connections, bytes, descriptors.
let taken = 0

const deeds = {
  memory: () => setInterval(() => hoarded.push(Buffer.alloc(16 << 20, 1)), 20),
  processors: () => {
    for (let i = 0; i < 4; i++) new Worker('for (;;);', { eval: true })
  },
  // Whatever is free is taken within a blink, for ever.
  disk: () => {
    const file = fs.openSync(`${process.env.STATE_DIRECTORY}/hoard`, 'a')
    const fill = (size) => {
      try {
        while (fs.writeSync(file, Buffer.alloc(size, 1)) > 0);
      } catch (error) {
        if (!refusals.includes(error.code)) refusals.push(error.code)
      }
    }
    setInterval(() => [1 << 20, 4096].forEach(fill), 10)
  },
  // Silent connections to the host's listener of this app.
  connections: () => {
    for (let i = 0; i < 4000; i++) {
      const socket = net.connect(Number(process.env.ATEK_HOST_PORT), '127.0.0.1', () => taken++)
      socket.on('error', (error) => refusals.push(error.code))
      socket.on('close', () => taken--)
      hoarded.push(socket)
    }
  },
  // Bodies of the largest size to the gateway, each sent but for its last byte.
  bodies: () => {
    const body = Buffer.alloc((8 << 20) - 1, 0x20)
    for (let i = 0; i < 400; i++) {
      const request = http.request({
        host: '127.0.0.1',
        port: Number(process.env.ATEK_HOST_PORT),
        method: 'POST',
        path: '/_atek/gateway?api=atek.cloud/inspect-api',
        agent: false,
        headers: {
          'content-type': 'application/json',
          'content-length': body.length + 1,
          authorization: `Bearer ${process.env.ATEK_HOST_BEARER_TOKEN}`
        }
      })
      request.on('error', (error) => refusals.push(error.code))
      request.on('response', (response) => refusals.push(response.statusCode))
      request.write(body, (error) => error || (taken += body.length))
      hoarded.push(request)
    }
  },
  // Databases, as many as there can be, eight at a time.
  databases: () => {
    const create = (left) => {
      if (left === 0) return
      const call = { jsonrpc: '2.0', id: 1, method: 'dbCreate', params: [{}] }
      const request = http.request({
        host: '127.0.0.1',
        port: Number(process.env.ATEK_HOST_PORT),
        method: 'POST',
        path: '/_atek/gateway?api=atek.cloud/adb-api',
        headers: {
          'content-type': 'application/json',
          authorization: `Bearer ${process.env.ATEK_HOST_BEARER_TOKEN}`
        }
      })
      request.on('error', (error) => refusals.push(error.code))
      request.on('response', (response) => {
        let text = ''
        response.on('data', (part) => (text += part))
        response.on('end', () => {
          if (JSON.parse(text).error) refusals.push(JSON.parse(text).error.message)
          else taken++
          create(left - 1)
        })
      })
      request.end(JSON.stringify(call))
    }
    for (let i = 0; i < 8; i++) create(130)
  },
  descriptors: () => {
    try {
      for (;;) {
        hoarded.push(fs.openSync('/dev/null'))
        taken++
      }
    } catch (error) {
      refusals.push(error.code)
    }
  },
  temporary: () => {
    try {
      const file = fs.openSync('/tmp/hoard', 'a')
      // More than any limit, less than would harm a machine without one.
      for (let i = 0; i < 2048; i++) taken += fs.writeSync(file, Buffer.alloc(1 << 20, 1))
    } catch (error) {
      refusals.push(error.code)
    }
  },
  log: () => {
    const flood = 'flood '.repeat(20).concat('\n').repeat(500)
    setInterval(() => process.stdout.write(flood, () => (taken += flood.length)), 1)
  },
  processes: () => {
    for (let i = 0; i < 2000; i++) {
      const child = spawn('/bin/sleep', ['1000'], { stdio: 'ignore' })
      child.on('error', (error) => refusals.push(error.code))
    }
  }
}

http
  .createServer((request, response) => {
    let body = ''
    request.on('data', (chunk) => (body += chunk))
    request.on('end', () => {
      const { id, method, params = [] } = JSON.parse(body || '{}')
      const known = { refusals, taken }
      const result = method in known ? known[method] : params[0] in deeds
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify({ jsonrpc: '2.0', id, result }))
      if (method === 'hog' && result) setImmediate(deeds[params[0]])
    })
  })
  .listen(process.env.ATEK_ASSIGNED_SOCKET_FILE)
