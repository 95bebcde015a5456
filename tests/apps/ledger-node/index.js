// Takes entries into a queue of Redis; `worker.js` writes them into PostgreSQL.
const fs = require('fs')
const http = require('http')
const path = require('path')
const { sql, redis } = require('./stores.js')

const version = fs.readFileSync(path.join(__dirname, 'VERSION'), 'utf8').trim()

const answer = async (url) => {
  const text = url.searchParams.get('text')
  if (url.pathname === '/add') return redis('LPUSH', 'entries', text)
  const rows = await sql('select text from entries order by at')
  return { version, entries: rows.map(([text]) => text) }
}

http
  .createServer((request, response) => {
    answer(new URL(request.url, 'http://app')).then(
      (result) => response.end(JSON.stringify(result)),
      (error) => response.writeHead(500).end(`${error}`)
    )
  })
  .listen(process.env.ATEK_ASSIGNED_SOCKET_FILE)
