/** Sentences of the host in the person's language: the host speaks English. No DOM. */

import { said } from '../i18n/said'
import type { said as Texts } from '../i18n/en/said'

type Key = keyof typeof Texts

/** What the host says, and which text says it here. The whole sentence has to match. */
const sentences: readonly [RegExp, Key][] = [
  [/^not authorized$/i, 'notAuthorized'],
  [/^This username has already been taken$/, 'nameTaken'],
  [/^The username system is reserved$/, 'nameReserved'],
  [/^a username must have (\d+) to (\d+) letters, digits, '\.', '-' or '_'(?:; .*)?$/, 'badName'],
  [/^a display name must have at most (\d+) characters, and none that are hidden$/, 'badDisplayName'],
  [/^a password must have (\d+) to (\d+) characters$/, 'badPassword'],
  [/^this is the only administrator: make another user an administrator first$/, 'lastAdmin'],
  [/^the old password is not right$/, 'wrongPassword'],
  [/^your own password is not right$/, 'wrongOwnPassword'],
  [/^the old password does not open the keys$/, 'wrongKeyPassword'],
  [/^these are not the recovery words of this box$/, 'wrongWords'],
  [/^Username or password was incorrect$/, 'wrongLogin'],
  [/^the box is set up already, sign in$/, 'setUpAlready'],
  [/^that is not the code that the box shows$/, 'wrongCode'],
  [/^the code is not made yet, try again in a moment$/, 'noCodeYet'],
  [/^too many wrong (?:codes|passwords), try again in (\d+) seconds$/, 'tooManyTries'],
  [/^there is no such session any more$/, 'sessionGone'],
  [/^".*" is not a name: write only the name, such as nas\.example\.org, with /, 'badAddedName'],
  [/^(\S+) is kept for an app: it is below (\S+)$/, 'nameOfApp'],
  [/^at most (\d+) names can be added$/, 'tooManyNames'],
  [/^only an administrator may install from a folder of this machine$/, 'folderInstall'],
  [/^the service was removed again while it was starting$/, 'removedAgain'],
  [/^nobody can be given what is their own: name another user$/, 'giveToOwner'],
  [/^starts when it is called$/, 'startsOnCall'],
  [/^being restarted$/, 'beingRestarted'],
  [/^being stopped(?: by the administrator)?$/, 'beingStopped'],
  [/^stopped by the administrator$/, 'stoppedByAdmin'],
  [/^ended by itself$/, 'endedItself'],
  [/^did not listen on its socket within (\d+) s$/, 'notListening'],
  [/^exit code (\d+)$/, 'exitCode'],
  [/^signal (\w+)$/, 'signal'],
  [/^its program could not be executed \(exit code 203\)$/, 'notExecuted'],
  [/^its sandbox could not be set up \(exit code 226\)$/, 'noSandbox'],
  [/^its token or configuration could not be handed over \(exit code 243\)$/, 'noToken'],
  [/^killed by the kernel: out of memory \(limit (\d+) MiB\)$/, 'outOfMemoryLimit'],
  [/^killed by the kernel: out of memory$/, 'outOfMemory'],
  [/^did not start in time$/, 'startTimeout'],
  [/^did not end in time and was killed$/, 'stopTimeout'],
  [/^stopped responding$/, 'watchdog'],
  [/^failed too often$/, 'failedTooOften'],
  [/^the system could not give it the resources it needs$/, 'noResources'],
  [/^failed$/, 'failedSomehow'],
  [/^given up after (\d+) starts$/, 'thenGaveUp'],
  [/^it will be started again$/, 'thenAgain']
]

/** The sentence in the current language; `null` for one that this page does not know. */
export function inOurWords(sentence: string): string | null {
  const whole = translated(sentence)
  if (whole !== null) return whole
  const words = sentence
    .replace(/^starting again after: /, '')
    .split('; ')
    .map(translated)
  return words.includes(null) ? null : words.join(' ')
}

function translated(part: string): string | null {
  const texts = said()
  for (const [pattern, key] of sentences) {
    const match = pattern.exec(part)
    if (match) return texts[key].replace(/\$(\d)/g, (_, group: string) => match[Number(group)] ?? '')
  }
  return null
}
