// What holds for every page: it is accessible, and nothing overflows.

import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { DESKTOP, PHONE } from './browser.mjs'
import { out } from './story.mjs'

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** How long a page may take to become what it will be: to load its part, to take on its colours. */
const SOON = 15_000

/** Throws what axe-core finds on the page, when it is still there after a while. */
export async function isAccessible(page, patience = SOON) {
  const deadline = performance.now() + patience
  for (;;) {
    const findings = await findingsOn(page)
    if (findings.length === 0) return
    if (performance.now() > deadline) throw new Error(`axe-core found on ${page.url()}:\n  ${findings.join('\n  ')}`)
  }
}

async function findingsOn(page) {
  // Evaluated by the debugger, which no content security policy holds back.
  await page.evaluate(`typeof axe === 'undefined' && (() => { ${axe} })()`)
  // A frame's page is its own author's.
  return page.evaluate(async () => {
    const { violations } = await globalThis.axe.run(document, { resultTypes: ['violations'], iframes: false })
    return violations.map(({ id, help, nodes }) => {
      const where = nodes.map(({ html, any }) => `${html.slice(0, 200)} (${any[0]?.message ?? ''})`)
      return `${id}: ${help}: ${where.join(' | ')}`
    })
  })
}

/** Throws what is wider than the window, when it is still so after a while: charts follow a new width a moment later. */
export async function fitsItsWidth(page, patience = SOON) {
  const deadline = performance.now() + patience
  for (;;) {
    const wide = await tooWide(page)
    if (!wide) return
    if (performance.now() > deadline) throw new Error(`${page.url()} scrolls sideways: ${wide}`)
  }
}

function tooWide(page) {
  return page.evaluate(async () => {
    await new Promise(resolve => requestAnimationFrame(() => requestAnimationFrame(resolve)))
    const { scrollWidth, clientWidth } = document.documentElement
    if (scrollWidth <= clientWidth) return null
    const over = [...document.querySelectorAll('body *')].filter(one => one.getBoundingClientRect().right > clientWidth + 1)
    const names = over.slice(0, 5).map(one => one.outerHTML.slice(0, 120))
    return `${scrollWidth} of ${clientWidth} px: ${names.join(' | ')}`
  })
}

const DEVICES = { phone: PHONE, desktop: DESKTOP }

/** A page at phone and desktop width, light and dark: checked, and a picture of each is kept. */
export async function looksRight(person, name, { devices = ['phone', 'desktop'], colours = ['light', 'dark'] } = {}) {
  const { page } = person
  const before = page.viewportSize()
  for (const device of devices) {
    await page.setViewportSize(DEVICES[device])
    for (const colorScheme of colours) {
      await page.emulateMedia({ colorScheme })
      await settled(page)
      await fitsItsWidth(page)
      await isAccessible(page)
      await page.screenshot({ path: join(out, `${name}-${device}-${colorScheme}.png`), fullPage: true })
    }
  }
  await page.emulateMedia({ colorScheme: null })
  await page.setViewportSize(before)
}

// Colours that are on their way to another are neither.
function settled(page) {
  return page.evaluate(async () => {
    await new Promise(resolve => requestAnimationFrame(() => requestAnimationFrame(resolve)))
    const ending = document.getAnimations().filter(({ effect }) => effect?.getComputedTiming().endTime !== Infinity)
    await Promise.allSettled(ending.map(animation => animation.finished))
  })
}
