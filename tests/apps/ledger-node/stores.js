// The smallest clients of PostgreSQL and Redis that this app needs: one question, one answer.
const net = require('net')

// The rows of a query, as texts (PostgreSQL's frontend/backend protocol 3.0, simple query).
const sql = (text) =>
  new Promise((resolve, reject) => {
    const socket = net.connect(5432, 'db')
    const rows = []
    let bytes = Buffer.alloc(0)
    let asked = false
    const send = (kind, body) => {
      const head = Buffer.alloc(4)
      head.writeInt32BE(body.length + 4)
      socket.write(Buffer.concat([Buffer.from(kind), head, body]))
    }
    const take = (kind, body) => {
      if (kind === 'E') return socket.destroy(new Error(body.toString().replaceAll('\0', ' ')))
      if (kind === 'D') {
        const row = []
        for (let n = body.readInt16BE(0), at = 2; n > 0; n--) {
          const length = body.readInt32BE(at)
          row.push(body.toString('utf8', at + 4, at + 4 + length))
          at += 4 + length
        }
        rows.push(row)
      }
      if (kind !== 'Z') return
      if (asked) return socket.end(() => resolve(rows))
      asked = true
      send('Q', Buffer.from(`${text}\0`))
    }
    socket.on('connect', () => {
      const version = Buffer.from([0, 3, 0, 0])
      send('', Buffer.concat([version, Buffer.from('user\0postgres\0database\0postgres\0\0')]))
    })
    socket.on('data', (chunk) => {
      bytes = Buffer.concat([bytes, chunk])
      while (bytes.length >= 5 && bytes.length >= 1 + bytes.readInt32BE(1)) {
        const end = 1 + bytes.readInt32BE(1)
        const [kind, body] = [String.fromCharCode(bytes[0]), bytes.subarray(5, end)]
        bytes = bytes.subarray(end)
        take(kind, body)
      }
    })
    socket.on('error', reject)
    socket.on('close', () => reject(new Error('the database closed the connection')))
  })

// The answer to a command whose answer is one line, or a list of short texts (RESP 2).
const redis = (...words) =>
  new Promise((resolve, reject) => {
    const socket = net.connect(6379, 'cache')
    const parts = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`)
    let text = ''
    socket.on('connect', () => socket.write(`*${words.length}\r\n${parts.join('')}`))
    socket.on('data', (chunk) => {
      text += chunk
      const lines = text.split('\r\n')
      const [, kind, rest] = /^([-+:*$])(.*)$/.exec(lines[0]) ?? []
      if (lines.length < 2) return
      if (kind === '-') return socket.destroy(new Error(rest))
      if (kind !== '*') return socket.end(() => resolve(rest))
      // Two lines for each: its length, and itself.
      const count = Math.max(0, Number(rest))
      if (lines.length < 2 + 2 * count) return
      socket.end(() => resolve(Array.from({ length: count }, (_, n) => lines[2 + 2 * n])))
    })
    socket.on('error', reject)
    socket.on('close', () => reject(new Error('the cache closed the connection')))
  })

module.exports = { sql, redis }
