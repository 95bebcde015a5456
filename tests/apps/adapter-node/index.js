// Writes to a device as a program for a radio or a meter does: GET /say?device=PATH&text=TEXT answers whether it is a
// terminal, or the code of the error.
const fs = require('fs')
const http = require('http')
const tty = require('tty')

const say = (device, text) => {
  try {
    const file = fs.openSync(device, fs.constants.O_RDWR | fs.constants.O_NOCTTY)
    const terminal = tty.isatty(file)
    fs.writeSync(file, `${text}\n`)
    fs.closeSync(file)
    return { terminal }
  } catch (error) {
    return { error: error.code }
  }
}

http
  .createServer((request, response) => {
    const { searchParams } = new URL(request.url, 'http://localhost')
    response.end(JSON.stringify(say(searchParams.get('device') ?? '', searchParams.get('text'))))
  })
  .listen(process.env.PORT, process.env.HOST)
