import { describe, expect, it } from 'vitest'
import type { Entry, ListOptions } from '../src/lib/api/databases'
import { exported, level, parseRecord, partsOf } from '../src/lib/record-tree'

/** A database of these paths, which lists as the host does; counts its requests. */
function database(paths: string[][]) {
  const sorted = paths.map((parts) => parts.join('\0')).sort()
  const asked: ListOptions[] = []
  const list = async (options: ListOptions) => {
    asked.push(options)
    const from = options.gt ?? ''
    const found = sorted.filter((key) => key > from).slice(0, options.limit)
    return { records: found.map(record) }
  }
  return { list, asked }
}

function record(key: string): Entry {
  const parts = key.split('\0')
  const path = `/${parts.map(encodeURIComponent).join('/')}`
  return { key: parts.join('/'), path, url: `hyper://abc${path}`, seq: 1, value: { key } }
}

const names = (nodes: { name: string }[]) => nodes.map((node) => node.name)

describe('a level of the tree', () => {
  it('has records, folders, and what is both, once each', async () => {
    const { list } = database([['a'], ['a', 'x'], ['b', 'y'], ['b', 'z'], ['c']])
    const { nodes, next } = await level(list, 0, null)
    expect(nodes.map(({ name, isFolder, record }) => [name, isFolder, record !== null])).toEqual([
      ['a', true, true],
      ['b', true, false],
      ['c', false, true]
    ])
    expect(next).toBeNull()
  })

  it('skips what is inside a large folder', async () => {
    const inside = Array.from({ length: 5000 }, (_, at) => ['big', `r${String(at).padStart(4, '0')}`])
    const { list, asked } = database([...inside, ['small']])
    const { nodes } = await level(list, 0, null)
    expect(names(nodes)).toEqual(['big', 'small'])
    expect(asked.length).toBe(2)
  })

  it('keeps a sibling whose name begins like a folder', async () => {
    const { list } = database([...Array.from({ length: 60 }, (_, at) => ['a', String(at)]), ['a!'], ['ab']])
    expect(names((await level(list, 0, null)).nodes)).toEqual(['a', 'a!', 'ab'])
  })

  it('comes in pages that leave nothing out', async () => {
    const all = Array.from({ length: 120 }, (_, at) => String(at).padStart(3, '0'))
    const { list } = database(all.map((name, at) => (at % 3 === 0 ? [name, 'inside'] : [name])))
    const seen: string[] = []
    for (let after: string | null = null; ;) {
      const { nodes, next }: { nodes: { name: string }[]; next: string | null } = await level(list, 0, after)
      seen.push(...names(nodes))
      if (next === null) break
      after = next
    }
    expect(seen).toEqual(all)
  })
})

describe('a path', () => {
  it('is read from the URL, where a part may hold a slash', () => {
    expect(partsOf('hyper://abc/a%2Fb/c%20d')).toEqual(['a/b', 'c d'])
    expect(partsOf('hyper://abc/100%')).toEqual(['100%'])
    expect(partsOf('hyper://abc/')).toEqual([])
  })
})

describe('the text of a record', () => {
  it('is one JSON object', () => {
    expect(parseRecord('{"a": 1}')).toEqual({ value: { a: 1 } })
    expect(parseRecord(' \n')).toEqual({ problem: 'empty' })
    for (const text of ['[]', '1', 'null', '"x"']) expect(parseRecord(text)).toEqual({ problem: 'notObject' })
    expect(parseRecord('{"a": }')).toMatchObject({ problem: 'syntax' })
  })
})

describe('an export', () => {
  it('has a line for each record of every page', async () => {
    const pages: Record<string, { records: Entry[]; cursor?: string }> = {
      '': { records: [record('a'), record('b\0c')], cursor: 'x' },
      x: { records: [record('d')] }
    }
    const counts: number[] = []
    const blob = await exported(
      async (cursor) => pages[cursor] ?? { records: [] },
      (count) => counts.push(count)
    )
    const lines = (await blob.text()).trimEnd().split('\n')
    expect(lines.map((line) => JSON.parse(line).path)).toEqual([['a'], ['b', 'c'], ['d']])
    expect(counts).toEqual([2, 3])
  })
})
