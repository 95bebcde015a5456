// With the keyboard alone: a new box is set up, an app is installed from its author's repository, and opened.

import assert from 'node:assert/strict'
import { looksRight } from '../lib/checks.mjs'
import { story } from '../lib/story.mjs'
import { PASSWORD } from '../lib/words.mjs'

story(async ({ box, browser, step }) => {
  const alice = await browser.person('alice')
  const { page } = alice
  const { keyboard } = page
  const heading = name => page.getByRole('heading', { level: 1, name }).waitFor()

  /** Walks with the tabulator to what has this name, and sees that the focus can be seen. */
  const tabTo = async name => {
    for (let steps = 0; steps < 60; steps += 1) {
      const at = await page.evaluate(() => {
        const one = document.activeElement
        if (one === document.body) return { name: '', seen: false }
        const style = getComputedStyle(one)
        const around = one.parentElement && getComputedStyle(one.parentElement)
        const seen = [style, around].some(look => look && look.outlineStyle !== 'none' && look.outlineWidth !== '0px')
        const name = one.getAttribute('aria-label') || one.labels?.[0]?.innerText || one.innerText || ''
        return { name: name.trim(), seen }
      })
      if (at.name === name || at.name.startsWith(`${name}\n`)) {
        assert.ok(at.seen, `the focus on ${name} cannot be seen`)
        return
      }
      await keyboard.press('Tab')
    }
    throw new Error(`the tabulator does not come to ${name}`)
  }
  const press = async name => {
    await tabTo(name)
    await keyboard.press('Enter')
  }
  const type = async (name, text) => {
    await tabTo(name)
    await keyboard.press('ControlOrMeta+a')
    await keyboard.type(text)
  }

  await step('alice sets the box up', async () => {
    await alice.open(box.url())
    await heading('Is this your box?')
    await type('Code', await box.claimCode())
    await keyboard.press('Enter')
    await heading('What is it called?')
    await keyboard.press('Enter')
    await heading('Who are you?')
    await type('User name', 'alice')
    await type('Password', PASSWORD)
    await press('Continue')
    await heading('Where is it?')
    await press('Finish')
    await heading('Welcome, alice')
    await press('Go home')
    await heading('Your apps')
    await looksRight(alice, '1-no-apps')
  })
  await step('she skips to the content, and goes to install an app', async () => {
    await page.evaluate(() => document.activeElement.blur())
    await tabTo('Skip to content')
    await keyboard.press('Enter')
    await press('Install an app')
    await heading('Install an app')
    await looksRight(alice, '2-install')
  })
  await step('an address that leads nowhere is told in words', async () => {
    await type('Address or folder', box.remotes.hello.replace('hello.git', 'nothing.git'))
    await keyboard.press('Enter')
    await page.getByText('Atek could not read this app').waitFor()
    await looksRight(alice, '3-nowhere')
  })
  await step('she sees what the app is and asks, before anything is installed', async () => {
    await box.publish('hello', 'v1.0.0', 'hello-node')
    await box.publish('hello', 'v1.1.0', 'hello-node', {
      'atek.json': JSON.stringify({
        name: 'Hello',
        description: 'Says hello.',
        author: 'An author',
        permissions: { network: { hosts: ['feeds.example.org'] } }
      })
    })
    await type('Address or folder', box.remotes.hello)
    await keyboard.press('Enter')
    await page.getByRole('heading', { name: 'Hello', exact: true }).waitFor()
    await page.getByText('feeds.example.org').waitFor()
    await looksRight(alice, '4-review')
    assert.deepEqual(await installed(box), [])
  })
  await step('she installs it, and follows how far it is', async () => {
    await tabTo('connect to feeds.example.org')
    await keyboard.press('Space')
    await type('Short name', 'greeter')
    await keyboard.press('Enter')
    await page.getByRole('heading', { name: 'Hello is installed' }).waitFor()
    await looksRight(alice, '5-installed')
    assert.deepEqual(await installed(box), ['greeter'])
  })
  await step('she finds it at home by typing, and opens it', async () => {
    await press('Home')
    await heading('Your apps')
    await page.getByRole('link', { name: 'Hello' }).first().waitFor()
    await looksRight(alice, '6-home')
    await keyboard.press('/')
    await keyboard.type('hel')
    await keyboard.press('Enter')
    await page.waitForURL(/^http:\/\/greeter\./)
    assert.equal(await page.locator('body').innerText(), 'hello')
  })
})

async function installed(box) {
  const { services } = await box.call('services-api', 'list')
  return services.map(({ settings }) => settings.id).filter(id => !id.startsWith('core.'))
}
