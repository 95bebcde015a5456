// A plain app, without dependencies: what it says is what the tests look at.
const fs = require('fs')
const http = require('http')
const path = require('path')
const { echoFrames } = require('./websocket')

const socket = process.env.ATEK_ASSIGNED_SOCKET_FILE
const state = process.env.HOME

// The file that the test's git remote adds: the tag.
const version = () => {
  try {
    return fs.readFileSync(path.join(__dirname, 'VERSION'), 'utf8').trim()
  } catch {
    return 'none'
  }
}

const caller = (request) => ({
  user: request.headers['atek-auth-user'] ?? null,
  service: request.headers['atek-auth-service'] ?? null
})

const methods = {
  hello: (_, name = 'world') => `hello ${name}`,
  version,
  whoCalls: (request) => caller(request),
  put: (_, name, text) => fs.writeFileSync(path.join(state, path.basename(name)), text),
  get: (_, name) => fs.readFileSync(path.join(state, path.basename(name)), 'utf8'),
  fail: () => {
    throw Object.assign(new Error('as you wished'), { code: -32042 })
  },
  exit: (_, code = 1) => process.exit(code)
}

const rpc = (request, body) => {
  const { id, method, params = [] } = JSON.parse(body)
  const answer = { jsonrpc: '2.0', id }
  try {
    if (!Object.hasOwn(methods, method)) {
      throw Object.assign(new Error(`Method not found: ${method}`), { code: -32601 })
    }
    answer.result = methods[method](request, ...params) ?? null
  } catch (error) {
    answer.error = { code: Number.isInteger(error.code) ? error.code : -32000, message: error.message }
  }
  return answer
}

const json = (response, value) => {
  response.setHeader('content-type', 'application/json')
  response.end(JSON.stringify(value))
}

const read = async (request) => {
  const chunks = []
  for await (const chunk of request) chunks.push(chunk)
  return Buffer.concat(chunks)
}

// One line every 100 ms, for ever or `?lines=N`: a body that is worth streaming.
const stream = (response, lines) => {
  let sent = 0
  const timer = setInterval(() => {
    response.write(`line ${++sent}\n`)
    if (sent === lines) response.end()
  }, 100)
  response.on('close', () => clearInterval(timer))
}

const pages = {
  '/': (_, response) => response.end('hello'),
  '/version': (_, response) => response.end(version()),
  '/headers': (request, response) => json(response, request.headers),
  '/caller': (request, response) => json(response, caller(request)),
  // Names only: one of the values is a secret.
  '/environment': (_, response) => json(response, Object.keys(process.env).sort()),
  '/pid': (_, response) => json(response, process.pid),
  '/cwd': (_, response) => response.end(process.cwd()),
  '/stream': (_, response, url) => stream(response, Number(url.searchParams.get('lines'))),
  '/redirect': (_, response) => response.writeHead(302, { location: '/version?from=redirect' }).end(),
  '/cookie': (_, response) => response.writeHead(200, { 'set-cookie': 'app=1; Path=/' }).end()
}

const server = http.createServer(async (request, response) => {
  const url = new URL(request.url, 'http://app')
  const page = pages[url.pathname]
  if (url.pathname === '/_api/hello') json(response, rpc(request, await read(request)))
  else if (url.pathname.startsWith('/_api/echo') || url.pathname === '/body') response.end(await read(request))
  else if (page) page(request, response, url)
  else response.writeHead(404).end('not here')
})

// Every path upgrades; the first frame that a client gets says who the host says it is.
server.on('upgrade', (request, socket) => echoFrames(request, socket, JSON.stringify(caller(request))))

server.listen(socket, () => console.log(`hello listens, version ${version()}`))
process.on('SIGTERM', () => {
  console.log('hello was told to stop')
  process.exit(0)
})
