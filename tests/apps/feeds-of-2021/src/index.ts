// Reads feeds and keeps their items in a database of the box, with the demands of the original's reader: TypeScript
// that is compiled by the build, no atek.json, a parser that connects by itself, tables with a schema.
import { createRpcServer } from '@atek-cloud/node-rpc'
import adb, { defineSchema } from '@atek-cloud/adb-api'
import express from 'express'
import Parser from 'rss-parser'

interface Item {
  feed: string
  title: string
  link: string
}

const table = defineSchema<Item>(['feeds.example.org', 'items'], {
  pkey: '/link',
  jsonSchema: {
    type: 'object',
    properties: { feed: { type: 'string' }, title: { type: 'string' }, link: { type: 'string' } },
    required: ['feed', 'title', 'link']
  }
})
const items = table(adb.db('feeds'))
const parser = new Parser()

const rpc = createRpcServer({
  async add (url: string) {
    const feed = await parser.parseURL(url)
    for (const { title = '', link = '' } of feed.items) await items.create({ feed: url, title, link })
    return feed.title
  },
  async titles () {
    const { records } = await items.list()
    return records.map((record: any) => record.value.title).sort()
  }
})

const app = express()
app.post('/_api', express.json(), (request, response) => {
  rpc.handle(request, response, request.body)
})
app.use(express.static('static'))
app.listen(process.env.ATEK_ASSIGNED_SOCKET_FILE)
