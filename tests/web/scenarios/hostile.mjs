// An app with a hostile author: alice installs it and opens it, and it gets nothing that is not its own.
// What it tries from its page is run in its page; each attempt stands beside the same thing done rightly.

import assert from 'node:assert/strict'
import { looksRight } from '../lib/checks.mjs'
import { story } from '../lib/story.mjs'
import { addUser, atHome, callInPage, openPage, signIn } from '../lib/words.mjs'

story(async ({ box, browser, step }) => {
  await addUser(box, 'alice', 'admin')
  await addUser(box, 'mallory')
  await box.install('hello-node', 'alice', 'diary')
  const alice = await browser.person('alice')
  const { page } = alice
  const evil = path => alice.open(box.appUrl('evil', path))
  const pwned = () => page.evaluate(() => globalThis.pwned ?? document.documentElement.dataset.pwned ?? null)
  const isRunning = async id => (await box.call('services-api', 'get', id)).state === 'running'
  /** What the browser says of an attempt, and the host of what it refused: part of the story. */
  const attempts = pattern => alice.expect(pattern)

  const lookAt = async () => {
    await openPage(alice, box, '/p/install', 'Install an app')
    await page.getByLabel('Address or folder').fill(box.remotes.evil)
    await page.getByRole('button', { name: 'Continue' }).click()
  }

  await step('a manifest with control characters or endless texts is refused in words', async () => {
    await signIn(alice, box)
    const manifest = change => ({ 'atek.json': JSON.stringify({ name: 'x', ...change }) })
    await box.publish('evil', 'v0.1.0', 'hostile-web', manifest({ name: 'harmless\u202Egnp' }))
    await lookAt()
    await page.getByText(/the character U\+202E is not allowed/).waitFor()
    await looksRight(alice, 'manifest-refused')
    await box.publish('evil', 'v0.2.0', 'hostile-web', manifest({ description: 'x'.repeat(60_000) }))
    await lookAt()
    await page.getByText(/must have at most 1000 characters/).waitFor()
  })
  await step('markup in a manifest is text', async () => {
    await box.publish('evil', 'v1.0.0', 'hostile-web')
    await lookAt()
    await page.getByRole('heading', { name: '<img src=x' }).waitFor()
    await page.getByText("<script>window.pwned='description'</script>").waitFor()
    assert.equal(await pwned(), null)
    await looksRight(alice, 'review')
    await page.getByLabel('Short name').fill('evil')
    await page.getByRole('button', { name: 'Install', exact: true }).click()
    await page.getByRole('link', { name: 'Open it' }).waitFor()
    for (const path of ['/', '/p/apps/evil', '/p/apps/evil/settings', '/p/system', '/p/databases']) {
      await alice.open(box.url(path))
      await atHome(alice)
      await page.waitForLoadState('networkidle')
      assert.equal(await pwned(), null, path)
    }
    await openPage(alice, box, '/', 'Your apps')
    await looksRight(alice, 'launcher')
  })
  await step('its icon is a picture, even when it is opened by itself', async () => {
    attempts(/_atek\/icon\/evil\)$/)
    await alice.open(box.url('/_atek/icon/evil'))
    assert.equal(await pwned(), null)
    await evil('/icon.svg')
    assert.notEqual(await pwned(), null, 'the script does not even run where it may')
  })
  await step('what it writes to its log is text', async () => {
    await openPage(alice, box, '/p/apps/evil/logs', '<img src=x')
    await page.getByText('<img src=x onerror="window.pwned=').first().waitFor()
    assert.equal(await pwned(), null)
    await looksRight(alice, 'log')
  })

  await step('it sees neither the host’s cookie nor the one for itself', async () => {
    await evil('/')
    await page.evaluate(() => (document.cookie = 'mine=1'))
    assert.equal(await page.evaluate(() => document.cookie), 'mine=1')
    const headers = await page.evaluate(async () => (await fetch('/headers')).json())
    assert.equal(headers.cookie, 'mine=1')
    assert.equal(headers.authorization, undefined)
  })
  await step('it cannot put the host or another app into a frame', async () => {
    attempts(/failed: net::ERR_BLOCKED_BY_RESPONSE$|frame-ancestors|X-Frame-Options|\(http:\/\/evil\.|chrome-error/)
    await evil('/')
    const framed = async url => {
      await page.evaluate(
        url =>
          new Promise(resolve => {
            const frame = document.createElement('iframe')
            frame.onload = frame.onerror = resolve
            frame.src = url
            document.body.replaceChildren(frame)
          }),
        url
      )
      return page.frames().at(-1).url()
    }
    assert.equal(await framed(box.appUrl('evil', '/headers')), box.appUrl('evil', '/headers'))
    for (const url of [box.url('/'), box.url('/p/users'), box.url('/_atek/login'), box.appUrl('diary')]) {
      assert.match(await framed(url), /^chrome-error:/, url)
    }
  })
  await step('it cannot act as alice at the host', async () => {
    attempts(/_atek\/gateway\S* 40[13]$|WebSocket connection to|\(http:\/\/evil\.|_atek\/logs\S* 40\d$/)
    attempts(/_atek\/\S* failed: net::ERR_(FAILED|BLOCKED_BY\S*)/)
    await evil('/')
    const gateway = box.url('/_atek/gateway?api=atek.cloud/services-api')
    const call = { jsonrpc: '2.0', id: 1, method: 'stop', params: ['diary'] }
    const outcome = await page.evaluate(
      async ([gateway, call]) => {
        const body = JSON.stringify(call)
        const post = init => fetch(gateway, { method: 'POST', credentials: 'include', body, ...init })
        const said = async (init) => post(init).then(response => response.type, error => error.name)
        const seen = [
          await said({ mode: 'no-cors', headers: { 'content-type': 'text/plain' } }),
          await said({ headers: { 'content-type': 'application/json' } })
        ]
        const form = document.createElement('form')
        form.method = 'post'
        form.enctype = 'text/plain'
        form.action = gateway
        form.target = 'hidden'
        form.innerHTML = '<input name=x><iframe name=hidden></iframe>'
        form.firstChild.name = body.slice(0, -1) + ',"x":"'
        form.firstChild.value = '"}'
        document.body.append(form)
        const sent = new Promise(resolve => (form.querySelector('iframe').onload = resolve))
        form.submit()
        await sent
        seen.push(
          await new Promise(resolve => {
            const socket = new WebSocket(gateway.replace('http', 'ws').replace('services-api', 'adb-api'))
            socket.onopen = () => resolve('open')
            socket.onerror = () => resolve('refused')
          })
        )
        const logs = gateway.replace(/gateway.*/, 'logs?service=diary')
        seen.push(await fetch(logs, { credentials: 'include' }).then(() => 'read', error => error.name))
        return seen
      },
      [gateway, call]
    )
    assert.deepEqual(outcome.slice(1), ['TypeError', 'refused', 'TypeError'], outcome.join(' '))
    assert.ok(await isRunning('diary'), 'it stopped the diary')
    await openPage(alice, box, '/', 'Your apps')
    assert.equal((await callInPage(alice, 'services-api', 'stop', ['diary'])).result, null)
    assert.ok(!(await isRunning('diary')), 'alice herself cannot stop it')
    await callInPage(alice, 'services-api', 'start', ['diary'])
  })
  await step('it cannot act as alice at another app', async () => {
    attempts(/http:\/\/diary\.\S+ 403$|\(http:\/\/evil\.|http:\/\/diary\.\S+ failed: net::ERR_/)
    const diary = box.appUrl('diary', '/_api/hello')
    const put = text => ({ jsonrpc: '2.0', id: 1, method: 'put', params: ['entry', text] })
    const post = (call, init) =>
      page.evaluate(
        ([url, call, init]) =>
          fetch(url, { method: 'POST', credentials: 'include', body: JSON.stringify(call), ...init }).then(
            response => response.status,
            error => error.name
          ),
        [diary, call, init]
      )
    await alice.open(box.appUrl('diary'))
    assert.equal(await post(put('dear diary'), {}), 200)
    await evil('/')
    await post(put('evil was here'), { mode: 'no-cors' })
    assert.equal(await post(put('evil was here'), { mode: 'cors' }), 'TypeError')
    const read = await page.evaluate(
      url => fetch(url, { credentials: 'include' }).then(() => 'read', error => error.name),
      box.appUrl('diary', '/headers')
    )
    assert.equal(read, 'TypeError')
    await alice.open(box.appUrl('diary'))
    const kept = await page.evaluate(async url => {
      const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'get', params: ['entry'] })
      return (await (await fetch(url, { method: 'POST', body })).json()).result
    }, diary)
    assert.equal(kept, 'dear diary')
  })
  await step('a cookie that it makes for the whole box does not make alice another person', async () => {
    const mallorys = await sessionOf(browser, box, 'mallory')
    for (const value of ['rubbish', mallorys]) {
      await evil('/')
      await page.evaluate(
        ([value, domain]) => (document.cookie = `session=${value}; domain=${domain}; path=/`),
        [value, box.host]
      )
      await evil(`/toss?cookie=${encodeURIComponent(`session=${value}`)}&domain=${box.host}`)
      const tossed = (await alice.context.cookies(box.url())).filter(({ domain }) => domain.startsWith('.'))
      assert.equal(tossed[0]?.value, value, 'the browser did not take the cookie')
      await alice.open(box.url())
      await page.getByText('Signed in as alice').or(page.getByRole('heading', { name: 'Sign in' })).first().waitFor()
      assert.equal(await page.getByText('Signed in as mallory').count(), 0)
      if (value === 'rubbish') await atHome(alice)
      await alice.context.clearCookies({ name: 'session', domain: `.${box.host}` })
    }
    await alice.open(box.url())
    await page.getByText('Signed in as alice').first().waitFor()
  })
  await step('in its frame it reaches no further than the frame', async () => {
    attempts(/Unsafe attempt to initiate navigation|Blocked a frame|\(http:\/\/evil\.|sandboxed/)
    await alice.open(box.url('/app/evil'))
    const frame = await inFrame(page, /^http:\/\/evil\./)
    await frame.getByRole('heading', { name: 'evil' }).waitFor()
    await looksRight(alice, 'frame')
    const reached = await frame.evaluate(async host => {
      const tries = {
        'the page around it': () => parent.document.title,
        'the address of the window': () => void (top.location.href = host),
        'the storage of the page around it': () => parent.localStorage.length
      }
      return Object.entries(tries).flatMap(([what, act]) => {
        try {
          return [`${what}: ${act()}`]
        } catch {
          return []
        }
      })
    }, box.url('/_atek/login'))
    assert.deepEqual(reached.filter(what => !what.startsWith('the address')), [])
    assert.equal(page.url(), box.url('/app/evil'))
    await frame.evaluate(() => parent.postMessage({ method: 'stop', params: ['diary'] }, '*'))
    assert.ok(await isRunning('diary'))
  })
  await step('opened in a window of its own, it has no hold on the window it came from', async () => {
    const opening = alice.context.waitForEvent('page')
    await page.getByRole('link', { name: 'Open in its own window' }).click()
    const opened = await opening
    await opened.getByRole('heading', { name: 'evil' }).waitFor()
    assert.equal(await opened.evaluate(() => globalThis.opener), null)
    const hold = await opened.evaluate(async host => {
      const other = open(host)
      // Until the page is there, the window is the opener's own.
      for (const deadline = performance.now() + 10_000; performance.now() < deadline; ) {
        try {
          void other.document.title
        } catch (error) {
          return error.name
        }
        await new Promise(requestAnimationFrame)
      }
      return 'it may look into the window'
    }, box.url('/p/users'))
    assert.equal(hold, 'SecurityError')
  })
  await step('an address in a message is only an address', async () => {
    for (const path of ['/p/apps/%3Cimg%20src=x%20onerror=pwned=1%3E', '/p/databases/%3Csvg%20onload=pwned=1%3E/%2e%2e/x', '/app/javascript:alert(1)', '/%E0%A4%A']) {
      const eve = await browser.person('eve')
      eve.expect(/ 40\d$/)
      await eve.open(box.url(path))
      await eve.page.waitForURL(/\/_atek\/login/)
      await eve.leave()
      await alice.open(box.url(path))
      await atHome(alice)
      assert.equal(await pwned(), null, path)
    }
  })
})

async function sessionOf(browser, box, name) {
  const person = await browser.person(name)
  await signIn(person, box)
  const cookies = await person.context.cookies(box.url())
  await person.leave()
  return cookies.find(cookie => cookie.name === 'session').value
}

async function inFrame(page, url) {
  await page.waitForFunction(() => document.querySelector('iframe'))
  const handle = await page.locator('iframe').elementHandle()
  const frame = await handle.contentFrame()
  await frame.waitForURL(url)
  return frame
}
