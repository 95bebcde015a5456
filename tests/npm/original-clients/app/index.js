// An app as the original's developers wrote them: node-rpc and adb-api from a parent folder's
// node_modules, its own API called back through the host, a WebSocket without any authorization.

import http from 'node:http'
import websocket from 'websocket-stream'
import WebSocketServer from 'websocket-stream/server.js'
import { rpc, ws, createRpcServer } from '@atek-cloud/node-rpc'
import adb from '@atek-cloud/adb-api'

const double = createRpcServer({ double: n => n * 2 })

const server = http.createServer(async (request, response) => {
  try {
    if (request.method === 'POST' && request.url === '/_api/double') {
      let body = ''
      for await (const chunk of request) body += chunk
      return await double.handle(request, response, JSON.parse(body))
    }
    if (request.url === '/report') {
      response.setHeader('Content-Type', 'application/json')
      return response.end(JSON.stringify(await report()))
    }
    response.end('the app of the original clients')
  } catch (error) {
    response.statusCode = 500
    response.end(String(error.stack))
  }
})

async function report () {
  const db = adb.db('notes')
  await db.put(['notes', '1'], { text: 'hi' })
  return {
    whoami: await rpc('atek.cloud/user-sessions-api').whoami(),
    double: await rpc('example.com/double').double(21),
    note: (await db.get(['notes', '1'])).value,
    echo: await echo('through the host')
  }
}

function echo (text) {
  return new Promise((resolve, reject) => {
    const stream = ws('example.com/echo')
    stream.once('error', reject)
    stream.once('data', data => { resolve(data.toString()); stream.destroy() })
    stream.write(text)
  })
}

WebSocketServer.createServer({ server, path: '/_api/echo' }, stream => stream.pipe(stream))
server.listen(process.env.ATEK_ASSIGNED_SOCKET_FILE)
