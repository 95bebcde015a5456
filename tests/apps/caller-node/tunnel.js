// The host's way to other hosts: TLS through CONNECT, where a request's body comes back, and plain HTTP.
const http = require('http')
const https = require('https')
const tls = require('tls')

// As much as no single buffer on the way holds.
const BYTES = 1024 * 1024

const ask = (socket, host, ca, done) => {
  const createConnection = () => tls.connect({ socket, host, ca })
  const request = https.request({ host, method: 'POST', path: '/', createConnection }, (response) => {
    const chunks = []
    response.on('data', (chunk) => chunks.push(chunk))
    response.on('end', () => {
      const { authorized } = response.socket
      const same = Buffer.concat(chunks).equals(Buffer.alloc(BYTES, 'atek'))
      done({ status: response.statusCode, authorized, protocol: response.socket.getProtocol(), same })
    })
  })
  request.on('error', (error) => done({ error: error.code ?? error.message }))
  request.end(Buffer.alloc(BYTES, 'atek'))
}

// `to` is HOST:PORT, `ca` what its certificate is signed with.
exports.tunnel = (query, done) => {
  const to = query.get('to')
  const request = http.request({
    host: '127.0.0.1',
    port: process.env.ATEK_HOST_PORT,
    method: 'CONNECT',
    path: to,
    headers: { host: to, authorization: `Bearer ${process.env.ATEK_HOST_BEARER_TOKEN}` }
  })
  request.on('error', (error) => done({ error: error.code ?? error.message }))
  request.on('connect', (response, socket) => {
    if (response.statusCode === 200) return ask(socket, to.split(':')[0], query.get('ca'), done)
    socket.destroy()
    done({ refused: response.statusCode })
  })
  request.end()
}

// POST http://HOST:PORT/echo?x=1 by the proxy: the status and what the server saw of it.
exports.plain = (query, done) => {
  const to = query.get('to')
  const request = http.request({
    host: '127.0.0.1',
    port: process.env.ATEK_HOST_PORT,
    method: 'POST',
    path: `http://${to}/echo?x=1`,
    headers: {
      host: to,
      authorization: 'Bearer theirs',
      'proxy-authorization': 'Basic secret',
      'content-length': BYTES
    }
  })
  request.on('error', (error) => done({ error: error.code ?? error.message }))
  request.on('response', (response) => {
    const chunks = []
    response.on('data', (chunk) => chunks.push(chunk))
    response.on('end', () => {
      const text = Buffer.concat(chunks).toString()
      done(response.statusCode === 200 ? JSON.parse(text) : { refused: response.statusCode })
    })
  })
  request.end(Buffer.alloc(BYTES, 'atek'))
}
