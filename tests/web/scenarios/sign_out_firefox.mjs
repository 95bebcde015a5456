// In Firefox, too, nothing of a person is shown after they have signed out: not by Back, and not in another tab.

import assert from 'node:assert/strict'
import { Firefox } from '../lib/firefox.mjs'
import { story } from '../lib/story.mjs'
import { PASSWORD, addUser } from '../lib/words.mjs'

story(async ({ box, step }) => {
  await addUser(box, 'alice')
  // By number: it resolves without a name server, and this browser has no table of names.
  const url = path => `http://${box.address}${path}`
  const firefox = await Firefox.start()
  try {
    const here = await firefox.tab()
    const other = await firefox.tab()
    await step('alice signs in, in two tabs', async () => {
      await here.open(url('/'))
      await here.says('User name')
      await here.fill('username', 'alice')
      await here.fill('password', PASSWORD)
      await here.click('Sign in')
      await here.says('Your apps')
      await here.open(url('/p/account'))
      await here.says('Where you are signed in')
      await other.open(url('/p/account'))
      await other.says('Where you are signed in')
    })
    await step('she signs out in one, and both show the sign-in page', async () => {
      await here.click('Sign out')
      for (const tab of [here, other]) {
        await tab.says('User name')
        assert.doesNotMatch(await tab.text(), /alice|Where you are signed in/)
      }
    })
    await step('Back shows the sign-in page again, and nothing of hers', async () => {
      await here.back()
      await here.says('User name')
      assert.doesNotMatch(await here.text(), /alice|Your apps/)
    })
  } finally {
    await firefox.close()
  }
})
