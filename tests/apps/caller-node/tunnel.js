// TLS through the host's way to other hosts: CONNECT, then a request whose body comes back.
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
