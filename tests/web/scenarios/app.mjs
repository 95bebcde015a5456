// A person looks after one app: how it is, its log, its limits and settings, an update, and its end.

import assert from 'node:assert/strict'
import { looksRight } from '../lib/checks.mjs'
import { story } from '../lib/story.mjs'
import { addUser, callInPage, openPage, signIn } from '../lib/words.mjs'

story(async ({ box, browser, step }) => {
  // An administrator: the repository is in the home network, which other users cannot update from.
  await addUser(box, 'alice', 'admin')
  await box.publish('hello', 'v1.0.0', 'hello-node')
  await box.call('services-api', 'install', { sourceUrl: box.remotes.hello, id: 'hello', user: 'alice' })
  await box.install('crash-loop', 'alice').catch(() => undefined)
  const alice = await browser.person('alice')
  const { page } = alice
  const button = name => page.getByRole('button', { name, exact: true })
  const tab = name => page.getByRole('tab', { name }).click()
  /** The answer to a call that the page makes: it comes when the work is done. */
  const told = method => page.waitForResponse(answer => answer.request().postData()?.includes(`"method":"${method}"`))
  const state = async () => (await box.call('services-api', 'get', 'hello')).state

  await step('alice sees how the app is', async () => {
    await signIn(alice, box)
    await openPage(alice, box, '/p/apps/hello', 'Hello')
    await page.getByText('It is running.').waitFor()
    await page.getByText('v1.0.0').first().waitFor()
    await looksRight(alice, 'overview')
  })
  await step('she stops and starts it', async () => {
    await button('Stop').click()
    await page.getByText('Hello is stopped').waitFor()
    assert.equal(await state(), 'stopped')
    await looksRight(alice, 'stopped')
    await button('Start').click()
    await page.getByText('Hello is running').first().waitFor()
    assert.equal(await state(), 'running')
  })
  await step('she follows its log, and finds a line', async () => {
    await tab('Log')
    const log = page.getByRole('log').or(page.getByLabel('Log of the app')).first()
    await log.getByText('hello listens, version v1.0.0').first().waitFor()
    await button('Restart').click()
    await log.getByText('hello was told to stop').first().waitFor()
    await page.getByLabel('Show lines containing').fill('told to stop')
    await page.waitForFunction(() => !document.body.innerText.includes('hello listens'))
    await looksRight(alice, 'log')
  })
  await step('she sets a variable and a limit, which count from the next start', async () => {
    await tab('Settings')
    await button('Add a variable').click()
    await page.getByRole('group').getByLabel('Name', { exact: true }).fill('GREETING')
    await page.getByRole('group').getByLabel('Value', { exact: true }).fill('good day')
    const environment = page.locator('form').filter({ has: page.getByRole('heading', { name: 'Environment' }) })
    await environment.getByRole('button', { name: 'Save' }).click()
    await page.getByText('Saved. It takes effect the next time the app starts.').waitFor()
    await looksRight(alice, 'settings')
    const restarted = told('restart')
    await button('Restart').click()
    await restarted
    const { settings } = await box.call('services-api', 'get', 'hello')
    assert.equal(settings.config.GREETING, 'good day')
  })
  await step('a limit that she has set can be taken away again', async () => {
    const form = page.locator('form').filter({ has: page.getByRole('heading', { name: 'Limits' }) })
    const field = form.getByLabel('Processor')
    for (const [before, typed, limits] of [
      ['', '50', { cpuQuota: 50 }],
      ['50', '', undefined]
    ]) {
      await openPage(alice, box, '/p/apps/hello/settings', 'Hello')
      // The page shows what is stored: what is typed over something else may be no change.
      await page.waitForFunction(([input, value]) => input.value === value, [await field.elementHandle(), before])
      await field.fill(typed)
      const saved = told('configure')
      await field.press('Enter')
      await saved
      assert.deepEqual((await box.call('services-api', 'get', 'hello')).settings.limits, limits)
    }
  })
  await step('an update is found and made', async () => {
    await box.publish('hello', 'v1.1.0', 'hello-node')
    await tab('Updates')
    await button('Check for updates').click()
    await button('Update to v1.1.0').click()
    await page.getByText('Updated to v1.1.0').first().waitFor()
    await looksRight(alice, 'updated')
  })
  await step('an update that asks for more is made only when she allows it', async () => {
    await box.publish('hello', 'v1.2.0', 'hello-node', {
      'atek.json': JSON.stringify({
        name: 'Hello',
        permissions: { network: { hosts: ['feeds.example.org'] } },
        exports: [{ api: 'atek.cloud/greetings-api', path: '/_api/hello' }]
      })
    })
    await button('Check for updates').click()
    await button('Update to v1.2.0').click()
    await page.getByRole('alert').getByText('feeds.example.org').waitFor()
    await looksRight(alice, 'update-asks')
    await button('Allow and update').click()
    await page.getByText('Updated to v1.2.0').first().waitFor()
  })
  await step('what the app may do is one switch each, and taken back', async () => {
    const granted = async () => (await box.call('services-api', 'get', 'hello')).settings.granted
    await tab('Permissions')
    const feeds = page.getByLabel('connect to feeds.example.org')
    assert.ok(await feeds.isChecked())
    await looksRight(alice, 'permissions')
    await openPage(alice, box, '/p/permissions', 'Permissions')
    await page.getByRole('table').getByText('connect to feeds.example.org').waitFor()
    await looksRight(alice, 'permissions-all')
    await page.getByRole('link', { name: 'Hello' }).click()
    await feeds.uncheck()
    const saved = told('configure')
    await button('Save').click()
    await saved
    await page.getByText('The permissions were changed').waitFor()
    assert.equal(await granted(), undefined)
    await openPage(alice, box, '/p/permissions', 'Permissions')
    await page.getByRole('heading', { name: 'No permissions' }).waitFor()
  })
  await step('she allows something that the app does not ask for', async () => {
    await openPage(alice, box, '/p/apps/hello/permissions', 'Hello')
    await page.getByText('Allow more than it asks for').click()
    await looksRight(alice, 'permissions-more')
    await page.getByLabel('connect to any computer on the internet and to devices in your home').check()
    const saved = told('configure')
    await button('Save').click()
    await saved
    const { granted } = (await box.call('services-api', 'get', 'hello')).settings
    assert.deepEqual(granted, { network: { direct: { lan: true } } })
  })
  await step('she chooses it for an API that Atek itself lacks, and it answers', async () => {
    const greet = () => callInPage(alice, 'greetings-api', 'hello', ['alice'])
    assert.ok('error' in (await greet()))
    await page.getByLabel('answer calls of atek.cloud/greetings-api as if it were a part of Atek').check()
    const saved = told('configure')
    await button('Save').click()
    await saved
    const { granted } = (await box.call('services-api', 'get', 'hello')).settings
    assert.deepEqual(granted.provides, ['atek.cloud/greetings-api'])
    assert.equal((await greet()).result, 'hello alice')
  })
  await step('an app that fails says so, with the reason', async () => {
    await openPage(alice, box, '/', 'Your apps')
    await looksRight(alice, 'home-with-failed')
    await alice.open(box.url('/p/apps/crash-loop'))
    await page.getByRole('tab', { name: 'Overview' }).waitFor()
    await looksRight(alice, 'failed')
  })
  await step('she uninstalls it and its data', async () => {
    await openPage(alice, box, '/p/apps/hello/settings', 'Hello')
    await page.getByRole('button', { name: /^Uninstall/ }).click()
    await page.getByRole('dialog').getByText('Delete its data').click()
    // The page looks how the app is every few seconds, perhaps once more when it is gone.
    alice.expect(/services-api 40\d$/)
    await looksRight(alice, 'uninstall')
    await page.getByRole('dialog').getByRole('button', { name: 'Uninstall' }).click()
    await page.getByText('Hello was uninstalled').waitFor()
    const { services } = await box.call('services-api', 'list')
    assert.ok(!services.some(({ settings }) => settings.id === 'hello'))
  })
})
