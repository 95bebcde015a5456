/** Helpers for WebSockets. */

/** Bytes that may wait for a reader before its source is held. */
const HIGH = 1 << 20

/**
 * Sends a message; resolves when the reader has room again.
 * @param {import('ws').WebSocket} socket
 * @param {string | Buffer} data
 */
export function send (socket, data) {
  return new Promise((resolve, reject) => {
    if (socket.readyState !== socket.OPEN) return reject(new Error('the socket is closed'))
    socket.send(data, { binary: typeof data !== 'string' }, error => (error ? reject(error) : resolve()))
    if (socket.bufferedAmount <= HIGH) resolve()
  })
}

/**
 * Joins a WebSocket and a duplex stream, message by message, with the slower one's pace.
 * @param {import('ws').WebSocket} socket
 * @param {import('streamx').Duplex} stream keeps the bounds of messages
 */
export function join (socket, stream) {
  stream.on('data', data => {
    socket.send(data, { binary: true }, error => { if (error) stream.destroy() })
    if (socket.bufferedAmount > HIGH) {
      stream.pause()
      whenDrained(socket, () => stream.resume())
    }
  })
  stream.once('end', () => socket.close())
  stream.once('close', () => socket.close())
  stream.on('error', () => socket.close())
  socket.on('message', data => {
    // Some messages still come after a pause: they were read already.
    if (!stream.write(data) && !socket.isPaused) {
      socket.pause()
      stream.once('drain', () => socket.resume())
    }
  })
  socket.once('close', () => stream.end())
}

function whenDrained (socket, resume) {
  const tcp = socket._socket
  if (!tcp || socket.readyState !== socket.OPEN) return
  const look = () => {
    if (socket.bufferedAmount > HIGH / 2) tcp.once('drain', look)
    else resume()
  }
  tcp.once('drain', look)
}
