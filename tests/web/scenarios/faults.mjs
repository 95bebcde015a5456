// The positive control of every story: pages with a fault each, which the harness must find.

import assert from 'node:assert/strict'
import { fitsItsWidth, isAccessible } from '../lib/checks.mjs'
import { story } from '../lib/story.mjs'
import { until } from '../lib/until.mjs'

const page = (body, head = '') =>
  `<!doctype html><html lang="en"><head><title>fault</title>${head}</head><body><main><h1>fault</h1>${body}</main></body></html>`

const FAULTS = {
  'an error on the console': { body: page('<script>console.error("alas")</script>'), finds: /console error: alas/ },
  'an uncaught exception': { body: page('<script>throw new Error("oh no")</script>'), finds: /uncaught: .*oh no/ },
  'a script that the policy forbids': {
    body: page('<script>1</script>'),
    headers: { 'content-security-policy': "script-src 'self'" },
    finds: /console error: .*Content Security Policy/
  },
  'an answer that refuses': { body: page('<img alt="" src="/not-there">'), finds: /GET .*not-there 404/ },
  'a request to another host': {
    body: page('<img alt="" src="http://elsewhere.example/x.png">'),
    finds: /asked another host: GET http:\/\/elsewhere\.example/
  }
}

story(async ({ box, browser, step }) => {
  const eve = await browser.person('eve')
  const show = async ({ body, headers }) => {
    await eve.page.route('**/fault', route => route.fulfill({ body, contentType: 'text/html', headers }))
    await eve.page.route('**/not-there', route => route.fulfill({ status: 404, body: '' }))
    await eve.open(box.url('/fault'))
    await eve.page.unrouteAll({ behavior: 'wait' })
  }
  for (const [fault, { finds, ...shown }] of Object.entries(FAULTS)) {
    await step(`${fault} is found`, async () => {
      await show(shown)
      // The browser tells of some a moment after the page is there.
      await until(`what matches ${finds}`, () => eve.watch.troubles.some(trouble => finds.test(trouble)))
      eve.watch.take()
    })
  }
  await step('a picture without a text is found', async () => {
    await show({ body: page('<img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=">') })
    await assert.rejects(isAccessible(eve.page, 0), /image-alt/)
  })
  await step('a page that is too wide is found', async () => {
    await show({ body: page('<p style="width: 5000px">wide</p>') })
    await assert.rejects(fitsItsWidth(eve.page, 0), /scrolls sideways/)
  })
  await step('a page without a fault has none', async () => {
    await show({ body: page('<p>fine</p>') })
    await isAccessible(eve.page)
    await fitsItsWidth(eve.page)
  })
})
