// An app that starts, fails, is stopped and runs again, seen at its own address: by who looks after it, and by who only
// uses it.

import assert from 'node:assert/strict'
import { looksRight } from '../lib/checks.mjs'
import { story } from '../lib/story.mjs'
import { addUser, atHome, giveNameAndPassword, signIn } from '../lib/words.mjs'

story(async ({ box, browser, step }) => {
  await addUser(box, 'ada', 'admin')
  for (const name of ['bob', 'carol']) await addUser(box, name)
  const { key } = await box.install('moody-node', 'bob', 'moody')
  await box.call('permissions-api', 'share', { service: 'moody', user: 'carol', level: 'use' })
  const state = `/var/lib/private/atek-app-${key}`
  const be = mood => box.runWithInput(mood, 'sh', '-c', `cat >${state}/mood && chmod 644 ${state}/mood`)
  /** Answers when it runs, or failed for the first time: what comes of it is on the pages. */
  const restart = () => box.call('services-api', 'restart', 'moody').catch(() => undefined)
  const people = []
  for (const [name, user, locale] of [
    ['bob', 'bob', 'en-GB'],
    ['carol', 'carol', 'en-GB'],
    ['bob-in-german', 'bob', 'de-DE']
  ]) {
    const person = await browser.person(name, { locale })
    // A page in place of the app says that it is not there.
    person.expect(/moody\S* 503$/)
    people.push(person)
    if (locale === 'en-GB') await signIn(person, box, user)
  }
  const [bob, carol, german] = people
  await german.context.addCookies(await bob.context.cookies())
  const open = person => person.open(box.appUrl('moody'))
  const text = ({ page }) => page.locator('body').innerText()
  const says = ({ page }, words) => page.getByRole('heading', { level: 1, name: words }).waitFor()
  const all = words => Promise.all(people.map(person => says(person, words)))

  await step('while it starts it says so, and then it is there by itself', async () => {
    await be('slow')
    // It does not answer before the app does.
    await box.run('sh', '-c', 'setsid atek restart moody >/dev/null 2>&1 </dev/null &')
    await box.run('sh', '-c', `until atek status moody | grep -q starting; do sleep 0.05; done`)
    await open(bob)
    await says(bob, 'Moody is starting')
    await looksRight(bob, 'starting')
    await be('good')
    await restart()
    await says(bob, 'in a good mood')
  })
  await step('an app that crashes again and again says so, and to who looks after it why', async () => {
    for (const person of people) await open(person)
    await all('in a good mood')
    await be('broken')
    await restart()
    for (const person of people) await open(person)
    await says(bob, 'Moody keeps failing')
    assert.match(await text(bob), /exit code 3/)
    await bob.page.getByText('<b>cannot open the store</b>: the mood is broken').waitFor()
    await says(german, 'Moody stürzt immer wieder ab')
    await says(carol, 'Moody keeps failing')
    assert.doesNotMatch(await text(carol), /exit code|the mood is broken|About this app/)
    await looksRight(bob, 'failing')
    await looksRight(carol, 'failing-for-others')
    await looksRight(german, 'failing-in-german')
  })
  await step('when it runs again, everybody is back in it by themselves', async () => {
    await be('good')
    await restart()
    await all('in a good mood')
  })
  await step('a stopped app leads to where it can be started', async () => {
    await box.call('services-api', 'stop', 'moody')
    for (const person of people) await open(person)
    await says(carol, 'Moody is stopped')
    await says(german, 'Moody ist angehalten')
    await looksRight(carol, 'stopped-for-others')
    await bob.page.getByRole('link', { name: 'About this app' }).click()
    await bob.page.waitForURL(box.url('/p/apps/moody'))
    await bob.page.getByRole('button', { name: 'Start', exact: true }).click()
    await says(carol, 'in a good mood')
    await says(german, 'in a good mood')
  })
  await step('on localhost, a site of its own to a browser, it is in its frame, also while it fails', async () => {
    const local = await browser.person('bob-on-localhost')
    // Lonestar asks without a session whether the port answers, and the page in place of the app says that it is not there.
    local.expect(/^GET http:\/\/localhost:\d+\/ (401|503)$/)
    const answers = []
    local.page.on('response', answer => answers.push(answer.url()))
    await local.open('http://localhost/')
    await giveNameAndPassword(local, 'bob')
    await atHome(local)
    answers.length = 0
    await local.open('http://localhost/app/moody')
    const frame = local.page.frameLocator('iframe')
    const inFrame = words => frame.getByRole('heading', { level: 1, name: words }).waitFor()
    await inFrame('in a good mood')
    // The way through the sign-in of the app is a few answers, and no loop.
    assert.ok(answers.filter(url => /bind-session|bst=/.test(url)).length <= 4, answers.join('\n'))
    await be('broken')
    await restart()
    await local.page.frames()[1].goto(local.page.frames()[1].url())
    await inFrame('Moody keeps failing')
    assert.equal(await frame.getByRole('link').count(), 0)
    await looksRight(local, 'failing-in-frame')
    await be('good')
    await restart()
    await inFrame('in a good mood')
  })
})
