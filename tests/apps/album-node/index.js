// Keeps files in its folder "photos", which its owner can give to other apps; and a link in place of another folder, which
// leads out of its data.
const fs = require('fs')
const http = require('http')
const path = require('path')

const photos = path.join(process.env.HOME, 'photos')
fs.mkdirSync(photos, { recursive: true })
fs.rmSync(path.join(process.env.HOME, 'trap'), { recursive: true, force: true })
fs.symlinkSync('/etc', path.join(process.env.HOME, 'trap'))

const at = (query) => path.join(photos, path.basename(query.get('name') ?? ''))
const answers = {
  '/put': (query) => fs.writeFileSync(at(query), query.get('text')),
  '/get': (query) => fs.readFileSync(at(query), 'utf8')
}

http
  .createServer((request, response) => {
    const url = new URL(request.url, 'http://app')
    try {
      response.end(answers[url.pathname]?.(url.searchParams) ?? 'album')
    } catch (error) {
      response.end(error.code)
    }
  })
  .listen(process.env.ATEK_ASSIGNED_SOCKET_FILE)
