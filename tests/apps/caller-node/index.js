// Does one call through the gateway for each request, in the way that the query asks for:
//   /call?api=ID&method=NAME&params=JSON   an RPC
//   /upgrade?api=ID&say=TEXT               a WebSocket: the greeting, and the echo of TEXT
//   /tunnel?to=HOST:PORT&ca=PEM            TLS to another host, see tunnel.js
//   /file?path=PATH&text=TEXT             reads a file, or writes it where there is a text
//   /plain?to=HOST:PORT                    plain HTTP to another host, see tunnel.js
// and with &via=socket through ATEK_HOST_SOCKET, with &family=6 over IPv6, with &token=none or another token.
const { randomBytes } = require('crypto')
const fs = require('fs')
const http = require('http')
const { plain, tunnel } = require('./tunnel')

const host = (query, headers) => {
  const token = query.get('token') ?? process.env.ATEK_HOST_BEARER_TOKEN
  const target =
    query.get('via') === 'socket'
      ? { socketPath: process.env.ATEK_HOST_SOCKET }
      : { host: query.get('family') === '6' ? '::1' : '127.0.0.1', port: process.env.ATEK_HOST_PORT }
  const bearer = token === 'none' ? {} : { authorization: `Bearer ${token}` }
  // What the query names is sent as it is, also where the host must not believe it.
  const more = JSON.parse(query.get('headers') ?? '{}')
  return { ...target, headers: { host: 'localhost', ...headers, ...bearer, ...more } }
}

const call = (query, done) => {
  const body = JSON.stringify({
    jsonrpc: '2.0',
    id: 7,
    method: query.get('method'),
    params: JSON.parse(query.get('params') ?? '[]')
  })
  const path = `/_atek/gateway?api=${encodeURIComponent(query.get('api'))}`
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
  const request = http.request({ ...host(query, headers), path, method: 'POST' }, (response) => {
    const chunks = []
    response.on('data', (chunk) => chunks.push(chunk))
    response.on('end', () => done({ status: response.statusCode, body: Buffer.concat(chunks).toString() }))
  })
  request.on('error', (error) => done({ error: error.code ?? error.message }))
  request.end(body)
}

// A masked text frame of fewer than 126 bytes.
const frame = (text) => {
  const mask = randomBytes(4)
  const payload = Buffer.from(text).map((byte, at) => byte ^ mask[at % 4])
  return Buffer.concat([Buffer.from([0x81, 0x80 | payload.length]), mask, payload])
}

// The payloads of the whole, short, unmasked frames in `bytes`.
const texts = (bytes) => {
  const found = []
  for (let at = 0; at + 2 <= bytes.length && at + 2 + bytes[at + 1] <= bytes.length; at += 2 + bytes[at + 1]) {
    found.push(bytes.subarray(at + 2, at + 2 + bytes[at + 1]).toString())
  }
  return found
}

const upgrade = (query, done) => {
  const headers = {
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': randomBytes(16).toString('base64')
  }
  const path = `/_atek/gateway?api=${encodeURIComponent(query.get('api'))}`
  const request = http.request({ ...host(query, headers), path })
  request.on('error', (error) => done({ error: error.code ?? error.message }))
  request.on('response', (response) => {
    response.resume()
    done({ status: response.statusCode })
  })
  request.on('upgrade', (_, socket, head) => {
    let bytes = head
    const look = () => {
      const frames = texts(bytes)
      if (frames.length === 2) {
        socket.destroy()
        done({ status: 101, frames })
      }
    }
    socket.on('data', (chunk) => {
      bytes = Buffer.concat([bytes, chunk])
      look()
    })
    socket.on('close', () => done({ status: 101, frames: texts(bytes), closed: true }))
    socket.write(frame(query.get('say') ?? 'hello'))
    look()
  })
  request.end()
}

const file = (query, done) => {
  try {
    const path = query.get('path')
    if (query.has('text')) fs.writeFileSync(path, query.get('text'))
    done({ text: fs.readFileSync(path, 'utf8') })
  } catch (error) {
    done({ error: error.code })
  }
}

http
  .createServer((request, response) => {
    const url = new URL(request.url, 'http://app')
    const answer = (value) => {
      if (!response.writableEnded) response.end(JSON.stringify(value))
    }
    if (url.pathname === '/call') call(url.searchParams, answer)
    else if (url.pathname === '/upgrade') upgrade(url.searchParams, answer)
    else if (url.pathname === '/tunnel') tunnel(url.searchParams, answer)
    else if (url.pathname === '/file') file(url.searchParams, answer)
    else if (url.pathname === '/plain') plain(url.searchParams, answer)
    else response.end('caller')
  })
  .listen(process.env.ATEK_ASSIGNED_SOCKET_FILE)
