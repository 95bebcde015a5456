/** Why the host refused (`data.reason`), where it is worth a sentence in other languages than the host's own. */
export type Reason =
  | 'bad-manifest'
  | 'bad-path'
  | 'broken-repository'
  | 'build-failed'
  | 'busy'
  | 'certificate'
  | 'id-taken'
  | 'moved'
  | 'no-entry'
  | 'no-matching-release'
  | 'no-release'
  | 'not-a-repository'
  | 'not-found'
  | 'npm-failed'
  | 'redirected'
  | 'refused'
  | 'repository-not-found'
  | 'tag-not-a-commit'
  | 'timeout'
  | 'too-big'
  | 'unreachable'

/** Texts of the components that both bundles use. */
export const common = {
  close: 'Close',
  cancel: 'Cancel',
  save: 'Save',
  loading: 'Loading …',
  language: 'Language',
  languageAuto: 'As the browser says',
  password: {
    show: 'Show password',
    hide: 'Hide password',
    atLeast: (count: number) =>
      `At least ${count} characters. A few unusual words in a row are strong and easy to type.`,
    scores: ['Very weak', 'Weak', 'Fair', 'Good', 'Strong'],
    weaknesses: {
      short: 'too short',
      common: 'contains a password that is tried first',
      personal: 'contains a name that others know',
      repeated: 'repeats itself',
      sequence: 'follows the keys or the alphabet',
      plain: 'make it longer'
    }
  },
  states: {
    running: 'Running',
    starting: 'Starting',
    restarting: 'Restarting',
    sleeping: 'Asleep',
    stopped: 'Stopped',
    failed: 'Failed',
    unavailable: 'Unavailable'
  },
  errors: {
    title: 'That did not work',
    retry: 'Try again',
    signIn: 'Sign in',
    signedOut: 'You are signed out. Sign in and try again.',
    unreachable:
      'The box does not answer. Check that it is switched on and that this device is on the same network; if it has just started, wait a moment.',
    limited: 'Too many requests came from here. Wait a moment, then try again.',
    limitedFor: (secs: number) =>
      `Too many tries. Wait ${secs} ${secs === 1 ? 'second' : 'seconds'}, then try again.`,
    broken:
      'The box gave an answer that this page does not understand. Reload the page; if that does not help, restart the box.'
  },
  /** None: the host speaks English itself, and says more. */
  reasons: null as Readonly<Record<Reason, string>> | null
}
