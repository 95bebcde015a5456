// Keeps records in files. `break.js`, if a release has one, runs before and after it listens.
const fs = require('fs')
const http = require('http')
const path = require('path')

const socket = process.env.ATEK_ASSIGNED_SOCKET_FILE
const state = process.env.HOME
const data = path.join(state, 'records.json')
const version = fs.readFileSync(path.join(__dirname, 'VERSION'), 'utf8').trim()

// Of everything that a folder can hold, once.
const fill = () => {
  fs.writeFileSync(data, JSON.stringify({ schema: 1, records: [] }))
  fs.mkdirSync(path.join(state, 'deep/er'), { recursive: true })
  fs.writeFileSync(path.join(state, 'deep/er/binary'), Buffer.from([...Array(4096).keys()]))
  fs.chmodSync(path.join(state, 'deep/er/binary'), 0o640)
  fs.linkSync(path.join(state, 'deep/er/binary'), path.join(state, 'deep/same'))
  fs.symlinkSync('er/binary', path.join(state, 'deep/link'))
  fs.writeFileSync(path.join(state, 'deep/sparse'), '')
  fs.truncateSync(path.join(state, 'deep/sparse'), 8 << 20)
  fs.utimesSync(path.join(state, 'deep/sparse'), 1e9, 1e9)
}

const broken = (() => {
  try {
    return require('./break.js')
  } catch (error) {
    if (error.code === 'MODULE_NOT_FOUND') return {}
    throw error
  }
})()

if (!fs.existsSync(data)) fill()
broken.start?.({ state, data })

const methods = {
  version: () => version,
  add: (text) => {
    const all = JSON.parse(fs.readFileSync(data))
    all.records.push(text)
    fs.writeFileSync(`${data}.new`, JSON.stringify(all))
    fs.renameSync(`${data}.new`, data)
    return all.records.length
  },
  all: () => JSON.parse(fs.readFileSync(data)).records
}

const answer = (request, response) => {
  if (broken.answer?.(request, response)) return
  if (request.method !== 'POST') return response.end(version)
  let body = ''
  request.on('data', (chunk) => (body += chunk))
  request.on('end', () => {
    const { id, method, params = [] } = JSON.parse(body)
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ jsonrpc: '2.0', id, result: methods[method](...params) }))
  })
}

const listen = broken.listen ?? (() => http.createServer(answer).listen(socket))
listen()
broken.later?.({ state, data, socket })
