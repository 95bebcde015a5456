// Programs of others, as a person of the box uses them in a browser.

import { until } from './until.mjs'
import { signIn } from './words.mjs'

/** Signs in at the box and opens a program. What its pages write to the console is its author's affair. */
export async function openProgram(person, box, id, path = '/') {
  person.expect(/console (warning|error)/)
  await signIn(person, box)
  await person.open(box.appUrl(id, path))
}

/** Restarts a program, and opens it again once it answers. */
export async function restartAndOpen({ page }, box, id, path = '/') {
  await box.call('services-api', 'restart', id)
  await until(`${id} to run`, async () => (await box.call('services-api', 'get', id)).state === 'running')
  await page.goto(box.appUrl(id, path))
}
