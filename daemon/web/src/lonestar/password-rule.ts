/** Asks the box how long a new password has to be. Without an answer the box refuses what is too short. */

import { info } from '../lib/api/system'
import { shortestPassword } from '../lib/shortest-password.svelte'

export function learnPasswordRule() {
  void info()
    .then(({ passwordMinLength }) => shortestPassword.learn(passwordMinLength))
    .catch(() => undefined)
}
