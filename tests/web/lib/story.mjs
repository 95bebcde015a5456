// A scenario is a story: named steps, told one after another, against one box with one Chromium.
//
//   story(async ({ box, browser, step }) => {
//     const alice = await browser.person('alice')
//     await step('alice opens the box', () => alice.open(box.url()))
//   })
//
// A step fails when it throws, when it takes too long, or when a page did something wrong during it that the
// story did not expect (watch.mjs). The first failed step ends the story, with a picture of every open page.

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Box, hangUp, tell } from './box.mjs'
import { Browser } from './browser.mjs'

/** More than any step needs on a busy machine: only what hangs takes longer. */
const STEP = 180_000

export const out = process.env.STORY_OUT

/** Tells the story, and ends the process. `wishes` are those of `Browser.start`. */
export async function story(tellIt, wishes) {
  const box = new Box()
  let told = 'the start of Chromium'
  let browser
  const step = async (name, act) => {
    told = name
    const started = performance.now()
    const result = await within(STEP, act)
    const troubles = browser.people.flatMap(person => person.watch.take())
    if (troubles.length > 0) throw new Error(`the pages did this during it:\n  ${troubles.join('\n  ')}`)
    tell({ step: name, ms: Math.round(performance.now() - started) })
    return result
  }
  try {
    await mkdir(out, { recursive: true })
    browser = await Browser.start(box, wishes)
    await tellIt({ box, browser, step })
    await step('nothing else went wrong', () => {})
    tell({ done: true })
  } catch (error) {
    tell({ failed: told, message: String(error.stack ?? error), pictures: await evidence(browser) })
  } finally {
    await browser?.close()
    hangUp()
  }
}

async function within(limit, act) {
  let timer
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done within ${limit / 1000} s`)), limit)
  })
  try {
    return await Promise.race([act(), late])
  } finally {
    clearTimeout(timer)
  }
}

// A picture of each open page, and what the consoles said.
async function evidence(browser) {
  const files = []
  for (const { name, context, watch } of browser?.people ?? []) {
    const said = join(out, `failed-${name}-console.txt`)
    await writeFile(said, `${[...watch.console, ...watch.troubles].join('\n')}\n`)
    files.push(said)
    for (const [at, page] of context.pages().entries()) {
      const picture = join(out, `failed-${name}-${at}.png`)
      // A page may be too broken for a picture: the rest of the evidence counts all the same.
      const taken = await page.screenshot({ path: picture, timeout: 5_000 }).catch(() => null)
      if (taken) files.push(`${picture} (${page.url()})`)
    }
  }
  return files
}
