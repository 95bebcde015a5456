/** Why the host refused (`data.reason`), where it is worth a sentence in other languages than the host's own. */
export type Reason =
  | 'bad-manifest'
  | 'bad-request'
  | 'bad-path'
  | 'broken-repository'
  | 'build-failed'
  | 'busy'
  | 'certificate'
  | 'denied'
  | 'direct'
  | 'disk-full'
  | 'id-taken'
  | 'internal'
  | 'locked'
  | 'mail-certificate'
  | 'mail-encryption'
  | 'mail-login'
  | 'mail-not-set'
  | 'mail-password'
  | 'mail-refused'
  | 'mail-settings'
  | 'mail-unreachable'
  | 'missing-tool'
  | 'moved'
  | 'needs-administrator'
  | 'pick'
  | 'needs-owner'
  | 'no-entry'
  | 'no-matching-release'
  | 'no-release'
  | 'not-a-repository'
  | 'not-found'
  | 'not-new'
  | 'not-signed'
  | 'npm-failed'
  | 'other-signer'
  | 'private-address'
  | 'redirected'
  | 'refused'
  | 'repository-not-found'
  | 'tag-not-a-commit'
  | 'timeout'
  | 'token-refused'
  | 'too-big'
  | 'unreachable'
  | 'wrong-password'
  | 'wrong-words'

/** Texts of the components that both bundles use. */
export const common = {
  close: 'Close',
  cancel: 'Cancel',
  save: 'Save',
  loading: 'Loading …',
  language: 'Language',
  languageAuto: 'Same as the browser',
  password: {
    tooShort: (count: number) => `Use at least ${count} characters.`,
    tooWeak: 'This password would be guessed at once. Choose another one.',
    show: 'Show password',
    hide: 'Hide password',
    atLeast: (count: number) =>
      `At least ${count} characters. A few unusual words in a row are strong and easy to type.`,
    scores: ['Very weak', 'Weak', 'Fair', 'Good', 'Strong'],
    weaknesses: {
      short: 'too short',
      common: 'contains a very common password',
      personal: 'contains a name that others know',
      repeated: 'repeats itself',
      sequence: 'follows the keyboard or the alphabet',
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
    /** On pages in other languages, before a sentence of the host in English. */
    foreign: 'The box says:',
    retry: 'Try again',
    signIn: 'Sign in',
    signedOut: 'You are signed out. Sign in and try again.',
    unreachable:
      'The box is not responding. Check that it is switched on and that this device is on the same network; if it has just started, wait a moment.',
    limited: 'This device has sent too many requests. Wait a moment, then try again.',
    limitedFor: (secs: number) =>
      `Too many attempts. Wait ${secs} ${secs === 1 ? 'second' : 'seconds'}, then try again.`,
    broken:
      'The box gave an answer that this page does not understand. Reload the page; if that does not help, restart the box.'
  },
  /** None: the host speaks English itself, and says more. */
  reasons: null as Readonly<Record<Reason, string>> | null
}
