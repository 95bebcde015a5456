// The npm registry as a test machine has it: registry.mjs FOLDER UPSTREAM ADDRESS PORT. What it gave once is kept in FOLDER.
//
// A packed version of a package never changes, so a kept one is given without asking. A list of versions does change: it is
// asked for, and the kept one is given where nothing answers. Without an UPSTREAM (`-`) all of it comes from FOLDER.
// Says `ready`, and ends with its standard input.
import { createServer } from 'node:http'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

const [folder, upstream, address, port] = process.argv.slice(2)
/** Milliseconds until a list is given up, or a package. */
const LIST = 20_000
const PACKAGE = 120_000
/** npm asks for lists in a short form, too. */
const SHORT = 'application/vnd.npm.install-v1+json'

await mkdir(folder, { recursive: true })

createServer(async (request, response) => {
  try {
    const { url, method, headers } = request
    const isPackage = url.endsWith('.tgz')
    const isShort = !isPackage && (headers.accept ?? '').includes(SHORT)
    const body = method === 'GET' && (await find(url, isPackage, isShort))
    if (!body) return response.writeHead(404, { 'content-type': 'application/json' }).end('{"error":"not kept"}')
    const type = isPackage ? 'application/octet-stream' : isShort ? SHORT : 'application/json'
    response.writeHead(200, { 'content-type': type, 'content-length': body.length }).end(body)
  } catch (error) {
    response.writeHead(502).end(String(error))
  }
}).listen(Number(port), address, () => console.log('ready'))
process.stdin.resume().on('end', () => process.exit())

/** The content of a path; null where there is none. */
async function find(path, isPackage, isShort) {
  const file = join(folder, encodeURIComponent(path) + (isShort ? '.short' : ''))
  const kept = await readFile(file).catch(() => null)
  if (upstream === '-' || (kept && isPackage)) return kept
  const asked = await ask(path, isPackage ? PACKAGE : LIST, isShort).catch(error => ({ error }))
  if (asked.error && !kept) throw asked.error
  if (asked.body) {
    // Several machines may keep the same.
    const aside = `${file}.${process.pid}.${Math.random()}`
    await writeFile(aside, asked.body)
    await rename(aside, file)
  }
  return asked.error ? kept : asked.body
}

/** Asks the registry; its refusal is an empty answer. */
async function ask(path, limit, isShort) {
  const answer = await fetch(upstream.replace(/\/$/, '') + path, {
    headers: isShort ? { accept: SHORT } : {},
    signal: AbortSignal.timeout(limit)
  })
  if (answer.status >= 500) throw new Error(`${upstream} answered with ${answer.status}`)
  return { body: answer.ok ? Buffer.from(await answer.arrayBuffer()) : null }
}
