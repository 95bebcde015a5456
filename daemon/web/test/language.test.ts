import { beforeEach, expect, test, vi } from 'vitest'
import type { Language, Parts, Sources } from '../src/lib/language.svelte'

vi.stubGlobal('document', { documentElement: {} })
beforeEach(() => vi.resetModules())

/** Texts that come when the test says so. */
function held() {
  const waiting: Partial<Record<Language, { come: () => void; fail: () => void }>> = {}
  const source = (language: Language) => () =>
    new Promise<Partial<Parts>>((resolve, reject) => {
      waiting[language] = {
        come: () => resolve({ homes: { label: language } } as unknown as Partial<Parts>),
        fail: () => reject(new Error('no network'))
      }
    })
  const sources: Sources = { en: source('en'), de: source('de') }
  return { waiting, sources }
}

async function page(languages: readonly string[]) {
  vi.stubGlobal('navigator', { languages })
  const { language, texts } = await import('../src/lib/language.svelte')
  return { language, label: () => texts('homes')().label }
}

test('only the language of the browser is fetched, before anything is shown', async () => {
  const { waiting, sources } = held()
  const { language, label } = await page(['de-AT', 'en'])
  const started = language.start(sources)
  expect(Object.keys(waiting)).toEqual(['de'])
  expect(label).toThrow('not loaded')
  waiting.de?.come()
  await started
  expect([label(), language.current]).toEqual(['de', 'de'])
})

test('a page stays in its language until the texts of another are there', async () => {
  const { waiting, sources } = held()
  const { language, label } = await page(['en'])
  const started = language.start(sources)
  waiting.en?.come()
  await started
  const chosen = language.choose('de')
  expect([label(), language.current, language.choice]).toEqual(['en', 'en', 'de'])
  waiting.de?.come()
  await chosen
  expect([label(), language.current, document.documentElement.lang]).toEqual(['de', 'de', 'de'])
})

test('the language that was chosen last is shown, whichever comes first', async () => {
  const { waiting, sources } = held()
  const { language, label } = await page(['en'])
  const started = language.start(sources)
  waiting.en?.come()
  await started
  const german = language.choose('de')
  const english = language.choose('en')
  waiting.en?.come()
  await english
  waiting.de?.come()
  await german
  expect([label(), language.current]).toEqual(['en', 'en'])
})

test('texts that cannot be fetched leave the page as it is, and the choice is kept', async () => {
  const { waiting, sources } = held()
  const { language, label } = await page(['en'])
  const started = language.start(sources)
  waiting.en?.come()
  await started
  const chosen = language.choose('de')
  waiting.de?.fail()
  await chosen
  expect([label(), language.current, language.choice]).toEqual(['en', 'en', 'de'])
})
