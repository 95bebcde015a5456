// Serves the folder that its configuration names, with the demands of the original's statek: no way to go on without
// the setting, a HEAD that says no more than 204, folders listed.
import http from 'node:http'
import serve from 'serve-handler'

const source = process.env.SOURCE_URL
if (!source) throw new Error('Must provide SOURCE_URL config')
const folder = source.replace(/^file:\/\//, '')

http
  .createServer((request, response) => {
    if (request.method === 'HEAD') return response.writeHead(204).end()
    return serve(request, response, { public: folder })
  })
  .listen(process.env.ATEK_ASSIGNED_SOCKET_FILE)
