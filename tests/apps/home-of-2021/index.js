// A home with the demands of the original's: the npm clients of 2021 call the host over TCP with the token of the
// environment, its own API is at /_api, its files are behind it, and every other path is the page.
import { fileURLToPath } from 'node:url'
import adb from '@atek-cloud/adb-api'
import { createRpcServer } from '@atek-cloud/node-rpc'
import services from '@atek-cloud/services-api'
import express from 'express'

const page = fileURLToPath(new URL('public/index.html', import.meta.url))

const methods = {
  databases (user) {
    return adb.api.adminListDbsByOwningUser(user || this.req.headers['atek-auth-user'])
  },
  describe: id => adb.api.dbDescribe(id),
  list: (...where) => adb.api.recordList(...where),
  get: (...where) => adb.api.recordGet(...where),
  put: (...where) => adb.api.recordPut(...where),
  remove: (...where) => adb.api.recordDelete(...where)
}
const passed = ['list', 'get', 'start', 'stop', 'restart', 'install', 'uninstall', 'checkForPackageUpdates', 'configure']
for (const name of passed) methods[`services_${name}`] = (...params) => services[name](...params)
const rpc = createRpcServer(methods)

const app = express()
app.head('/', (_, response) => response.status(200).end())
app.post('/_api', express.json(), (request, response) => rpc.handle(request, response, request.body))
app.use(express.static(fileURLToPath(new URL('public', import.meta.url))))
app.use((_, response) => response.sendFile(page))
app.listen(process.env.ATEK_ASSIGNED_SOCKET_FILE)
