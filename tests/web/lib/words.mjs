// What people do again and again, in the words of the pages (English, unless a story says otherwise).

export const PASSWORD = 'correct horse battery staple'

/** Makes a user on the box, as its administrator would. */
export function addUser(box, username, role = '') {
  return box.call('users-api', 'create', { username, password: PASSWORD, role })
}

/** Fills the sign-in form that is shown. */
export async function giveNameAndPassword({ page }, username, password = PASSWORD) {
  await page.getByLabel('User name').fill(username)
  await page.getByLabel('Password', { exact: true }).fill(password)
  await page.getByRole('button', { name: 'Sign in' }).click()
}

/** Opens the box and signs in; ends at home. */
export async function signIn(person, box, username = person.name, password = PASSWORD) {
  await person.open(box.url())
  await giveNameAndPassword(person, username, password)
  await atHome(person)
}

/** Waits until Lonestar is there. */
export function atHome({ page }) {
  return page.getByRole('navigation', { name: 'Main' }).waitFor()
}

/** Opens a page of Lonestar by its address, and waits for its heading. */
export async function openPage({ page }, box, path, heading) {
  await page.goto(box.url(path))
  await page.getByRole('heading', { level: 1, name: heading }).waitFor()
}

/** The card or region of a page that has this name. */
export const part = ({ page }, name) => page.getByRole('region', { name })

/** The row of a table that begins with this. */
export const row = ({ page }, name) => page.getByRole('row').filter({ has: page.getByRole('rowheader', { name }) })

/** Calls a host API as a script of the page that is open could: with the person's session. The whole answer. */
export function callInPage({ page }, api, method, params) {
  return page.evaluate(
    async ([api, method, params]) => {
      const response = await fetch(`/_atek/gateway?api=atek.cloud/${api}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
      })
      return response.json()
    },
    [api, method, params]
  )
}
