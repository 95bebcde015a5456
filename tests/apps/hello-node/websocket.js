// Enough of RFC 6455 to echo small frames.
const { createHash } = require('crypto')

const accept = (key) => createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')

// An unmasked, unfragmented frame of fewer than 64 KiB.
const frame = (opcode, payload) => {
  const short = payload.length < 126
  const head = Buffer.from([0x80 | opcode, short ? payload.length : 126])
  const length = Buffer.alloc(short ? 0 : 2)
  if (!short) length.writeUInt16BE(payload.length)
  return Buffer.concat([head, length, payload])
}

// Takes one masked frame off the front of `bytes`; null when it is not whole yet.
const take = (bytes) => {
  if (bytes.length < 2) return null
  const opcode = bytes[0] & 0x0f
  const short = (bytes[1] & 0x7f) < 126
  const head = short ? 2 : 4
  if (bytes.length < head) return null
  const length = short ? bytes[1] & 0x7f : bytes.readUInt16BE(2)
  if (bytes.length < head + 4 + length) return null
  const mask = bytes.subarray(head, head + 4)
  const payload = Buffer.from(bytes.subarray(head + 4, head + 4 + length).map((byte, at) => byte ^ mask[at % 4]))
  return { opcode, payload, rest: bytes.subarray(head + 4 + length) }
}

const CLOSE = 8
const PING = 9
const PONG = 10

exports.echoFrames = (request, socket, greeting) => {
  socket.write(
    'HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n' +
      `sec-websocket-accept: ${accept(request.headers['sec-websocket-key'])}\r\n\r\n`
  )
  socket.write(frame(1, Buffer.from(greeting)))
  let bytes = Buffer.alloc(0)
  socket.on('error', () => socket.destroy())
  socket.on('data', (chunk) => {
    bytes = Buffer.concat([bytes, chunk])
    for (let got = take(bytes); got; got = take(bytes)) {
      bytes = got.rest
      if (got.opcode === CLOSE) return socket.end(frame(CLOSE, got.payload))
      socket.write(frame(got.opcode === PING ? PONG : got.opcode, got.payload))
    }
  })
}
