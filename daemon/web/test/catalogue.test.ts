import { describe, expect, test } from 'vitest'
import type { Recipe } from '../src/lib/api/catalogue'
import { find, installPath, summary, used } from '../src/lonestar/catalogue'

const recipe = (name: string, title: string, de: string, categories: Recipe['categories']): Recipe => ({
  sourceUrl: `catalogue:atek/${name}`,
  catalogue: 'atek',
  name,
  title,
  summary: { en: `About ${title}.`, de },
  categories,
  version: '1.0.0',
  permissions: {}
})

const wiki = recipe('tiddlywiki', 'TiddlyWiki', 'Ein Notizbuch für Gäste.', ['notes'])
const all = [wiki, recipe('node-red', 'Node-RED', 'Zeichnet Abläufe.', ['automation', 'development'])]
const names = (found: Recipe[]) => found.map(({ name }) => name)

describe('the catalogue', () => {
  test('finds words in every language, whatever their accents', () => {
    expect(names(find(all, '', null))).toEqual(['tiddlywiki', 'node-red'])
    expect(names(find(all, 'gaste NOTIZ', null))).toEqual(['tiddlywiki'])
    expect(names(find(all, 'red', 'automation'))).toEqual(['node-red'])
    expect(names(find(all, 'red', 'notes'))).toEqual([])
  })

  test('offers the categories that have apps', () => {
    expect(used(all)).toEqual(['automation', 'development', 'notes'])
  })

  test('speaks English where a language is missing', () => {
    expect(summary(wiki, 'fr')).toBe('About TiddlyWiki.')
    expect(installPath(wiki)).toBe('/p/install?source=catalogue%3Aatek%2Ftiddlywiki')
  })
})
