/**
 * The records of a database as folders. The host lists everything under a path, in order; a level of the tree is
 * read by skipping what lies inside each folder as soon as the folder is known.
 */

import type { Entry, ListOptions } from './api/databases'
import { isRecord } from './rpc'

/** A record at a level, or a folder of records, or both at once. */
export interface Node {
  name: string
  record: Entry | null
  isFolder: boolean
}

export interface Level {
  nodes: Node[]
  /** Where the next page begins; `null` at the end. */
  next: string | null
}

type List = (options: ListOptions) => Promise<{ records: Entry[] }>

/** Nodes on a page. */
const PAGE = 50
/** Requests for one page: a level of folders needs one for each. */
const MOST_REQUESTS = PAGE + 10
/** Sorts after everything inside a folder, and before its next sibling: parts are separated by NUL. */
const AFTER_FOLDER = '\u0001'

/** A page of the nodes directly below the path with `depth` parts. `after` is `next` of the page before. */
export async function level(list: List, depth: number, after: string | null): Promise<Level> {
  const nodes: Node[] = []
  let from = after
  for (let request = 0; request < MOST_REQUESTS; request += 1) {
    const { records } = await list({ cursor: '', limit: PAGE, ...(from !== null && { gt: from }) })
    if (records.length === 0) return { nodes, next: null }
    for (const record of records) {
      const [name, ...below] = partsOf(record.url).slice(depth)
      if (name === undefined) continue
      const isFolder = below.length > 0
      const last = nodes.at(-1)
      if (last?.name === name) last.isFolder = true
      else if (nodes.length === PAGE) return { nodes, next: from }
      else nodes.push({ name, record: isFolder ? null : record, isFolder })
      from = isFolder ? name + AFTER_FOLDER : name
    }
    if (records.length < PAGE) return { nodes, next: null }
  }
  return { nodes, next: from }
}

/** The parts of the path in a record's URL, where each is encoded: a part may hold a slash. */
export function partsOf(url: string): string[] {
  const path = url.replace(/^[a-z]+:\/\/[^/]*/, '')
  return path.split('/').flatMap((part) => (part === '' ? [] : [decoded(part)]))
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

/** Why a text is no record, with the place, or the record. */
export type Parsed =
  | { value: Record<string, unknown> }
  | { problem: 'empty' | 'notObject' }
  | { problem: 'syntax'; said: string }

/** Reads the text of a record: one JSON object. */
export function parseRecord(text: string): Parsed {
  if (text.trim() === '') return { problem: 'empty' }
  try {
    const value: unknown = JSON.parse(text)
    return isRecord(value) ? { value } : { problem: 'notObject' }
  } catch (error) {
    return { problem: 'syntax', said: error instanceof Error ? error.message : String(error) }
  }
}

/** Lines of JSON, one a record, in the order of the paths; what `onpage` is told is how many there are by now. */
export async function exported(
  page: (cursor: string) => Promise<{ records: Entry[]; cursor?: string }>,
  onpage: (count: number) => void
): Promise<Blob> {
  const chunks: string[] = []
  let count = 0
  for (let cursor: string | undefined = ''; cursor !== undefined;) {
    const answer: { records: Entry[]; cursor?: string } = await page(cursor)
    for (const { url, value } of answer.records)
      chunks.push(`${JSON.stringify({ path: partsOf(url), value })}\n`)
    count += answer.records.length
    onpage(count)
    cursor = answer.cursor
  }
  return new Blob(chunks, { type: 'application/x-ndjson' })
}
