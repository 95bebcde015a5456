// Takes all of one thing when asked to. It answers first, and begins after.
const fs = require('fs')
const http = require('http')
const { spawn } = require('child_process')
const { Worker } = require('worker_threads')

const hoarded = []
const refusals = []

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
      const result = method === 'refusals' ? refusals : params[0] in deeds
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify({ jsonrpc: '2.0', id, result }))
      if (method === 'hog' && result) setImmediate(deeds[params[0]])
    })
  })
  .listen(process.env.ATEK_ASSIGNED_SOCKET_FILE)
